"""How Meta cut its tensors: the table of its parallel layers, and torch's own cat and chunk."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini import CONFIGS, ModelConfig, Transformer
from llama_mini.empty import empty_model
from llama_mini.weights import meta
from llama_mini.weights.shapes import parameter_shapes

# The shapes in one shard of each size, from the published descriptions of the release: shards,
# tok_embeddings, output, wq wk wv, wo, w1 w3, w2.
PER_SHARD = {
    "7B": (
        1,
        (32000, 4096),
        (32000, 4096),
        (4096, 4096),
        (4096, 4096),
        (11008, 4096),
        (4096, 11008),
    ),
    "13B": (
        2,
        (32000, 2560),
        (16000, 5120),
        (2560, 5120),
        (5120, 2560),
        (6912, 5120),
        (5120, 6912),
    ),
    "30B": (
        4,
        (32000, 1664),
        (8000, 6656),
        (1664, 6656),
        (6656, 1664),
        (4480, 6656),
        (6656, 4480),
    ),
    "65B": (
        8,
        (32000, 1024),
        (4000, 8192),
        (1024, 8192),
        (8192, 1024),
        (2752, 8192),
        (8192, 2752),
    ),
}


@pytest.mark.parametrize("size", PER_SHARD)
def test_the_shards_of_every_size_have_the_shapes_of_the_release_and_make_the_model(size):
    count, embeddings, output, wq, wo, w1, w2 = PER_SHARD[size]
    model = empty_model(CONFIGS[size])
    in_shard = {
        "tok_embeddings": embeddings,
        "output": output,
        "attention.wq": wq,
        "attention.wk": wq,
        "attention.wv": wq,
        "attention.wo": wo,
        "feed_forward.w1": w1,
        "feed_forward.w3": w1,
        "feed_forward.w2": w2,
        "attention_norm": (CONFIGS[size].dim,),
        "ffn_norm": (CONFIGS[size].dim,),
        "norm": (CONFIGS[size].dim,),
    }
    for name, parameter in model.named_parameters():
        kind = name.removesuffix(".weight")
        if kind.startswith("layers."):
            kind = kind.split(".", 2)[2]
        shards = [torch.empty(in_shard[kind], device="meta") for _ in range(count)]
        if meta.shard_axis(name) is None:
            shards = shards[:1]
        assert meta.merge_shards(name, shards).shape == parameter.shape, name
        if count > 1 and parameter.ndim > 1:
            axis = meta.shard_axis(name)
            assert parameter.chunk(count, dim=axis)[0].shape == in_shard[kind], name


@pytest.mark.parametrize(
    "config",
    [
        *CONFIGS.values(),
        ModelConfig(dim=48, n_layers=2, n_heads=6, n_kv_heads=2, vocab_size=97, hidden_dim=80),
        ModelConfig(dim=48, n_layers=1, n_heads=6, vocab_size=97, tied_embeddings=True),
    ],
    ids=lambda config: f"dim {config.dim}",
)
def test_shapes_without_a_model_are_those_of_the_model(config):
    model = empty_model(config)
    expected = [(name, tuple(p.shape)) for name, p in model.named_parameters()]
    assert list(parameter_shapes(config)) == expected


@given(
    name=st.sampled_from(
        ["tok_embeddings", "output", "layers.3.attention.wo", "layers.0.ffn_norm"]
    ),
    count=st.sampled_from([1, 2, 4, 8]),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
)
@settings(max_examples=60, deadline=None)
def test_merging_undoes_cutting(name, count, rows, columns, dtype):
    name += ".weight"
    axis = meta.shard_axis(name)
    shape = [rows, columns] if axis is not None else [rows]
    if axis is not None:
        shape[axis] *= count
    whole = torch.randn(shape).to(dtype)
    parts = [whole] * count if axis is None else list(whole.chunk(count, dim=axis))
    merged = meta.merge_shards(name, parts)
    assert merged.dtype == dtype and torch.equal(merged, whole)


def test_what_lies_in_one_shard_is_not_copied():
    part = torch.randn(4, 6)
    assert meta.merge_shards("output.weight", [part]) is part
    norm = torch.randn(4)
    assert meta.merge_shards("norm.weight", [norm, norm.clone()]) is norm


@pytest.mark.parametrize(
    "name",
    [
        "rope.freqs",
        "layers.0.attention.inner_attention.rope.freqs",
        "tok_embeddings",
        "layers.0.attention.wq.bias",
        "layers.N.attention.wq.weight",
        "layers.0.norm.weight",
        "layers.0.output.weight",
        "attention.wq.weight",
        "lm_head.weight",
        "xnorm.weight",
        "norm.weight\n",
        "",
    ],
)
def test_a_name_that_is_no_parameter_is_refused(name):
    with pytest.raises(ValueError, match="has no parameter"):
        meta.shard_axis(name)


def test_every_parameter_of_the_model_has_an_axis_or_is_a_norm():
    for name, parameter in Transformer(CONFIGS["nano"]).named_parameters():
        assert (meta.shard_axis(name) is None) == (parameter.ndim == 1), name


@pytest.mark.parametrize(
    ("name", "shapes", "said"),
    [
        ("output.weight", [(4, 6), (4, 5)], "parts of one shape"),
        ("output.weight", [(4, 6), (3, 6)], "parts of one shape"),
        ("output.weight", [], "got none"),
        ("norm.weight", [(4,), (5,)], "parts of one shape"),
        ("layers.0.attention.wo.weight", [(4,), (4,)], "cut along axis 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(name, shapes, said):
    with pytest.raises(ValueError, match=said):
        meta.merge_shards(name, [torch.zeros(shape) for shape in shapes])
