"""A mix small enough to train on in a second, made by the real writer and the real tokenizer."""

import random

import pytest

from llama_mini.data.shards import write_shards
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.training import TrainSettings

SUBJECTS = ("the river", "a teacher", "the old ship", "my neighbour", "the council", "a small dog")
VERBS = ("crossed", "remembered", "painted", "followed", "opened", "described")
OBJECTS = ("the bridge", "every letter", "a garden", "the harbour", "two songs", "the long road")


def story(rng: random.Random) -> str:
    sentences = (
        f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)}."
        for _ in range(rng.randint(4, 12))
    )
    return " ".join(sentences)


def write_mix(folder, seed=0):
    rng = random.Random(seed)
    train, validation = ([story(rng) for _ in range(n)] for n in (150, 20))
    tokenizer = train_tokenizer(train, folder.parent / f"{folder.name}.model", vocab_size=320)
    documents = {
        "train": [("stories", tokenizer.encode(text, bos=False)) for text in train],
        "validation": [("stories", tokenizer.encode(text, bos=False)) for text in validation],
    }
    write_shards(folder, documents, tokenizer.path)
    return folder


@pytest.fixture(scope="session")
def mix(tmp_path_factory):
    """A folder that `TokenShards` reads."""
    return write_mix(tmp_path_factory.mktemp("data") / "mix")


@pytest.fixture(scope="session")
def other_mix(tmp_path_factory):
    """Another mix, of other documents."""
    return write_mix(tmp_path_factory.mktemp("data") / "other", seed=1)


@pytest.fixture(autouse=True)
def runs_folder(tmp_path, monkeypatch):
    """Runs go under the test's own folder."""
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path / "workspace"))
    return tmp_path / "workspace" / "runs"


@pytest.fixture
def settings(mix):
    """Makes the settings of a quick run; changes are keyword arguments."""

    def make(**changes):
        quick = {
            "config": "nano",
            "data": mix,
            "steps": 10,
            "batch_size": 2,
            "seq_len": 16,
            "evaluations": 2,
            "quick_windows": 4,
            "threads": 1,
            "precision": "fp32",
        }
        return TrainSettings(**{**quick, **changes})

    return make
