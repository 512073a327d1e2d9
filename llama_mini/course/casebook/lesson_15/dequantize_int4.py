"""dequantize_int4: codes back to weights, each group with its own step and zero."""

import torch

from llama_mini.course.judge.exercise import (
    Alternative,
    Args,
    Case,
    Exercise,
    WrongAnswer,
    args,
    normal,
)


def _quantized(
    rows: int, groups: int, size: int, seed: int, dtype: torch.dtype = torch.float32
) -> Args:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 16, (rows, groups * size), generator=generator).to(torch.uint8)
    scale = (normal(rows, groups, seed=seed + 50).abs() * 0.1 + 0.01).to(dtype)
    return args(codes, scale, normal(rows, groups, seed=seed + 90, dtype=dtype))


def _function(*lines: str) -> str:
    return "\n    ".join(["def dequantize_int4(codes, scale, zero):", *lines]) + "\n"


def _of_groups(expression: str) -> str:
    """An answer from what becomes of `g`, the codes as (out, groups, group_size)."""
    return _function(
        "g = codes.unflatten(1, (scale.shape[1], -1))",
        "s, z = scale[..., None], zero[..., None]",
        f"return ({expression}).flatten(1)",
    )


EXERCISE = Exercise(
    symbol="llama_mini.weights.quantization:dequantize_int4",
    lesson=15,
    minutes=10,
    difficulty=2,
    prerequisites=("quantize_int4",),
    cases=(
        Case("three groups of 4", given=_quantized(2, 3, 4, 1), points=2),
        Case("four groups of 2", given=_quantized(3, 4, 2, 2), another_device=True),
        Case("as many groups as columns in one", given=_quantized(3, 3, 3, 3)),
        Case("one group", given=_quantized(2, 1, 6, 4)),
        Case("scales in bfloat16", given=_quantized(2, 2, 8, 5, torch.bfloat16), ulps=8),
    ),
    wrong_answers=(
        WrongAnswer(
            "zero is subtracted from the code",
            "You compute (code - zero) · scale, the convention in which zero is a code. Here it is "
            "a weight: code · scale + zero.",
            _of_groups("(g - z) * s"),
        ),
        WrongAnswer(
            "zero is missing",
            "Code 0 comes out as 0. It stands for the smallest weight of its group: add zero.",
            _of_groups("g * s"),
        ),
        WrongAnswer(
            "zero is subtracted",
            "You subtract zero where it is added: weight ≈ code · scale + zero.",
            _of_groups("g * s - z"),
        ),
        WrongAnswer(
            "zero is scaled, too",
            "You multiply zero by the scale as well. It is a weight already: code · scale, then + "
            "zero.",
            _of_groups("(g + z) * s"),
        ),
        WrongAnswer(
            "scale and zero swapped",
            "Scale and zero have changed places: the codes are multiplied by the scale.",
            _of_groups("g * z + s"),
        ),
        WrongAnswer(
            "divided by the scale",
            "You divide by the scale. Multiplying brings the weights back.",
            _of_groups("g / s + z"),
        ),
        WrongAnswer(
            "the scales in turn",
            "Scales take turns from column to column. A group is a run of neighbours, so each "
            "scale is repeated in place: `repeat_interleave`, not `repeat`; or give the groups an "
            "axis.",
            _function(
                "size = codes.shape[1] // scale.shape[1]",
                "return codes * scale.repeat(1, size) + zero.repeat(1, size)",
            ),
            also=(
                _function(
                    "g = codes.unflatten(1, (-1, scale.shape[1]))",
                    "return (g * scale[:, None] + zero[:, None]).flatten(1)",
                ),
            ),
        ),
        WrongAnswer(
            "the first group's for all",
            "All groups get the scale and zero of the first one. Each has its own.",
            _function("return codes * scale[:, :1] + zero[:, :1]"),
            also=(_of_groups("g * s[:, :1] + z[:, :1]"),),
        ),
        WrongAnswer(
            "the middle for zero",
            "You take 8 from the codes, as torch's kernels do, whose zero is the weight of code 8. "
            "Ours is that of code 0.",
            _of_groups("(g.float() - 8).to(s.dtype) * s + z"),
            also=(_of_groups("(g - 8) * s + z"),),
        ),
        WrongAnswer(
            "scales that do not line up",
            "(out, groups) does not line up with (out, in), nor with (out, groups, group_size). "
            "Give the scales a last axis: `scale.unsqueeze(-1)`.",
            _function("return codes * scale + zero"),
            also=(
                _function(
                    "g = codes.unflatten(1, (scale.shape[1], -1))",
                    "return (g * scale + zero).flatten(1)",
                ),
            ),
        ),
        WrongAnswer(
            "groups left apart",
            "The weights still have an axis for the groups. `.flatten(1)` joins it with the "
            "columns.",
            _of_groups("g * s + z").replace(".flatten(1)", ""),
        ),
        WrongAnswer(
            "wrong dtype",
            "The weights are right and have another dtype than asked for. They take that of the "
            "scale, whatever it is: leave scale and zero in their dtype, and the codes follow.",
            _of_groups("g.float() * s.float() + z.float()"),
            also=(
                _of_groups("g.float() * s + z"),
                _of_groups("(g * s + z).float()"),
                _of_groups("(g * s + z).double()"),
                _of_groups("g.double() * s.double() + z.double()"),
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "repeat_interleave",
            _function(
                "size = codes.shape[1] // scale.shape[1]",
                "s, z = scale.repeat_interleave(size, 1), zero.repeat_interleave(size, 1)",
                "return codes * s + z",
            ),
        ),
        Alternative(
            "einops",
            _function(
                "g = einops.rearrange(codes, 'o (g n) -> n o g', g=scale.shape[1])",
                "return einops.rearrange(g * scale + zero, 'n o g -> o (g n)')",
            ),
        ),
        Alternative(
            "group by group",
            _function(
                "size = codes.shape[1] // scale.shape[1]",
                "parts = [",
                "    c * scale[:, [i]] + zero[:, [i]] for i, c in enumerate(codes.split(size, 1))",
                "]",
                "return torch.cat(parts, dim=1)",
            ),
        ),
    ),
    hints=(
        "As in `quantize_int4`, give the groups an axis of their own first. How many are there? "
        "The shape of scale says it.",
        "`groups = codes.unflatten(1, (scale.shape[1], -1))` is (out, groups, group_size). Scale "
        "and zero need a third axis to line up with it.",
        "`(groups * scale.unsqueeze(-1) + zero.unsqueeze(-1)).flatten(1)`.",
    ),
)
