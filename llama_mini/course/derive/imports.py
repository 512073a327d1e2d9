"""Which names a definition takes from outside itself, and the import lines that supply them."""

import ast
import builtins
import importlib.util
import symtable
import sys
from collections.abc import Iterable, Iterator

from llama_mini.course.derive.source import Definition, Edit, Function, Home, start_line


def imports_and_edits(home: Home) -> tuple[str, list[Edit]]:
    """The import lines a definition needs, and the edits that reach its neighbours late."""
    used, local = _names(home)
    annotated = set(_names_in_string_annotations(home.definition)) - {home.name}
    imported = _module_imports(home)
    defined = _module_definitions(home.tree)
    package, _, leaf = home.module.rpartition(".")
    alias = leaf if leaf not in local | used else f"{leaf}_module"

    lines: list[str] = [f"from __future__ import {f}" for f in _future_features(home.tree)]
    edits: list[Edit] = []
    by_name: list[str] = []
    for name in sorted(used | annotated):
        definition = isinstance(defined.get(name), Definition)
        if name in imported:
            lines += imported[name]
        elif name in used and definition and not name.startswith("_"):
            if name in local:
                raise ValueError(
                    f"{home.module}:{home.name} uses {name!r} both as a name of its own and as "
                    f"the module's {name}; rename one of the two."
                )
            edits += _edits(home, name, alias)
        elif name in defined:
            by_name.append(name)
        elif name not in local and not hasattr(builtins, name):
            raise ValueError(f"{home.module}:{home.name} uses {name!r}, which its module lacks.")
    _demand_public(home, {name for line in lines for name in _imported_names(line)} | {*by_name})
    if edits:
        late = f"from {package} import {leaf}" if package else f"import {leaf}"
        lines.append(late if alias == leaf else f"{late} as {alias}")
    if by_name:
        lines.append(f"from {home.module} import {', '.join(by_name)}")
    return _sorted_imports(lines, home.module.partition(".")[0]), edits


def _demand_public(home: Home, names: set[str]) -> None:
    private = {name for name in names if name.startswith("_") and not name.endswith("__")}
    if hidden := sorted(name for name in private if not name.startswith(("_demand_", "_as_"))):
        raise ValueError(
            f"{home.module}:{home.name} needs {', '.join(hidden)}; a cell may import no private "
            "name but checks of arguments, _demand_… and _as_…. Make it public, or write it out."
        )


def _imported_names(line: str) -> Iterator[str]:
    node = ast.parse(line).body[0]
    yield from (part for alias in node.names for part in alias.name.split("."))


def _names(home: Home) -> tuple[set[str], set[str]]:
    """Names that the definition takes from outside, and names that are its own in some scope."""
    start, end = start_line(home.definition), home.definition.end_lineno
    future = "".join(f"from __future__ import {f}\n" for f in _future_features(home.tree))
    text = future + home.source.cut(start, 0, end, None)
    features = set(_future_features(home.tree))
    used: set[str] = set()
    local: set[str] = set()

    def visit(table: symtable.SymbolTable, top: bool) -> None:
        for entry in table.get_symbols():
            if entry.is_global() or (top and not entry.is_assigned()):
                if entry.is_referenced():
                    used.add(entry.get_name())
            elif entry.is_assigned() or entry.is_parameter() or entry.is_imported():
                # A class body's names are attributes: its methods do not see them.
                if table.get_type() not in ("class", "module"):
                    local.add(entry.get_name())
        for child in table.get_children():
            visit(child, top=False)

    visit(symtable.symtable(text, home.module, "exec"), top=True)
    # With `from __future__ import annotations`, scopes no longer mention what annotations use.
    for annotation in _annotations(home.definition):
        used |= {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    return used - features - {home.name}, local


def _annotations(definition: Definition) -> Iterator[ast.expr]:
    for node in ast.walk(definition):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, Function) and node.returns is not None:
            yield node.returns


def _names_in_string_annotations(definition: Definition) -> Iterator[str]:
    for annotation in _annotations(definition):
        for node in ast.walk(annotation):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                try:
                    quoted = ast.parse(node.value, mode="eval")
                except SyntaxError:  # Literal["some text"]
                    continue
                yield from (n.id for n in ast.walk(quoted) if isinstance(n, ast.Name))


def _edits(home: Home, name: str, alias: str) -> list[Edit]:
    edits = []
    for node in ast.walk(home.definition):
        if isinstance(node, ast.Name) and node.id == name:
            line = home.source.lines[node.lineno - 1].encode()
            if not line[node.col_offset :].startswith(name.encode()):
                # Python 3.11 misplaces names inside some f-strings.
                raise ValueError(
                    f"{home.module}:{home.name} uses {name!r} inside an f-string near line "
                    f"{node.lineno}, where its place is not certain; give it a variable first."
                )
            edits.append(Edit(node.lineno, node.col_offset, f"{alias}.".encode()))
    return edits


def _future_features(tree: ast.Module) -> list[str]:
    return [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    ]


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Module-level statements, those under `if TYPE_CHECKING:` and `try:` included."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _statements(node.body)
            yield from _statements(node.orelse)
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)


def _module_imports(home: Home) -> dict[str, list[str]]:
    """Each imported name with the lines that bind it, relative imports made absolute."""
    package = home.module.rpartition(".")[0]
    found: dict[str, list[str]] = {}
    for node in _statements(home.tree.body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                line = f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
                bound = alias.asname or alias.name.partition(".")[0]
                found.setdefault(bound, []).append(line)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            origin = node.module or ""
            if node.level:
                origin = importlib.util.resolve_name("." * node.level + origin, package)
            for alias in node.names:
                item = alias.name + (f" as {alias.asname}" if alias.asname else "")
                found.setdefault(alias.asname or alias.name, []).append(
                    f"from {origin} import {item}"
                )
    return found


def _module_definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in _statements(tree.body):
        if isinstance(node, Definition):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names = (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
                found |= dict.fromkeys(names, node)
    return found


def _sorted_imports(lines: Iterable[str], first_party: str) -> str:
    """Imports merged by module and grouped: future, standard library, others, the package."""
    plain: dict[str, list[str]] = {}
    items: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        words = line.split()
        if words[0] == "import":
            plain.setdefault(words[1], []).append(line)
        else:
            items.setdefault(words[1], []).extend(line.partition(" import ")[2].split(", "))

    def rank(module: str) -> int:
        root = module.partition(".")[0]
        ranks = {"__future__": 0, first_party: 3}
        return ranks.get(root, 1 if root in sys.stdlib_module_names else 2)

    groups: dict[int, list[str]] = {}
    for module in sorted(plain):
        groups.setdefault(rank(module), []).extend(plain[module])
    for module in sorted(items):
        names = ", ".join(sorted(set(items[module])))
        groups.setdefault(rank(module), []).append(f"from {module} import {names}")
    return "\n\n".join("\n".join(groups[key]) for key in sorted(groups))
