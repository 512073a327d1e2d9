"""Sums about memory, against what tensors really take and what Meta published."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini import CONFIGS, KVCache, ModelConfig, Transformer
from llama_mini.planning import decode_tokens_per_second, kv_cache_bytes, weight_bytes


@settings(max_examples=60, deadline=None)
@given(
    layers=st.integers(1, 4),
    kv_heads=st.integers(1, 4),
    shared_by=st.integers(1, 3),
    half_head=st.integers(1, 5),
    batch=st.integers(1, 3),
    seq=st.integers(1, 17),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
)
def test_the_sum_is_what_a_cache_takes(layers, kv_heads, shared_by, half_head, batch, seq, dtype):
    heads = kv_heads * shared_by
    config = ModelConfig(
        dim=heads * 2 * half_head, n_layers=layers, n_heads=heads, n_kv_heads=kv_heads
    )
    cache = KVCache(config, batch, seq, dtype=dtype)
    assert kv_cache_bytes(config, batch, seq, dtype.itemsize) == (
        cache.keys.nbytes + cache.values.nbytes
    )


@pytest.mark.parametrize(
    ("name", "kib_per_token", "gib_at_2048"),
    [("7B", 512, "1.00"), ("13B", 800, "1.56"), ("30B", 1560, "3.05"), ("65B", 2560, "5.00")],
)
def test_the_four_sizes_take_what_is_known(name, kib_per_token, gib_at_2048):
    assert kv_cache_bytes(CONFIGS[name], 1, 1) == kib_per_token * 2**10
    assert f"{kv_cache_bytes(CONFIGS[name], 1, 2048) / 2**30:.2f}" == gib_at_2048


def test_the_example_of_metas_faq_comes_out():
    # Its example: 7B, a batch of 32, 1024 positions, 17 GB.
    assert round(kv_cache_bytes(CONFIGS["7B"], 32, 1024) / 1e9) == 17


@pytest.mark.parametrize("bad", [(0, 1, 2), (1, 0, 2), (1, -5, 2), (1, 1, 0), (1.5, 1, 2)])
def test_a_cache_of_nothing_is_refused(bad):
    with pytest.raises(ValueError, match="whole number of at least 1"):
        kv_cache_bytes(CONFIGS["nano"], *bad)


# Decimal GB of the weights alone, by bits for each parameter.
RELEASE = {
    "7B": {32: 27.0, 16: 13.5, 8: 6.7, 4.5: 3.8, 4: 3.4},
    "13B": {32: 52.1, 16: 26.0, 8: 13.0, 4.5: 7.3, 4: 6.5},
    "30B": {32: 130.1, 16: 65.1, 8: 32.5, 4.5: 18.3, 4: 16.3},
    "65B": {32: 261.1, 16: 130.6, 8: 65.3, 4.5: 36.7, 4: 32.6},
}


@pytest.mark.parametrize(
    ("name", "bits", "gigabytes"),
    [(name, bits, size) for name, row in RELEASE.items() for bits, size in row.items()],
)
def test_the_weights_of_the_four_sizes_take_what_is_known(name, bits, gigabytes):
    assert round(weight_bytes(CONFIGS[name], bits) / 1e9, 1) == gigabytes


@pytest.mark.parametrize(
    ("name", "shards", "bytes_a_shard"),
    [
        ("7B", 1, 13_476_939_516),
        ("13B", 2, 13_016_334_699),
        ("30B", 4, 16_265_763_099),
        ("65B", 8, 16_323_959_449),
    ],
)
def test_the_published_shards_are_the_weights_at_16_bits(name, shards, bytes_a_shard):
    config, published = CONFIGS[name], shards * bytes_a_shard
    # Every shard has the norms whole; what is left over wraps the tensors.
    norms = (2 * config.n_layers + 1) * config.dim * 2
    wrapping = published - weight_bytes(config) - (shards - 1) * norms
    assert 0 < wrapping < 2e-5 * published


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_weights_take_what_a_model_takes(tied, dtype):
    config = ModelConfig(dim=48, n_layers=2, n_heads=6, n_kv_heads=3, tied_embeddings=tied)
    model = Transformer(config).to(dtype)
    assert weight_bytes(config, 8 * dtype.itemsize) == sum(p.nbytes for p in model.parameters())


def test_a_part_of_a_byte_takes_a_whole_one():
    config = ModelConfig(dim=2, n_layers=1, n_heads=1, vocab_size=1, hidden_dim=1)
    count = sum(p.numel() for p in Transformer(config).parameters())
    assert [weight_bytes(config, bits) for bits in (1, 4, 4.5)] == [
        (count * halves + 15) // 16 for halves in (2, 8, 9)
    ]


@pytest.mark.parametrize("bad", [0, -4, float("inf"), float("nan"), "int4", None])
def test_weights_of_no_bits_are_refused(bad):
    with pytest.raises(ValueError, match="bits_per_weight must be a finite number above 0"):
        weight_bytes(CONFIGS["nano"], bad)


def test_the_bound_of_7b_on_an_a100_is_what_is_known():
    # An A100 of 80 GB reads 2.039 TB/s: 151 tokens a second at most in 16 bits.
    assert round(decode_tokens_per_second(CONFIGS["7B"], 2.039e12)) == 151
    # gpt-fast's 107.0 tokens/s are, by its authors, 72 % of the 2 TB/s they count with.
    assert round(100 * 107.0 / decode_tokens_per_second(CONFIGS["7B"], 2e12)) == 72


def test_a_batch_shares_the_weights_and_each_sequence_reads_its_own_cache():
    config, bandwidth = CONFIGS["13B"], 1e12
    alone = decode_tokens_per_second(config, bandwidth)
    assert decode_tokens_per_second(config, bandwidth, batch=32) == pytest.approx(32 * alone)
    seconds_a_step = 8 / decode_tokens_per_second(config, bandwidth, batch=8, context=100)
    cache = 8 * 100 * 800 * 2**10  # 800 KiB a position
    assert seconds_a_step == pytest.approx((26_031_728_640 + cache) / bandwidth)


@pytest.mark.parametrize(
    "bad",
    [
        {"bytes_per_second": 0},
        {"bytes_per_second": float("nan")},
        {"bits_per_weight": 0},
        {"batch": 0},
        {"batch": 1.5},
        {"context": -1},
        {"context": 0.5},
    ],
)
def test_a_bound_of_nothing_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=f"^{next(iter(bad))} must be a"):
        decode_tokens_per_second(CONFIGS["nano"], **{"bytes_per_second": 1e9, **bad})
