"""The validation loss of a model, and the bigram baseline on the same tokens."""

import math

import numpy as np
import pytest
import torch

from llama_mini.config import ModelConfig
from llama_mini.data.bigram import Bigram
from llama_mini.data.shards import TokenShards
from llama_mini.model import Transformer
from llama_mini.training.run.validation import Validation


class Recording(Transformer):
    """A Transformer that remembers what it was asked."""

    def forward(self, tokens, cache=None):
        self.seen.append(tokens)
        return super().forward(tokens, cache)


@pytest.mark.parametrize("seq_len", [7, 16, 64])
def test_model_and_baseline_are_measured_on_every_validation_token_but_the_first(mix, seq_len):
    tokens = TokenShards(mix, "validation")
    validation = Validation(tokens, seq_len)
    assert validation.n_tokens == len(tokens) - 1

    config = ModelConfig(dim=8, n_layers=1, n_heads=2, vocab_size=tokens.vocab_size)
    model = Recording(config)
    model.seen = []
    validation.model_loss(model)
    read = torch.cat([batch.flatten() for batch in model.seen])
    assert sorted(read.tolist()) == sorted(tokens.read(0, len(tokens) - 1).tolist())

    bigram = Bigram.fit(TokenShards(mix, "train"), tokens)
    everything = tokens.read(0, len(tokens))
    straight = bigram.surprise(everything[:-1], everything[1:]).mean()
    assert validation.baseline_loss(bigram) == pytest.approx(straight, rel=1e-12)


def test_the_validation_loss_of_a_model_that_knows_nothing_is_log_vocab(mix):
    tokens = TokenShards(mix, "validation")
    model = Transformer(ModelConfig(dim=8, n_layers=1, n_heads=2, vocab_size=tokens.vocab_size))
    torch.nn.init.zeros_(model.output.weight)
    loss = Validation(tokens, 16).model_loss(model)
    assert loss == pytest.approx(math.log(tokens.vocab_size), rel=1e-5)


def test_a_quick_look_reads_windows_from_the_whole_split(mix):
    tokens = TokenShards(mix, "validation")
    quick = Validation(tokens, 16, max_windows=4)
    starts = [start for start, _ in quick._windows]
    assert len(starts) == 4 and starts[0] == 0 and starts[-1] > 0.9 * (len(tokens) - 32)


def test_repeated_text_does_not_lower_the_bar(mix):
    class Repeated:
        def __init__(self, tokens, times):
            self.tokens = np.tile(tokens.read(0, len(tokens)), times)
            self.vocab_size, self.digest = tokens.vocab_size, "repeated"

        def __len__(self):
            return len(self.tokens)

        def read(self, start, count):
            return self.tokens[start : start + count]

    train, held_out = TokenShards(mix, "train"), TokenShards(mix, "validation")
    validation = Validation(held_out, 16)
    once = validation.baseline_loss(Bigram.fit(train, held_out))
    thrice = Bigram.fit(Repeated(train, 3), held_out)
    assert validation.baseline_loss(thrice) <= once + 0.01
    untuned = Bigram(thrice_tokens(train), train.vocab_size)
    assert validation.baseline_loss(thrice) <= validation.baseline_loss(untuned)


def thrice_tokens(tokens):
    return np.tile(tokens.read(0, len(tokens)), 3)
