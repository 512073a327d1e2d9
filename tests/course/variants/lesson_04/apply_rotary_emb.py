"""Mistakes in apply_rotary_emb, in another hand, at shapes that the casebook does not use."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Case, args, normal


def angles(seq: int, pairs: int, seed: int):
    """Rotations by angles of every size."""
    phase = normal(seq, pairs, seed=seed, scale=5.0)
    return torch.complex(phase.cos(), phase.sin())


CASES = (
    Case(
        "batch",
        given=args(normal(3, 4, 2, 12, seed=301), angles(4, 6, seed=302)),
        gradients=True,
        another_device=True,
    ),
    Case("square", given=args(normal(6, 6, 6, 12, seed=303), angles(6, 6, seed=304))),
    Case("one position", given=args(normal(2, 1, 5, 12, seed=305), angles(1, 6, seed=306))),
    Case("long head", given=args(normal(1, 5, 3, 64, seed=307), angles(5, 32, seed=308))),
    Case(
        "bf16",
        given=args(normal(2, 3, 4, 16, seed=309, dtype=torch.bfloat16), angles(3, 8, seed=310)),
        ulps=0.02,
    ),
)


def answer(body: str) -> str:
    """A function from its body."""
    return "def apply_rotary_emb(x, table):\n" + textwrap.indent(
        textwrap.dedent(body).strip() + "\n", "    "
    )


def by_halves(body: str) -> str:
    """An answer in the manner of Meta's: a view as pairs, and a helper that reshapes the table."""
    return (
        "def for_broadcast(table, x):\n"
        "    return table.view(1, table.shape[0], 1, table.shape[1])\n\n\n"
        + answer(
            "z = torch.view_as_complex(x.float().unflatten(-1, (x.shape[-1] // 2, 2)))\n" + body
        )
    )


def with_loops(new_even: str, new_odd: str) -> str:
    """An answer that loops over pairs: `a`, `b` the pair, `c`, `s` cosine and sine by position."""
    return answer(f"""
        out = torch.zeros_like(x)
        for i in range(x.size(-1) // 2):
            a, b = x[..., 2 * i].float(), x[..., 2 * i + 1].float()
            c, s = table[:, i].real.unsqueeze(-1), table[:, i].imag.unsqueeze(-1)
            out[..., 2 * i] = ({new_even}).to(x.dtype)
            out[..., 2 * i + 1] = ({new_odd}).to(x.dtype)
        return out
    """)


VARIANTS = {
    "split-half": [
        "def rotate_half(x):\n"
        "    n = x.shape[-1] // 2\n"
        "    return torch.cat((-x[..., n:], x[..., :n]), dim=-1)\n\n\n"
        + answer("""
            emb = torch.cat((table, table), dim=-1).unsqueeze(1)
            return (x.float() * emb.real + rotate_half(x.float()) * emb.imag).type_as(x)
        """),
        answer("""
            n = x.size(3) // 2
            z = torch.complex(x[..., :n].float(), x[..., n:].float()) * table.unsqueeze(1)
            return torch.cat((z.real, z.imag), dim=3).type_as(x)
        """),
    ],
    "the wrong direction": [
        by_halves(
            "return torch.view_as_real(z * for_broadcast(table.conj(), z)).flatten(3).type_as(x)"
        ),
        with_loops("a * c + b * s", "b * c - a * s"),
    ],
    "the table read by head": [
        by_halves(
            "return torch.view_as_real(z * table.view(1, 1, *table.shape)).flatten(3).type_as(x)"
        ),
        answer("""
            pairs = einops.rearrange(x.float(), 'b s h (p t) -> b s h p t', t=2)
            z = torch.complex(pairs[..., 0], pairs[..., 1]) * table
            return torch.stack((z.real, z.imag), dim=-1).flatten(3).type_as(x)
        """),
    ],
    "the table read by batch": [
        by_halves(
            "table = table.view(table.shape[0], 1, 1, -1)\n"
            "return torch.view_as_real(z * table).flatten(3).type_as(x)"
        ),
    ],
    "one rotation for all positions": [
        by_halves("return torch.view_as_real(z * table[:1]).flatten(3).type_as(x)"),
        by_halves("return torch.view_as_real(z * table[len(table) - 1]).flatten(3).type_as(x)"),
    ],
    "no float32": [
        answer("""
            cos = table.real.type_as(x).repeat_interleave(2, -1).unsqueeze(1)
            sin = table.imag.type_as(x).repeat_interleave(2, -1).unsqueeze(1)
            other = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(3)
            return x * cos + other * sin
        """),
        answer("""
            z = torch.view_as_complex(x.unflatten(-1, (-1, 2))) * table.unsqueeze(1)
            return torch.view_as_real(z).flatten(3).type_as(x)
        """),
    ],
    "stays in float32": [
        by_halves("return torch.view_as_real(z * for_broadcast(table, z)).flatten(3)"),
        answer("""
            cos, sin = table.real.unsqueeze(1), table.imag.unsqueeze(1)
            even, odd = x[..., ::2], x[..., 1::2]
            new = [even * cos - odd * sin, even * sin + odd * cos]
            return torch.stack(new, dim=-1).flatten(3)
        """),
    ],
    "read in pairs, written in halves": [
        by_halves(
            "z = z * for_broadcast(table, z)\nreturn torch.cat((z.real, z.imag), dim=-1).type_as(x)"
        ),
        answer("""
            pairs = einops.rearrange(x.float(), 'b s h (p two) -> two b s h p', two=2)
            c, s = table.real[:, None], table.imag[:, None]
            new = torch.stack((pairs[0] * c - pairs[1] * s, pairs[0] * s + pairs[1] * c))
            return einops.rearrange(new, 'two b s h p -> b s h (two p)').type_as(x)
        """),
    ],
    "read in halves, written in pairs": [
        answer("""
            pairs = einops.rearrange(x.float(), 'b s h (two p) -> two b s h p', two=2)
            c, s = table.real[:, None], table.imag[:, None]
            new = torch.stack((pairs[0] * c - pairs[1] * s, pairs[0] * s + pairs[1] * c))
            return einops.rearrange(new, 'two b s h p -> b s h (p two)').type_as(x)
        """),
    ],
    "half of the dimensions": [
        answer("""
            out = x.clone().float()
            for i in range(x.shape[-1] // 4):
                z = torch.complex(out[..., 2 * i], out[..., 2 * i + 1]) * table[:, i, None]
                out = torch.cat([out[..., : 2 * i], z.real[..., None], z.imag[..., None],
                                 out[..., 2 * i + 2 :]], dim=-1)
            return out.to(x.dtype)
        """),
    ],
    "cosine and sine swapped": [
        with_loops("a * s - b * c", "a * c + b * s"),
        by_halves(
            "table = torch.complex(table.imag, table.real)\n"
            "return torch.view_as_real(z * for_broadcast(table, z)).flatten(3).type_as(x)"
        ),
    ],
    "the minus is missing": [with_loops("a * c + b * s", "a * s + b * c")],
    "the sines are lost": [
        by_halves(
            "table = table.real\n"
            "return torch.view_as_real(z * for_broadcast(table, z)).flatten(3).type_as(x)"
        ),
        with_loops("a * c", "b * c"),
    ],
    "evens and odds change places": [
        with_loops("a * s + b * c", "a * c - b * s"),
        by_halves(
            "return torch.view_as_real(z * for_broadcast(table, z)).flip(-1).flatten(3).type_as(x)"
        ),
    ],
    "reads what it has just overwritten": [
        answer("""
            new = x.float().clone()
            for p in range(x.shape[1]):
                for i in range(x.shape[3] // 2):
                    c, s = table[p, i].real, table[p, i].imag
                    new[:, p, :, 2 * i] = new[:, p, :, 2 * i] * c - new[:, p, :, 2 * i + 1] * s
                    new[:, p, :, 2 * i + 1] = new[:, p, :, 2 * i] * s + new[:, p, :, 2 * i + 1] * c
            return new.type_as(x)
        """),
    ],
    "edits its input": [
        answer("""
            for p in range(x.shape[1]):
                for i in range(x.shape[3] // 2):
                    a, b = x[:, p, :, 2 * i].float(), x[:, p, :, 2 * i + 1].float()
                    c, s = table[p, i].real, table[p, i].imag
                    x[:, p, :, 2 * i] = (a * c - b * s).to(x.dtype)
                    x[:, p, :, 2 * i + 1] = (a * s + b * c).to(x.dtype)
            return x
        """),
        by_halves(
            "z.mul_(for_broadcast(table, z))\nreturn torch.view_as_real(z).flatten(3).type_as(x)"
        ),
    ],
    "heads and positions swapped": [
        answer("""
            heads_first = x.float().permute(0, 2, 1, 3).unflatten(-1, (-1, 2)).contiguous()
            z = torch.view_as_complex(heads_first) * table
            return torch.view_as_real(z).flatten(3).type_as(x)
        """),
    ],
    "flattened too far": [
        by_halves("return torch.view_as_real(z * for_broadcast(table, z)).flatten(2).type_as(x)"),
        by_halves(
            "out = torch.view_as_real(z * for_broadcast(table, z))\n"
            "return out.reshape(x.shape[0], x.shape[1], -1).type_as(x)"
        ),
    ],
    "pairs left apart": [
        by_halves("return torch.view_as_real(z * for_broadcast(table, z)).type_as(x)"),
    ],
    "complex numbers are returned": [
        by_halves("return z * for_broadcast(table, z)"),
        answer(
            "return torch.complex(x.float()[..., ::2], x.float()[..., 1::2]) * table.unsqueeze(1)"
        ),
    ],
    "the imaginary part is dropped": [
        by_halves("return torch.real(z * for_broadcast(table, z)).type_as(x)"),
    ],
    "no gradient": [
        by_halves(
            "out = torch.view_as_real(z.detach() * for_broadcast(table, z))\n"
            "return out.flatten(3).type_as(x)"
        ),
    ],
    "bound to one device": [
        answer("""
            out = torch.zeros(x.shape)
            z = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
            out[:] = torch.view_as_real(z.cpu() * table.cpu()[:, None]).flatten(3)
            return out.to(x.dtype)
        """),
    ],
    "returns its input": [
        by_halves(
            "torch.view_as_real(z * for_broadcast(table, z)).flatten(3).type_as(x)\nreturn x"
        ),
    ],
    "returns nothing": [
        by_halves("out = torch.view_as_real(z * for_broadcast(table, z)).flatten(3).type_as(x)"),
    ],
}
