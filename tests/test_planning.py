"""Sums about memory, against what tensors really take and what Meta published."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini import CONFIGS, KVCache, ModelConfig
from llama_mini.planning import kv_cache_bytes


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
