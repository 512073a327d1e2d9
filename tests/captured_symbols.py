"""Where the package holds on to an exercise symbol, so that a learner's code could not move in.

Two ways to look: at the text, for what is captured while a file is imported, in whatever form; and
at the imported modules, for the very objects, in tables, default arguments and closures.
"""

import ast
import functools
from collections.abc import Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

from room_graph import base_of

import llama_mini

Homes = Mapping[str, set[str]]


def captured_in_text(source: str, module: str, homes: Homes, is_package: bool = False) -> list[str]:
    """What a file keeps of the exercise symbols of `homes` when it is imported, in its own words.

    Forbidden anywhere: `from home import symbol`, also by dots or from the package's face, except
    under TYPE_CHECKING. Forbidden outside the bodies of functions: to name a symbol at all, as in a
    table, a default argument, a decorator or a base class. Annotations are no use of it.
    """
    return list(_Reader(module, homes, is_package).read(ast.parse(source)))


class _Reader:
    def __init__(self, module: str, homes: Homes, is_package: bool) -> None:
        self._module, self._homes, self._is_package = module, homes, is_package
        # What a name in this file stands for: `architecture` → llama_mini.model.
        self._stands_for = {symbol: f"{module}.{symbol}" for symbol in homes.get(module, ())}
        self._symbols = {f"{home}.{name}" for home, names in homes.items() for name in names}

    def read(self, tree: ast.Module) -> Iterator[str]:
        skipped = set(map(id, _type_checking_only(tree)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import) and id(node) not in skipped:
                for alias in node.names:
                    bound = alias.asname or alias.name.split(".")[0]
                    self._stands_for[bound] = alias.name if alias.asname else bound
            elif isinstance(node, ast.ImportFrom) and id(node) not in skipped:
                base = base_of(node, self._module, self._is_package)
                for alias in node.names:
                    full = self._from_the_face(f"{base}.{alias.name}")
                    if full in self._symbols or (alias.name == "*" and base in self._homes):
                        yield f"line {node.lineno}: {ast.unparse(node)}"
                    self._stands_for.setdefault(alias.asname or alias.name, full)
        for node in _evaluated_at_import(tree):
            if id(node) not in skipped and self._full_name(node) in self._symbols:
                yield f"line {node.lineno}: {ast.unparse(node)}"

    @staticmethod
    def _from_the_face(name: str) -> str:
        home = llama_mini._HOME.get(name.removeprefix("llama_mini."))
        return f"{home}.{name.rpartition('.')[2]}" if home else name

    def _full_name(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return self._stands_for.get(node.id, "")
        if isinstance(node, ast.Attribute):
            return f"{self._full_name(node.value)}.{node.attr}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            name = node.args[1]
            if isinstance(name, ast.Constant):
                return f"{self._full_name(node.args[0])}.{name.value}"
        return ""


def _type_checking_only(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.body:
                yield from ast.walk(statement)


def _evaluated_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Every part of a file that runs while it is imported; annotations are left out."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    elif isinstance(node, ast.Lambda):
        parts = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    elif isinstance(node, ast.AnnAssign):
        parts = [node.value] if node.value else []
    else:
        parts = list(ast.iter_child_nodes(node))
    for part in parts:
        yield from _evaluated_at_import(part)


def captured_in_memory(module: ModuleType, symbols: Mapping[int, str]) -> list[str]:
    """Where an imported module holds one of the objects, given by their ids, other than at home.

    Looked through: tables of any depth, default arguments, closures, partial functions, base
    classes, and what classes and instances of ours keep.
    """
    found: list[str] = []
    seen: dict[int, Any] = {}  # the objects too, or a new one could have the id of an old one

    def look(value: Any, where: str) -> None:
        if id(value) in symbols and where != symbols[id(value)]:
            found.append(f"{where} holds {symbols[id(value)]}")
            return
        if id(value) in seen:
            return
        seen[id(value)] = value
        for part, inside in _parts(value):
            look(part, f"{where}{inside}")

    for name, value in list(vars(module).items()):
        if not isinstance(value, ModuleType):
            look(value, f"{module.__name__}.{name}")
    return found


def _parts(value: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(value, Mapping):
        for key, item in list(value.items()):
            yield key, f" (key {key!r:.40})"
            yield item, f"[{key!r:.40}]"
    elif isinstance(value, list | tuple | set | frozenset):
        for number, item in enumerate(value):
            yield item, f"[{number}]"
    elif isinstance(value, functools.partial):
        yield (value.func, value.args, value.keywords), " (partial)"
    elif isinstance(value, MethodType | staticmethod | classmethod):
        yield value.__func__, " (function)"
    elif isinstance(value, FunctionType):
        if value.__module__.startswith("llama_mini"):
            yield (value.__defaults__, value.__kwdefaults__), " (default)"
            yield getattr(value, "__wrapped__", None), " (wrapped)"
            names = value.__code__.co_freevars
            for name, cell in zip(names, value.__closure__ or (), strict=True):
                # `super()` closes over the class that it stands in, which moves out with it.
                if name != "__class__" and _is_filled(cell):
                    yield cell.cell_contents, f" (closure over {name})"
    elif isinstance(value, type):
        if value.__module__.startswith("llama_mini"):
            yield value.__bases__, " (base)"
            for name, item in list(vars(value).items()):
                if name not in ("__dict__", "__weakref__", "__module__", "__annotations__"):
                    yield item, f".{name}"
    elif type(value).__module__.startswith("llama_mini"):
        yield vars(value) if hasattr(value, "__dict__") else (), ""


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018, raises where a variable was never set
    except ValueError:
        return False
    return True
