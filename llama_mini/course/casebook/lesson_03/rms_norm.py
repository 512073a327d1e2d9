"""RMSNorm: divide by the root mean square, then scale."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal

_WEIGHT = normal(8, seed=7, shift=1.0)
_HALF = {"ulps": 0.02}  # every bit counts; tests check that no value lies near a rounding boundary


def _layer(
    forward: str,
    init: str = "self.weight = nn.Parameter(torch.ones(dim))",
    first: str = "super().__init__()",
) -> str:
    """A whole class from the lines that differ."""
    body = textwrap.indent(textwrap.dedent(forward).strip(), "        ")
    start = textwrap.indent(f"{first}\nself.eps = eps\n{init}", "        ")
    return (
        f"class RMSNorm(nn.Module):\n    def __init__(self, dim, eps=1e-6):\n{start}\n\n"
        f"    def forward(self, x):\n{body}\n"
    )


_CORRECT_FORWARD = """
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
    return wide.type_as(x) * self.weight
"""


def _scaled_by(factor: str, wide: str = "x.float()") -> str:
    """A class that multiplies with `factor`, an expression in `wide`, and is right in all else."""
    return _layer(f"wide = {wide}\nreturn (wide * ({factor})).type_as(x) * self.weight")


EXERCISE = Exercise(
    symbol="llama_mini.norm:RMSNorm",
    lesson=3,
    minutes=20,
    difficulty=2,
    prerequisites=("silu",),
    cases=(
        Case("a new layer", build=args(6), initial=True, given=args(normal(3, 6, seed=1))),
        Case(
            "a batch of sequences",
            build=args(8),
            state={"weight": _WEIGHT},
            given=args(normal(2, 3, 8, seed=2, scale=3.0, shift=0.5)),
            gradients=True,
            another_device=True,
            points=2,
        ),
        Case(
            "a single vector",
            build=args(8),
            state={"weight": _WEIGHT},
            given=args(normal(8, seed=3)),
        ),
        Case(
            "small vectors and one of zeros",
            build=args(8),
            state={"weight": _WEIGHT},
            given=args(torch.cat([normal(3, 8, seed=4, scale=1e-3), torch.zeros(1, 8)])),
        ),
        Case(
            "an eps of 0.1",
            build=args(8, eps=0.1),
            state={"weight": _WEIGHT},
            given=args(normal(4, 8, seed=5)),
        ),
        Case(
            "bfloat16",
            build=args(16),
            state={"weight": torch.ones(16)},
            dtype=torch.bfloat16,
            given=args(normal(4, 16, seed=6, dtype=torch.bfloat16)),
            **_HALF,
        ),
        Case(
            "bfloat16 with a weight",
            build=args(16),
            state={"weight": normal(16, seed=8, shift=1.0, dtype=torch.bfloat16).float()},
            dtype=torch.bfloat16,
            given=args(normal(4, 16, seed=9, dtype=torch.bfloat16)),
            **_HALF,
        ),
        Case(
            "float16, where every number is 512 or -512",
            build=args(16),
            state={"weight": torch.ones(16)},
            dtype=torch.float16,
            given=args((512 * normal(2, 16, seed=11).sign()).half()),
            **_HALF,
        ),
        Case(
            "float16, where squares overflow",
            build=args(16),
            state={"weight": torch.ones(16)},
            dtype=torch.float16,
            given=args(normal(2, 16, seed=10, scale=400.0, dtype=torch.float16)),
            **_HALF,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "eps outside the root",
            "eps is added after the square root here. It belongs inside, to the mean square: x / "
            "sqrt(mean(x²) + eps). "
            "For small vectors that is a large difference: sqrt(1e-6) is 1e-3.",
            _scaled_by("1 / (wide.pow(2).mean(-1, keepdim=True).sqrt() + self.eps)"),
            also=(_scaled_by("torch.rsqrt(wide.pow(2).mean(-1, keepdim=True)) + self.eps"),),
        ),
        WrongAnswer(
            "no eps",
            "eps is never added. A vector of zeros then divides zero by zero, which is nan; add "
            "eps to the mean square.",
            _scaled_by("torch.rsqrt(wide.pow(2).mean(-1, keepdim=True))"),
        ),
        WrongAnswer(
            "eps as a floor",
            "eps is only a floor under the length here, as in `F.normalize`: where the length is "
            "larger, it does nothing. It is *added* to every mean square, before the root.",
            _scaled_by("wide.shape[-1] ** 0.5 / wide.norm(dim=-1, keepdim=True).clamp(min=1e-12)"),
            also=(
                _scaled_by(
                    "wide.shape[-1] ** 0.5 / wide.norm(dim=-1, keepdim=True).clamp(min=self.eps)"
                ),
                _scaled_by("torch.rsqrt(wide.pow(2).mean(-1, keepdim=True).clamp(min=self.eps))"),
                _scaled_by("1 / wide.pow(2).mean(-1, keepdim=True).sqrt().clamp(min=self.eps)"),
            ),
        ),
        WrongAnswer(
            "eps added to x",
            "eps is added to the numbers before they are squared. Add it to the mean of the "
            "squares: mean(x²) + eps.",
            _scaled_by("torch.rsqrt((wide + self.eps).pow(2).mean(-1, keepdim=True))"),
        ),
        WrongAnswer(
            "an eps of its own",
            "Your code has a fixed eps and ignores the one handed to `__init__`. Keep it, "
            "`self.eps = eps`, and use it: "
            "65B was trained with another one than the smaller models.",
            _scaled_by("torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)"),
            also=(
                _scaled_by("torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)"),
                _scaled_by("torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-8)"),
            ),
        ),
        WrongAnswer(
            "LayerNorm",
            "The mean is subtracted first: that is LayerNorm. RMSNorm leaves the mean where it is "
            "and only divides by the "
            "root mean square.",
            _scaled_by(
                "torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)",
                wide="x.float() - x.float().mean(-1, keepdim=True)",
            ),
            also=(
                _scaled_by(
                    "torch.rsqrt(wide.pow(2).sum(-1, keepdim=True) / (x.shape[-1] - 1) + self.eps)",
                    wide="x.float() - x.float().mean(-1, keepdim=True)",
                ),
            ),
        ),
        WrongAnswer(
            "standard deviation",
            "You divide by the standard deviation, which measures the spread around the mean. The "
            "root mean square "
            "measures it around zero: mean(x²), with nothing subtracted.",
            _scaled_by("torch.rsqrt(wide.var(-1, keepdim=True, unbiased=False) + self.eps)"),
            also=(
                _scaled_by("torch.rsqrt(wide.var(-1, keepdim=True) + self.eps)"),
                _scaled_by("1 / (wide.std(-1, keepdim=True) + self.eps)"),
            ),
        ),
        WrongAnswer(
            "sum for mean",
            "The squares are summed, not averaged: that divides by the vector's length (its L2 "
            "norm), which grows with "
            "dim. Take the mean of the squares.",
            _scaled_by("torch.rsqrt(wide.pow(2).sum(-1, keepdim=True) + self.eps)"),
            also=(
                _scaled_by("1 / (wide.norm(dim=-1, keepdim=True) + self.eps)"),
                _scaled_by("1 / wide.norm(dim=-1, keepdim=True).clamp(min=1e-12)"),
            ),
        ),
        WrongAnswer(
            "divided by len(x)",
            "`len(x)` counts the first axis, and the squares are summed over the last. Divide by "
            "`x.shape[-1]`, or take the `mean`.",
            _scaled_by("torch.rsqrt(wide.pow(2).sum(-1, keepdim=True) / len(x) + self.eps)"),
        ),
        WrongAnswer(
            "mean over everything",
            "One mean is taken over the whole tensor, so vectors in a batch change each other. "
            "Each vector has its own: "
            "`mean(dim=-1, keepdim=True)`.",
            _scaled_by("torch.rsqrt(wide.pow(2).mean() + self.eps)"),
        ),
        WrongAnswer(
            "mean over the wrong axis",
            "The mean runs over another axis than the last. The features of one token are the "
            "last axis: `dim=-1`.",
            _scaled_by("torch.rsqrt(wide.pow(2).mean(0, keepdim=True) + self.eps)"),
            also=(
                _scaled_by("torch.rsqrt(wide.pow(2).mean(1, keepdim=True) + self.eps)"),
                _scaled_by("torch.rsqrt(wide.pow(2).mean(-2, keepdim=True) + self.eps)"),
            ),
        ),
        WrongAnswer(
            "no keepdim",
            "The mean loses its axis, so it no longer lines up with x. `keepdim=True` leaves an "
            "axis of length one that "
            "broadcasts.",
            _scaled_by("torch.rsqrt(wide.pow(2).mean(-1) + self.eps)"),
        ),
        WrongAnswer(
            "no root",
            "You divide by the mean square itself. The root mean square has a root: "
            "`torch.rsqrt`, or divide by "
            "`torch.sqrt`.",
            _scaled_by("1 / (wide.pow(2).mean(-1, keepdim=True) + self.eps)"),
        ),
        WrongAnswer(
            "mean absolute value",
            "You divide by the mean of |x|. The root mean square squares first, takes the mean, "
            "and then the root.",
            _scaled_by("1 / (wide.abs().mean(-1, keepdim=True) + self.eps)"),
        ),
        WrongAnswer(
            "no upcast",
            "The squares, or their mean, are in the half-width dtype of x. Those of float16 "
            "overflow at 256, and bfloat16 keeps "
            "three digits at best. Compute in float32, `x.float()`, and go back at the end.",
            _layer(
                "return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight"
            ),
            also=(
                _layer(
                    "return x / torch.sqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight"
                ),
            ),
            values_vary=True,
        ),
        WrongAnswer(
            "cast too early",
            "The mean square is taken in float32, and that is right; but its root goes back to the "
            "dtype of x before it meets x, so it is rounded, and so is the result again. Multiply "
            "in float32, and cast the result.",
            _layer(
                "scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + self.eps)\n"
                "return x * scale.to(x.dtype) * self.weight"
            ),
            also=(
                _layer(
                    "rms = torch.sqrt(x.float().pow(2).mean(-1, keepdim=True) + self.eps)\n"
                    "return x / rms.to(x.dtype) * self.weight"
                ),
            ),
            values_vary=True,
        ),
        WrongAnswer(
            "weight before the cast",
            "The weight is applied in float32, before the result goes back to the dtype of x. "
            "Meta's code, and so its "
            "weights, go back first and multiply then; in bfloat16 the last digit differs.",
            _layer(
                "wide = x.float()\n"
                "return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps) * "
                "self.weight).type_as(x)"
            ),
        ),
        WrongAnswer(
            "stays in float32",
            "The result stays in float32 for a bfloat16 input, and everything after it would too: "
            "twice the memory. Go "
            "back with `.type_as(x)` before the weight is applied.",
            _layer(
                "wide = x.float()\n"
                "return wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps) * "
                "self.weight"
            ),
        ),
        WrongAnswer(
            "weight does not start at ones",
            "A new layer should leave the normalised vector as it is: `self.weight` starts at "
            "ones, `torch.ones(dim)`.",
            _layer(_CORRECT_FORWARD, "self.weight = nn.Parameter(torch.zeros(dim))"),
            also=(_layer(_CORRECT_FORWARD, "self.weight = nn.Parameter(torch.randn(dim))"),),
            values_vary=True,
        ),
        WrongAnswer(
            "one plus the weight",
            "This multiplies by 1 + weight, with a weight that starts at zeros: a later family's "
            "habit. In LLaMA the "
            "weight starts at ones and multiplies as it is, and so do the weights in its files.",
            _layer(
                _CORRECT_FORWARD.replace("self.weight", "(1 + self.weight)"),
                "self.weight = nn.Parameter(torch.zeros(dim))",
            ),
        ),
        WrongAnswer(
            "the weight has another name",
            "LLaMA's files call this parameter `weight`, so values from them find no place here. "
            "Name it `self.weight`.",
            _layer(
                _CORRECT_FORWARD.replace("self.weight", "self.scale"),
                "self.scale = nn.Parameter(torch.ones(dim))",
            ),
            also=tuple(
                _layer(
                    _CORRECT_FORWARD.replace("self.weight", f"self.{name}"),
                    f"self.{name} = nn.Parameter(torch.ones(dim))",
                )
                for name in ("g", "gain", "gamma", "weights")
            ),
        ),
        WrongAnswer(
            "weight is not a Parameter",
            "`self.weight` is a plain tensor or a buffer, so no optimizer trains it. Wrap it: "
            "`self.weight = nn.Parameter(torch.ones(dim))`.",
            _layer(_CORRECT_FORWARD, "self.weight = torch.ones(dim)"),
            also=(
                _layer(_CORRECT_FORWARD, "self.register_buffer('weight', torch.ones(dim))"),
                _layer(
                    _CORRECT_FORWARD,
                    "self.weight = nn.Parameter(torch.ones(dim), requires_grad=False)",
                ),
                _layer(_CORRECT_FORWARD, "self.weight = torch.ones(dim, requires_grad=True)"),
            ),
        ),
        WrongAnswer(
            "weight is forgotten",
            "The normalised vector is returned as it is; multiply it with `self.weight` at the "
            "end.",
            _layer(
                "wide = x.float()\nreturn (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) "
                "+ self.eps)).type_as(x)"
            ),
        ),
        WrongAnswer(
            "a bias",
            "There is a bias beside the weight. LLaMA has none anywhere, and its files have "
            "nothing to put into it.",
            _layer(
                _CORRECT_FORWARD.replace("* self.weight", "* self.weight + self.bias"),
                "self.weight = nn.Parameter(torch.ones(dim))\nself.bias = "
                "nn.Parameter(torch.zeros(dim))",
            ),
        ),
        WrongAnswer(
            "no super().__init__()",
            "`nn.Module` has to set itself up before it can hold a Parameter: "
            "`super().__init__()` is the first line of "
            "`__init__`.",
            _layer(_CORRECT_FORWARD, first="pass"),
        ),
    ),
    alternatives=(
        Alternative(
            "a division by the root",
            _layer(
                "wide = x.to(torch.float32)\n"
                "rms = torch.sqrt(torch.mean(wide * wide, dim=-1, keepdim=True) + self.eps)\n"
                "return self.weight * (wide / rms).to(x.dtype)"
            ),
        ),
        Alternative(
            "einsum",
            _layer(
                "wide = x.float()\n"
                "mean_square = torch.einsum('...d,...d->...', wide, wide) / x.shape[-1]\n"
                "return (wide / (mean_square + self.eps).sqrt().unsqueeze(-1)).to(x.dtype) * "
                "self.weight"
            ),
        ),
        Alternative(
            "float64 inside",
            _layer(
                "wide = x.double()\n"
                "return (wide * (wide.square().mean(-1, keepdim=True) + self.eps) ** "
                "-0.5).to(x.dtype) * self.weight"
            ),
        ),
        Alternative(
            "torch's own",
            _layer(
                "wide = F.rms_norm(x.float(), (x.shape[-1],), eps=self.eps)\nreturn "
                "wide.type_as(x) * self.weight"
            ),
        ),
        Alternative(
            "the vector norm",
            _layer(
                "wide = x.float()\n"
                "length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)\n"
                "return (wide / torch.sqrt(length**2 / x.shape[-1] + self.eps)).to(x.dtype) * "
                "self.weight"
            ),
        ),
        Alternative(
            "a helper of its own",
            "def mean_square(x):\n    return einops.reduce(x**2, '... dim -> ... 1', 'mean')\n\n\n"
            + _layer(
                "wide = x.float()\nreturn (wide * torch.rsqrt(mean_square(wide) + "
                "self.eps)).to(x.dtype) * self.weight"
            ),
        ),
    ),
    hints=(
        "Read the name backwards: first the squares, then their mean over the last axis, then the "
        "root. Divide by it.",
        "Keep the axis when you take the mean, `keepdim=True`, so that it broadcasts. eps is "
        "added before the root is "
        "taken. And squares want more room than bfloat16 has: begin with `x.float()`.",
        "`wide * torch.rsqrt(wide.pow(2).mean(dim=-1, keepdim=True) + self.eps)` is the "
        "normalised vector. Bring it back "
        "to the dtype of x, and multiply with `self.weight`, an `nn.Parameter` of ones.",
    ),
)
