"""What the bytes of a stage follow from: the stage before, its settings, its code, its libraries.

The code of a stage is its own module and every module of `llama_mini.data` and
`llama_mini.tokenizer` that this one imports, directly or not. What such a module says to its
reader, its comments and docstrings, is no part of it.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from llama_mini import slots
from llama_mini.data.files import fingerprint

ROOMS = ("llama_mini.data", "llama_mini.tokenizer")


@dataclass(frozen=True)
class Key:
    """The name of a result. It changes with anything that the result follows from.

    value: a SHA-256 in hex. code: the slots that ran a learner's code on the way here, as
    `slots.fingerprint` has them; empty where the reference alone had a hand in it.
    """

    value: str
    code: dict[str, str] = field(default_factory=dict)


def key_of(
    name: str, settings: Mapping[str, Any], modules: Sequence[str], before: Sequence[Key] = ()
) -> Key:
    """The key of a stage that goes on from the stages `before`.

    settings: JSON-like. modules: those whose code the stage runs, by their full names.
    """
    code_of = modules_of(modules)
    own = {
        slot: text for slot, text in slots.fingerprint().items() if slots.split(slot)[0] in code_of
    }
    value = fingerprint(
        name,
        settings,
        [key.value for key in before],
        {module: code_hash(_file(module).read_text(encoding="utf-8")) for module in code_of},
        library_versions(code_of),
        unicodedata.unidata_version,
        own,
    )
    return Key(value, {slot: text for key in before for slot, text in key.code.items()} | own)


def modules_of(modules: Sequence[str]) -> list[str]:
    """These modules and, of our rooms, all that they import, directly or not; sorted."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [name for name in _imports(module) if _is_ours(name)]
    return sorted(found)


def library_versions(modules: Sequence[str]) -> dict[str, str]:
    """The libraries outside Python's own that the modules import, with their versions."""
    names = {name.split(".")[0] for module in modules for name in _imports(module)}
    names -= {"llama_mini", *sys.stdlib_module_names}
    return {name: _version(name) for name in sorted(names)}


@cache
def code_hash(source: str) -> str:
    """A hash of what Python source does: its syntax tree without docstrings and comments."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode("utf-8")).hexdigest()


def _is_ours(module: str) -> bool:
    return module.startswith(tuple(f"{room}." for room in ROOMS))


def _imports(module: str) -> list[str]:
    """The modules that a module imports, at its top or inside a function."""
    return _imports_of(module, _file(module).read_text(encoding="utf-8"))


@cache
def _imports_of(module: str, source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = importlib.util.resolve_name("." * node.level + (node.module or ""), module)
            for alias in node.names:
                inner = f"{home}.{alias.name}"
                found.append(inner if _is_ours(inner) and _is_module(inner) else home)
    return found


@cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # `name` is a function, and its home no package
        return False


@cache
def _file(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"There is no module {module!r} whose code could be read.")
    return Path(spec.origin)


@cache
def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        owners = importlib.metadata.packages_distributions().get(library, [])
        return ", ".join(f"{owner} {importlib.metadata.version(owner)}" for owner in sorted(owners))
