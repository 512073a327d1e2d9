"""The exercises: check an answer, get a hint, see the progress, run the package on your own code.

The names load when first used: a kernel may know this package without waiting for torch.
"""

import importlib
from typing import Any

_HOME = {
    "EXERCISES": "llama_mini.course.casebook",
    "check": "llama_mini.course.learner.checking",
    "check_answer": "llama_mini.course.learner.checking",
    "hint": "llama_mini.course.learner.hints",
    "overlay": "llama_mini.course.learner.overlay",
    "progress": "llama_mini.course.learner.records",
    "solution": "llama_mini.course.learner.hints",
}

# What a notebook's first line imports.
SETUP_LINE = "from llama_mini.course import check, hint, overlay, progress, solution"

__all__ = ["EXERCISES", "check", "check_answer", "hint", "overlay", "progress", "solution"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'llama_mini.course' has no attribute {name!r}")
    module = importlib.import_module(_HOME[name])
    return module if name == "overlay" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
