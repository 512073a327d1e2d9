"""Exercises and solutions, cut out of the package's own source.

A symbol such as `llama_mini.norm:RMSNorm` is looked up in its source file, never imported, and its
text is sliced rather than printed back from a syntax tree, so comments and layout survive. What
comes out is one notebook cell: the imports the definition needs, then the whole definition
(`solution_cell`) or its signatures and docstrings only (`exercise_cell`).

A cell must run by itself, in a notebook or in a namespace of its own. Names the definition takes
from its own module are therefore imported, in one of two ways. A public function or class may be
an exercise itself, so it is reached late, through its module: `repeat_kv(k, 2)` becomes
`attention.repeat_kv(k, 2)`, and whichever code fills that slot is the code that runs. Constants and
private helpers are never replaced and are imported by name. A learner has no use for what only we
know, so of what is private a cell may import checks of arguments alone: `_demand_…` and `_as_…`.
"""

import ast
import io
import tokenize
from collections.abc import Sequence

from llama_mini.course.derive.imports import imports_and_edits
from llama_mini.course.derive.source import Definition, Edit, Function, Home, Source, start_line


def solution_cell(symbol: str) -> str:
    """The whole definition of `module:name`, after exactly the imports it needs.

    Raises ValueError if there is no such function or class, or if it uses a name that its module
    does not define, or a private one that is no check of arguments.
    """
    home = Home.of(symbol)
    imports, edits = imports_and_edits(home)
    start = _with_comments_above(home.source, start_line(home.definition))
    body = home.source.cut(start, 0, home.definition.end_lineno, None, edits)
    return _cell(imports, body)


def exercise_cell(symbol: str, given: Sequence[str] = ()) -> str:
    """The definition of `module:name` with every body but the docstring taken out.

    A function keeps its signature and docstring. A class keeps its docstring, its attributes and
    the signature and docstring of each public method; the methods named in `given` stay whole.
    The imports are those of the solution. Raises ValueError as `solution_cell` does, and if `given`
    names something that is not a method of the class.
    """
    home = Home.of(symbol)
    imports, edits = imports_and_edits(home)
    name, definition = home.name, home.definition
    if isinstance(definition, ast.ClassDef):
        body = _class_stub(home, given, edits)
    elif given:
        raise ValueError(f"{symbol} is a function; given={list(given)} names methods of a class.")
    else:
        body = _function_stub(home.source, definition, name, edits)
    return _cell(imports, body)


def _cell(imports: str, body: str) -> str:
    return f"{imports}\n\n\n{body}" if imports else body


def _with_comments_above(source: Source, line: int) -> int:
    indent = len(source.lines[line - 1]) - len(source.lines[line - 1].lstrip())
    while line > 1 and source.lines[line - 2].startswith(" " * indent + "#"):
        line -= 1
    return line


def _signature(source: Source, node: Definition, edits: Sequence[Edit]) -> str:
    """From the first decorator to the colon that opens the body."""
    text = source.cut(node.lineno, 0, node.end_lineno, None)
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
            if token.string == ":" and depth == 0:
                line, column = token.end
                width = len(source.lines[node.lineno + line - 2][:column].encode())
                return source.cut(start_line(node), 0, node.lineno + line - 1, width, edits)
    raise AssertionError("a definition without a colon cannot have been parsed")


def _docstring(source: Source, node: Definition, edits: Sequence[Edit]) -> str | None:
    if ast.get_docstring(node, clean=False) is None:
        return None
    first = node.body[0]
    return source.cut(first.lineno, first.col_offset, first.end_lineno, first.end_col_offset, edits)


def _function_stub(source: Source, node: Function, label: str, edits: Sequence[Edit]) -> str:
    indent = " " * (node.col_offset + 4)
    lines = [_signature(source, node, edits)]
    if docstring := _docstring(source, node, edits):
        lines.append(indent + docstring)
    lines.append(f'{indent}raise NotImplementedError("Write {label} here.")')
    return "\n".join(lines)


def _class_stub(home: Home, given: Sequence[str], edits: Sequence[Edit]) -> str:
    source, definition = home.source, home.definition
    methods = [node.name for node in definition.body if isinstance(node, Function)]
    if unknown := sorted(set(given) - set(methods)):
        raise ValueError(
            f"{home.module}:{home.name} has no method {', '.join(unknown)} to give; "
            f"it has {', '.join(methods) or 'none'}."
        )
    head = _signature(source, definition, edits)
    body = definition.body
    if docstring := _docstring(source, definition, edits):
        head += "\n    " + docstring
        body = body[1:]

    parts = [head]
    after_method = True  # the first member stands apart from the docstring
    for node in body:
        is_method = isinstance(node, Function)
        if is_method and node.name not in given:
            if node.name.startswith("_") and not node.name.endswith("__"):
                continue  # how a private helper cuts the work is part of the answer
            text = _function_stub(source, node, f"{home.name}.{node.name}", edits)
        else:
            start = start_line(node) if isinstance(node, Definition) else node.lineno
            start = _with_comments_above(source, start)
            text = source.cut(start, 0, node.end_lineno, None, edits)
        parts.append("\n\n" if is_method or after_method else "\n")
        parts.append(text)
        after_method = is_method
    if len(parts) == 1:
        parts.append(f'\n    raise NotImplementedError("Write {home.name} here.")')
    return "".join(parts)
