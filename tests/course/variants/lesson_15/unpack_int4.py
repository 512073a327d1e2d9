"""Mistakes in unpack_int4, written in another hand, for other shapes."""

import torch

from llama_mini.course.judge.exercise import Case, args


def _bytes(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator).to(torch.uint8)


CASES = (
    Case("0x9F", given=args(torch.tensor([0x9F], dtype=torch.uint8))),
    Case("a long row", given=args(_bytes(21, seed=641))),
    Case("five rows", given=args(_bytes(5, 3, seed=642))),
    Case("three axes", given=args(_bytes(3, 2, 4, seed=643)), another_device=True),
)


def answer(body: str) -> str:
    return (
        "def unpack_int4(packed: Tensor) -> Tensor:\n"
        "    upper = packed // 16\n"
        "    lower = packed % 16\n"
        "    codes = packed.new_empty(*packed.shape[:-1], 2 * packed.shape[-1])\n"
        f"    {body}\n"
    )


_FILL = "codes[..., 0::2], codes[..., 1::2] = {}, {}\n    return codes"

VARIANTS = {
    "the lower bits first": answer(_FILL.format("lower", "upper")),
    "all first codes, then all second ones": answer("return torch.cat((upper, lower), dim=-1)"),
    "the upper bits not moved down": answer(_FILL.format("packed - lower", "lower")),
    "the upper bits left in": answer(_FILL.format("upper", "packed")),
    "another mask": [
        answer(_FILL.format("upper", "packed % 8")),
        answer(_FILL.format("upper", "packed & 0x10")),
    ],
    "a shift with a sign": [
        answer(
            "signed = packed.view(torch.int8)\n"
            "    return torch.stack((signed >> 4, signed & 0xF), -1).flatten(-2)"
        ),
    ],
    "minus 8": [
        answer(
            "return torch.stack((upper.char() - 8, lower.char() - 8), -1).flatten(-2)",
        ),
    ],
    "pairs left apart": answer("return torch.stack((upper, lower), dim=packed.ndim)"),
    "rows one after another": answer(
        "return torch.stack((upper, lower), dim=-1).reshape(-1)",
    ),
    "pairs along another axis than the last": [
        answer("return torch.stack((upper, lower), dim=0).flatten(-2, -1)"),
        answer("return torch.stack((upper, lower), dim=0).view(*packed.shape[:-1], -1)"),
        answer("return torch.cat((upper, lower), dim=0)"),
        answer("return torch.stack((upper, lower), 1).flatten(start_dim=-2)"),
    ],
    "wrong dtype": [
        answer("return torch.stack((upper, lower), dim=-1).flatten(-2).to(torch.int32)"),
        answer("return torch.stack((upper.char(), lower.char()), dim=-1).flatten(-2)"),
    ],
    "bound to one device": answer(
        "return torch.stack((upper.cpu(), lower.cpu()), dim=-1).flatten(-2)"
    ),
    "returns nothing": answer("codes[..., 0::2], codes[..., 1::2] = upper, lower"),
}
