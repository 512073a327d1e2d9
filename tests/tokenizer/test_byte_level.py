"""Byte-level BPE: the tokens of the libraries that made it known, for any text, reversibly."""

import json
import sys

import pytest
from byte_level_vocabulary import LINES, train_backend, train_vocabulary
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.tokenizer.byte_level import ByteLevelTokenizer, from_json, from_vocabulary

PIECES, MERGES, SPECIAL_IDS = train_vocabulary()
TOKENIZER = from_vocabulary(
    PIECES, MERGES, SPECIAL_IDS, digits_apart=True, eos_id=1, chat_template="a form"
)
TEXTS = [
    *LINES,
    "  two\n\n\tspaces and\u00a0others ",
    "they'll I'M can't we'VE",
    "x = {'a': [1, 22, 333]};  # 4.5e-6",
    "日本語 🦙🏽 naïve ½ Ⅷ \u200b",
    "",
]


@pytest.fixture
def folder(tmp_path):
    """A folder as Hugging Face writes it."""
    backend = train_backend()
    backend.enable_truncation(5)
    backend.enable_padding(length=9)
    backend.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_the_tokenizers_library(text):
    assert TOKENIZER.encode(text) == train_backend().encode(text).ids


@pytest.mark.parametrize("text", TEXTS)
def test_without_the_rule_for_digits_tokens_are_those_of_transformers_gpt2(text, tmp_path):
    from transformers import GPT2Tokenizer

    vocabulary = {piece: number for number, piece in enumerate(PIECES)}
    gpt2 = GPT2Tokenizer(vocab=vocabulary, merges=list(MERGES), unk_token="<|im_start|>")
    ours = from_vocabulary(PIECES, MERGES, SPECIAL_IDS, digits_apart=False)
    assert ours.encode(text) == gpt2.encode(text, add_special_tokens=False)


@given(st.text())
def test_any_text_comes_back_as_it_was(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.text(alphabet="0123456789 ab٣٤", max_size=30))
def test_every_digit_is_a_token_or_more_of_its_own(text):
    pieces = [TOKENIZER.decode([token]) for token in TOKENIZER.encode(text)]
    assert not any(len(piece) > 1 and any(c in "0123456789" for c in piece) for piece in pieces)


def test_a_number_would_be_one_token_without_the_rule_for_digits():
    merges = [("1", "9"), ("19", "8"), ("198", "7")]
    pieces = [*PIECES[2:], "19", "198", "1987"]
    apart = from_vocabulary(pieces, merges, [], digits_apart=True)
    together = from_vocabulary(pieces, merges, [], digits_apart=False)
    assert [together.id_to_piece(token) for token in together.encode("1987")] == ["1987"]
    assert [apart.id_to_piece(token) for token in apart.encode("1987")] == ["1", "9", "8", "7"]


@pytest.mark.parametrize("special", ["<|im_start|>", "<|im_end|>"])
@pytest.mark.parametrize("origin", ["vocabulary", "file"])
def test_text_that_looks_like_a_special_token_is_text(special, origin, folder):
    tokenizer = TOKENIZER if origin == "vocabulary" else from_json(folder / "tokenizer.json")
    ids = tokenizer.encode(f"say {special} again")
    assert not set(ids) & set(tokenizer.special_tokens.values())
    assert tokenizer.decode(ids) == f"say {special} again"
    assert tokenizer.special_tokens[special] == PIECES.index(special)


def test_special_tokens_have_no_text_and_padding_neither():
    ids = TOKENIZER.encode("the river")
    assert TOKENIZER.decode([0, *ids, 1, -1]) == "the river"


def test_half_a_character_is_shown_as_one_replacement():
    ids = TOKENIZER.encode("🦙")
    assert len(ids) == 4
    assert TOKENIZER.decode(ids[:2]).endswith("\ufffd")
    assert TOKENIZER.decode(ids) == "🦙"


def test_a_text_begins_with_a_token_only_if_the_model_was_trained_so():
    beginning = from_vocabulary(PIECES, MERGES, SPECIAL_IDS, digits_apart=True, bos_id=0, eos_id=1)
    plain = TOKENIZER.encode("the river", bos=False)
    assert TOKENIZER.bos_id == -1
    assert TOKENIZER.encode("the river", bos=True, eos=True) == [*plain, 1]
    assert beginning.encode("the river", bos=True, eos=True) == [0, *plain, 1]
    assert beginning.encode("the river", bos=False) == plain


def test_many_texts_at_once_are_the_same_as_one_by_one():
    assert TOKENIZER.encode_batch(TEXTS) == [TOKENIZER.encode(text) for text in TEXTS]


def test_pieces_and_the_size_of_the_vocabulary(folder):
    for tokenizer in (TOKENIZER, from_json(folder / "tokenizer.json")):
        assert tokenizer.vocab_size == len(PIECES) == 300
        assert [tokenizer.id_to_piece(token) for token in range(300)] == PIECES
    assert TOKENIZER.id_to_piece(TOKENIZER.encode(" the")[0]).startswith("Ġ")


@pytest.mark.parametrize("token", [300, -2])
def test_an_id_that_is_no_token_is_refused(token):
    with pytest.raises(IndexError, match="not in the vocabulary of 300"):
        TOKENIZER.decode([token])
    with pytest.raises(IndexError, match="0 to 299"):
        TOKENIZER.id_to_piece(token)


def test_the_file_of_a_folder_gives_the_same_tokens_and_no_padding(folder):
    tokenizer = from_json(folder / "tokenizer.json", eos="<|im_end|>", chat_template="a form")
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.chat_template) == (-1, 1, "a form")
    for text in TEXTS:
        assert tokenizer.encode(text) == TOKENIZER.encode(text)


def test_what_is_saved_is_read_again_and_transformers_reads_it_too(tmp_path):
    from transformers import PreTrainedTokenizerFast

    TOKENIZER.save(tmp_path / "tokenizer.json")
    again = from_json(tmp_path / "tokenizer.json", eos="<|im_end|>")
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert again.special_tokens == TOKENIZER.special_tokens
    for text in TEXTS:
        assert again.encode(text) == TOKENIZER.encode(text) == theirs.encode(text)
    # There, a special token in the text is one.
    assert theirs.encode("<|im_end|>") == [1]


def test_damaged_files_and_pieces_that_are_missing_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"no piece '</s>'"):
        from_json(folder / "tokenizer.json", eos="</s>")
    (tmp_path / "other.json").write_text(json.dumps({"model": "unknown"}))
    with pytest.raises(ValueError, match="not a tokenizer of the tokenizers library"):
        from_json(tmp_path / "other.json")
    with pytest.raises(FileNotFoundError, match="no tokenizer at"):
        from_json(tmp_path / "nowhere.json")


def test_a_vocabulary_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="1 of the tokenizer's 301 pieces are there twice"):
        from_vocabulary([*PIECES, PIECES[5]], MERGES, [], digits_apart=True)
    with pytest.raises(ValueError, match="merges do not fit"):
        from_vocabulary(PIECES, [("q", "zz")], [], digits_apart=True)
    with pytest.raises(ValueError, match="eos_id is token 300"):
        from_vocabulary(PIECES, MERGES, [], digits_apart=True, eos_id=300)


def test_without_the_package_the_error_says_what_to_install(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r'pip install "llama-mini\[weights\]"'):
        from_json(folder / "tokenizer.json")
    assert isinstance(TOKENIZER, ByteLevelTokenizer)
