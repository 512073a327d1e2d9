"""Filters, deduplication, the split and the sampling."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sources import prose

from llama_mini.data.documents import Document, read_documents, write_documents
from llama_mini.data.files import DataError
from llama_mini.data.mixing import assemble, passes
from llama_mini.data.stages import passages, rules


def document(text: str, name: str = "a", source: str = "commoncrawl", group: str = "") -> Document:
    return Document(source, name, group or name, text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Short.", "too short"),
        (prose(1, 20) + "\ufffd", "damaged characters"),
        ("1234 5678 " * 100, "too few letters"),
        ("zorn kwab plix " * 60, "too few common words"),
        ("\n".join([prose(2, 6)] * 8), "repeats itself"),
        (prose(3, 20), None),
    ],
)
def test_prose_is_rejected_for_a_reason(text, reason):
    assert rules.rejection(text, "prose", min_characters=300, min_words=60) == reason


def test_a_near_copy_goes_a_relative_joins_the_group_and_a_stranger_stays():
    story, other = prose(1, 60), prose(2, 60)
    half = len(story) // 2
    documents = [
        document(story, "story"),
        document(story.replace("river", "RIVER") + " The end.", "copy"),
        document(story[: half // 2] + " " + other, "relative"),
        document(prose(3, 60), "stranger"),
    ]
    answers = list(passages.answers(documents, duplicate_above=0.5, related_above=0.1))
    assert [(d.id, d.group) for d, _ in answers if d] == [
        ("story", "story"),
        ("relative", "story"),
        ("stranger", "stranger"),
    ]
    assert answers[1] == (None, "mostly in one earlier document")


def test_a_relative_of_two_groups_makes_them_one():
    first, second, own = prose(1, 60), prose(2, 60), prose(4, 60)
    relative = first[: len(first) // 4] + " " + second[: len(second) // 4] + " " + own
    documents = [
        document(first, "a", group="book"),
        document(prose(3, 60), "b", group="book"),
        document(second, "c"),
        document(relative, "d"),
    ]
    answers = list(passages.answers(documents, duplicate_above=0.5, related_above=0.1))
    assert [d.group for d, _ in answers] == ["book"] * 4


def test_documents_come_back_as_they_were_written(tmp_path):
    documents = [document("Línea 1\u2028\n\n  \tx\r", "ü", group="g"), document("", "b")]
    write_documents(tmp_path / "a.gz", documents)
    write_documents(tmp_path / "b.gz", documents)
    assert list(read_documents(tmp_path / "a.gz")) == documents
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


SHARES = {"a": 70.0, "b": 30.0}


def library(sizes: dict[str, list[int]]) -> tuple[list[Document], list[int]]:
    documents = [
        document("", f"{source}{i}", source, f"{source}-group-{i // 2}")
        for source, own in sizes.items()
        for i in range(len(own))
    ]
    return documents, [size for own in sizes.values() for size in own]


@settings(max_examples=100, deadline=None)
@given(
    a=st.lists(st.integers(5, 40), min_size=30, max_size=80),
    b=st.lists(st.integers(5, 40), min_size=30, max_size=80),
    seed=st.integers(0, 5),
)
def test_sampling_meets_the_shares_and_repeats_evenly(a, b, seed):
    documents, sizes = library({"a": a, "b": b})
    total = int(2.9 * min(sum(a) / 0.7, sum(b) / 0.3))
    order, sampled = passes.sample(documents, sizes, SHARES, total, seed)
    for source, share in SHARES.items():
        own = [i for i in order if documents[i].source == source]
        assert sum(sizes[i] for i in own) == sampled[source].tokens
        assert -1 < total * share / 100 - sampled[source].tokens <= 40
        assert sampled[source].epochs <= 3
        # Nobody is read twice before everybody was read once.
        counts = [own.count(i) for i, d in enumerate(documents) if d.source == source]
        assert max(counts) - min(counts) <= 1
    assert passes.sample(documents, sizes, SHARES, total, seed)[0] == order


def test_a_scarce_source_is_named_with_what_it_allows():
    documents, sizes = library({"a": [10] * 100, "b": [10] * 10})
    with pytest.raises(DataError, match=r"source b, which has 100: .* at most 1,000 tokens"):
        passes.sample(documents, sizes, SHARES, 1001, 0)
    passes.sample(documents, sizes, SHARES, 1000, 0)


@pytest.mark.parametrize("seed", range(5))
def test_groups_never_part_and_every_source_is_validated(seed):
    documents, sizes = library({"a": [10] * 200, "b": [10] * 60})
    train, validation = assemble.split_validation(documents, sizes, SHARES, 200, seed)
    assert sorted(train + validation) == list(range(len(documents)))
    assert not {documents[i].group for i in train} & {documents[i].group for i in validation}
    for source, wanted in (("a", 140), ("b", 60)):
        held = sum(sizes[i] for i in validation if documents[i].source == source)
        assert wanted <= held <= 1.5 * wanted


def test_a_source_of_one_group_cannot_be_split():
    documents, sizes = library({"a": [10] * 20, "b": [10, 10]})
    with pytest.raises(DataError, match="source b has 1 group"):
        assemble.split_validation(documents, sizes, SHARES, 50, 0)
