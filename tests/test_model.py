"""The architecture against independent sources: transformers, torch's own operators, the paper."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from llama_mini import (
    CONFIGS,
    KVCache,
    ModelConfig,
    Transformer,
    attention,
    feedforward,
    norm,
    rope,
)
from llama_mini.model import parameter_count

# 2·V·d + L·(4d² + 3·d·f + 2d) + d; 7B agrees with the count PEFT logs.
FAMILY = {
    "7B": (6_738_415_616, 11_008),
    "13B": (13_015_864_320, 13_824),
    "30B": (32_528_943_616, 17_920),
    "65B": (65_285_660_672, 22_016),
}
SMALL = ModelConfig(dim=48, n_layers=3, n_heads=4, vocab_size=97, max_seq_len=64, multiple_of=16)
GROUPED = ModelConfig(
    dim=48,
    n_layers=2,
    n_heads=6,
    n_kv_heads=2,
    vocab_size=97,
    max_seq_len=64,
    hidden_dim=80,
    norm_eps=1e-5,
    rope_theta=100_000.0,
    tied_embeddings=True,
)
VARIANTS = pytest.mark.parametrize("config", [SMALL, GROUPED], ids=["llama1", "grouped-and-tied"])


def randomized(config: ModelConfig, seed: int = 0) -> Transformer:
    """A model whose every weight matters: no zeros, no ones, and logits of order one."""
    torch.manual_seed(seed)
    model = Transformer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
    return model


def transformers_twin(model: Transformer) -> LlamaForCausalLM:
    """The same weights in Hugging Face's model: its names, and q and k in its split-half order."""
    config = model.config
    twin = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=config.dim,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.kv_heads,
            intermediate_size=model.layers[0].feed_forward.w1.weight.shape[0],
            vocab_size=config.vocab_size,
            max_position_embeddings=config.max_seq_len,
            rms_norm_eps=config.norm_eps,
            rope_theta=config.rope_theta,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            tie_word_embeddings=config.tied_embeddings,
            attention_bias=False,
        )
    ).eval()
    ours, theirs = model.state_dict(), {}
    theirs["model.embed_tokens.weight"] = ours["tok_embeddings.weight"]
    theirs["model.norm.weight"] = ours["norm.weight"]
    theirs["lm_head.weight"] = ours["output.weight"]
    names = {
        "attention.wv": "self_attn.v_proj",
        "attention.wo": "self_attn.o_proj",
        "feed_forward.w1": "mlp.gate_proj",
        "feed_forward.w3": "mlp.up_proj",
        "feed_forward.w2": "mlp.down_proj",
        "attention_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }
    for layer in range(config.n_layers):
        mine, its = f"layers.{layer}.", f"model.layers.{layer}."
        for name, its_name in names.items():
            theirs[f"{its}{its_name}.weight"] = ours[f"{mine}{name}.weight"]
        for name, its_name, heads in [
            ("wq", "q_proj", config.n_heads),
            ("wk", "k_proj", config.kv_heads),
        ]:
            weight = ours[f"{mine}attention.{name}.weight"]
            theirs[f"{its}self_attn.{its_name}.weight"] = rope.interleaved_to_half(weight, heads)
    twin.load_state_dict(theirs, strict=True)
    return twin


@VARIANTS
def test_logits_equal_those_of_transformers(config):
    model = randomized(config)
    twin = transformers_twin(model)
    tokens = torch.randint(config.vocab_size, (3, 50), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = model(tokens), twin(tokens).logits
    assert ours.std() > 0.5, "the weights must make logits worth comparing"
    assert (ours - theirs).abs().max() < 1e-4


def test_logits_differ_when_the_rope_layout_is_not_converted(monkeypatch):
    model = randomized(SMALL)
    monkeypatch.setattr(rope, "interleaved_to_half", lambda weight, n_heads: weight)
    twin = transformers_twin(model)
    tokens = torch.randint(SMALL.vocab_size, (3, 50), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (model(tokens) - twin(tokens).logits).abs().max() > 0.1


@pytest.mark.parametrize("name", FAMILY)
def test_the_family_has_exactly_the_published_shapes(name):
    config = CONFIGS[name]
    parameters, hidden = FAMILY[name]
    with torch.device("meta"):
        model = Transformer(config)
    assert sum(p.numel() for p in model.parameters()) == parameters == parameter_count(config)
    assert model.layers[0].feed_forward.w1.weight.shape == (hidden, config.dim)
    assert config.head_dim == 128 and len(model.layers) == config.n_layers
    assert config.norm_eps == (1e-5 if name == "65B" else 1e-6)


def test_33b_is_30b():
    assert (
        CONFIGS["33B"] is CONFIGS["30B"] and "33B" in CONFIGS and len(CONFIGS) == len(list(CONFIGS))
    )


@VARIANTS
def test_parameter_count_is_what_the_model_has(config):
    assert parameter_count(config) == sum(p.numel() for p in Transformer(config).parameters())


def test_the_state_dict_has_metas_names_and_nothing_else():
    layer = [
        "attention.wq",
        "attention.wk",
        "attention.wv",
        "attention.wo",
        "feed_forward.w1",
        "feed_forward.w2",
        "feed_forward.w3",
        "attention_norm",
        "ffn_norm",
    ]
    expected = {
        f"layers.{i}.{name}.weight" for i, name in itertools.product(range(SMALL.n_layers), layer)
    }
    expected |= {"tok_embeddings.weight", "norm.weight", "output.weight"}
    assert set(Transformer(SMALL).state_dict()) == expected


@VARIANTS
@pytest.mark.parametrize("chunks", [[40], [1] * 40, [13, 1, 20, 6], [39, 1]], ids=str)
def test_any_chunking_of_the_prompt_gives_the_same_logits(config, chunks):
    model = randomized(config)
    tokens = torch.randint(config.vocab_size, (2, 40), generator=torch.Generator().manual_seed(2))
    cache = KVCache(config, 2, 40)
    with torch.no_grad():
        whole = model(tokens)
        parts = torch.cat(
            [model(chunk, cache=cache) for chunk in tokens.split(chunks, dim=1)], dim=1
        )
    torch.testing.assert_close(parts, whole, atol=2e-5, rtol=0)
    assert cache.length == 40


def test_a_position_cannot_see_the_future():
    model = randomized(SMALL)
    tokens = torch.randint(SMALL.vocab_size, (1, 30), generator=torch.Generator().manual_seed(3))
    changed = tokens.clone()
    changed[0, 20] = (changed[0, 20] + 1) % SMALL.vocab_size
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :20], after[:, :20])
    assert not torch.allclose(before[:, 20:], after[:, 20:])


def test_a_mask_is_made_where_the_tokens_are_and_once_for_calls_that_ask_for_the_same(monkeypatch):
    made, causal_mask = [], attention.causal_mask

    def watched(n_queries, n_keys):
        mask = causal_mask(n_queries, n_keys)
        made.append((n_queries, n_keys, mask.device.type))
        return mask

    monkeypatch.setattr(attention, "causal_mask", watched)
    with torch.device("meta"):
        model = Transformer(CONFIGS["nano"])
    cache = KVCache(CONFIGS["nano"], 1, 16, device="meta")
    tokens = torch.zeros(1, 8, dtype=torch.int64, device="meta")
    model(tokens)
    model(tokens, cache=cache)
    assert made == [(8, 8, "meta")]
    model(tokens[:, :4], cache=cache)
    model(tokens[:, :1], cache=cache)  # one query needs no mask
    assert made == [(8, 8, "meta"), (4, 12, "meta")]


def test_bfloat16_follows_float32_within_its_rounding():
    model = randomized(SMALL)
    tokens = torch.randint(SMALL.vocab_size, (2, 40), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        exact = model(tokens)
        rounded = model.to(torch.bfloat16)(tokens)
    assert rounded.dtype == torch.float32
    # bfloat16 rounds by 2^-9 at most. A block rounds some thirty times (each weight matrix, each
    # result); independent roundings add up like noise, and twice that is the bound.
    bound = 2 * 2**-9 * (30 * SMALL.n_layers) ** 0.5
    assert ((rounded - exact).norm() / exact.norm()) < bound


def test_initial_loss_is_that_of_a_uniform_guess():
    model = Transformer(CONFIGS["nano"])
    tokens = torch.randint(4096, (4, 128), generator=torch.Generator().manual_seed(5))
    loss = F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert abs(loss.item() - torch.tensor(4096.0).log().item()) < 0.1


def test_writing_projections_start_smaller_by_the_root_of_twice_the_depth():
    config = ModelConfig(dim=256, n_layers=8, n_heads=4, vocab_size=64)
    model = Transformer(config)
    assert model.layers[3].attention.wq.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.layers[3].attention.wo.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert model.layers[3].feed_forward.w2.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)


@given(
    batch=st.integers(1, 3),
    seq=st.integers(1, 9),
    kv_heads=st.integers(1, 3),
    groups=st.integers(1, 3),
    half=st.integers(1, 4),
    layers=st.integers(1, 2),
)
@settings(max_examples=25, deadline=None)
def test_every_shape_gives_logits_of_its_shape(batch, seq, kv_heads, groups, half, layers):
    heads = kv_heads * groups
    config = ModelConfig(
        dim=heads * 2 * half,
        n_layers=layers,
        n_heads=heads,
        n_kv_heads=kv_heads,
        vocab_size=11,
        max_seq_len=16,
        multiple_of=4,
    )
    tokens = torch.randint(11, (batch, seq))
    logits = Transformer(config)(tokens)
    assert (
        logits.shape == (batch, seq, 11)
        and logits.dtype == torch.float32
        and logits.isfinite().all()
    )


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(5, dtype=torch.long), r"\(batch, seq\)"),
        (torch.zeros(2, 0, dtype=torch.long), "at least 1"),
        (torch.zeros(1, 65, dtype=torch.long), "max_seq_len of 64"),
    ],
)
def test_tokens_that_do_not_fit_are_explained(tokens, message):
    with pytest.raises(ValueError, match=message):
        Transformer(SMALL)(tokens)


def test_a_full_cache_is_explained_and_left_as_it_was():
    model, cache = Transformer(SMALL), KVCache(SMALL, 1, 4)
    model(torch.zeros(1, 3, dtype=torch.long), cache=cache)
    with pytest.raises(ValueError, match="room for 1 sequences of 4 positions"):
        model(torch.zeros(1, 2, dtype=torch.long), cache=cache)
    assert cache.length == 3
    with pytest.raises(ValueError, match="longer than the model's"):
        KVCache(SMALL, 1, 65)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_heads": 5}, "does not divide into 5 heads"),
        ({"n_kv_heads": 3}, "cannot share 3"),
        ({"dim": 12, "n_heads": 4}, "even number"),
        ({"n_layers": 0}, "n_layers must be"),
        ({"norm_eps": 0.0}, "above 0"),
        ({"n_kv_heads": 0}, "n_kv_heads must be"),
    ],
)
def test_a_config_that_does_not_add_up_is_explained(change, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{**SMALL.to_dict(), **change})


def test_a_config_survives_its_dictionary():
    assert ModelConfig.from_dict(GROUPED.to_dict()) == GROUPED
    with pytest.raises(ValueError, match="no field n_head"):
        ModelConfig.from_dict({**SMALL.to_dict(), "n_head": 4})
    with pytest.raises(ValueError, match="needs n_heads"):
        ModelConfig.from_dict({"dim": 48, "n_layers": 2})
    with pytest.raises(KeyError, match="no config '8B'"):
        CONFIGS["8B"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rms_norm_is_torchs_own(dtype):
    ours, x = norm.RMSNorm(64, eps=1e-5).to(dtype), (torch.randn(4, 7, 64) * 3).to(dtype)
    with torch.no_grad():
        ours.weight.uniform_(0.5, 2.0)
        got = ours(x)
        exact = F.rms_norm(x.double(), (64,), ours.weight.double(), eps=1e-5)
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), exact, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


def test_rms_norm_survives_values_whose_squares_overflow_float16():
    x = torch.full((1, 8), 3e4, dtype=torch.float16)
    assert torch.equal(norm.RMSNorm(8).half()(x), torch.ones_like(x))


def test_rms_norm_does_not_stretch_a_vector_that_does_not_fit():
    for shape in [(3, 1), (8, 3), ()]:
        with pytest.raises(ValueError, match="must end in 8 dimensions"):
            norm.RMSNorm(8)(torch.ones(shape))


@given(shape=st.lists(st.integers(0, 4), max_size=3), dim=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_rms_norm_keeps_every_shape(shape, dim):
    x = torch.randn(*shape, dim, dtype=torch.bfloat16)
    got = norm.RMSNorm(dim).to(torch.bfloat16)(x)
    assert got.shape == x.shape and got.dtype == torch.bfloat16 and got.isfinite().all()


def test_silu_is_torchs_own():
    x = torch.linspace(-50, 50, 1001)
    torch.testing.assert_close(feedforward.silu(x), F.silu(x))


@pytest.mark.parametrize(("dim", "hidden"), [(CONFIGS[n].dim, f) for n, (_, f) in FAMILY.items()])
def test_hidden_widths_are_those_of_the_release(dim, hidden):
    assert feedforward.hidden_dim(dim) == hidden


@pytest.mark.parametrize("n_queries", [1, 3, 8])
def test_attention_is_torchs_own(n_queries):
    generator = torch.Generator().manual_seed(6)
    q = torch.randn(2, 3, n_queries, 16, generator=generator)
    k, v = torch.randn(2, 2, 3, 8, 16, generator=generator).unbind()
    mask = attention.causal_mask(n_queries, 8)
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(attention.scaled_dot_product_attention(q, k, v, mask), expected)


def test_the_mask_ends_at_the_last_key():
    assert attention.causal_mask(2, 4).tolist() == [
        [True, True, True, False],
        [True, True, True, True],
    ]
    with pytest.raises(ValueError, match="5 queries"):
        attention.causal_mask(5, 4)


def test_rotation_is_by_the_position_times_the_frequency():
    # An independent reading of the paper's equation 34, pair by pair in float64.
    head_dim, seq = 8, 6
    x = torch.randn(1, seq, 1, head_dim)
    got = rope.apply_rotary_emb(x, rope.rope_table(head_dim, seq))
    for position, pair in itertools.product(range(seq), range(head_dim // 2)):
        angle = torch.tensor(position * 10_000.0 ** (-2 * pair / head_dim), dtype=torch.float64)
        a, b = x[0, position, 0, 2 * pair : 2 * pair + 2].double()
        expected = torch.stack(
            [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()]
        )
        torch.testing.assert_close(
            got[0, position, 0, 2 * pair : 2 * pair + 2].double(), expected, atol=1e-6, rtol=0
        )


def test_scores_depend_on_the_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 32).unbind()
    table = rope.rope_table(32, 60)

    def score(m: int, n: int) -> float:
        at_m, at_n = table[m : m + 1], table[n : n + 1]
        return (rope.apply_rotary_emb(q, at_m) * rope.apply_rotary_emb(k, at_n)).sum().item()

    assert score(9, 4) == pytest.approx(score(55, 50), abs=1e-4)
    assert score(9, 4) != pytest.approx(score(55, 49), abs=1e-2)


def test_rope_says_what_does_not_fit():
    with pytest.raises(ValueError, match="even"):
        rope.rope_frequencies(7)
    with pytest.raises(ValueError, match="one row a position"):
        rope.apply_rotary_emb(torch.zeros(1, 5, 2, 8), rope.rope_table(8, 6))


def test_the_two_row_orders_are_inverse_and_keep_heads_apart():
    weight = torch.arange(16.0)[:, None].expand(16, 3)
    halves = rope.interleaved_to_half(weight, n_heads=2)
    assert halves[:, 0].tolist() == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]
    assert torch.equal(rope.half_to_interleaved(halves, n_heads=2), weight)
