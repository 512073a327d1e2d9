"""BPE from scratch, held against SentencePiece, against Hugging Face's trainer and by hand."""

import io
import json
from collections import Counter
from itertools import pairwise
from pydoc_data import topics

import pytest
import sentencepiece
import tokenizers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llama_mini.tokenizer import bpe

# LLaMA's settings, for a vocabulary that is trained in a fraction of a second.
LLAMA = dict(
    model_type="bpe",
    byte_fallback=True,
    split_digits=True,
    normalization_rule_name="identity",
    remove_extra_whitespaces=False,
    allow_whitespace_only_pieces=True,
    character_coverage=0.99995,
)


def trained(text: str, **changes) -> sentencepiece.SentencePieceProcessor:
    """A SentencePiece BPE with LLaMA's settings, trained on `text`."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for line in text.split("\n") if line]),
        model_writer=model,
        minloglevel=2,
        num_threads=1,
        **(LLAMA | {"vocab_size": 1000} | changes),
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


MANUAL = "\n".join(topics.topics[name] for name in sorted(topics.topics))[:200_000]
RUSSIAN = "мама мыла раму, а папа пил чай 祝你好运 1234 56 😀 naïve\n" * 40
PROCESSORS = {
    "documentation": trained(MANUAL),
    "two scripts": trained(RUSSIAN + MANUAL[:20_000], vocab_size=500),
    "digits not split": trained("1234 12 123 99 1299\n" * 30 + MANUAL[:20_000], split_digits=False),
    "words not split at spaces": trained(MANUAL[:50_000], split_by_whitespace=False),
}

alphabets = (
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("ab ▁\n\t  <>0x1é"),
    st.sampled_from("the functio naxpr1239 мыл祝你"),
)
texts = st.one_of(st.text(alphabet, max_size=60) for alphabet in alphabets)
words = st.dictionaries(
    st.text("abcz", min_size=1, max_size=8).map(tuple), st.integers(1, 9), max_size=8
)


@pytest.mark.parametrize("name", PROCESSORS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=texts)
def test_encoding_equals_sentencepiece_on_any_text(name, text):
    processor = PROCESSORS[name]
    pieces = bpe.bpe_encode(text, bpe.scores_of(processor))
    assert pieces == processor.encode(text, out_type=str)


@pytest.mark.parametrize("name", PROCESSORS)
def test_encoding_equals_sentencepiece_on_every_line_of_a_manual(name):
    processor = PROCESSORS[name]
    scores = bpe.scores_of(processor)
    for line in MANUAL.split("\n")[:800]:
        assert bpe.bpe_encode(line, scores) == processor.encode(line, out_type=str)


@settings(deadline=None, derandomize=True)
@given(text=texts)
def test_pieces_of_any_text_spell_the_text_again(text):
    pieces = bpe.bpe_encode(text, bpe.scores_of(PROCESSORS["documentation"]))
    # Rebuilt by hand: bytes from their hexadecimal digits, other pieces from their letters.
    parts = [
        bytes([int(piece[3:5], 16)])
        if piece.startswith("<0x") and len(piece) == 6
        else piece.encode()
        for piece in pieces
    ]
    spelled = b"".join(parts).decode().replace(bpe.SPACE, " ")
    assert spelled == (" " + text.replace(bpe.SPACE, " ") if text else "")


def test_the_empty_text_has_no_pieces():
    assert bpe.bpe_encode("", {"▁": -1.0}) == []


def test_a_lone_space_is_two_marks_because_of_the_prefix():
    assert bpe.bpe_encode(" ", {"▁": -1.0}) == ["▁", "▁"]


def test_the_best_score_is_joined_first_and_not_the_longest_or_the_leftmost():
    scores = {"▁": -9.0, "a": -9.0, "b": -9.0, "c": -9.0, "ab": -2.0, "bc": -1.0, "abc": -3.0}
    assert bpe.bpe_encode("abc", scores) == ["▁", "abc"]
    del scores["abc"]
    assert bpe.bpe_encode("abc", scores) == ["▁", "a", "bc"]


def test_equal_scores_are_joined_from_the_left():
    assert bpe.bpe_encode("aaaa", {"▁": 0.0, "a": 0.0, "aa": -1.0}) == ["▁", "aa", "aa"]
    assert bpe.bpe_encode("aaa", {"▁": 0.0, "a": 0.0, "aa": -1.0}) == ["▁", "aa", "a"]


def test_a_joint_counts_whichever_pair_it_was_learned_from():
    # "abc" may have been learned as a + bc; here only ab + c leads to it.
    scores = {"▁": 0.0, "a": 0.0, "b": 0.0, "c": 0.0, "ab": -2.0, "abc": -1.0}
    assert bpe.bpe_encode("abc", scores) == ["▁", "abc"]


def test_digits_stay_apart_only_because_the_vocabulary_has_no_piece_of_two():
    together = bpe.bpe_encode("1234", bpe.scores_of(PROCESSORS["digits not split"]))
    assert max(sum(map(str.isdigit, piece)) for piece in together) > 1
    apart = bpe.bpe_encode("1234", bpe.scores_of(PROCESSORS["documentation"]))
    assert apart == ["▁", "1", "2", "3", "4"]


def test_names_of_control_and_byte_pieces_are_plain_text():
    scores = bpe.scores_of(PROCESSORS["documentation"])
    assert not {"<s>", "</s>", "<unk>", "<0x41>"} & set(scores)
    assert "".join(bpe.bpe_encode("<s><0x41>", scores)) == "▁<s><0x41>"


def test_llamas_published_ids_of_bytes_follow_from_utf8():
    # In the real file the byte b has the id 3 + b, after <unk>, <s> and </s>.
    def ids(character):
        return [3 + int(piece[3:5], 16) for piece in bpe.byte_fallback(character)]

    assert ids("🦙") == [243, 162, 169, 156]
    assert ids("祝") == [234, 168, 160]
    assert ids("\n") == [13] and ids("\t") == [12]


def test_llamas_pieces_for_four_spaces_follow_from_its_scores():
    # "▁a" has the score -4, "▁b" -30 and every run of spaces -1e9. The real file gives three ids.
    runs = {"▁" * length: -1e9 for length in range(2, 17)}
    scores = {"▁": -29612.0, "a": -29613.0, "b": -29630.0, "▁a": -4.0, "▁b": -30.0} | runs
    assert bpe.bpe_encode("a    b", scores) == ["▁a", "▁▁▁", "▁b"]


@pytest.mark.parametrize("code", [0, 0x41, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF])
def test_bytes_are_those_of_sentencepiece_at_every_length(code):
    pieces = trained("ba\n" * 50, vocab_size=262).encode(chr(code), out_type=str)
    if code != 0x41:
        assert pieces == ["▁", *bpe.byte_fallback(chr(code))]
    assert len(bpe.byte_fallback(chr(code))) == len(chr(code).encode())


@pytest.mark.parametrize("wrong", ["", "ab", "\ud800"])
def test_byte_fallback_refuses_what_is_not_one_character(wrong):
    with pytest.raises(ValueError):
        bpe.byte_fallback(wrong)


@given(words)
def test_counts_are_those_of_a_count_place_by_place(words):
    places = Counter()
    for word, n in words.items():
        for position in range(len(word) - 1):
            places[word[position], word[position + 1]] += n
    assert bpe.count_pairs(words) == dict(places)


@given(st.text("ab", max_size=12), st.sampled_from(["a", "b"]), st.sampled_from(["a", "b"]))
def test_merging_equals_the_replacing_of_strings(word, left, right):
    # On single letters str.replace does the same: from the left, without overlap.
    merged = bpe.merge_pair(tuple(word), (left, right))
    marked = word.replace(left + right, "*")
    assert merged == tuple(left + right if symbol == "*" else symbol for symbol in marked)


def test_merging_matches_whole_symbols_only():
    assert bpe.merge_pair(("ca", "b"), ("a", "b")) == ("ca", "b")
    assert bpe.merge_pair((), ("a", "b")) == ()
    assert bpe.merge_pair(("ab", "ab"), ("ab", "ab")) == ("abab",)


def test_the_first_merges_of_the_papers_dictionary():
    # The dictionary in Algorithm 1 of Sennrich et al., with their mark for the end of a word.
    corpus = {
        ("l", "o", "w", "·"): 5,
        ("l", "o", "w", "e", "r", "·"): 2,
        ("n", "e", "w", "e", "s", "t", "·"): 6,
        ("w", "i", "d", "e", "s", "t", "·"): 3,
    }
    merges = bpe.train_bpe(corpus, 3)
    assert merges == [("e", "s"), ("es", "t"), ("est", "·")]


@settings(deadline=None, derandomize=True)
@given(words, st.integers(0, 12))
def test_merges_equal_those_of_hugging_faces_trainer_where_no_counts_tie(words, n_merges):
    words = {word: n for word, n in words.items() if not _has_a_letter_twice_in_a_row(word)}
    assume(words)
    merges = bpe.train_bpe(words, n_merges)
    untied = _length_without_ties(words, merges)

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=4 + n_merges, show_progress=False)
    corpus = (" ".join(["".join(word)] * n) for word, n in words.items())
    tokenizer.train_from_iterator(corpus, trainer)
    learned = json.loads(tokenizer.to_str())["model"]["merges"]
    assert merges[:untied] == [tuple(pair) for pair in learned[:untied]]


def _has_a_letter_twice_in_a_row(word):
    # Overlapping pairs are counted by every trainer in its own way.
    return any(a == b for a, b in pairwise(word))


def _length_without_ties(words, merges):
    for step, pair in enumerate(merges):
        counts = bpe.count_pairs(words)
        if sum(count == counts[pair] for count in counts.values()) > 1:
            return step
        words = {bpe.merge_pair(word, pair): n for word, n in words.items()}
    return len(merges)


def test_ties_go_to_the_smaller_pair_in_string_order():
    assert bpe.train_bpe({("b", "a"): 1, ("a", "z"): 1}, 2) == [("a", "z"), ("b", "a")]


@given(words, st.integers(0, 50))
def test_training_ends_when_no_pair_is_left_and_leaves_its_input_alone(words, n_merges):
    before = dict(words)
    merges = bpe.train_bpe(words, n_merges)
    assert words == before
    assert len(merges) <= n_merges
    if len(merges) < n_merges:
        for word in words:
            for pair in merges:
                word = bpe.merge_pair(word, pair)
            assert len(word) == 1


def test_a_negative_number_of_merges_is_refused():
    with pytest.raises(ValueError, match="0 or more; got -1"):
        bpe.train_bpe({("a",): 1}, -1)
