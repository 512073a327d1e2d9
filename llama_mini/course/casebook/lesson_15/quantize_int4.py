"""quantize_int4: each group of neighbours on sixteen codes, from its smallest to its largest."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _function(*lines: str) -> str:
    return "\n    ".join(["def quantize_int4(weight, group_size=128):", *lines]) + "\n"


def _answer(
    groups: str = "weight.float().unflatten(1, (-1, group_size))",
    zero: str = "groups.amin(-1, keepdim=True)",
    scale: str = "(groups.amax(-1, keepdim=True) - groups.amin(-1, keepdim=True)) / 15",
    codes: str = "((groups - zero) / scale).round().clamp(0, 15)",
    returns: str = "codes.flatten(1).to(torch.uint8), scale.squeeze(-1), zero.squeeze(-1)",
) -> str:
    """A whole answer, with one line of it changed."""
    return _function(
        f"groups = {groups}",
        f"zero = {zero}",
        f"scale = {scale}",
        "scale = torch.where(scale == 0, 1.0, scale)",
        f"codes = {codes}",
        f"return {returns}",
    )


_LOW, _HIGH = "groups.amin(-1, keepdim=True)", "groups.amax(-1, keepdim=True)"


def _with_zero_point(zero: str, codes: str) -> str:
    """An answer whose zero is a code, made after the scale, as other formats do."""
    return _function(
        "groups = weight.float().unflatten(1, (-1, group_size))",
        f"scale = ({_HIGH} - {_LOW}) / 15",
        "scale = torch.where(scale == 0, 1.0, scale)",
        f"zero = {zero}",
        f"codes = {codes}",
        "return codes.flatten(1).to(torch.uint8), scale.squeeze(-1), zero.squeeze(-1)",
    )


_SIXTEEN = torch.stack([torch.arange(16.0), torch.tensor([0.0, 15.0, *[0.5, 2.5] * 7])])

EXERCISE = Exercise(
    symbol="llama_mini.weights.quantization:quantize_int4",
    lesson=15,
    minutes=20,
    difficulty=3,
    prerequisites=("quantize_int8",),
    cases=(
        Case("two groups in each of three rows", given=args(normal(3, 8, seed=1), 4), points=2),
        Case("four groups of 6", given=args(normal(2, 24, seed=2) * 0.02, group_size=6)),
        Case("groups of 128, as usual", given=args(normal(2, 256, seed=3))),
        Case("exactly between two codes", given=args(_SIXTEEN, 16)),
        Case("all above zero", given=args(normal(2, 8, seed=4).abs() + 3, 4)),
        Case(
            "a group of equal weights",
            given=args(torch.tensor([[0.5, 0.5, -1.0, 2.0], [0.0, 0.0, 0.3, 0.1]]), 2),
        ),
        Case("bfloat16", given=args(normal(2, 16, seed=5, dtype=torch.bfloat16), 8)),
    ),
    wrong_answers=(
        WrongAnswer(
            "one grid for the row",
            "Each row has one grid. Every group of group_size neighbours has its own: split the "
            "columns first, `weight.unflatten(1, (-1, group_size))`.",
            _answer(groups="weight.float().unflatten(1, (1, -1))"),
            also=(
                _answer(
                    zero="weight.float().amin(1)[:, None, None].expand(-1, groups.shape[1], 1)",
                    scale="(weight.float().amax(1)[:, None, None] - zero) / 15",
                ),
                _answer(
                    groups="weight.float().unflatten(1, (1, -1))",
                    returns="codes.flatten(1).to(torch.uint8), scale.flatten(), zero.flatten()",
                ),
            ),
        ),
        WrongAnswer(
            "one grid for the whole weight",
            "One smallest and one largest weight serve all rows. Every group of group_size "
            "neighbours in a row has its own: give the groups an axis, and take both along it.",
            _answer(
                zero="weight.float().min().expand(*groups.shape[:2], 1)",
                scale="(weight.float().max() - zero) / 15",
            ),
            also=(
                _function(
                    "w = weight.float()",
                    "scale = (w.max() - w.min()) / 15",
                    "return ((w - w.min()) / scale).round().to(torch.uint8), scale, w.min()",
                ),
            ),
        ),
        WrongAnswer(
            "every so many columns, not neighbours",
            "Your groups take every so many columns. A group is group_size *neighbours*: the "
            "groups are the slow axis and the columns within one the fast axis.",
            _function(
                "groups = weight.float().unflatten(1, (group_size, -1))",
                "zero, largest = groups.aminmax(dim=1, keepdim=True)",
                "scale = (largest - zero) / 15",
                "scale = torch.where(scale == 0, 1.0, scale)",
                "codes = ((groups - zero) / scale).round()",
                "return codes.flatten(1).to(torch.uint8), scale.squeeze(1), zero.squeeze(1)",
            ),
        ),
        WrongAnswer(
            "group_size groups",
            "You make group_size groups. It is the number of columns *in* a group.",
            _answer(groups="weight.float().unflatten(1, (group_size, -1))"),
        ),
        WrongAnswer(
            "sixteen steps",
            "You divide by 16. Sixteen codes have fifteen steps between them: (largest - smallest) "
            "/ 15.",
            _answer(scale="(groups.amax(-1, keepdim=True) - groups.amin(-1, keepdim=True)) / 16"),
        ),
        WrongAnswer(
            "symmetric around zero",
            "This grid is symmetric, with the largest absolute value at its ends. Here it runs "
            "from the smallest weight of a group to its largest, wherever they are.",
            _answer(
                scale="groups.abs().amax(-1, keepdim=True) / 7",
                zero="-8 * groups.abs().amax(-1, keepdim=True) / 7",
            ),
            also=(
                _answer(
                    scale="groups.abs().amax(-1, keepdim=True) / 7.5",
                    zero="-groups.abs().amax(-1, keepdim=True)",
                ),
            ),
        ),
        WrongAnswer(
            "zero is always on the grid",
            "You stretch the grid until 0 lies on it. It runs from the smallest weight to the "
            "largest, also where all are above zero or all below.",
            _answer(
                zero="groups.amin(-1, keepdim=True).clamp(max=0)",
                scale="(groups.amax(-1, keepdim=True).clamp(min=0) - zero) / 15",
            ),
        ),
        WrongAnswer(
            "zero as a code",
            "Your zero is a code, for weight = (code - zero) · scale. Asked for is weight = code · "
            "scale + zero: zero is a weight, the smallest of the group.",
            _answer(
                zero="-groups.amin(-1, keepdim=True) / ((groups.amax(-1, keepdim=True) - "
                "groups.amin(-1, keepdim=True)) / 15).clamp(min=1e-9)",
                codes="((groups - groups.amin(-1, keepdim=True)) / scale).round()",
            ),
            also=(
                _answer(
                    zero="(-groups.amin(-1, keepdim=True) / ((groups.amax(-1, keepdim=True) - "
                    "groups.amin(-1, keepdim=True)) / 15).clamp(min=1e-9)).round()",
                    codes="(groups / scale).round() + zero",
                ),
                *(
                    _with_zero_point(zero, codes)
                    for zero, codes in (
                        (f"-{_LOW} / scale", "(groups / scale + zero).round().clamp(0, 15)"),
                        (f"(-{_LOW} / scale).round()", "(groups / scale + zero).round()"),
                        (
                            f"(-{_LOW} / scale).round()",
                            "(groups / scale + zero).round().clamp(0, 15)",
                        ),
                        (
                            f"(-{_LOW} / scale).round()",
                            "((groups / scale).round() + zero).clamp(0, 15)",
                        ),
                        (
                            f"(-{_LOW} / scale).round().clamp(0, 15)",
                            "((groups / scale).round() + zero).clamp(0, 15)",
                        ),
                        (f"({_LOW} / scale).round()", "((groups / scale).round() - zero)"),
                        (
                            f"(-{_LOW} / scale).round().clamp(0, 15).to(torch.uint8)",
                            "((groups / scale).round() + zero).clamp(0, 15)",
                        ),
                        (
                            f"(-{_LOW} / scale).round().clamp(0, 15).to(torch.uint8)",
                            "(groups / scale + zero).round().clamp(0, 15)",
                        ),
                    )
                ),
                _with_zero_point(
                    f"(-{_LOW} / scale).round()", "((groups / scale).round() + zero).clamp(0, 15)"
                ).replace("zero.squeeze(-1)", "zero.squeeze(-1).to(torch.uint8)"),
            ),
        ),
        WrongAnswer(
            "the middle for zero",
            "Your zero is the weight of code 8, the middle of the grid, as torch's kernels store "
            "it. Asked for is that of code 0: the smallest weight.",
            _answer(
                returns="codes.flatten(1).to(torch.uint8), scale.squeeze(-1), "
                "(zero + 8 * scale).squeeze(-1)"
            ),
        ),
        WrongAnswer(
            "not moved to the smallest",
            "You divide without subtracting the smallest weight first, so what is below 0 falls "
            "off the grid: `(groups - zero) / scale`.",
            _answer(codes="(groups / scale).round().clamp(0, 15)"),
            also=(_answer(codes="(groups / scale).round()"),),
        ),
        WrongAnswer(
            "cut off, not rounded",
            "The fraction is cut off, so the error is up to a whole step. `.round()` before the "
            "cast.",
            _answer(codes="((groups - zero) / scale).clamp(0, 15)"),
            also=(_answer(codes="((groups - zero) / scale).ceil().clamp(0, 15)"),),
        ),
        WrongAnswer(
            "halves away from the even one",
            "A weight halfway between two codes goes to the larger one. `torch.round` takes the "
            "even one.",
            _answer(codes="((groups - zero) / scale + 0.5).floor().clamp(0, 15)"),
        ),
        WrongAnswer(
            "no scale for equal weights",
            "In a group of equal weights, largest - smallest is 0, and 0/0 is NaN; a tiny number "
            "instead is no scale. Give such a group the scale 1: `torch.where(scale == 0, 1.0, "
            "scale)`.",
            _answer().replace("torch.where(scale == 0, 1.0, scale)", "scale"),
            also=(
                _answer().replace("torch.where(scale == 0, 1.0, scale)", "scale.clamp(min=1e-8)"),
            ),
        ),
        WrongAnswer(
            "the 1 before the division",
            "In a group of equal weights you put 1 in place of largest - smallest, and then "
            "divide: the scale becomes 1/15. It is the scale that is 1: divide first, then "
            "`torch.where(scale == 0, 1.0, scale)`.",
            _answer(scale=f"torch.where({_HIGH} == {_LOW}, 1.0, {_HIGH} - {_LOW}) / 15"),
        ),
        WrongAnswer(
            "packed already",
            "You return two codes in each byte. That is `pack_int4`; here each code has a byte of "
            "its own, (out, in).",
            _function(
                "groups = weight.float().unflatten(1, (-1, group_size))",
                "zero, largest = groups.aminmax(dim=-1, keepdim=True)",
                "scale = (largest - zero) / 15",
                "scale = torch.where(scale == 0, 1.0, scale)",
                "codes = ((groups - zero) / scale).round().flatten(1).to(torch.uint8)",
                "codes = codes[:, 0::2] << 4 | codes[:, 1::2]",
                "return codes, scale.squeeze(-1), zero.squeeze(-1)",
            ),
        ),
        WrongAnswer(
            "groups left apart",
            "The codes still have an axis for the groups. Bring back the shape of the weight, "
            "(out, in), with `.flatten(1)`.",
            _answer(returns="codes.to(torch.uint8), scale.squeeze(-1), zero.squeeze(-1)"),
        ),
        WrongAnswer(
            "an axis too many in the scales",
            "Scale and zero still have the axis along which you took the smallest and largest. "
            "Both are (out, in / group_size): `.squeeze(-1)`.",
            _answer(returns="codes.flatten(1).to(torch.uint8), scale, zero"),
        ),
        WrongAnswer(
            "zero and scale swapped",
            "Scale and zero have changed places: asked for is `codes, scale, zero`.",
            _answer(
                returns="codes.flatten(1).to(torch.uint8), zero.squeeze(-1), scale.squeeze(-1)"
            ),
        ),
        WrongAnswer(
            "computed in bfloat16",
            "Scale and zero are computed in the dtype of the weight. Begin with `weight.float()`.",
            _answer(groups="weight.unflatten(1, (-1, group_size))"),
            also=(
                _answer(
                    groups="weight.unflatten(1, (-1, group_size))",
                    returns="codes.flatten(1).to(torch.uint8), scale.squeeze(-1).float(), "
                    "zero.squeeze(-1).float()",
                ),
                _answer(
                    scale=f"({_HIGH}.to(weight.dtype) - {_LOW}.to(weight.dtype)).float() / 15",
                ),
                _answer(
                    scale=f"(({_HIGH}.to(weight.dtype) - {_LOW}.to(weight.dtype)) / 15).float()",
                ),
                _answer(scale=f"({_HIGH}.to(weight.dtype) - {_LOW}.to(weight.dtype)) / 15"),
            ),
        ),
        WrongAnswer(
            "wrong dtype",
            "The codes are right, in a dtype that takes more room than they need. The cast is "
            "missing, or goes to another dtype: `.to(torch.uint8)`, as `pack_int4` expects them.",
            _answer().replace(".to(torch.uint8)", ""),
            also=tuple(
                _answer().replace(".to(torch.uint8)", cast)
                for cast in (".int()", ".long()", ".char()", ".double()", ".to(weight.dtype)")
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "einops",
            _function(
                "w = einops.rearrange(weight.float(), 'o (g n) -> o g n', n=group_size)",
                "low, high = w.min(-1).values, w.max(-1).values",
                "scale = (high - low) / 15",
                "scale[scale == 0] = 1.0",
                "codes = torch.round((w - low[..., None]) / scale[..., None])",
                "return einops.rearrange(codes, 'o g n -> o (g n)').byte(), scale, low",
            ),
        ),
        Alternative(
            "group by group",
            _function(
                "codes, scales, zeros = [], [], []",
                "for group in weight.float().split(group_size, dim=1):",
                "    low, high = group.amin(1, keepdim=True), group.amax(1, keepdim=True)",
                "    scale = (high - low) / 15",
                "    scale = scale + (scale == 0)",
                "    codes.append(((group - low) / scale).round().to(torch.uint8))",
                "    scales.append(scale)",
                "    zeros.append(low)",
                "return torch.cat(codes, 1), torch.cat(scales, 1), torch.cat(zeros, 1)",
            ),
        ),
        Alternative(
            "rows of groups",
            _function(
                "rows = weight.float().reshape(-1, group_size)",
                "low, high = rows.aminmax(dim=1)",
                "scale = ((high - low) / 15).masked_fill(high == low, 1.0)",
                "codes = ((rows - low[:, None]) / scale[:, None]).round().clamp(0, 15)",
                "out = len(weight)",
                "return codes.view(weight.shape).byte(), scale.view(out, -1), low.view(out, -1)",
            ),
        ),
    ),
    hints=(
        "First give the groups an axis: (out, in) becomes (out, groups, group_size). Then it is "
        "one grid for each vector along the last axis.",
        "`groups = weight.float().unflatten(1, (-1, group_size))`, and `zero, largest = "
        "groups.aminmax(dim=-1, keepdim=True)`. How many steps are there between 16 codes?",
        "scale = (largest - zero) / 15, and 1 where that is 0; codes = ((groups - zero) / "
        "scale).round(), flattened to (out, in) and cast to torch.uint8. Squeeze scale and zero.",
    ),
)
