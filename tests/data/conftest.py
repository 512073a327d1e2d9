"""The tiny index as fixtures."""

import os
from pathlib import Path

import pytest
from tiny_sources import TinyIndex, write_files, write_table

from llama_mini import slots
from llama_mini.data.sources import load_table


@pytest.fixture(autouse=True)
def _slots_given_back():
    yield
    slots.restore_all()


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory) -> Path:
    return write_files(tmp_path_factory.mktemp("links"))


@pytest.fixture
def tiny(tiny_files, tmp_path, monkeypatch) -> TinyIndex:
    """The tiny index, with this process's settings pointing at it and an empty cache."""
    table_file = write_table(tmp_path / "sources.toml", tiny_files)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tiny_files),
        "LLAMA_MINI_CACHE": str(tmp_path / "cache"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return TinyIndex(tiny_files, table_file, load_table(table_file), dict(os.environ))
