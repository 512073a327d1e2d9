"""LLaMA (Meta, February 2023), written to be read, and replaced piece by piece by its readers.

The names below load when first used, so that `import llama_mini` is quick and every exercise
symbol is reached through its home module, where a learner's code may stand in for it.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "CONFIGS": "llama_mini.config",
    "KVCache": "llama_mini.cache",
    "ModelConfig": "llama_mini.config",
    "Transformer": "llama_mini.model",
    "generate": "llama_mini.generation",
    "load": "llama_mini.weights",
}

# What a name needs beside its home: `load` reads runs, too, which training knows.
_NEEDS = {"load": "llama_mini.training.run.reader"}

__all__ = ["CONFIGS", "KVCache", "ModelConfig", "Transformer", "__version__", "generate", "load"]


def __getattr__(name: str) -> Any:
    # Not stored in globals(): a symbol must be looked up in its home module every time, because an
    # exercise may be swapped there.
    if name in _NEEDS:
        importlib.import_module(_NEEDS[name])
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'llama_mini' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
