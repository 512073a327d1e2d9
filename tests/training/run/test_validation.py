"""How much a look at the validation split takes at once."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from llama_mini.config import ModelConfig
from llama_mini.data.shards import TokenShards
from llama_mini.model import Transformer
from llama_mini.training.run import validation
from llama_mini.training.run.validation import Validation


class Drawn:
    """Tokens of a large vocabulary."""

    digest = "drawn"

    def __init__(self, n, vocab_size):
        self.vocab_size = vocab_size
        self.tokens = np.random.default_rng(0).integers(vocab_size, size=n).astype(np.uint16)

    def __len__(self):
        return len(self.tokens)

    def read(self, start, count):
        return self.tokens[start : start + count]


class Counting(Transformer):
    """A Transformer that remembers how large its answers were."""

    def forward(self, tokens, cache=None):
        logits = super().forward(tokens, cache)
        self.bytes_.append(logits.nbytes)
        self.windows.append(len(tokens))
        return logits


def counted(vocab_size, seq_len, n_windows):
    tokens = Drawn(n_windows * seq_len + 1, vocab_size)
    torch.manual_seed(0)
    model = Counting(
        ModelConfig(dim=4, n_layers=1, n_heads=1, vocab_size=vocab_size, max_seq_len=seq_len)
    )
    model.bytes_, model.windows = [], []
    loss = Validation(tokens, seq_len).model_loss(model)
    return tokens, model, loss


def test_logits_of_a_large_vocabulary_stay_under_the_limit():
    _, model, _ = counted(65_536, 256, 7)  # 67 MB a window: 16 at once were 1.1 GB
    assert sum(model.windows) == 7
    assert max(model.bytes_) <= validation.MOST_LOGITS_BYTES == 256 * 1024**2
    assert model.windows == [4, 3]


def test_a_small_vocabulary_is_read_sixteen_windows_at_once():
    _, model, _ = counted(300, 8, 40)
    assert model.windows == [16, 16, 8]


@pytest.mark.parametrize("limit", [1, 3 * 4 * 8 * 300, 1 << 28])
def test_the_loss_does_not_depend_on_how_many_are_read_at_once(monkeypatch, limit):
    monkeypatch.setattr(validation, "MOST_LOGITS_BYTES", limit)
    tokens, model, loss = counted(300, 8, 21)
    assert max(model.windows) == {1: 1, 3 * 4 * 8 * 300: 3}.get(limit, 16)
    row = torch.from_numpy(tokens.tokens.astype(np.int64))
    with torch.no_grad():
        logits = model(row[:-1].view(21, 8))
    expected = F.cross_entropy(logits.flatten(0, 1).double(), row[1:]).item()
    assert loss == pytest.approx(expected, rel=64 * torch.finfo(torch.float32).eps)


def test_the_last_window_may_be_shorter(mix):
    tokens = TokenShards(mix, "validation")
    whole = Validation(tokens, 64)
    assert sum(length * len(starts) for starts, length in whole._batches()) == len(tokens) - 1
