"""The real mix keeps every promise. Builds it (or finds it built) in the usual cache."""

import hashlib
import re
import shutil

import numpy as np
import pytest

from llama_mini import paths
from llama_mini.data.build import build_mix, mix_table
from llama_mini.data.shards import TOKENIZER_FILE, TokenShards, is_intact
from llama_mini.data.sources import load_table
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.training import Trainer, TrainSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mix():
    return build_mix(progress=False).folder


def test_the_real_mix_has_enough_text_in_the_papers_proportions(mix):
    rows = mix_table(mix)
    assert sum(row.megabytes for row in rows) >= 25
    assert sum(row.tokens for row in rows) >= 6_000_000
    for row, source in zip(rows, load_table().sources, strict=True):
        assert row.source == source.title
        assert abs(row.share - source.share) < 1
        assert row.epochs <= 3
        assert row.validation_tokens > 0


def test_the_shards_hold_those_proportions_themselves(mix):
    shards = TokenShards(mix, "train")
    lengths = np.diff([*shards.documents["start"], len(shards)])
    for source in load_table().sources:
        own = shards.documents["source"] == shards.sources.index(source.key)
        assert abs(100 * lengths[own].sum() / len(shards) - source.share) < 1


def test_no_document_of_the_validation_split_is_trained_on(mix):
    def documents(split):
        shards = TokenShards(mix, split)
        count = len(shards.documents)
        return [hashlib.sha256(shards.document(i).tobytes()).digest() for i in range(count)]

    train, validation = documents("train"), documents("validation")
    assert not set(train) & set(validation)
    assert len(set(validation)) == len(validation)


def test_the_tokenizer_has_llamas_flags(mix):
    tokenizer = Tokenizer(mix / TOKENIZER_FILE)
    pieces = [tokenizer.id_to_piece(i) for i in range(tokenizer.vocab_size)]
    assert len(pieces) == 4096
    assert pieces[:3] == ["<unk>", "<s>", "</s>"]
    assert pieces[3:259] == [f"<0x{b:02X}>" for b in range(256)]
    words = [p for p in pieces[259:] if p.strip("▁")]
    assert not any(len(re.findall(r"\d", p)) > 1 for p in words)
    assert max(map(len, words)) <= 16
    text = "The ﬁrst 1,234 llamas 🦙 said “hola”.\n\n    if x:\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_building_from_nothing_but_the_downloads_gives_the_same_bytes(mix, tmp_path, monkeypatch):
    downloads = paths.cache_dir() / "downloads"
    monkeypatch.setenv("LLAMA_MINI_CACHE", str(tmp_path / "cache"))
    shutil.copytree(downloads, paths.cache_dir() / "downloads")
    report = build_mix(tmp_path / "again", progress=False)
    assert "read and clean" in report.seconds
    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert again == {path.name: path.read_bytes() for path in mix.iterdir()}
    assert is_intact(tmp_path / "again")


def test_the_mix_lies_where_training_looks_for_it(mix):
    trainer = Trainer(TrainSettings(config="nano", steps=1))
    assert trainer.data_folder == mix
