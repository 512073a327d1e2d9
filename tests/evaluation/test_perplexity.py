"""The likelihood of a text is the model's own, whatever windows and chunks it goes through."""

import math

import pytest
import torch
import torch.nn.functional as F

from llama_mini.config import ModelConfig
from llama_mini.evaluation import nats_per_token, perplexity, token_log_likelihoods
from llama_mini.model import Transformer
from llama_mini.training.run.validation import Validation


@pytest.fixture
def model():
    # Weights large enough that the likelihoods differ from log(vocab) in the first digit.
    built = Transformer(ModelConfig(dim=32, n_layers=2, n_heads=4, vocab_size=61, max_seq_len=48))
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.ndim > 1:
                parameter.mul_(10)
    return built


def random_tokens(count):
    return torch.randint(61, (count,), generator=torch.Generator().manual_seed(1))


class Letters:
    """A tokenizer of one token a letter, with a beginning of text."""

    def encode(self, text, bos=True, eos=False):
        return [1] * bos + [ord(letter) % 59 + 2 for letter in text] + [2] * eos


def test_each_token_has_the_log_likelihood_that_torchs_cross_entropy_gives(model):
    tokens = random_tokens(40)
    expected = -F.cross_entropy(model(tokens[None, :-1])[0], tokens[1:], reduction="none")
    assert torch.allclose(token_log_likelihoods(model, tokens), expected, atol=1e-5)
    assert expected.std() > 0.5


@pytest.mark.parametrize("chunk", [1, 7, 39, 256])
def test_chunks_change_nothing(model, monkeypatch, chunk):
    tokens = random_tokens(40)
    whole = token_log_likelihoods(model, tokens)
    monkeypatch.setattr(perplexity, "_CHUNK", chunk)
    assert torch.allclose(token_log_likelihoods(model, tokens), whole, atol=1e-5)


@pytest.mark.parametrize("context", [1, 10, 48, None])
def test_a_long_text_is_scored_as_validation_scores_a_split(model, context):
    class Split:
        vocab_size = model.config.vocab_size

        def __init__(self, tokens):
            self._tokens = tokens.numpy()

        def __len__(self):
            return len(self._tokens)

        def read(self, start, count):
            return self._tokens[start : start + count]

    tokens = random_tokens(115)
    loss = Validation(Split(tokens), context or 48).model_loss(model)
    found = token_log_likelihoods(model, tokens, context)
    assert found.shape == (114,)
    assert -found.mean().item() == pytest.approx(loss, rel=1e-5)


def test_a_text_begins_with_the_beginning_of_text_and_its_end_is_not_scored(model):
    text = "the llama chews"
    tokens = torch.tensor(Letters().encode(text))
    expected = F.cross_entropy(model(tokens[None, :-1])[0], tokens[1:]).item()
    assert nats_per_token(model, Letters(), text) == pytest.approx(expected, rel=1e-5)


def test_a_model_that_knows_nothing_has_log_vocab():
    model = Transformer(ModelConfig(dim=32, n_layers=1, n_heads=4, vocab_size=61))
    with torch.no_grad():
        model.output.weight.zero_()
    assert nats_per_token(model, Letters(), "a llama") == pytest.approx(math.log(61), rel=1e-6)


def test_a_model_in_bfloat16_is_scored_too(model):
    tokens = random_tokens(40)
    full = token_log_likelihoods(model, tokens).mean()
    half = token_log_likelihoods(model.to(torch.bfloat16), tokens).mean()
    # Eight bits of mantissa: each of the few products on the way is off by 2^-9 of itself.
    assert abs(full - half) < 0.05 * abs(full)


@pytest.mark.parametrize("tokens", [[], [5]])
def test_a_text_of_one_token_is_refused(model, tokens):
    with pytest.raises(ValueError, match="2 tokens"):
        token_log_likelihoods(model, torch.tensor(tokens, dtype=torch.int64))


@pytest.mark.parametrize("context", [0, 49])
def test_a_context_that_the_model_has_not_is_refused(model, context):
    with pytest.raises(ValueError, match="from 1 to the model's max_seq_len of 48"):
        token_log_likelihoods(model, random_tokens(9), context)
