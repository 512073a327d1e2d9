"""Decoding: probabilities that can be computed by hand, and the model asked the long way round."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_model import SMALL, VARIANTS, randomized

from llama_mini import generate
from llama_mini.generation import (
    apply_temperature,
    next_token_probabilities,
    sample,
    stream,
    top_k,
    top_p,
)

HALVES = torch.tensor([[0.5, 0.25, 0.125, 0.125]])


@VARIANTS
def test_greedy_with_cache_is_greedy_without(config):
    model = randomized(config)
    prompt = torch.randint(config.vocab_size, (3, 7))
    got = generate(model, prompt, 20)
    tokens = prompt
    with torch.no_grad():
        for _ in range(20):
            tokens = torch.cat([tokens, model(tokens)[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(got, tokens)


def test_stream_yields_what_generate_returns():
    model, prompt = randomized(SMALL), torch.tensor([[1, 2, 3]])
    options = {"temperature": 0.9, "top_p": 0.9, "top_k": 20}
    whole = generate(model, prompt, 12, **options, generator=torch.Generator().manual_seed(7))
    parts = list(stream(model, prompt, 12, **options, generator=torch.Generator().manual_seed(7)))
    assert torch.equal(whole[:, 3:], torch.stack(parts, dim=1))
    other = generate(model, prompt, 12, **options, generator=torch.Generator().manual_seed(8))
    assert not torch.equal(whole, other)


def test_generated_tokens_are_ordinary_tensors():
    model = randomized(SMALL)
    tokens = generate(model, torch.tensor([[1, 2, 3]]), 4)
    model(tokens).sum().backward()
    assert model.tok_embeddings.weight.grad is not None


def test_generate_says_what_does_not_fit():
    model = randomized(SMALL)
    with pytest.raises(ValueError, match="from 0 to 61"):
        generate(model, torch.tensor([[1, 2, 3]]), 62)
    with pytest.raises(ValueError, match="seq at least 1"):
        generate(model, torch.zeros(1, 0, dtype=torch.long), 2)
    with pytest.raises(ValueError, match="66 positions is longer"):
        next(stream(model, torch.tensor([[1, 2, 3]]), 63))
    assert generate(model, torch.tensor([[1, 2, 3]]), 61).shape == (1, 64)
    assert generate(model, torch.tensor([[1, 2, 3]]), 0).tolist() == [[1, 2, 3]]


def test_temperature_scales_the_log_odds():
    logits = torch.tensor([[1.0, 0.0, -2.0]])
    cold, hot = apply_temperature(logits, 0.5), apply_temperature(logits, 2.0)
    assert (cold[0, 0] / cold[0, 1]).log().item() == pytest.approx(2.0)
    assert (hot[0, 0] / hot[0, 2]).log().item() == pytest.approx(1.5)
    assert apply_temperature(torch.tensor([[3.0, 7.0, 7.0]]), 0).tolist() == [[0, 1, 0]]
    with pytest.raises(ValueError, match="0 \\(greedy\\) or more"):
        apply_temperature(logits, -1)


def test_top_k_keeps_exactly_k():
    assert top_k(HALVES, 2)[0].tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert (top_k(torch.full((1, 5), 0.2), 2) > 0).sum() == 2
    assert torch.equal(top_k(HALVES, 99), HALVES)
    with pytest.raises(ValueError, match="at least 1"):
        top_k(HALVES, 0)


@pytest.mark.parametrize(
    ("p", "kept"), [(0.1, 1), (0.5, 2), (0.51, 2), (0.74, 2), (0.76, 3), (1.0, 4)]
)
def test_top_p_keeps_the_token_that_crosses(p, kept):
    # At p = 0.5 exactly, nothing before the second token exceeds p, so it stays: Meta's rule.
    result = top_p(HALVES, p)
    assert (result > 0).sum() == kept
    assert result.sum().item() == pytest.approx(1.0)


def test_top_p_of_one_keeps_every_token():
    probabilities = torch.softmax(torch.randn(50, 5000) * 4, dim=-1)
    assert (top_p(probabilities, 1.0) > 0).all()
    with pytest.raises(ValueError, match="above 0"):
        top_p(HALVES, 0.0)


def test_draws_follow_the_probabilities():
    logits = torch.tensor([[0.48, 0.24, 0.12, 0.16]]).log().expand(40_000, 4)
    drawn = sample(logits, 1.0, k=3, generator=torch.Generator().manual_seed(9))
    share = torch.bincount(drawn, minlength=4) / len(drawn)
    expected = torch.tensor([0.48, 0.24, 0.0, 0.16]) / 0.88
    # Five standard errors of a proportion.
    assert ((share - expected).abs() <= 5 * (expected * (1 - expected) / len(drawn)).sqrt()).all()


def test_temperature_comes_before_top_k_and_top_k_before_top_p():
    # 0.5, 0.25, 0.125, 0.125 at temperature 1/2 are 16, 4, 1, 1 of 22; the first two, 16 and 4 of
    # 20, and the first alone has more than 0.75 of those.
    logits = HALVES.log()
    assert next_token_probabilities(logits, 0.5)[0].tolist() == pytest.approx(
        [16 / 22, 4 / 22, 1 / 22, 1 / 22]
    )
    assert next_token_probabilities(logits, 0.5, k=2)[0].tolist() == pytest.approx([0.8, 0.2, 0, 0])
    assert next_token_probabilities(logits, 0.5, 0.75, 2)[0].tolist() == [1, 0, 0, 0]
    assert (next_token_probabilities(logits, 0.5, 0.75) > 0).sum() == 2
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        next_token_probabilities(logits, 1.0, p=1.5)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), max_size=3).map(tuple),
    vocab=st.integers(1, 40),
    temperature=st.floats(0.1, 10),
    k=st.integers(1, 50),
    p=st.floats(0.01, 1),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
)
def test_what_is_kept_are_the_likeliest_in_their_places(shape, vocab, temperature, k, p, dtype):
    logits = torch.randn(*shape, vocab).to(dtype)
    before = logits.clone()
    probabilities = apply_temperature(logits, temperature)
    assert probabilities.shape == logits.shape and probabilities.dtype == torch.float32
    for cut in (top_k(probabilities, k), top_p(probabilities, p)):
        assert torch.allclose(cut.sum(-1), torch.ones(shape))
        kept = cut > 0
        # Nothing that was dropped is likelier than anything that was kept.
        least = probabilities.masked_fill(~kept, float("inf")).amin(-1)
        most = probabilities.masked_fill(kept, 0.0).amax(-1)
        assert (most <= least).all()
        # And what was kept kept its proportions.
        share = torch.where(kept, cut / probabilities, float("nan"))
        assert torch.allclose(share.nan_to_num(0).amax(-1), share.nan_to_num(9e9).amin(-1))
    assert (top_k(probabilities, k) > 0).sum(-1).unique().tolist() == [min(k, vocab)]
    assert torch.equal(logits, before)


@pytest.mark.parametrize("temperature", [-0.1, float("nan")])
def test_a_temperature_that_means_nothing_is_refused(temperature):
    with pytest.raises(ValueError, match="0 \\(greedy\\) or more"):
        apply_temperature(HALVES, temperature)


def test_half_precision_logits_are_divided_and_summed_in_float32():
    logits = torch.tensor([60_000.0, 59_968.0], dtype=torch.float16)
    expected = torch.sigmoid(torch.tensor(32.0 / 40.0))
    assert apply_temperature(logits, 40.0)[0].item() == pytest.approx(expected.item(), rel=1e-4)
