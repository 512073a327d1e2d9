"""dequantize_int8: codes back to weights."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _codes(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-127, 128, (rows, columns), generator=generator).to(torch.int8)


def _scale(rows: int, seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return (normal(rows, 1, seed=seed).abs() * 0.01 + 0.001).to(dtype)


def _returns(expression: str) -> str:
    return f"def dequantize_int8(codes, scale):\n    return {expression}\n"


EXERCISE = Exercise(
    symbol="llama_mini.weights.quantization:dequantize_int8",
    lesson=15,
    minutes=5,
    difficulty=1,
    prerequisites=("quantize_int8",),
    cases=(
        Case("three rows", given=args(_codes(3, 5, 1), _scale(3, 2)), points=2),
        Case(
            "as many columns as rows",
            given=args(_codes(4, 4, 3), _scale(4, 4)),
            another_device=True,
        ),
        Case("one row", given=args(_codes(1, 6, 5), _scale(1, 6))),
        Case(
            "scales in bfloat16",
            given=args(_codes(3, 8, 7), _scale(3, 8, torch.bfloat16)),
            ulps=4,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "the scale is missing",
            "These are the codes in another dtype. Each row still has to be multiplied by its "
            "scale.",
            _returns("codes.to(scale.dtype)"),
            also=(_returns("codes.float()"),),
        ),
        WrongAnswer(
            "divided by the scale",
            "You divide by the scale. Dividing made the codes; multiplying brings the weights "
            "back: weight ≈ code · scale.",
            _returns("codes / scale"),
        ),
        WrongAnswer(
            "scales along the columns",
            "The scales are lined up with the columns. (out, 1) has one for each row: keep its "
            "second axis, and it spreads over the columns by itself.",
            _returns("codes * scale.squeeze()"),
            also=(_returns("codes * scale.T"),),
        ),
        WrongAnswer(
            "127 a second time",
            "You divide by 127 once more. The scale is one step of the grid already: the largest "
            "absolute value / 127.",
            _returns("codes / 127 * scale"),
            also=(_returns("codes * (scale / 127)"),),
        ),
        WrongAnswer(
            "an offset of 128",
            "You take 128 away, as if the codes began at 0. They are symmetric: code 0 is weight "
            "0, with nothing to shift.",
            _returns("(codes.to(scale.dtype) - 128) * scale"),
            also=(_returns("(codes.to(scale.dtype) + 128) * scale"),),
        ),
        WrongAnswer(
            "back in int8",
            "The product is cast to int8, and everything after the decimal point is gone. The "
            "result has the dtype of the scale.",
            _returns("(codes * scale).to(codes.dtype)"),
            also=(_returns("codes * scale.to(codes.dtype)"),),
        ),
        WrongAnswer(
            "one scale for all rows",
            "All rows get the same scale. Each row has its own, (out, 1).",
            _returns("codes * scale[0]"),
            also=(_returns("codes * scale.max()"), _returns("codes * scale.mean()")),
        ),
        WrongAnswer(
            "wrong dtype",
            "The weights are right and have another dtype than asked for. They take that of the "
            "scale, whatever it is: `codes.to(scale.dtype)`, or no cast at all.",
            _returns("codes.float() * scale.float()"),
            also=(
                _returns("(codes * scale).float()"),
                _returns("codes.double() * scale.double()"),
                _returns("(codes * scale).double()"),
                _returns("(codes.float() * scale.float()).to(torch.bfloat16)"),
                _returns("(codes * scale).half()"),
            ),
        ),
    ),
    alternatives=(
        Alternative("as they are", _returns("codes * scale")),
        Alternative("each row", _returns("torch.stack([c * s for c, s in zip(codes, scale)])")),
        Alternative("a diagonal matrix", _returns("scale.squeeze(1).diag() @ codes.to(scale)")),
    ),
    hints=(
        "Read the definition from right to left: weight ≈ code · scale.",
        "(out, in) times (out, 1): the one column of scales spreads over all columns.",
        "`codes.to(scale.dtype) * scale`.",
    ),
)
