"""Where things live: a learner's workspace and the cache of downloaded and built data."""

import os
from pathlib import Path

import platformdirs


def project_root() -> Path | None:
    """The checkout this package runs from, or None when it is installed without one."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "lessons").is_dir() else None


def workspace() -> Path:
    """The learner's folder: notebooks, passed components, progress and runs. Not created here.

    `LLAMA_MINI_HOME` if it is set; else `my_llama_mini/` at the root of the checkout, whatever
    folder the notebook was opened from; else `~/my_llama_mini`.
    """
    if home := os.environ.get("LLAMA_MINI_HOME"):
        return Path(home).expanduser().resolve()
    return (project_root() or Path.home()) / "my_llama_mini"


def runs_dir() -> Path:
    """Where training runs are kept, one folder each."""
    return workspace() / "runs"


def cache_dir() -> Path:
    """Downloads and built data, shared by all checkouts: `LLAMA_MINI_CACHE` or the user's cache."""
    if cache := os.environ.get("LLAMA_MINI_CACHE"):
        return Path(cache).expanduser().resolve()
    return Path(platformdirs.user_cache_dir("llama_mini"))


def mix_dir() -> Path:
    """The folder `llama-mini data build` fills: token shards, their index and the tokenizer."""
    return cache_dir() / "mix"


def own_stages_dir() -> Path:
    """Where the stages of the data lie that a learner's code had a hand in."""
    return workspace() / "data" / "stages"


def own_mix_dir() -> Path:
    """The mix that a learner's code made, beside the reference's in `mix_dir()`."""
    return workspace() / "mix"
