"""pack_int4: two codes of four bits into a byte."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _codes(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 16, shape, generator=generator).to(torch.uint8)


def _returns(expression: str) -> str:
    return (
        "def pack_int4(codes):\n"
        "    first, second = codes[..., ::2], codes[..., 1::2]\n"
        f"    return {expression}\n"
    )


EXERCISE = Exercise(
    symbol="llama_mini.weights.quantization:pack_int4",
    lesson=15,
    minutes=10,
    difficulty=2,
    cases=(
        Case("10 and 3", given=args(torch.tensor([10, 3], dtype=torch.uint8))),
        Case("a row", given=args(_codes(12, seed=1)), points=2),
        Case("four rows", given=args(_codes(4, 8, seed=2))),
        Case("three axes", given=args(_codes(2, 2, 4, seed=3)), another_device=True),
    ),
    wrong_answers=(
        WrongAnswer(
            "the first in the lower bits",
            "The first code of a pair went into the lower four bits. It belongs in the upper ones: "
            "10 and 3 become 0xA3, which reads from left to right.",
            _returns("second << 4 | first"),
            also=(_returns("first + 16 * second"),),
        ),
        WrongAnswer(
            "halves instead of neighbours",
            "You pair the first half of a row with its second half. Neighbours share a byte: "
            "codes 0 and 1, 2 and 3, which are `codes[..., 0::2]` and `codes[..., 1::2]`.",
            "def pack_int4(codes):\n"
            "    first, second = codes.chunk(2, dim=-1)\n"
            "    return first << 4 | second\n",
            also=(
                "def pack_int4(codes):\n"
                "    first, second = codes.chunk(2, dim=-1)\n"
                "    return second << 4 | first\n",
            ),
        ),
        WrongAnswer(
            "pairs along the rows",
            "You pair rows. Codes are packed along the last axis, so a row stays a row and "
            "becomes half as long.",
            "def pack_int4(codes):\n    return codes[0::2] << 4 | codes[1::2]\n",
        ),
        WrongAnswer(
            "no shift",
            "Both codes lie in the lower four bits, one upon the other. Move the first up by four "
            "bits: `first << 4`.",
            _returns("first | second"),
            also=(_returns("first + second"),),
        ),
        WrongAnswer(
            "a shift of another width",
            "The first code moves by another number of bits than four. 16 times a code is "
            "`first << 4`.",
            _returns("first << 3 | second"),
            also=(
                _returns("first * 10 + second"),
                _returns("first * 15 + second"),
            ),
        ),
        WrongAnswer(
            "the plus before the shift",
            "Python adds before it shifts: `first << 4 + second` is `first << (4 + second)`. Use "
            "`|`, which comes after the shift, or put the shift in brackets.",
            _returns("first << 4 + second"),
        ),
        WrongAnswer(
            "and instead of or",
            "`&` keeps the bits that both have, and after the shift they have none in common. "
            "`|` brings them together.",
            _returns("first << 4 & second"),
            also=(_returns("(first << 4) & (second & 15)"),),
        ),
        WrongAnswer(
            "a wider dtype",
            "The bytes are in a wider dtype, so nothing is saved. Two codes fit into one uint8: "
            "leave the dtype as it is.",
            _returns("first.int() << 4 | second.int()"),
            also=(
                _returns("first.long() * 16 + second"),
                _returns("first.short() * 16 + second"),
                _returns("first.float() * 16 + second"),
            ),
        ),
        WrongAnswer(
            "half the codes",
            "Only one code of each pair is left. Both go into the byte.",
            _returns("first << 4"),
            also=(_returns("second.clone()"), _returns("first << 4 | first")),
        ),
    ),
    alternatives=(
        Alternative("times sixteen", _returns("first * 16 + second")),
        Alternative(
            "an axis for the pair",
            "def pack_int4(codes):\n"
            "    first, second = codes.unflatten(-1, (-1, 2)).unbind(-1)\n"
            "    return (first << 4) ^ second\n",
        ),
        Alternative(
            "einops",
            "def pack_int4(codes):\n"
            "    pairs = einops.rearrange(codes, '... (byte two) -> two ... byte', two=2)\n"
            "    return torch.bitwise_or(torch.bitwise_left_shift(pairs[0], 4), pairs[1])\n",
        ),
    ),
    hints=(
        "A byte has eight bits, a code four. In hexadecimal each digit is four bits: 10 is A, 3 "
        "is 3.",
        "`codes[..., 0::2]` is every first code of a pair, `codes[..., 1::2]` every second. `<< 4` "
        "moves a number up by four bits.",
        "`codes[..., 0::2] << 4 | codes[..., 1::2]`.",
    ),
)
