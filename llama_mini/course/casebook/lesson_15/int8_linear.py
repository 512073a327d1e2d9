"""int8_linear: a product with codes, and the scales afterwards."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _codes(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-127, 128, (rows, columns), generator=generator).to(torch.int8)


def _scale(rows: int, seed: int) -> torch.Tensor:
    return normal(rows, 1, seed=seed).abs() * 0.01 + 0.001


def _returns(expression: str) -> str:
    return f"def int8_linear(x, codes, scale):\n    return ({expression}).to(x.dtype)\n"


_PRODUCT = "x.float() @ codes.float().T"

EXERCISE = Exercise(
    symbol="llama_mini.weights.quantization:int8_linear",
    lesson=15,
    minutes=10,
    difficulty=2,
    prerequisites=("dequantize_int8",),
    cases=(
        Case("two rows", given=args(normal(2, 6, seed=1), _codes(4, 6, 2), _scale(4, 3)), points=2),
        Case(
            "as many rows as outputs, as many inputs",
            given=args(normal(5, 5, seed=4), _codes(5, 5, 5), _scale(5, 6)),
        ),
        Case(
            "a batch of texts",
            given=args(normal(2, 3, 8, seed=7), _codes(6, 8, 8), _scale(6, 9)),
            another_device=True,
        ),
        Case("one vector", given=args(normal(8, seed=10), _codes(3, 8, 11), _scale(3, 12))),
        Case(
            "bfloat16",
            given=args(
                normal(3, 16, seed=13, dtype=torch.bfloat16), _codes(4, 16, 14), _scale(4, 15)
            ),
        ),
        Case(
            "float16 where sums are large",
            given=args(
                torch.full((1, 64), 20.0, dtype=torch.float16),
                torch.full((2, 64), 100, dtype=torch.int8),
                torch.tensor([[0.001], [0.002]]),
            ),
        ),
        # Whole numbers below 2²⁴ throughout, so that float32 makes no error before the scales.
        Case(
            "bfloat16 where large terms cancel",
            given=args(
                torch.tensor([[120.0, -160.0, 1.0], [-180.0, 240.0, 2.0]], dtype=torch.bfloat16),
                torch.tensor([[80, 60, 10], [100, 75, -7], [124, 93, 5]], dtype=torch.int8),
                torch.tensor([[0.0013], [0.0027], [0.0031]]),
            ),
            ulps=4,
        ),
        Case(
            "float16 and scales below its smallest number",
            given=args(
                torch.full((2, 64), 200.0, dtype=torch.float16),
                torch.full((2, 64), 100, dtype=torch.int8),
                torch.tensor([[2e-8], [1e-8]]),
            ),
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "the weight is not transposed",
            "You multiply x by codes as they stand, and they stand as (out, in). A linear layer "
            "is x · Wᵀ: `codes.T`, or `F.linear`.",
            _returns("(x.float() @ codes.float()) * scale.squeeze(1)"),
        ),
        WrongAnswer(
            "the scale is missing",
            "The product is right, and the scales are missing: multiply each output by the scale "
            "of its row.",
            _returns(_PRODUCT),
        ),
        WrongAnswer(
            "scales in a column",
            "The scales stand in a column, (out, 1), and the outputs in a row, (..., out). They "
            "line up as `scale.squeeze(1)`.",
            _returns(f"({_PRODUCT}) * scale"),
        ),
        WrongAnswer(
            "scales on the inputs",
            "You scale the inputs. A scale belongs to a row of the weight, which is an output: "
            "multiply after the product.",
            _returns("(x.float() * scale.squeeze(1)) @ codes.float().T"),
        ),
        WrongAnswer(
            "divided by the scale",
            "You divide by the scale. weight ≈ code · scale, so the product is multiplied by it.",
            _returns(f"({_PRODUCT}) / scale.squeeze(1)"),
        ),
        WrongAnswer(
            "the inputs as whole numbers",
            "You cast x to int8, which cuts off everything after the decimal point. Only the "
            "weight is quantised; turn the codes into floating-point numbers instead.",
            _returns("(x.to(torch.int8).float() @ codes.float().T) * scale.squeeze(1)"),
            also=(
                _returns("(x.round().float() @ codes.float().T) * scale.squeeze(1)"),
                _returns("(x.int() @ codes.int().T).float() * scale.squeeze(1)"),
            ),
        ),
        WrongAnswer(
            "the product in the dtype of x",
            "The product is taken in the dtype of x, or cast back to it before the scale. In "
            "float16 a sum of numbers times 127 passes 65,504 and becomes infinite before the "
            "scale can make it small: begin with `x.float()`, and cast back last.",
            _returns("(x @ codes.to(x.dtype).T) * scale.squeeze(1)"),
            also=(
                _returns("(x @ codes.to(x.dtype).T).float() * scale.squeeze(1)"),
                _returns("F.linear(x, codes.to(x.dtype)) * scale.squeeze(1).to(x.dtype)"),
                _returns(f"({_PRODUCT}).to(x.dtype) * scale.squeeze(1)"),
            ),
        ),
        WrongAnswer(
            "the weight in the dtype of x",
            "You scale the codes and cast the weights to the dtype of x, which rounds each of them "
            "once more; where large terms cancel, little else is left. Take the product in "
            "float32, with the codes as they are, and cast back last.",
            _returns("F.linear(x, (codes * scale).to(x.dtype))"),
            also=(
                _returns("F.linear(x.float(), (codes * scale).to(x.dtype).float())"),
                _returns("F.linear(x, codes.to(x.dtype) * scale.to(x.dtype))"),
                _returns("F.linear(x.float(), (codes.to(x.dtype) * scale.to(x.dtype)).float())"),
            ),
        ),
        WrongAnswer(
            "the scale in the dtype of x",
            "You cast the scale to the dtype of x before it is used. bfloat16 keeps 8 of its bits, "
            "and float16 makes 0 of one below 3e-8. Multiply in float32, and cast the result "
            "alone.",
            _returns(f"({_PRODUCT}) * scale.squeeze(1).to(x.dtype)"),
        ),
        WrongAnswer(
            "an axis too many for one vector",
            "Your scales are (1, out). Several rows hide that; with one vector, (in,), the result "
            "must be (out,), and yours is (1, out). One number for each output: "
            "`scale.squeeze(1)`.",
            _returns(f"({_PRODUCT}) * scale.T"),
        ),
        WrongAnswer(
            "127 a second time",
            "You divide by 127 once more. The scale is one step of the grid already.",
            _returns(f"({_PRODUCT}) * scale.squeeze(1) / 127"),
        ),
        WrongAnswer(
            "one scale for all outputs",
            "All outputs get the same scale. Each has that of its own row.",
            _returns(f"({_PRODUCT}) * scale[0]"),
            also=(_returns(f"({_PRODUCT}) * scale.mean()"),),
        ),
        WrongAnswer(
            "x in another dtype than the weight",
            "Codes times scale are float32, and x may be bfloat16 or float16; a product takes one "
            "dtype. Make x float32 too, `x.float()`, and cast the result back.",
            _returns("F.linear(x, codes * scale)"),
            also=(_returns("(x @ codes.float().T) * scale.squeeze(1)"),),
        ),
        WrongAnswer(
            "dtypes do not match",
            "A floating-point x cannot be multiplied with int8 codes. Cast both: `x.float()` and "
            "`codes.float()`.",
            _returns("(x @ codes.T) * scale.squeeze(1)"),
        ),
    ),
    alternatives=(
        Alternative("F.linear", _returns("F.linear(x.float(), codes.float()) * scale.squeeze(1)")),
        Alternative(
            "einsum",
            _returns("torch.einsum('...i,oi->...o', x.float(), codes.float()) * scale.flatten()"),
        ),
        Alternative("scales first", _returns("x.float() @ (codes * scale).T")),
        Alternative(
            "in float64",
            _returns("(x.double() @ codes.double().T) * scale.T.squeeze(0).double()"),
        ),
    ),
    hints=(
        "In y = Σ x·code·scale, what does not depend on the column can leave the sum.",
        "Take `x.float() @ codes.float().T` first; it is (..., out). Now one scale for each "
        "output. Which shape has the scale, and which do you need?",
        "`(x.float() @ codes.float().T) * scale.squeeze(1)`, cast back with `.to(x.dtype)`.",
    ),
)
