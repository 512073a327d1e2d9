"""Attention against torch's own operators, and against a sum written out in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from llama_mini import CONFIGS, KVCache, ModelConfig, attention, rope

lengths = st.integers(1, 9)


@given(n_queries=st.integers(0, 12), cached=st.integers(0, 12))
def test_a_query_sees_its_own_position_and_all_before(n_queries, cached):
    n_keys = cached + n_queries
    mask = attention.causal_mask(n_queries, n_keys)
    assert (mask.dtype, mask.shape) == (torch.bool, (n_queries, n_keys))
    seen = [[key for key in range(n_keys) if row[key]] for row in mask.tolist()]
    assert seen == [list(range(cached + query + 1)) for query in range(n_queries)]


@pytest.mark.parametrize(("n_queries", "n_keys"), [(3, 2), (-1, 4)])
def test_a_mask_that_cannot_be_says_so(n_queries, n_keys):
    with pytest.raises(ValueError, match="cannot be the last positions"):
        attention.causal_mask(n_queries, n_keys)


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(0, 3),
    heads=st.integers(1, 3),
    n_queries=lengths,
    cached=st.integers(0, 5),
    head_dim=st.integers(1, 9),
    masked=st.booleans(),
)
def test_attention_is_torchs_own_at_any_shape(batch, heads, n_queries, cached, head_dim, masked):
    generator = torch.Generator().manual_seed(7)
    n_keys = n_queries + cached
    q = torch.randn(batch, heads, n_queries, head_dim, generator=generator)
    k, v = torch.randn(2, batch, heads, n_keys, head_dim, generator=generator).unbind()
    mask = attention.causal_mask(n_queries, n_keys) if masked else None
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    ours = attention.scaled_dot_product_attention(q, k, v, mask)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_attention_in_16_bits_is_the_exact_sum_up_to_rounding(dtype):
    generator = torch.Generator().manual_seed(8)
    q, k, v = torch.randn(3, 2, 2, 6, 16, generator=generator).to(dtype).unbind()
    mask = attention.causal_mask(6, 6)
    got = attention.scaled_dot_product_attention(q, k, v, mask)
    assert got.dtype == dtype
    exact = torch.zeros(2, 2, 6, 16, dtype=torch.float64)
    for i in range(6):
        scores = (k[:, :, : i + 1].double() * q[:, :, i : i + 1].double()).sum(-1) / math.sqrt(16)
        parts = scores.exp()
        shares = parts / parts.sum(-1, keepdim=True)
        exact[:, :, i] = (shares[..., None] * v[:, :, : i + 1].double()).sum(-2)
    # Scores of a few units, rounded twice, then weights and sum: a few roundings of this size.
    torch.testing.assert_close(got.double(), exact, rtol=0, atol=8 * torch.finfo(dtype).eps)


def test_scores_far_apart_in_different_rows_give_no_nan():
    q = torch.tensor([500.0, -500.0, 1.0]).view(1, 1, 3, 1)
    k = torch.tensor([3.0, 2.0]).view(1, 1, 2, 1)
    v = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1)
    weights_of_the_first = attention.scaled_dot_product_attention(q, k, v).flatten().tolist()
    assert weights_of_the_first == pytest.approx([1.0, 0.0, math.e / (math.e + 1)], abs=1e-6)


@pytest.mark.parametrize(
    ("q", "k", "v", "mask", "words"),
    [
        ((1, 2, 3, 8), (1, 2, 3, 6), (1, 2, 3, 6), None, "head_dim"),
        ((1, 2, 3, 8), (1, 2, 4, 8), (1, 2, 3, 8), None, "each key a value"),
        ((1, 4, 3, 8), (1, 2, 3, 8), (1, 2, 3, 8), None, "repeat_kv"),
        ((1, 2, 3, 8), (1, 2, 5, 8), (1, 2, 5, 8), torch.ones(3, 3) > 0, r"\(3, 5\)"),
        ((1, 2, 3, 8), (1, 2, 3, 8), (1, 2, 3, 8), torch.zeros(3, 3), "torch.float32"),
    ],
)
def test_attention_says_what_does_not_fit(q, k, v, mask, words):
    with pytest.raises(ValueError, match=words):
        attention.scaled_dot_product_attention(*map(torch.zeros, (q, k, v)), mask)


@settings(max_examples=30)
@given(seq=st.integers(0, 4), kv_heads=st.integers(1, 4), n_rep=st.integers(1, 4))
def test_neighbouring_query_heads_share_a_key_head(seq, kv_heads, n_rep):
    x = torch.randn(2, seq, kv_heads, 3)
    repeated = attention.repeat_kv(x, n_rep)
    assert repeated.shape == (2, seq, kv_heads * n_rep, 3)
    for head in range(kv_heads * n_rep):
        assert torch.equal(repeated[:, :, head], x[:, :, head // n_rep])


def test_a_head_is_repeated_at_least_once():
    with pytest.raises(ValueError, match="n_rep = 0"):
        attention.repeat_kv(torch.zeros(1, 1, 2, 4), 0)


GROUPED = ModelConfig(dim=48, n_layers=1, n_heads=6, n_kv_heads=2, vocab_size=8, max_seq_len=32)


def test_grouped_heads_are_torchs_own():
    torch.manual_seed(9)
    layer = attention.Attention(GROUPED)
    x, table = torch.randn(2, 7, 48), rope.rope_table(8, 7)
    q, k, v = (
        (x @ layer.get_parameter(f"{name}.weight").T).unflatten(-1, (-1, 8))
        for name in ("wq", "wk", "wv")
    )
    q, k = rope.apply_rotary_emb(q, table), rope.apply_rotary_emb(k, table)
    mixed = F.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True, enable_gqa=True
    )
    expected = mixed.transpose(1, 2).flatten(2) @ layer.wo.weight.T
    got = layer(x, table, attention.causal_mask(7, 7))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(chunks=st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_chunks_through_a_cache_are_the_whole_text(chunks):
    torch.manual_seed(10)
    layer, total = attention.Attention(GROUPED), sum(chunks)
    x, table = torch.randn(1, total, 48), rope.rope_table(8, total)
    cache, outputs = KVCache(GROUPED, 1, total), []
    with torch.no_grad():
        whole = layer(x, table, attention.causal_mask(total, total))
        for length in chunks:
            start, stop = cache.length, cache.length + length
            mask = attention.causal_mask(length, stop)
            outputs.append(layer(x[:, start:stop], table[start:stop], mask, cache.layer(0)))
            cache.advance(length)
    torch.testing.assert_close(torch.cat(outputs, dim=1), whole, rtol=1e-5, atol=1e-6)


def test_the_layer_refuses_a_table_a_mask_or_a_cache_that_does_not_fit():
    layer, x = attention.Attention(GROUPED), torch.zeros(1, 5, 48)
    with pytest.raises(ValueError, match="one row a position"):
        layer(x, rope.rope_table(8, 6))
    with pytest.raises(ValueError, match="bool mask"):
        layer(x, rope.rope_table(8, 5), attention.causal_mask(4, 5))
    with pytest.raises(ValueError, match="Make a larger KVCache"):
        layer(x, rope.rope_table(8, 5), None, KVCache(GROUPED, 1, 4).layer(0))


@pytest.mark.parametrize("name", ["7B", "13B", "30B", "65B"])
def test_a_layer_costs_the_flops_the_lesson_says(name):
    config, n = CONFIGS[name], 2048
    with torch.device("meta"):
        layer = attention.Attention(config)
        x, mask = torch.empty(1, n, config.dim), torch.empty(n, n, dtype=torch.bool)
        table = torch.empty(n, config.head_dim // 2, dtype=torch.complex64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(x, table, mask)
    assert counter.get_total_flops() == 8 * n * config.dim**2 + 4 * n**2 * config.dim
