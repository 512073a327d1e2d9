"""unpack_int4: the two codes of each byte, in their order."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _bytes(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator).to(torch.uint8)


def _stacks(first: str, second: str) -> str:
    return (
        f"def unpack_int4(packed):\n"
        f"    return torch.stack([{first}, {second}], dim=-1).flatten(-2)\n"
    )


_FIRST, _SECOND = "packed >> 4", "packed & 15"


def _on_the_first_axis(joined: str) -> str:
    return f"def unpack_int4(packed):\n    return torch.stack([{_FIRST}, {_SECOND}]){joined}\n"


EXERCISE = Exercise(
    symbol="llama_mini.weights.quantization:unpack_int4",
    lesson=15,
    minutes=10,
    difficulty=2,
    prerequisites=("pack_int4",),
    cases=(
        Case("0xA3", given=args(torch.tensor([0xA3], dtype=torch.uint8))),
        Case("a row", given=args(_bytes(9, seed=1)), points=2),
        Case("three rows", given=args(_bytes(3, 4, seed=2))),
        Case("three axes", given=args(_bytes(2, 3, 2, seed=3)), another_device=True),
    ),
    wrong_answers=(
        WrongAnswer(
            "the lower bits first",
            "Each pair comes out turned round: the upper four bits are the first code, so 0xA3 is "
            "10 and then 3.",
            _stacks(_SECOND, _FIRST),
        ),
        WrongAnswer(
            "all first codes, then all second ones",
            "All first codes come before all second ones. Neighbours shared a byte, so they are "
            "neighbours again: `torch.stack(..., dim=-1)`, then `flatten` the last two axes.",
            f"def unpack_int4(packed):\n    return torch.cat([{_FIRST}, {_SECOND}], dim=-1)\n",
            also=(
                f"def unpack_int4(packed):\n    return torch.cat([{_SECOND}, {_FIRST}], dim=-1)\n",
            ),
        ),
        WrongAnswer(
            "the upper bits not moved down",
            "The upper four bits are cut out but stay where they are, so the first codes are "
            "sixteen times too large. Move them down: `packed >> 4`.",
            _stacks("packed & 0xF0", _SECOND),
        ),
        WrongAnswer(
            "the upper bits left in",
            "The second codes still have the upper bits of the byte. `packed & 15` keeps the lower "
            "four.",
            _stacks(_FIRST, "packed"),
        ),
        WrongAnswer(
            "another mask",
            "The mask has other bits than the lower four. 15 is 0b1111, or 0xF.",
            _stacks(_FIRST, "packed & 0b111"),
            also=(_stacks(_FIRST, "packed & 16"), _stacks(_FIRST, "packed % 15")),
        ),
        WrongAnswer(
            "a shift with a sign",
            "You shift signed numbers: the upper bit is taken for a minus and fills up from the "
            "left, so codes from 8 on become negative. Stay in uint8.",
            _stacks("packed.view(torch.int8) >> 4", "packed.view(torch.int8) & 15"),
            also=(
                _stacks("(packed.view(torch.int8) >> 4).to(torch.uint8)", _SECOND),
                _stacks("packed.to(torch.int8) >> 4", "packed.to(torch.int8) & 15"),
            ),
        ),
        WrongAnswer(
            "minus 8",
            "You take 8 away, as formats with signed codes do. Here codes are 0 to 15, and the "
            "zero of each group does the shifting.",
            _stacks("(packed >> 4).to(torch.int8) - 8", "(packed & 15).to(torch.int8) - 8"),
            also=(_stacks("(packed >> 4) - 8", "(packed & 15) - 8"),),
        ),
        WrongAnswer(
            "pairs left apart",
            "The two codes of a byte still have an axis of their own. Join the last two axes with "
            "`.flatten(-2)`.",
            f"def unpack_int4(packed):\n    return torch.stack([{_FIRST}, {_SECOND}], dim=-1)\n",
            also=(f"def unpack_int4(packed):\n    return torch.stack([{_FIRST}, {_SECOND}])\n",),
        ),
        WrongAnswer(
            "pairs along another axis than the last",
            "The two codes of a byte lie along another axis than the last, so first codes come "
            "before all second ones, or rows get mixed. Put them side by side on a new *last* "
            "axis, `torch.stack(..., dim=-1)`, and join the last two.",
            _on_the_first_axis(".flatten(-2)"),
            also=(
                _on_the_first_axis(".flatten()"),
                _on_the_first_axis(".flatten(0, 1)"),
                _on_the_first_axis(".reshape(*packed.shape[:-1], -1)"),
                _on_the_first_axis(".reshape(packed.shape[0], -1)"),
                "def unpack_int4(packed):\n"
                f"    return torch.stack([{_FIRST}, {_SECOND}], dim=1).flatten(-2)\n",
            ),
        ),
        WrongAnswer(
            "rows one after another",
            "All rows come out as one. Only the last two axes are joined: `.flatten(-2)`.",
            "def unpack_int4(packed):\n"
            f"    return torch.stack([{_FIRST}, {_SECOND}], dim=-1).flatten()\n",
        ),
        WrongAnswer(
            "wrong dtype",
            "The codes are right, in another dtype than asked for. They stay uint8, as the bytes "
            "are: shifting and `&` keep the dtype by themselves.",
            _stacks(f"({_FIRST}).int()", f"({_SECOND}).int()"),
            also=tuple(
                _stacks(f"({_FIRST}).{cast}()", f"({_SECOND}).{cast}()")
                for cast in ("long", "short", "char", "float")
            ),
        ),
    ),
    alternatives=(
        Alternative("quotient and remainder", _stacks("packed // 16", "packed % 16")),
        Alternative(
            "every second place",
            "def unpack_int4(packed):\n"
            "    codes = torch.repeat_interleave(packed, 2, dim=-1)\n"
            "    codes[..., ::2] >>= 4\n"
            "    codes[..., 1::2] &= 0xF\n"
            "    return codes\n",
        ),
        Alternative(
            "einops",
            "def unpack_int4(packed):\n"
            "    pairs = torch.stack([packed >> 4, packed & 15])\n"
            "    return einops.rearrange(pairs, 'two ... byte -> ... (byte two)')\n",
        ),
    ),
    hints=(
        "Undo `pack_int4` from the outside in: first cut a byte into its upper and its lower half.",
        "`packed >> 4` moves the upper four bits down; `packed & 15` keeps the lower four. Now "
        "they have to alternate along the last axis.",
        "`torch.stack([packed >> 4, packed & 15], dim=-1).flatten(-2)`.",
    ),
)
