"""A learner's cell: find it, and cut the course's calls out of it."""

import ast
import contextlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_mini.course.learner.slicing import definition_with_needs

COURSE_CALLS = frozenset({"check", "hint", "solution", "progress", "check_answer", "get_ipython"})
COURSE_OBJECTS = frozenset({"overlay"})


@dataclass(frozen=True)
class Cell:
    """Source text that defines an exercise symbol. `place` says where it is, for a message."""

    source: str
    place: str


def find_cell(symbol: str, answer: Any) -> Cell | None:
    """The newest notebook cell that defines `symbol`; outside a notebook, the answer's own file.

    None if there is no source to be found, as in a plain Python prompt.
    """
    if shell := running_shell():
        history: list[str] = shell.user_ns.get("In", [])
        for number in range(len(history) - 1, 0, -1):
            if symbol in history[number] and symbol in top_level_names(history[number]):
                return Cell(without_course_calls(history[number]), f"cell {number}")
    return _from_file(symbol, answer)


def running_shell() -> Any | None:
    """The IPython shell this code runs in, or None. IPython is not imported for the question."""
    if "IPython" not in sys.modules:
        return None
    return sys.modules["IPython"].get_ipython()


def cell_that_defines(name: str) -> int | None:
    """The number of the newest cell that defines or imports `name`, or None."""
    shell = running_shell()
    history: list[str] = shell.user_ns.get("In", []) if shell else []
    numbers = [
        n
        for n in range(len(history) - 1, 0, -1)
        if name in top_level_names(history[n], imports=True)
    ]
    return numbers[0] if numbers else None


def top_level_names(source: str, imports: bool = False) -> set[str]:
    """The names a piece of source defines at its top level; none if it does not parse."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in body:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                names.add(name)
            case ast.Assign(targets=targets):
                found = (
                    n for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)
                )
                names |= {name.id for name in found if isinstance(name.ctx, ast.Store)}
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases) if imports:
                names |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
    return names


def without_course_calls(source: str) -> str:
    """The source without top-level calls such as `check(RMSNorm)`; lines keep their numbers."""
    lines = source.encode().splitlines(keepends=True)
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return source
    for node in reversed(body):
        if isinstance(node, ast.Expr) and _is_course_call(node.value):
            first, last = node.lineno - 1, node.end_lineno - 1
            before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
            alone = not before.strip() and not after.strip(b" \t\r\n;").split(b"#")[0]
            lines[first : last + 1] = [
                before + (b"" if alone else b"pass") + (b"\n" if alone else after)
            ]
            lines[first + 1 : first + 1] = [b"\n"] * (last - first)
    return b"".join(lines).decode()


def _is_course_call(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func
    while isinstance(name, ast.Attribute | ast.Call):
        name = name.value if isinstance(name, ast.Attribute) else name.func
    if not isinstance(name, ast.Name):
        return False
    whole = isinstance(node.func, ast.Name) or name.id == "get_ipython"
    return (whole and name.id in COURSE_CALLS) or name.id in COURSE_OBJECTS


def _from_file(symbol: str, answer: Any) -> Cell | None:
    """What a cell would hold: the definition in the answer's file, and all of the file it needs."""
    for path in _files_that_may_define(answer):
        try:
            source = definition_with_needs(symbol, path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError):
            continue
        if source is not None:
            return Cell(without_course_calls(source), path.name)
    return None


def _files_that_may_define(answer: Any) -> Iterator[Path]:
    # A decorator's own file comes first where it hides the function, so ask below it before.
    with contextlib.suppress(TypeError, OSError, ValueError):
        yield Path(inspect.getsourcefile(inspect.unwrap(answer)) or "")
    for module in (getattr(answer, "__module__", None), "__main__"):
        if file := getattr(sys.modules.get(module), "__file__", None):
            yield Path(file)
