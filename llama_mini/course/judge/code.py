"""Code that is judged: run as a module of its own, and known by the files it came from."""

import contextlib
import functools
import inspect
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
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
    exec(_compiled(source, filename), module.__dict__)
    return module


@functools.lru_cache(maxsize=256)  # a known mistake is run anew in every case
def _compiled(source: str, filename: str) -> CodeType:
    return compile(source, filename, "exec", dont_inherit=True)


def files_of(answer: Any) -> frozenset[str]:
    """The source files an answer's own functions were compiled from."""
    return frozenset(code.co_filename for code in codes_of(answer))


def codes_of(answer: Any) -> set[CodeType]:
    """The code objects of a function, or of a class's own methods."""
    return {function.__code__ for function in functions_of(answer)}


def functions_of(answer: Any) -> list[FunctionType]:
    """A function without its decorators, or a class's own methods without theirs."""
    members = vars(answer).values() if inspect.isclass(answer) else [answer]
    functions = [getattr(member, "__func__", getattr(member, "fget", member)) for member in members]
    unwrapped = [
        inspect.unwrap(function) if callable(function) else function for function in functions
    ]
    return [function for function in unwrapped if isinstance(function, FunctionType)]


@contextlib.contextmanager
def noticing_calls_to(functions: list[FunctionType]) -> Iterator[list[FunctionType]]:
    """Collect calls of functions, by whatever name or base class they are reached.

    Each runs other code meanwhile, which notes the call and hands it on. A profiler would see the
    calls too, and every other one: a search of a second takes two under it.
    """
    called: list[FunctionType] = []
    before = [(function, function.__code__) for function in functions]
    try:
        for function, code in before:
            function.__code__ = _noting(function, code, called)
        yield called
    finally:
        for function, code in before:
            function.__code__ = code


def _noting(function: FunctionType, code: CodeType, called: list[FunctionType]) -> CodeType:
    original = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__

    def note(given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        called.append(function)
        return original(*given, **named)

    # Code has no room for a name of ours among a function's globals, but it may hold any constant.
    template = _handing_on.__code__
    constants = tuple(note if value == _PLACE else value for value in template.co_consts)
    return template.replace(co_consts=constants, co_name=code.co_name, co_freevars=code.co_freevars)


_PLACE = "what notes the call"


def _handing_on(*given: Any, **named: Any) -> Any:
    return "what notes the call".__call__(given, named)  # type: ignore[attr-defined]
