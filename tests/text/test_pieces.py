"""Streamed text is the text, told as soon as it is complete, in time that grows with its length."""

import json

import pytest
import tokenizers
from byte_level_vocabulary import train_backend, train_vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.text.pieces import text_pieces
from llama_mini.tokenizer.byte_level import from_json, from_vocabulary
from llama_mini.tokenizer.sentencepiece import train_tokenizer

TEXTS = ["the river crossed the old bridge", "a small garden, naïve ones, and  then another"] * 20
STRANGE = "añ€\U0001f999\ufffd日本 \n\t  x"


@pytest.fixture(scope="module")
def of_ours(tmp_path_factory):
    """Every kind of tokenizer that weights come with, by name."""
    folder = tmp_path_factory.mktemp("tokenizers")
    sentencepiece = train_tokenizer(TEXTS, folder / "tokenizer.model", vocab_size=300)
    pieces, merges, special = train_vocabulary()
    train_backend().save(str(folder / "tokenizer.json"))
    return {
        "sentencepiece": sentencepiece,
        "byte-level": from_vocabulary(pieces, merges, special, digits_apart=True),
        "tokenizer.json": from_json(folder / "tokenizer.json"),
    }


KINDS = ("sentencepiece", "byte-level", "tokenizer.json")


def continued(tokenizer, ids, before=()):
    """What decoding everything gives, from where it differs from the text of `before`."""
    whole, known = tokenizer.decode([*before, *ids]), tokenizer.decode(list(before))
    while not whole.startswith(known):
        known = known[:-1]
    return whole.removeprefix(known)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_the_pieces_of_any_tokens_make_up_their_text(of_ours, kind, data):
    tokenizer = of_ours[kind]
    # Half of them bytes and special tokens, which come first in all three; -1 is padding.
    token = st.one_of(st.integers(-1, 260), st.integers(0, tokenizer.vocab_size - 1))
    before = data.draw(st.lists(token, max_size=60))
    ids = data.draw(st.lists(token, max_size=150))
    assert "".join(text_pieces(tokenizer, ids, before)) == continued(tokenizer, ids, before)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(first=st.text(max_size=40), second=st.text(max_size=80))
def test_a_text_goes_on_where_the_prompt_ended(of_ours, kind, first, second):
    tokenizer = of_ours[kind]
    before, ids = tokenizer.encode(first), tokenizer.encode(second, bos=False)
    told = tokenizer.decode(before) + "".join(text_pieces(tokenizer, ids, before))
    assert told == tokenizer.decode([*before, *ids])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=STRANGE, max_size=60))
def test_a_character_is_told_with_the_token_that_completes_it(of_ours, kind, text):
    tokenizer = of_ours[kind]
    ids = tokenizer.encode(text, bos=False)
    given_out, told = 0, ""

    def watched():
        nonlocal given_out
        for token in ids:
            given_out += 1
            yield token

    for piece in text_pieces(tokenizer, watched()):
        assert piece
        told += piece
        so_far = tokenizer.decode(ids[:given_out])
        assert so_far.startswith(told)
        if not so_far.endswith("\ufffd"):
            assert told == so_far


@pytest.mark.parametrize("kind", KINDS)
def test_a_space_before_the_first_word_is_dropped_once_and_never_again(of_ours, kind):
    tokenizer = of_ours[kind]
    ids = tokenizer.encode("the river  crossed the old bridge" * 20, bos=False)
    assert "".join(text_pieces(tokenizer, ids)) == tokenizer.decode(ids)
    assert "".join(text_pieces(tokenizer, ids, before=ids)) == continued(tokenizer, ids, ids)
    assert tokenizer.decode(ids).startswith("the river  crossed")
    if kind == "sentencepiece":
        assert continued(tokenizer, ids, ids).startswith(" the river  crossed")


class Counting:
    """A tokenizer that counts the tokens it is asked to decode."""

    def __init__(self, tokenizer):
        self._tokenizer, self.decoded = tokenizer, 0

    def decode(self, ids):
        self.decoded += len(ids)
        return self._tokenizer.decode(ids)


def cycles(tokenizer):
    """Token after token, as a model may draw them: prose, and the worst that it could."""
    byte = {tokenizer.id_to_piece(i): i for i in range(tokenizer.vocab_size)}
    a_byte = next(byte[piece] for piece in ("<0x80>", "Ģ") if piece in byte)
    lead = next(byte[piece] for piece in ("<0xF0>", "ð") if piece in byte)
    return {
        "prose": tokenizer.encode(TEXTS[1], bos=False),
        "a byte that never completes anything": [a_byte],
        "characters that only begin": [lead],
        "a token without text": [1],
        "two tokens without text": [1, -1],
        "a byte between tokens without text": [lead, *[1] * 99],
        "clouds": tokenizer.encode("\U0001f32b\U0001f7e0", bos=False),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_that_are_decoded_grow_as_the_text_does(of_ours, kind):
    for name, cycle in cycles(of_ours[kind]).items():
        for n in (512, 2048, 8192):
            ids = (cycle * n)[:n]
            counting = Counting(of_ours[kind])
            assert "".join(text_pieces(counting, ids)) == of_ours[kind].decode(ids), name
            # Decoding all of it each time would take n / 2 tokens for each.
            assert counting.decoded <= 50 * n, name


def test_a_long_prompt_is_decoded_twice_at_most(of_ours):
    tokenizer = of_ours["sentencepiece"]
    before = tokenizer.encode(" ".join(TEXTS), bos=True)
    ids = tokenizer.encode("and the old river", bos=False)
    counting = Counting(tokenizer)
    told = "".join(text_pieces(counting, ids, before))
    assert tokenizer.decode(before) + told == tokenizer.decode([*before, *ids])
    assert counting.decoded < 2 * len(before) + 60 * len(ids)


def test_a_tokenizer_of_byte_pieces_by_another_library_is_streamed_too():
    # As in the tokenizer.json of LLaMA's models: bytes that make no character become marks.
    backend = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            vocab={**{f"<0x{b:02X}>": b for b in range(256)}, "▁the": 256, "▁": 257, "y": 258},
            merges=[],
        )
    )
    backend.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace("▁", " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
            tokenizers.decoders.Strip(" ", 1, 0),
        ]
    )
    assert json.loads(backend.to_str())["decoder"]["type"] == "Sequence"
    for text in ("añ€\U0001f999", "日本語" * 40):
        ids = [257, 256, *text.encode(), 258, 256] * 50
        counting = Counting(backend)
        assert "".join(text_pieces(counting, ids)) == backend.decode(ids)
        assert counting.decoded <= 50 * len(ids)
