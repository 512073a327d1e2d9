"""Bits per byte: from a loss per token, and from bytes that are counted exactly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.evaluation import held_out, text_bytes
from llama_mini.tokenizer.sentencepiece import train_tokenizer

TRAINED_ON = ["the river crossed the old bridge", "my neighbour painted a small garden, é日"] * 3


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    return train_tokenizer(TRAINED_ON, path, vocab_size=300)


class Held:
    """Token shards in memory."""

    def __init__(self, ids):
        self._ids = np.array(ids, dtype=np.uint16)

    def __len__(self):
        return len(self._ids)

    def read(self, start, count):
        assert start + count <= len(self)
        return self._ids[start : start + count]


def test_a_model_that_guesses_bytes_evenly_needs_eight_bits():
    assert held_out.bits_per_byte(math.log(256), 10, 10) == pytest.approx(8, rel=1e-15)


def test_longer_tokens_share_their_cost_among_more_bytes():
    assert held_out.bits_per_byte(math.log(2), 30, 120) == pytest.approx(0.25, rel=1e-15)


@pytest.mark.parametrize(("n_tokens", "n_bytes"), [(0, 1), (1, 0)])
def test_a_text_of_nothing_is_refused(n_tokens, n_bytes):
    with pytest.raises(ValueError, match="at least"):
        held_out.bits_per_byte(1.0, n_tokens, n_bytes)


# U+2581 is how SentencePiece writes a space: it cannot be told from one.
TEXT = st.text(st.characters(exclude_characters="▁", exclude_categories=["Cs"]))


@pytest.mark.parametrize("at_once", [1, 2, 7, 1 << 20])
def test_the_bytes_of_documents_are_those_of_their_text(tokenizer, at_once, monkeypatch):
    monkeypatch.setattr(text_bytes, "_TOKENS_AT_ONCE", at_once)

    @given(st.lists(TEXT | st.sampled_from(TRAINED_ON), max_size=6))
    def holds(texts):
        ids = [id for text in texts for id in tokenizer.encode(text, bos=True, eos=True)]
        counted = text_bytes.text_bytes(Held(ids), tokenizer)
        assert counted == sum(len(text.encode("utf-8")) for text in texts)

    holds()


def test_a_document_cut_inside_a_character_keeps_the_bytes_it_has(tokenizer):
    ids = tokenizer.encode("a\U0001f600", bos=True)
    for cut in range(1, 5):
        assert text_bytes.text_bytes(Held(ids[: len(ids) - cut]), tokenizer) == 5 - cut
    assert "\ufffd" in tokenizer.decode(ids[:-1])  # what a decode would have counted


def test_a_token_of_unknown_text_is_refused(tokenizer):
    with pytest.raises(ValueError, match="1 of these tokens are <unk>"):
        text_bytes.text_bytes(Held([tokenizer.bos_id, 0, 5]), tokenizer)
