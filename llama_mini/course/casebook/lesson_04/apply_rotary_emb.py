"""apply_rotary_emb: turn each pair of a query or key by the angle of its position."""

import torch
from torch import Tensor

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal

# Half-width results are rounded once from float32, so every bit counts; no value of these inputs
# lies near the boundary between two roundings.
_HALF = {"ulps": 0.02}


def _rotations(seq: int, pairs: int, seed: int) -> Tensor:
    """A table of arbitrary angles: no pattern in it could hide a mistake."""
    angles = normal(seq, pairs, seed=seed, scale=3.0)
    return torch.polar(torch.ones_like(angles), angles)


def _positions(first: int, seq: int, head_dim: int) -> Tensor:
    """The table of LLaMA's rotations for `seq` positions from `first` on."""
    frequencies = 10_000.0 ** -(torch.arange(0, head_dim, 2) / head_dim)
    angles = torch.outer(torch.arange(first, first + seq).float(), frequencies)
    return torch.polar(torch.ones_like(angles), angles)


def _function(*lines: str) -> str:
    """A whole answer from its lines; `wide` is x in float32."""
    start = ["def apply_rotary_emb(x, table):", "wide = x.float()"]
    return "\n    ".join([*start, *lines]) + "\n"


_READ = ("a, b = wide[..., 0::2], wide[..., 1::2]",)
_WAVES = ("cos, sin = table.real[:, None], table.imag[:, None]",)
_TURN = ("c, d = a * cos - b * sin, a * sin + b * cos",)
_WRITE = ("return torch.stack([c, d], dim=-1).flatten(-2).to(x.dtype)",)
_POINTS = ("points = torch.view_as_complex(wide.reshape(*x.shape[:-1], -1, 2))",)
_BACK = ("return torch.view_as_real(turned).flatten(-2).to(x.dtype)",)


EXERCISE = Exercise(
    symbol="llama_mini.rope:apply_rotary_emb",
    lesson=4,
    minutes=20,
    difficulty=3,
    prerequisites=("rope_table",),
    cases=(
        Case(
            "a batch of sequences",
            given=args(normal(2, 5, 3, 8, seed=1), _rotations(5, 4, seed=2)),
            gradients=True,
            another_device=True,
            points=2,
        ),
        Case(
            "as many heads as positions",
            given=args(normal(4, 4, 4, 8, seed=3), _rotations(4, 4, seed=4)),
        ),
        Case(
            "one token while decoding",
            given=args(normal(3, 1, 2, 8, seed=5), _positions(7, 1, 8)),
        ),
        Case(
            "LLaMA's head, late in the text",
            given=args(normal(1, 3, 2, 128, seed=6), _positions(2045, 3, 128)),
        ),
        Case(
            "bfloat16",
            given=args(normal(2, 4, 3, 8, seed=63, dtype=torch.bfloat16), _rotations(4, 4, seed=8)),
            **_HALF,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "split-half",
            "This is the split-half rotation, as in Hugging Face's code; Meta's weights pair (2i, "
            "2i+1). Take the even and the odd numbers, `x[..., 0::2]` and `x[..., 1::2]`, not "
            "the two halves.",
            _function(
                "a, b = wide.chunk(2, dim=-1)",
                *_WAVES,
                *_TURN,
                "return torch.cat([c, d], dim=-1).to(x.dtype)",
            ),
            also=(
                _function(
                    "cos = torch.cat([table.real, table.real], dim=-1)[:, None]",
                    "sin = torch.cat([table.imag, table.imag], dim=-1)[:, None]",
                    "half = x.shape[-1] // 2",
                    "other = torch.cat([-wide[..., half:], wide[..., :half]], dim=-1)",
                    "return (wide * cos + other * sin).to(x.dtype)",
                ),
            ),
        ),
        WrongAnswer(
            "the wrong direction",
            "This turns clockwise, by minus the angle. Scores would still depend on the "
            "distance alone, but Meta's weights expect the other way: (a·cos - b·sin, a·sin + "
            "b·cos).",
            _function(*_POINTS, "turned = points * table.conj()[:, None]", *_BACK),
            also=(
                _function(*_READ, *_WAVES, "c, d = a * cos + b * sin, b * cos - a * sin", *_WRITE),
                _function(*_POINTS, "turned = points / table[:, None]", *_BACK),
            ),
        ),
        WrongAnswer(
            "the table read by head",
            "The table lines up with the axis of heads: broadcasting matches axes from the right, "
            "and x has heads between seq and head_dim. Give the table an axis of length one "
            "there: `table[:, None, :]`.",
            _function(*_POINTS, "turned = points * table", *_BACK),
            also=(
                _function(*_POINTS, "turned = points * table[None, None]", *_BACK),
                _function(*_READ, "cos, sin = table.real, table.imag", *_TURN, *_WRITE),
            ),
        ),
        WrongAnswer(
            "the table read by batch",
            "The table lines up with the axis of the batch, so each sequence gets one rotation. "
            "Positions are the second axis of x: `table[:, None, :]`.",
            _function(*_POINTS, "turned = points * table[:, None, None]", *_BACK),
        ),
        WrongAnswer(
            "one rotation for all positions",
            "Every position is turned by the same row of the table. Row p belongs to position p.",
            _function(*_POINTS, "turned = points * table[0]", *_BACK),
            also=(_function(*_POINTS, "turned = points * table[-1]", *_BACK),),
        ),
        WrongAnswer(
            "no float32",
            "The products are taken in bfloat16, which keeps three digits at best and has no "
            "complex numbers. Begin with `x.float()`, leave the table as it is, and go back to "
            "the dtype of x at the end.",
            "def apply_rotary_emb(x, table):\n"
            "    a, b = x[..., 0::2], x[..., 1::2]\n"
            "    cos, sin = table.real[:, None].to(x.dtype), table.imag[:, None].to(x.dtype)\n"
            "    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)\n",
            also=(
                "def apply_rotary_emb(x, table):\n"
                "    points = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))\n"
                "    return torch.view_as_real(points * table[:, None]).flatten(-2).to(x.dtype)\n",
            ),
            values_vary=True,
        ),
        WrongAnswer(
            "stays in float32",
            "The result is float32 for a bfloat16 input: everything after it, the cached keys "
            "too, would take twice the memory. Go back at the end with `.to(x.dtype)` or "
            "`.type_as(x)`.",
            _function(*_POINTS, "return torch.view_as_real(points * table[:, None]).flatten(-2)"),
        ),
        WrongAnswer(
            "read in pairs, written in halves",
            "Pairs are read as neighbours, and that is right; but the results are written back in "
            "two halves, first all evens, then all odds. Put each number where it came from: "
            "stack on a *new last* axis, then flatten it.",
            _function(*_READ, *_WAVES, *_TURN, "return torch.cat([c, d], dim=-1).to(x.dtype)"),
            also=(
                _function(
                    *_READ,
                    *_WAVES,
                    *_TURN,
                    "return torch.stack([c, d], dim=-2).flatten(-2).to(x.dtype)",
                ),
            ),
        ),
        WrongAnswer(
            "read in halves, written in pairs",
            "Pairs are read half a head apart, and the results are written back as neighbours. "
            "Meta's pairs are neighbours on both sides: `x[..., 0::2]` and `x[..., 1::2]`.",
            _function("a, b = wide.chunk(2, dim=-1)", *_WAVES, *_TURN, *_WRITE),
            also=(
                _function(
                    "pairs = wide.reshape(*x.shape[:-1], 2, -1).transpose(-2, -1).contiguous()",
                    "turned = torch.view_as_complex(pairs) * table[:, None]",
                    *_BACK,
                ),
            ),
        ),
        WrongAnswer(
            "half of the dimensions",
            "Only the first half of each head is turned; the rest is left as it is. GPT-NeoX "
            "turns a part of each head, LLaMA turns all of it.",
            _function(
                "n = x.shape[-1] // 2",
                "points = torch.view_as_complex(wide[..., :n].reshape(*x.shape[:-1], -1, 2))",
                "turned = torch.view_as_real(points * table[:, None, : n // 2]).flatten(-2)",
                "return torch.cat([turned, wide[..., n:]], dim=-1).to(x.dtype)",
            ),
        ),
        WrongAnswer(
            "cosine and sine swapped",
            "Cosine and sine have changed places. In a complex number of the table the real part "
            "is the cosine.",
            _function(
                *_READ, "sin, cos = table.real[:, None], table.imag[:, None]", *_TURN, *_WRITE
            ),
        ),
        WrongAnswer(
            "the minus is missing",
            "Both results are sums. The first is a difference, a·cos - b·sin; without the minus "
            "it is no rotation, and lengths change.",
            _function(*_READ, *_WAVES, "c, d = a * cos + b * sin, a * sin + b * cos", *_WRITE),
            also=(
                _function(
                    "cos = table.real.repeat_interleave(2, dim=-1)[:, None]",
                    "sin = table.imag.repeat_interleave(2, dim=-1)[:, None]",
                    "other = wide.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)",
                    "return (wide * cos + other * sin).to(x.dtype)",
                ),
            ),
        ),
        WrongAnswer(
            "the sines are lost",
            "Only the real part of the table is used: each number is scaled by a cosine and "
            "nothing is turned. A cast of a complex table to a real dtype drops the sines with no "
            "more than a warning.",
            _function(
                "return (wide * table.real.repeat_interleave(2, dim=-1)[:, None]).to(x.dtype)"
            ),
            also=(
                _function(*_READ, "cos = table.real[:, None]", "c, d = a * cos, b * cos", *_WRITE),
            ),
        ),
        WrongAnswer(
            "evens and odds change places",
            "Each pair comes out in the wrong order: what belongs to 2i stands at 2i+1. Stack "
            "a·cos - b·sin first, then a·sin + b·cos.",
            _function(
                *_READ,
                *_WAVES,
                *_TURN,
                "return torch.stack([d, c], dim=-1).flatten(-2).to(x.dtype)",
            ),
        ),
        WrongAnswer(
            "reads what it has just overwritten",
            "The second number of a pair is computed from the *new* first number. Keep the old "
            "one until both are done.",
            _function(
                *_WAVES,
                "out = wide.clone()",
                "out[..., 0::2] = out[..., 0::2] * cos - out[..., 1::2] * sin",
                "out[..., 1::2] = out[..., 0::2] * sin + out[..., 1::2] * cos",
                "return out.to(x.dtype)",
            ),
        ),
        WrongAnswer(
            "edits its input",
            "The rotation is written into x itself, or into a view of it: `.float()` makes no "
            "copy of what is float32 already. Write into a new tensor.",
            "def apply_rotary_emb(x, table):\n"
            "    cos, sin = table.real[:, None], table.imag[:, None]\n"
            "    a, b = x[..., 0::2].float(), x[..., 1::2].float()\n"
            "    c, d = a * cos - b * sin, a * sin + b * cos\n"
            "    x[..., 0::2], x[..., 1::2] = c, d\n"
            "    return x\n",
            also=(
                _function(
                    *_READ,
                    *_WAVES,
                    *_TURN,
                    "wide[..., 0::2] = c",
                    "wide[..., 1::2] = d",
                    "return wide.to(x.dtype)",
                ),
                _function(
                    *_POINTS,
                    "points *= table[:, None]",
                    "return torch.view_as_real(points).flatten(-2).to(x.dtype)",
                ),
            ),
        ),
        WrongAnswer(
            "heads and positions swapped",
            "The axes of positions and heads come out in each other's place. Another layout "
            "inside is fine; turn it back at the end: (batch, seq, heads, head_dim).",
            _function(*_POINTS, "turned = points.transpose(1, 2) * table", *_BACK),
        ),
        WrongAnswer(
            "flattened too far",
            "The heads are gone: you flatten the axes of heads and numbers into one. Only the "
            "last two axes, pairs and their two numbers, become one: `.flatten(-2)`, or "
            "`.flatten(3)`.",
            _function(
                *_POINTS,
                "return torch.view_as_real(points * table[:, None]).flatten(2).to(x.dtype)",
            ),
            also=(
                _function(
                    *_READ,
                    *_WAVES,
                    *_TURN,
                    "return torch.stack([c, d], dim=-1).flatten(1).to(x.dtype)",
                ),
            ),
        ),
        WrongAnswer(
            "pairs left apart",
            "There is an axis too many: the two numbers of a pair still have one of their own. "
            "Flatten the last two axes into one: `.flatten(-2)`.",
            _function(*_POINTS, "return torch.view_as_real(points * table[:, None]).to(x.dtype)"),
        ),
        WrongAnswer(
            "complex numbers are returned",
            "The rotation is right, but half as many complex numbers come out. "
            "`torch.view_as_real` gives two numbers for each, on a new last axis; flatten that.",
            _function(*_POINTS, "return points * table[:, None]"),
        ),
        WrongAnswer(
            "the imaginary part is dropped",
            "Only the real part of each rotated pair is returned, half of the numbers. "
            "`torch.view_as_real` keeps both.",
            _function(*_POINTS, "return (points * table[:, None]).real.to(x.dtype)"),
            also=(_function(*_READ, *_WAVES, *_TURN, "return c.to(x.dtype)"),),
        ),
    ),
    alternatives=(
        Alternative(
            "complex numbers", _function(*_POINTS, "turned = points * table[None, :, None]", *_BACK)
        ),
        Alternative("cosines and sines", _function(*_READ, *_WAVES, *_TURN, *_WRITE)),
        Alternative(
            "a neighbour with its sign",
            _function(
                "cos = table.real.repeat_interleave(2, dim=-1).unsqueeze(1)",
                "sin = table.imag.repeat_interleave(2, dim=-1).unsqueeze(1)",
                "other = torch.stack([-wide[..., 1::2], wide[..., 0::2]], dim=-1).flatten(-2)",
                "return (wide * cos + other * sin).type_as(x)",
            ),
        ),
        Alternative(
            "rotation matrices and einsum",
            _function(
                "cos, sin = table.real, table.imag",
                "turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], "
                "-2)",
                "pairs = wide.unflatten(-1, (-1, 2))",
                "return torch.einsum('spij,bshpj->bshpi', turn, pairs).flatten(-2).to(x.dtype)",
            ),
        ),
        Alternative(
            "position by position",
            "def apply_rotary_emb(x: Tensor, table: Tensor) -> Tensor:\n"
            "    out = torch.empty_like(x)\n"
            "    for p in range(x.shape[1]):\n"
            "        for i in range(x.shape[3] // 2):\n"
            "            a, b = x[:, p, :, 2 * i].float(), x[:, p, :, 2 * i + 1].float()\n"
            "            cos, sin = table[p, i].real, table[p, i].imag\n"
            "            out[:, p, :, 2 * i] = (a * cos - b * sin).to(x.dtype)\n"
            "            out[:, p, :, 2 * i + 1] = (a * sin + b * cos).to(x.dtype)\n"
            "    return out\n",
        ),
        Alternative(
            "plain numbers from the table",
            "def apply_rotary_emb(x, table):\n"
            "    out = torch.empty_like(x)\n"
            "    for p in range(x.shape[1]):\n"
            "        for i in range(x.shape[3] // 2):\n"
            "            angle = table[p, i].angle().item()\n"
            "            a, b = x[:, p, :, 2 * i].float(), x[:, p, :, 2 * i + 1].float()\n"
            "            out[:, p, :, 2 * i] = a * math.cos(angle) - b * math.sin(angle)\n"
            "            out[:, p, :, 2 * i + 1] = a * math.sin(angle) + b * math.cos(angle)\n"
            "    return out\n",
        ),
        Alternative(
            "heads first inside",
            _function(
                "heads_first = einops.rearrange(wide, 'b s h (p two) -> b h s p two', two=2)",
                "turned = torch.view_as_complex(heads_first.contiguous()) * table",
                "return einops.rearrange(torch.view_as_real(turned), 'b h s p two -> b s h (p "
                "two)').to(x.dtype)",
            ),
        ),
        Alternative(
            "float64 inside",
            _function(
                "pairs = x.double().unflatten(-1, (-1, 2)).contiguous()",
                "turned = torch.view_as_complex(pairs) * table.to(torch.complex128)[:, None]",
                "return torch.view_as_real(turned).flatten(3).to(x.dtype)",
            ),
        ),
        Alternative(
            "split-half inside, after sorting",
            "def halves(x):\n    return torch.cat([x[..., 0::2], x[..., 1::2]], dim=-1)\n\n\n"
            + _function(
                "a, b = halves(wide).chunk(2, dim=-1)",
                *_WAVES,
                *_TURN,
                "return einops.rearrange(torch.cat([c, d], -1), '... (two p) -> ... (p two)', "
                "two=2).to(x.dtype)",
            ),
        ),
    ),
    hints=(
        "Split the last axis into pairs of neighbours, turn each pair, and put the numbers back "
        "where they came from. Start from `x.float()`.",
        "The table needs an axis for the heads before it lines up with x: `table[:, None, :]` is "
        "(seq, 1, head_dim/2). `torch.view_as_complex` wants pairs on a last axis of length 2, "
        "which `reshape` makes.",
        "With `points` of shape (batch, seq, heads, head_dim/2), the rotation is `points * "
        "table[:, None, :]`. `torch.view_as_real(...)` and `.flatten(-2)` lead back; then "
        "`.type_as(x)`.",
    ),
)
