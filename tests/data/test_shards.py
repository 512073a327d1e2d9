"""Shards: what is written is what is read, and a folder without its index is no mix."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sources import prose

from llama_mini import paths, slots
from llama_mini.data.shards import (
    TokenShards,
    default_folder,
    is_intact,
    write_shards,
)
from llama_mini.tokenizer.sentencepiece import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    train_tokenizer([prose(1, 200)], path, vocab_size=400)
    return path


@pytest.fixture
def mix(tmp_path, tokenizer_file):
    documents = [("books", [10, 11, 12]), ("c4", []), ("books", list(range(3, 13)))]
    write_shards(
        tmp_path / "mix",
        {"train": documents, "validation": [("c4", [7])]},
        tokenizer_file,
        tokens_per_shard=4,
    )
    return tmp_path / "mix"


WHOLE = [1, 10, 11, 12, 2, 1, 2, 1, *range(3, 13), 2]


def test_documents_stand_between_bos_and_eos_in_order(mix):
    shards = TokenShards(mix, "train")
    assert len(shards) == len(WHOLE)
    assert shards.read(0, len(shards)).tolist() == WHOLE
    assert [shards.document(i).tolist() for i in range(3)] == [WHOLE[:5], WHOLE[5:7], WHOLE[7:]]
    assert [shards.sources[k] for k in shards.documents["source"]] == ["books", "c4", "books"]


def test_shards_are_raw_little_endian_16_bit_numbers(mix):
    raw = b"".join(path.read_bytes() for path in sorted(mix.glob("train-*.bin")))
    assert raw == b"".join(token.to_bytes(2, "little") for token in WHOLE)
    assert [path.stat().st_size for path in sorted(mix.glob("train-*.bin"))] == [8, 8, 8, 8, 6]


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_stretch_reads_as_in_one_piece(tmp_path_factory, tokenizer_file, data):
    ids = data.draw(st.lists(st.integers(0, 399), min_size=1, max_size=40))
    size = data.draw(st.integers(1, 50))
    folder = tmp_path_factory.mktemp("mix")
    splits = {"train": [("a", ids)], "validation": [("a", [5])]}
    write_shards(folder, splits, tokenizer_file, tokens_per_shard=size)
    whole = [1, *ids, 2]
    start = data.draw(st.integers(0, len(whole)))
    count = data.draw(st.integers(0, len(whole) - start))
    piece = TokenShards(folder, "train").read(start, count)
    assert piece.dtype == np.uint16
    assert piece.tolist() == whole[start : start + count]


@pytest.mark.parametrize(("start", "count"), [(0, 20), (19, 1), (-1, 2), (0, -1), (10**9, 1)])
def test_reading_beyond_the_end_says_how_long_it_is(mix, start, count):
    with pytest.raises(IndexError, match=r"train split in .* has 19"):
        TokenShards(mix, "train").read(start, count)


def test_the_digest_tells_mixes_apart(tmp_path, tokenizer_file):
    def digest(name, ids):
        splits = {"train": [("a", ids)], "validation": [("a", [5])]}
        write_shards(tmp_path / name, splits, tokenizer_file)
        return TokenShards(tmp_path / name, "train").digest

    assert digest("one", [3, 4]) == digest("two", [3, 4]) != digest("three", [4, 3])


def test_a_folder_without_an_index_is_not_a_mix(mix, tmp_path):
    for folder in (tmp_path / "nowhere", mix):
        (mix / "index.json").unlink(missing_ok=True)
        with pytest.raises(FileNotFoundError, match="llama-mini data build"):
            TokenShards(folder, "train")


@pytest.mark.parametrize("damage", ["missing", "short", "index", "tokenizer"])
def test_a_mix_that_lost_something_is_not_a_mix(mix, damage):
    if damage == "missing":
        (mix / "train-00002.bin").unlink()
    elif damage == "short":
        (mix / "train-00002.bin").write_bytes(b"\0\0")
    elif damage == "index":
        (mix / "index.json").write_text('{"format": 1, "splits"')
    else:
        (mix / "tokenizer.model").unlink()
    with pytest.raises(FileNotFoundError, match="llama-mini data build"):
        TokenShards(mix, "train")


def test_a_changed_byte_is_found_by_the_hashes(mix):
    assert is_intact(mix)
    path = mix / "train-00001.bin"
    path.write_bytes(path.read_bytes()[::-1])
    assert not is_intact(mix)


def test_writing_anew_leaves_no_shard_of_the_old_mix(mix, tokenizer_file):
    splits = {"train": [("a", [3])], "validation": [("a", [5])]}
    write_shards(mix, splits, tokenizer_file)
    assert [path.name for path in sorted(mix.glob("*.bin"))] == [
        "train-00000.bin",
        "validation-00000.bin",
    ]
    assert json.loads((mix / "index.json").read_text())["splits"]["train"]["tokens"] == 3


@pytest.mark.parametrize("ids", [[400], [-1], [70_000]])
def test_ids_of_another_vocabulary_are_refused(tmp_path, tokenizer_file, ids):
    splits = {"train": [("a", ids)], "validation": [("a", [5])]}
    with pytest.raises(ValueError, match="Did another encode it"):
        write_shards(tmp_path / "mix", splits, tokenizer_file)


def test_an_empty_or_missing_split_is_refused(tmp_path, tokenizer_file):
    with pytest.raises(ValueError, match="'validation' has no documents"):
        splits = {"train": [("a", [3])], "validation": []}
        write_shards(tmp_path / "mix", splits, tokenizer_file)
    with pytest.raises(ValueError, match="has the splits"):
        write_shards(tmp_path / "mix", {"train": [("a", [3])]}, tokenizer_file)
    with pytest.raises(ValueError, match="has the splits"):
        TokenShards(_tiny_mix(tmp_path, tokenizer_file), "test")


def _tiny_mix(tmp_path, tokenizer_file):
    splits = {"train": [("a", [3])], "validation": [("a", [5])]}
    write_shards(tmp_path / "tiny", splits, tokenizer_file)
    return tmp_path / "tiny"


def test_a_learners_data_slot_gives_a_mix_of_its_own_in_the_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path / "home"))
    assert default_folder() == paths.mix_dir()
    slots.fill("llama_mini.norm:RMSNorm", object, "class RMSNorm: ...")
    assert default_folder() == paths.mix_dir()
    slots.fill("llama_mini.data.c4:clean_page", str.upper, "clean_page = str.upper")
    assert default_folder() == paths.workspace() / "mix"
    with pytest.raises(FileNotFoundError, match=r"your code in data\.c4\.clean_page.*--no-overlay"):
        TokenShards(default_folder(), "train")
