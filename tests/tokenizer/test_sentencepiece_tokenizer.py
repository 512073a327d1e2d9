"""The tokenizer behaves as LLaMA's does: bytes, digits, spaces, special tokens, determinism."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.tokenizer.sentencepiece import Tokenizer, train_tokenizer

WORDS = "the river runs under a bridge and into the sea where ships wait for wind".split()


def corpus() -> list[str]:
    rng = random.Random(0)
    lines = [" ".join(rng.choices(WORDS, k=12)) for _ in range(300)]
    code = [f"    if x == {i}:\n        return {i * 37}" for i in range(300)]
    return ["\n".join(lines), *code]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return train_tokenizer(
        corpus(), tmp_path_factory.mktemp("tokenizer") / "tokenizer.model", vocab_size=400
    )


def test_special_tokens_and_bytes_have_llamas_ids(tokenizer):
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, -1)
    assert [tokenizer.id_to_piece(i) for i in range(3)] == ["<unk>", "<s>", "</s>"]
    assert [tokenizer.id_to_piece(3 + b) for b in range(256)] == [
        f"<0x{b:02X}>" for b in range(256)
    ]
    assert tokenizer.vocab_size == 400


def test_bos_and_eos_come_only_when_asked_for(tokenizer):
    plain = tokenizer.encode("the river", bos=False)
    assert tokenizer.encode("the river") == [1, *plain]
    assert tokenizer.encode("the river", bos=False, eos=True) == [*plain, 2]
    assert tokenizer.encode("", bos=False) == []


def test_the_text_of_a_special_token_is_text(tokenizer):
    ids = tokenizer.encode("<s>the</s>", bos=False)
    assert not {0, 1, 2} & set(ids)
    assert tokenizer.decode(ids) == "<s>the</s>"


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00▁")))
def test_every_text_comes_back(tokenizer, text):
    # U+2581 is how SentencePiece writes a space, so it cannot be told from one.
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_an_unknown_character_becomes_its_utf8_bytes(tokenizer):
    pieces = [tokenizer.id_to_piece(i) for i in tokenizer.encode("🦙", bos=False)]
    assert pieces == ["▁", *(f"<0x{b:02X}>" for b in "🦙".encode())]


def test_no_piece_joins_digits(tokenizer):
    pieces = [tokenizer.id_to_piece(i) for i in range(tokenizer.vocab_size)]
    assert all(sum(c.isdigit() for c in p) <= 1 for p in pieces if not p.startswith("<0x"))
    assert len(tokenizer.encode("12345", bos=False)) == len("▁12345")


def test_text_is_not_normalised(tokenizer):
    for text in ("ﬁne", "e\u0301", "\u00e9", "a  b   c ", " x", "\t\n"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_indentation_has_pieces_of_its_own(tokenizer):
    pieces = {tokenizer.id_to_piece(i) for i in range(tokenizer.vocab_size)}
    assert any(set(piece) == {"▁"} and len(piece) >= 2 for piece in pieces)


def test_padding_has_no_text_and_foreign_ids_are_refused(tokenizer):
    ids = tokenizer.encode("the sea", eos=True)
    assert tokenizer.decode([*ids, -1, -1]) == "the sea"
    for token in (400, -2):
        with pytest.raises(IndexError, match="vocabulary of 400 tokens"):
            tokenizer.decode([token])
        with pytest.raises(IndexError, match="0 to 399"):
            tokenizer.id_to_piece(token)


def test_batches_give_what_single_texts_give(tokenizer):
    texts = corpus()[:20]
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(t, bos=False) for t in texts]


def test_the_same_texts_give_the_same_bytes(tokenizer, tmp_path):
    again = train_tokenizer(corpus(), tmp_path / "again.model", vocab_size=400)
    assert again.path.read_bytes() == tokenizer.path.read_bytes()


def test_a_missing_or_foreign_file_says_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match="llama-mini data build"):
        Tokenizer(tmp_path / "tokenizer.model")
    (tmp_path / "tokenizer.model").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        Tokenizer(tmp_path / "tokenizer.model")


def test_too_little_text_for_the_vocabulary_is_said_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="4096 tokens"):
        train_tokenizer(["a short text"], tmp_path / "tokenizer.model")
    assert list(tmp_path.iterdir()) == []
