"""quantize_int8: each row to 255 whole numbers around zero, and the step of each row."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _function(*lines: str) -> str:
    return "\n    ".join(["def quantize_int8(weight):", *lines]) + "\n"


def _scaled(scale: str, codes: str = "(w / scale).round().clamp(-127, 127)") -> str:
    """An answer from the expressions of its scale and of its codes."""
    return _function(
        "w = weight.float()",
        f"scale = {scale}",
        "scale = torch.where(scale == 0, 1.0, scale)",
        f"return ({codes}).to(torch.int8), scale",
    )


_SCALE = "w.abs().amax(dim=1, keepdim=True) / 127"
_SIZES = torch.tensor([[0.001], [1.0], [40.0], [0.2]])

EXERCISE = Exercise(
    symbol="llama_mini.weights.quantization:quantize_int8",
    lesson=15,
    minutes=15,
    difficulty=2,
    cases=(
        Case("three rows", given=args(normal(3, 8, seed=1)), points=2),
        Case("rows of very different size", given=args(normal(4, 4, seed=2) * _SIZES)),
        Case(
            "exactly between two codes",
            given=args(torch.tensor([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5]])),
        ),
        Case(
            "the largest value is negative",
            given=args(torch.tensor([[-8.0, 1.0, 3.3, 0.5], [2.0, -1.2, 0.1, -6.0]])),
        ),
        Case(
            "a row of zeros",
            given=args(torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 0.4]])),
        ),
        Case("bfloat16", given=args(normal(3, 16, seed=3, dtype=torch.bfloat16))),
    ),
    wrong_answers=(
        WrongAnswer(
            "one scale for the whole weight",
            "One scale serves all rows, so one large row leaves the small ones a handful of codes. "
            "Take the largest absolute value of each row: `amax(dim=1, keepdim=True)`.",
            _scaled("(w.abs().max() / 127).expand(len(w), 1)"),
            also=(_scaled("w.abs().max() / 127"), _scaled("(w.abs().max() / 127).view(1, 1)")),
        ),
        WrongAnswer(
            "a scale for each column",
            "Your scales belong to the columns. A row of the weight makes one output, and shares "
            "one scale: the largest along dim 1, the columns.",
            _scaled("w.abs().amax(dim=0, keepdim=True) / 127"),
        ),
        WrongAnswer(
            "128 steps to a side",
            "You divide by 128. The codes go from -127 to 127, so that zero is in the middle and "
            "the largest weight is a code exactly: divide by 127.",
            _scaled(
                "w.abs().amax(dim=1, keepdim=True) / 128", "(w / scale).round().clamp(-128, 127)"
            ),
            also=(
                _scaled("w.abs().amax(dim=1, keepdim=True) / 128"),
                _scaled("w.abs().amax(dim=1, keepdim=True) / 128", "(w / scale).round()"),
            ),
        ),
        WrongAnswer(
            "255 steps to a side",
            "Your step is twice too fine or too coarse: there are 127 steps from zero to the "
            "largest absolute value. Divide it by 127, not by 255.",
            _scaled("w.abs().amax(dim=1, keepdim=True) / 255"),
            also=(_scaled("2 * w.abs().amax(dim=1, keepdim=True) / 127"),),
        ),
        WrongAnswer(
            "from the smallest to the largest",
            "You spread the codes from the smallest weight to the largest. This grid is "
            "symmetric around zero: only the largest absolute value counts.",
            _scaled("(w.amax(1, keepdim=True) - w.amin(1, keepdim=True)) / 255"),
            also=(
                _scaled(
                    "(w.amax(1, keepdim=True) - w.amin(1, keepdim=True)) / 255",
                    "((w - w.amin(1, keepdim=True)) / scale).round() - 128",
                ),
            ),
        ),
        WrongAnswer(
            "the absolute value is missing",
            "You take the largest value of a row, with its sign. Where the largest in size is "
            "negative, it falls off the grid: `weight.abs()` first.",
            _scaled("w.amax(dim=1, keepdim=True) / 127"),
            also=(_scaled("w.amax(dim=1, keepdim=True) / 127", "(w / scale).round()"),),
        ),
        WrongAnswer(
            "cut off, not rounded",
            "The fraction is cut off, which `.to(torch.int8)`, `.trunc()` and `.floor()` do. Then "
            "the error is up to a whole step, not half of one: `.round()` before the cast.",
            _scaled(_SCALE, "w / scale"),
            also=(_scaled(_SCALE, "(w / scale).floor()"), _scaled(_SCALE, "(w / scale).ceil()")),
        ),
        WrongAnswer(
            "halves away from the even one",
            "A weight halfway between two codes goes to the larger one. `torch.round` takes the "
            "even one, so that halves are rounded up as often as down.",
            _scaled(_SCALE, "(w / scale + 0.5).floor()"),
            also=(_scaled(_SCALE, "torch.sign(w) * (w.abs() / scale + 0.5).floor()"),),
        ),
        WrongAnswer(
            "no scale for a row of zeros",
            "A row of zeros has a largest value of 0, and 0/0 is NaN; a tiny number instead keeps "
            "the division alive, but is no scale. Give such a row the scale 1, and leave the "
            "others as they are: `torch.where(scale == 0, 1.0, scale)`.",
            _function(
                "w = weight.float()",
                f"scale = {_SCALE}",
                "return (w / scale).round().to(torch.int8), scale",
            ),
            also=(
                _function(
                    "w = weight.float()",
                    "scale = w.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127",
                    "return (w / scale).round().to(torch.int8), scale",
                ),
                _function(
                    "w = weight.float()",
                    f"scale = ({_SCALE}).clamp(min=1e-8)",
                    "return (w / scale).round().to(torch.int8), scale",
                ),
            ),
        ),
        WrongAnswer(
            "the 1 before the division",
            "In a row of zeros you put 1 in place of the largest value, and then divide: the scale "
            "becomes 1/127. It is the scale that is 1: divide first, then "
            "`torch.where(scale == 0, 1.0, scale)`.",
            _function(
                "w = weight.float()",
                "absmax = w.abs().amax(dim=1, keepdim=True)",
                "scale = torch.where(absmax == 0, 1.0, absmax) / 127",
                "return (w / scale).round().to(torch.int8), scale",
            ),
        ),
        WrongAnswer(
            "the scale upside down",
            "You return what to multiply weights with to get codes. The scale goes the other way, "
            "weight ≈ code · scale: it is the largest absolute value / 127.",
            _function(
                "w = weight.float()",
                "scale = 127 / w.abs().amax(dim=1, keepdim=True)",
                "scale = torch.where(scale.isinf(), 1.0, scale)",
                "return (w * scale).round().to(torch.int8), scale",
            ),
        ),
        WrongAnswer(
            "scales without their axis",
            "The scales have lost the axis of the columns. Keep it, with `keepdim=True`: (out, 1) "
            "lines up with (out, in), one scale a row.",
            _scaled(_SCALE).replace(", scale\n", ", scale.squeeze(1)\n"),
            also=(_scaled("w.abs().amax(dim=1) / 127"),),
        ),
        WrongAnswer(
            "computed in bfloat16",
            "The scale is computed in the dtype of the weight; bfloat16 has 8 bits, too few to "
            "choose between 255 codes. Begin with `weight.float()`.",
            _scaled(_SCALE).replace("weight.float()", "weight"),
            also=(
                _scaled(_SCALE)
                .replace("weight.float()", "weight")
                .replace(", scale\n", ", scale.float()\n"),
                _scaled("(weight.abs().amax(dim=1, keepdim=True) / 127).float()"),
                _scaled("weight.abs().amax(dim=1, keepdim=True) / 127"),
            ),
        ),
        WrongAnswer(
            "wrong dtype",
            "The codes are whole numbers, in a dtype that takes more room than they need. The cast "
            "is missing, or goes to another dtype: `.to(torch.int8)`, one byte a code.",
            _scaled(_SCALE).replace(".to(torch.int8)", ""),
            also=tuple(
                _scaled(_SCALE).replace(".to(torch.int8)", cast)
                for cast in (".int()", ".long()", ".short()", ".double()", ".to(weight.dtype)")
            ),
        ),
        WrongAnswer(
            "codes from 0 to 255",
            "Your codes are shifted to be positive. Symmetric int8 needs no shift: codes from "
            "-127 to 127, and code 0 is weight 0.",
            _scaled(_SCALE, "((w / scale).round() + 128)").replace("torch.int8", "torch.uint8"),
            also=(
                _scaled(_SCALE, "((w / scale).round() + 127)").replace("torch.int8", "torch.uint8"),
            ),
        ),
        WrongAnswer(
            "scale and codes swapped",
            "You return the scale first. Asked for is `codes, scale`.",
            _function(
                "w = weight.float()",
                f"scale = {_SCALE}",
                "scale = torch.where(scale == 0, 1.0, scale)",
                "return scale, (w / scale).round().to(torch.int8)",
            ),
        ),
        WrongAnswer(
            "weights back again",
            "You return the rounded weights, codes times scale. Asked for are the codes "
            "themselves; `dequantize_int8` is the next exercise.",
            _function(
                "w = weight.float()",
                f"scale = {_SCALE}",
                "scale = torch.where(scale == 0, 1.0, scale)",
                "return (w / scale).round() * scale, scale",
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "row by row",
            _function(
                "codes = torch.zeros_like(weight, dtype=torch.int8)",
                "scale = torch.ones(len(weight), 1, device=weight.device)",
                "for i, row in enumerate(weight.float()):",
                "    if row.any():",
                "        scale[i] = max(row.max(), -row.min()) / 127",
                "        codes[i] = (row / scale[i]).round().to(torch.int8)",
                "return codes, scale",
            ),
        ),
        Alternative(
            "the largest by max",
            _function(
                "w = weight.to(torch.float32)",
                "absmax = w.abs().max(dim=-1, keepdim=True).values",
                "scale = (absmax / 127).masked_fill(absmax == 0, 1)",
                "return torch.round(w / scale).type(torch.int8), scale",
            ),
        ),
        Alternative(
            "times 127",
            _function(
                "absmax = torch.linalg.vector_norm(weight.float(), math.inf, 1, keepdim=True)",
                "absmax[absmax == 0] = 127.0",
                "return (weight.float() * (127 / absmax)).round().char(), absmax / 127",
            ),
        ),
    ),
    hints=(
        "Two steps: a scale for each row, then whole numbers. How large may the largest weight of "
        "a row become?",
        "`weight.float().abs().amax(dim=1, keepdim=True) / 127` is the scale, (out, 1). Divide the "
        "weight by it and round. What happens to a row of zeros?",
        "`scale = torch.where(scale == 0, 1.0, scale)`, then "
        "`(weight.float() / scale).round()`, cast to `torch.int8`; return the codes and the scale.",
    ),
)
