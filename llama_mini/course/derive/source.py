"""A symbol's place in the package's source, and text cut from it without loss."""

import ast
import importlib.util
import io
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """A file's text, cut by the line (from 1) and UTF-8 column that `ast` counts in."""

    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def cut(
        self,
        first_line: int,
        first_column: int,
        last_line: int | None,
        last_column: int | None,
        edits: "Sequence[Edit]" = (),
    ) -> str:
        lines = [line.encode() for line in self.lines]
        for edit in sorted(edits, key=lambda e: (e.line, e.column), reverse=True):
            inside = (first_line, first_column) <= (edit.line, edit.column)
            end = (last_line or len(lines), float("inf") if last_column is None else last_column)
            if inside and (edit.line, edit.column) < end:
                line = lines[edit.line - 1]
                lines[edit.line - 1] = line[: edit.column] + edit.insert + line[edit.column :]
                if last_column is not None and edit.line == last_line:
                    last_column += len(edit.insert)
        picked = lines[first_line - 1 : last_line]
        if last_column is not None:
            picked[-1] = picked[-1][:last_column]
        picked[0] = picked[0][first_column:]
        return b"\n".join(picked).decode()


@dataclass(frozen=True)
class Edit:
    """Text to insert before a name: the module it is reached through."""

    line: int
    column: int
    insert: bytes


@dataclass(frozen=True)
class Home:
    """A symbol's module: its name, its source, and where in it the symbol is defined."""

    module: str
    name: str
    source: Source
    tree: ast.Module
    definition: Definition

    @classmethod
    def of(cls, symbol: str) -> "Home":
        module, separator, name = symbol.partition(":")
        if not (separator and module and name):
            raise ValueError(
                f"A symbol is named module:name, such as llama_mini.norm:RMSNorm; got {symbol!r}."
            )
        source = Source(_read(module))
        tree = ast.parse(source.text)
        for node in reversed(tree.body):
            if isinstance(node, Definition) and node.name == name:
                return cls(module, name, source, tree, node)
        there = ", ".join(n.name for n in tree.body if isinstance(n, Definition)) or "nothing"
        raise ValueError(f"{module} defines no function or class {name!r}; it defines {there}.")


def _read(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ValueError(f"There is no Python source for a module {module!r}.")
    data = Path(spec.origin).read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding).replace("\r\n", "\n")


def start_line(node: Definition) -> int:
    """The line where a definition begins, its decorators included."""
    return min([node.lineno, *(d.lineno for d in node.decorator_list)])
