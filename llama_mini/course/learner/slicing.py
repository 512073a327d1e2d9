"""Cut one definition out of a file, together with all of the file that it needs to run."""

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Import = ast.Import | ast.ImportFrom
_Scope = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def definition_with_needs(symbol: str, source: str) -> str | None:
    """The statements of a file that make `symbol` what it is, in their order; None without any.

    These are its definition, and the imports, functions, classes and values that it uses, what
    those use in turn, and what changes a value: `_TABLE = {}` and `_TABLE["a"] = 1`. What runs only
    when the file is the program stays behind. Raises SyntaxError or ValueError for text that is not
    Python.
    """
    nodes = [node for node in ast.parse(source).body if not _is_main_guard(node)]
    values = set().union(*(_bound(n) for n in nodes if not isinstance(n, _Definition | _Import)))
    values -= {symbol}  # `print(silu(x))` changes nothing
    statements = [_statement(node, source, values) for node in nodes]
    needed = {number for number, node in enumerate(nodes) if _binds_unseen_names(node)}
    seen: set[str] = set()
    wanted = [symbol]
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            for number in _makers(name, statements):
                needed.add(number)
                wanted += statements[number].uses
    if not any(symbol in statements[number].binds for number in needed):
        return None
    return _joined([statements[number] for number in sorted(needed)])


@dataclass(frozen=True)
class _Statement:
    """A statement at a file's top level: the names it takes, binds, and whose values it changes."""

    node: ast.stmt
    text: str
    uses: set[str]
    binds: set[str]
    changes: set[str]

    def begins(self, name: str) -> bool:
        """Whether `name` is made anew here, so that nothing before has a part in it."""
        match self.node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                decorated_by = [_names(decorator) for decorator in self.node.decorator_list]
                return not any(name in names for names in decorated_by)
            case ast.Assign() | ast.AnnAssign(value=ast.expr()) | ast.ImportFrom():
                return name in self.binds and name not in self.uses
        return False


def _statement(node: ast.stmt, source: str, values: set[str]) -> _Statement:
    uses = _taken(ast.unparse(node))
    return _Statement(node, _text(node, source), uses, _bound(node), _changed(node) & values)


def _makers(name: str, statements: list[_Statement]) -> Iterator[int]:
    """The statements that make a name what it is in the end, the last of them first."""
    for number in range(len(statements) - 1, -1, -1):
        if name in statements[number].binds | statements[number].changes:
            yield number
            if statements[number].begins(name):
                return


def _text(node: ast.stmt, source: str) -> str:
    """A statement with its decorators, the comment lines above it, and the comment behind it."""
    lines = source.split("\n")
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    start = first
    while not isinstance(node, _Import) and start > 1 and lines[start - 2].startswith("#"):
        start -= 1
    above = lines[start - 1 : node.lineno - 1]
    behind = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
    if not behind.lstrip().startswith("#"):
        behind = ""
    return "\n".join([*above, ast.get_source_segment(source, node) + behind])


def _joined(statements: list[_Statement]) -> str:
    text = ""
    for number, statement in enumerate(statements):
        kinds = [type(other.node) for other in statements[max(number - 1, 0) : number + 1]]
        if any(issubclass(kind, _Definition) for kind in kinds):
            gap = "\n\n\n"
        elif issubclass(kinds[0], _Import) and not issubclass(kinds[-1], _Import):
            gap = "\n\n"
        else:
            gap = "\n"
        text += (gap if number else "") + statement.text
    return text + "\n"


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in _names(node.test)


def _binds_unseen_names(node: ast.stmt) -> bool:
    if not isinstance(node, ast.ImportFrom):
        return False
    return node.module == "__future__" or node.names[0].name == "*"


def _taken(source: str) -> set[str]:
    """The names that a piece of source takes from outside; what is local to a function is not."""

    def visit(table: symtable.SymbolTable) -> Iterator[str]:
        for entry in table.get_symbols():
            if entry.is_referenced() and (table.get_type() != "function" or entry.is_global()):
                yield entry.get_name()
        for child in table.get_children():
            yield from visit(child)

    return set(visit(symtable.symtable(source, "<file>", "exec")))


def _bound(node: ast.stmt) -> set[str]:
    """The names a statement binds at the top level, also those inside its `if`, `for` and `try`."""
    names = set()
    for found in _at_top_level(node):
        if isinstance(found, _Definition):
            names.add(found.name)
        elif isinstance(found, _Import):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in found.names}
        elif isinstance(found, ast.Name) and isinstance(found.ctx, ast.Store):
            names.add(found.id)
    return names


def _changed(node: ast.stmt) -> set[str]:
    """Names whose values a statement may change: `t[0] = 1`, `t.append(1)`, `shuffle(t)`."""
    names = set()
    for found in _at_top_level(node):
        if isinstance(found, ast.Subscript | ast.Attribute) and not isinstance(found.ctx, ast.Load):
            names |= _root(found)
        elif isinstance(found, ast.Expr) and isinstance(found.value, ast.Call):
            call = found.value
            if isinstance(call.func, ast.Attribute):
                names |= _root(call.func)
            if _root(call.func) != {"print"}:
                names |= {argument.id for argument in call.args if isinstance(argument, ast.Name)}
    return names


def _at_top_level(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and what is inside it, but not what is inside a scope of its own."""
    yield node
    if not isinstance(node, _Definition | _Scope):
        for child in ast.iter_child_nodes(node):
            yield from _at_top_level(child)


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _names(node: ast.AST) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}
