"""Mistakes in rope_table, written in another hand, at sizes that the casebook does not use."""

from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case("nine positions", given=args(10, 9), ulps=64),
    Case("square", given=args(14, 7), ulps=64),
    Case("a long head", given=args(64, 30), ulps=64),
    Case("theta", given=args(6, 5, 500.0), ulps=64),
    Case("the first alone", given=args(4, 1), ulps=64),
)


def answer(ending: str, positions: str = "torch.arange(max_seq_len)") -> str:
    """An answer that makes its own frequencies and multiplies by broadcasting."""
    return (
        "def rope_table(head_dim: int, max_seq_len: int, theta: float = 10_000.0) -> Tensor:\n"
        "    freqs = torch.pow(theta, -torch.arange(0, head_dim, 2) / head_dim)\n"
        f"    t = {positions}\n"
        f"    phase = t[:, None] * freqs[None, :]\n    {ending}\n"
    )


ROTATION = "return torch.exp(1j * phase)"

VARIANTS = {
    "positions from 1": [
        answer(ROTATION, "torch.arange(max_seq_len) + 1"),
        answer("phase = phase + freqs\n    return torch.complex(phase.cos(), phase.sin())"),
    ],
    "one row too many": [
        answer(ROTATION, "torch.arange(0, max_seq_len + 1)"),
        answer(ROTATION, "torch.arange(max_seq_len * 2)"),
    ],
    "rows and columns swapped": [
        answer("return torch.exp(1j * phase.T)"),
        answer(
            "phase = torch.einsum('p,f->fp', t.float(), freqs)\n    return torch.exp(1j * phase)"
        ),
    ],
    "clockwise": [
        answer("return torch.complex(phase.cos(), -phase.sin())"),
        answer("return torch.exp(1j * phase).conj()"),
    ],
    "cosine and sine swapped": [
        answer("return torch.view_as_complex(torch.stack((phase.sin(), phase.cos()), dim=-1))"),
    ],
    "length and angle swapped": [answer("return torch.polar(phase, torch.full_like(phase, 1.0))")],
    "angles only": [
        answer("return phase"),
        answer("return torch.complex(phase, torch.zeros_like(phase))"),
    ],
    "cosines only": [
        answer("return torch.cos(phase)"),
        answer("return torch.complex(phase.cos(), torch.zeros_like(phase))"),
    ],
    "cosines and sines as real numbers": [
        answer("return torch.cos(phase), torch.sin(phase)"),
        answer("return torch.view_as_real(torch.exp(1j * phase))"),
        answer("return torch.hstack([torch.cos(phase), torch.sin(phase)])"),
    ],
    "complex128": [
        answer("return torch.exp(1j * phase.double())"),
        answer("return torch.exp(1j * phase).to(torch.complex128)"),
    ],
    "theta is not passed on": [
        answer(
            "phase = t[:, None] * 10000.0 ** (-torch.arange(0, head_dim, 2) / head_dim)\n    "
            + ROTATION
        ),
    ],
    "exp without i": [
        answer("return phase.exp()"),
        answer("return torch.complex(torch.exp(phase), torch.zeros_like(phase))"),
    ],
    "degrees": [
        answer("phase = phase * math.pi / 180\n    " + ROTATION),
        answer("phase = phase / 360 * math.tau\n    " + ROTATION),
    ],
    "positions as a share": [
        answer(ROTATION, "torch.arange(max_seq_len).float().div(max_seq_len)"),
        answer(ROTATION, "torch.linspace(0, 1, steps=max_seq_len)"),
    ],
    "angles in bfloat16": [
        answer("return torch.exp(1j * phase.bfloat16().float())"),
        answer(
            "phase = t.half()[:, None] * freqs.half()\n"
            "    return torch.complex(phase.float().cos(), phase.float().sin())"
        ),
    ],
    "returns nothing": [answer("table = torch.exp(1j * phase)")],
}
