"""Code that is judged: run as a module of its own, and known by the files it came from."""

import inspect
import linecache
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any


def load(
    source: str, filename: str, module_name: str, module: ModuleType | None = None
) -> ModuleType:
    """Run source as a new module, or in the one handed in. Raises whatever the source raises.

    Tracebacks show its lines: the text is registered under `filename`, whether or not there is such
    a file.
    """
    module = ModuleType(module_name) if module is None else module
    module.__file__ = filename
    if not Path(filename).is_file():
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    # Dataclasses and inspect look a class's module up by its name.
    sys.modules[module_name] = module
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    return module


def files_of(answer: Any) -> frozenset[str]:
    """The source files an answer's own functions were compiled from."""
    return frozenset(code.co_filename for code in codes_of(answer))


def codes_of(answer: Any) -> set[Any]:
    """The code objects of a function, or of a class's own methods."""
    members = vars(answer).values() if inspect.isclass(answer) else [answer]
    functions = [getattr(member, "__func__", getattr(member, "fget", member)) for member in members]
    unwrapped = [
        inspect.unwrap(function) if callable(function) else function for function in functions
    ]
    return {function.__code__ for function in unwrapped if isinstance(function, FunctionType)}
