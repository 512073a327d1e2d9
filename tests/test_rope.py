"""Rotary positions against independent sources: transformers, rotation matrices, the paper."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from llama_mini import rope

sizes = st.integers(1, 5)


def rotation_matrices(position: int, head_dim: int, theta: float) -> torch.Tensor:
    """The block-diagonal matrix of Su et al. 2021, equation 15, in float64."""
    blocks = []
    for i in range(1, head_dim // 2 + 1):
        angle = position * theta ** (-2 * (i - 1) / head_dim)
        blocks.append(
            torch.tensor(
                [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
                dtype=torch.float64,
            )
        )
    return torch.block_diag(*blocks)


def transformers_rotation(q: torch.Tensor, k: torch.Tensor, theta: float):
    """Hugging Face's split-half rotation of (batch, seq, heads, head_dim), from position 0."""
    seq, heads, head_dim = q.shape[1:]
    config = LlamaConfig(
        hidden_size=heads * head_dim,
        num_attention_heads=heads,
        max_position_embeddings=seq,
        rope_theta=theta,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
    )
    cos, sin = LlamaRotaryEmbedding(config)(q, torch.arange(seq)[None])
    return apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=2)


@pytest.mark.parametrize("theta", [10_000.0, 500_000.0])
def test_frequencies_are_those_of_transformers(theta):
    config = LlamaConfig(
        hidden_size=512,
        num_attention_heads=4,
        rope_theta=theta,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
    )
    theirs = LlamaRotaryEmbedding(config).inv_freq
    ours = rope.rope_frequencies(128, theta)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=4 * torch.finfo(torch.float32).eps, atol=0)


@given(half=st.integers(1, 64), theta=st.floats(2.0, 1e6))
@settings(max_examples=40, deadline=None)
def test_frequencies_fall_from_one_radian_by_a_constant_factor(half, theta):
    frequencies = rope.rope_frequencies(2 * half, theta).double()
    assert frequencies[0] == 1.0
    ratios = frequencies[1:] / frequencies[:-1]
    expected = torch.full_like(ratios, theta ** (-1 / half))
    torch.testing.assert_close(ratios, expected, rtol=1e-5, atol=0)


@given(seq=sizes, half=sizes, batch=sizes, heads=sizes, theta=st.sampled_from([100.0, 10_000.0]))
@settings(max_examples=40, deadline=None)
def test_rotation_is_the_papers_matrix_product(seq, half, batch, heads, theta):
    x = torch.randn(batch, seq, heads, 2 * half)
    got = rope.apply_rotary_emb(x, rope.rope_table(2 * half, seq, theta))
    expected = torch.stack(
        [
            torch.einsum("ij,bhj->bhi", rotation_matrices(p, 2 * half, theta), x[:, p].double())
            for p in range(seq)
        ],
        dim=1,
    )
    torch.testing.assert_close(got.double(), expected, atol=5e-6, rtol=0)


def test_scores_are_those_of_transformers_after_the_rows_are_reordered():
    # q = x Wᵀ: reordering the rows of W reorders the numbers inside each head of q.
    generator = torch.Generator().manual_seed(0)
    batch, seq, heads, head_dim, dim = 2, 40, 3, 16, 24
    x = torch.randn(batch, seq, dim, generator=generator)
    wq, wk = torch.randn(2, heads * head_dim, dim, generator=generator).unbind()

    def projected(weight):
        return (x @ weight.T).view(batch, seq, heads, head_dim)

    def scores(q, k):
        return torch.einsum("bqhd,bkhd->bhqk", q, k)

    table = rope.rope_table(head_dim, seq)
    ours = scores(*(rope.apply_rotary_emb(projected(w), table) for w in (wq, wk)))
    halves = [projected(rope.interleaved_to_half(w, heads)) for w in (wq, wk)]
    torch.testing.assert_close(
        ours, scores(*transformers_rotation(*halves, 10_000.0)), atol=2e-3, rtol=1e-5
    )

    unconverted = scores(*transformers_rotation(projected(wq), projected(wk), 10_000.0))
    diagonal = torch.arange(seq)
    torch.testing.assert_close(
        unconverted[..., diagonal, diagonal], ours[..., diagonal, diagonal], atol=2e-3, rtol=1e-5
    )
    assert (unconverted - ours).abs().mean() > 0.5 * ours.abs().mean()


def test_a_table_of_later_positions_is_a_slice_of_the_whole():
    table = rope.rope_table(16, 50)
    assert table.dtype == torch.complex64 and table.shape == (50, 8)
    assert torch.equal(rope.rope_table(16, 20), table[:20])
    assert torch.equal(table[0], torch.ones(8, dtype=torch.complex64))
    torch.testing.assert_close(table.abs(), torch.ones(50, 8))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_rounded_once_at_the_end(dtype):
    x = torch.randn(2, 30, 3, 32).to(dtype)
    table = rope.rope_table(32, 30)
    got = rope.apply_rotary_emb(x, table)
    assert got.dtype == dtype
    assert torch.equal(got, rope.apply_rotary_emb(x.float(), table).to(dtype))


def test_rotation_keeps_lengths_and_its_input():
    x = torch.randn(2, 9, 3, 8)
    before = x.clone()
    rotated = rope.apply_rotary_emb(x, rope.rope_table(8, 9))
    assert torch.equal(x, before)
    torch.testing.assert_close(rotated.norm(dim=-1), x.norm(dim=-1))


def test_any_memory_layout_gives_the_same_rotation():
    x = torch.randn(2, 6, 8, 5).permute(0, 3, 2, 1)  # neighbours in a head are not in memory
    table = rope.rope_table(6, 5)
    assert x.stride(-1) != 1
    assert torch.equal(
        rope.apply_rotary_emb(x, table), rope.apply_rotary_emb(x.contiguous(), table)
    )


def test_the_gradient_is_the_rotation_back():
    x = torch.randn(1, 7, 2, 8, dtype=torch.float32, requires_grad=True)
    table = rope.rope_table(8, 7)
    weights = torch.randn(1, 7, 2, 8)
    (rope.apply_rotary_emb(x, table) * weights).sum().backward()
    torch.testing.assert_close(x.grad, rope.apply_rotary_emb(weights, table.conj()))


@given(heads=sizes, half=sizes, dim=sizes)
@settings(max_examples=40, deadline=None)
def test_the_row_orders_are_inverse_for_every_shape(heads, half, dim):
    weight = torch.randn(heads * 2 * half, dim)
    there = rope.interleaved_to_half(weight, heads)
    assert torch.equal(rope.half_to_interleaved(there, heads), weight)
    for head, row in [(0, 0), (heads - 1, half - 1)]:
        start = head * 2 * half
        assert torch.equal(there[start + row], weight[start + 2 * row])
        assert torch.equal(there[start + half + row], weight[start + 2 * row + 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rope.rope_frequencies(7), "even and above 0; got 7"),
        (lambda: rope.rope_frequencies(0), "even and above 0; got 0"),
        (lambda: rope.rope_frequencies(8, theta=0.0), "theta must be above 0"),
        (lambda: rope.rope_table(8, 0), "at least 1; got 0"),
        (
            lambda: rope.apply_rotary_emb(torch.zeros(5, 8), rope.rope_table(8, 5)),
            "batch, seq, heads",
        ),
        (
            lambda: rope.apply_rotary_emb(torch.zeros(1, 5, 2, 8), rope.rope_table(8, 1)),
            "one row a position",
        ),
        (
            lambda: rope.apply_rotary_emb(torch.zeros(1, 5, 2, 7), rope.rope_table(6, 5)),
            "even head_dim",
        ),
        (
            lambda: rope.apply_rotary_emb(torch.zeros(1, 5, 2, 8), torch.zeros(5, 4)),
            "complex table",
        ),
        (lambda: rope.interleaved_to_half(torch.zeros(12, 3), 4), "4 heads of an even head_dim"),
        (lambda: rope.half_to_interleaved(torch.zeros(12), 2), "heads·head_dim, dim"),
        (lambda: rope.interleaved_to_half(torch.zeros(12, 3), 0), "0 heads"),
    ],
)
def test_what_does_not_fit_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
