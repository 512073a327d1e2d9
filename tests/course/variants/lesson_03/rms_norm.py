# ruff: noqa: E501  (source text of single lines)
"""The mistakes in RMSNorm, written a second time in other ways, at shapes the casebook lacks."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Case, args, normal

_WEIGHT = normal(12, seed=201, scale=0.5, shift=1.0)
_BF16 = {"dtype": torch.bfloat16, "ulps": 0.02}

CASES = (
    Case("new", build=args(10), initial=True, given=args(normal(5, 10, seed=202))),
    Case(
        "batch",
        build=args(12),
        state={"weight": _WEIGHT},
        given=args(normal(3, 2, 5, 12, seed=203, shift=-1.0)),
        gradients=True,
        another_device=True,
    ),
    Case("vector", build=args(12), state={"weight": _WEIGHT}, given=args(normal(12, seed=204))),
    Case(
        "small",
        build=args(12),
        state={"weight": _WEIGHT},
        given=args(torch.cat([torch.zeros(2, 12), normal(2, 12, seed=205, scale=2e-3)])),
    ),
    Case(
        "eps", build=args(12, 0.3), state={"weight": _WEIGHT}, given=args(normal(2, 12, seed=206))
    ),
    Case(
        "bf16",
        build=args(24),
        state={"weight": torch.ones(24)},
        given=args(normal(3, 24, seed=207, dtype=torch.bfloat16)),
        **_BF16,
    ),
    Case(
        "bf16 and weight",
        build=args(24),
        state={"weight": normal(24, seed=208, shift=1.0, dtype=torch.bfloat16).float()},
        given=args(normal(3, 24, seed=209, dtype=torch.bfloat16)),
        **_BF16,
    ),
    Case(
        "fp16, a power of two",
        build=args(24),
        state={"weight": torch.ones(24)},
        given=args((1024 * normal(3, 24, seed=211).sign()).half()),
        dtype=torch.float16,
        ulps=0.02,
    ),
    Case(
        "fp16",
        build=args(24),
        state={"weight": torch.ones(24)},
        given=args(normal(3, 24, seed=210, scale=600.0, dtype=torch.float16)),
        dtype=torch.float16,
        ulps=0.02,
    ),
)


def module(forward: str, weight: str = "torch.nn.Parameter(torch.full((dim,), 1.0))") -> str:
    """A layer as someone else writes it: size kept, type hints, an own helper for the norm."""
    lines = textwrap.indent(textwrap.dedent(forward).strip(), " " * 8)
    return (
        "class RMSNorm(torch.nn.Module):\n"
        "    def __init__(self, dim: int, eps: float = 1e-6):\n"
        "        super(RMSNorm, self).__init__()\n"
        f"        self.dim, self.eps = dim, eps\n        self.weight = {weight}\n"
        f"    def forward(self, hidden: Tensor) -> Tensor:\n        kept = hidden.dtype\n{lines}\n"
    )


def norm(expression: str) -> str:
    return module(
        f"h = hidden.to(torch.float32)\nh = {expression}\nreturn self.weight * h.to(kept)"
    )


RIGHT = """\
h = hidden.float()
h = h / ((h * h).mean(-1, True) + self.eps).sqrt()
return self.weight * h.to(kept)"""

VARIANTS = {
    "eps outside the root": [
        norm("h / (torch.sqrt(torch.mean(h**2, -1, keepdim=True)) + self.eps)")
    ],
    "no eps": [norm("h / torch.sqrt((h * h).sum(-1, keepdim=True) / self.dim)")],
    "eps as a floor": [
        norm("F.normalize(h, dim=-1) * math.sqrt(self.dim)"),
        norm("F.normalize(h, dim=-1, eps=self.eps) * self.dim**0.5"),
    ],
    "eps added to x": [norm("h / torch.sqrt(torch.mean((h + self.eps) ** 2, -1, keepdim=True))")],
    "divided by len(x)": [
        norm("h / (torch.sum(h * h, dim=-1, keepdim=True) / len(hidden) + self.eps) ** 0.5")
    ],
    "cast too early": [
        module(
            "mean_square = hidden.to(torch.float32).square().mean(dim=-1, keepdim=True)\n"
            "factor = (mean_square + self.eps).rsqrt().type_as(hidden)\n"
            "return hidden * self.weight * factor"
        ),
        module(
            "root = (hidden.double().pow(2).mean(-1, True) + self.eps).sqrt().to(kept)\n"
            "return self.weight * (hidden / root)"
        ),
    ],
    "overwrites what the gradient needs": [
        module(
            "h = hidden.float().clone()\nh /= ((h * h).mean(-1, True) + self.eps).sqrt()\n"
            "return self.weight * h.to(kept)"
        ),
    ],
    "an eps of its own": [norm("h / torch.sqrt((h**2).mean(-1, True) + 1e-5)")],
    "LayerNorm": [
        norm("F.layer_norm(h, (self.dim,), eps=self.eps)"),
        norm(
            "(h - h.mean(-1, True)) / torch.sqrt(((h - h.mean(-1, True))**2).mean(-1, True) + self.eps)"
        ),
    ],
    "standard deviation": [norm("h / (h.std(dim=-1, keepdim=True) + self.eps)")],
    "sum for mean": [
        norm("h / torch.sqrt(torch.einsum('...i,...i->...', h, h)[..., None] + self.eps)"),
        norm("F.normalize(h, dim=-1)"),
    ],
    "mean over everything": [norm("h / torch.sqrt(torch.mean(torch.square(h)) + self.eps)")],
    "mean over the wrong axis": [
        norm("h / (h.square().mean(dim=0, keepdim=True) + self.eps).sqrt()"),
    ],
    "no keepdim": [norm("h / torch.sqrt(h.square().mean(dim=-1) + self.eps)")],
    "no root": [norm("h / (torch.mean(h * h, dim=-1, keepdim=True) + self.eps)")],
    "mean absolute value": [
        norm("h / (torch.mean(torch.abs(h), dim=-1, keepdim=True) + self.eps)")
    ],
    "no upcast": [
        module(
            "variance = hidden.square().mean(-1, keepdim=True)\n"
            "return self.weight * (hidden * torch.rsqrt(variance + self.eps))"
        ),
    ],
    "weight before the cast": [
        module(
            "h = hidden.float()\nh = h * torch.rsqrt(h.square().mean(-1, keepdim=True) + self.eps)\n"
            "return (self.weight.float() * h).to(kept)"
        ),
        # torch's fused layer works in float32 by itself, and multiplies there.
        module("return F.rms_norm(hidden, (self.dim,), self.weight, self.eps)"),
    ],
    "stays in float32": [
        module(
            "h = hidden.float()\n"
            "return h / torch.sqrt(h.square().mean(-1, keepdim=True) + self.eps) * self.weight.float()"
        )
    ],
    "weight does not start at ones": [
        module(RIGHT, "torch.nn.Parameter(torch.rand(dim))"),
        module(RIGHT, "torch.nn.Parameter(torch.full((dim,), 0.02))"),
    ],
    "one plus the weight": [
        module(
            RIGHT.replace("self.weight *", "(self.weight + 1) *"),
            "torch.nn.Parameter(torch.zeros(dim))",
        )
    ],
    "the weight has another name": [
        module(RIGHT).replace("self.weight", "self.gain"),
        module(RIGHT).replace("self.weight", "self.g"),
    ],
    "weight is not a Parameter": [
        module(RIGHT, "torch.ones((dim,), dtype=torch.float32)"),
        module(RIGHT, "torch.nn.Buffer(torch.ones(dim))"),
    ],
    "weight is forgotten": [
        module(
            "h = hidden.float()\nreturn (h / torch.sqrt((h**2).mean(-1, True) + self.eps)).to(kept)"
        )
    ],
    "a bias": [
        module(
            RIGHT + " + self.bias",
            "torch.nn.Parameter(torch.ones(dim))\n        self.bias = torch.nn.Parameter(torch.zeros(dim))",
        )
    ],
    "no super().__init__()": [
        module(RIGHT).replace("        super(RMSNorm, self).__init__()\n", "")
    ],
    "edits its input": [
        module(
            "scale = torch.rsqrt(hidden.float().pow(2).mean(-1, keepdim=True) + self.eps)\n"
            "out = (hidden.float() * scale).to(kept) * self.weight\nhidden[...] = out\nreturn hidden"
        ),
    ],
    "no gradient": [
        module("with torch.no_grad():\n    " + RIGHT.replace("\n", "\n    ")),
    ],
    "wrong gradient": [
        module(
            "h = hidden.float()\nscale = (h * h).mean(-1, True).add(self.eps).rsqrt().detach()\n"
            "return self.weight * (h * scale).to(kept)"
        ),
    ],
    "bound to one device": [
        module(
            "eps = torch.full((self.dim,), self.eps)\n" + RIGHT.replace("+ self.eps", "+ eps[:1]")
        ),
    ],
    "returns nothing": [module(RIGHT.replace("return ", "result = "))],
    "returns its input": [module(RIGHT.replace("return ", "result = ") + "\nreturn hidden")],
}
