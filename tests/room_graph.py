"""Which room of the package imports which; `python tests/room_graph.py` prints it level by level.

A room is a file or a folder directly in `llama_mini/`. Every import counts: at the top of a file,
inside a function, under TYPE_CHECKING, and by a name handed to `import_module`. An import that is
made late, or only for a type, still means that one room cannot be read without the other.
"""

import ast
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import llama_mini

PACKAGE = Path(llama_mini.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
FACE = "__init__"  # llama_mini/__init__.py: it names what the rooms have, and no room needs it

Graph = Mapping[str, Mapping[str, list[str]]]


def module_of(path: Path, package: Path = PACKAGE) -> str:
    """`llama_mini/data/mix.py` → llama_mini.data.mix; a folder's `__init__.py` → the folder."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """llama_mini.data.mix → data."""
    return module.split(".")[1] if "." in module else FACE


def imported_modules(tree: ast.AST, module: str, is_package: bool = False) -> Iterator[str]:
    """The full name of every module of ours that a file imports, in whatever form.

    What `from llama_mini.x import y` binds, be it a module or a name, is given as llama_mini.x.y. A
    name of the package's face is given as the modules that the face loads it from.
    """
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = base_of(node, module, is_package)
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
        for name in names:
            if str(name).split(".")[0] == "llama_mini" and "." in name:
                face = name.removeprefix("llama_mini.")
                loaded_from = [
                    table[face] for table in (llama_mini._HOME, llama_mini._NEEDS) if face in table
                ]
                yield from loaded_from or [name]


def base_of(node: ast.ImportFrom, module: str, is_package: bool = False) -> str:
    """What a `from … import` imports from, with the dots of a relative one resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    drop = node.level - is_package
    parent = parts[: len(parts) - drop]
    return ".".join([*parent, *([node.module] if node.module else [])])


def graph(package: Path = PACKAGE) -> Graph:
    """Room → rooms it imports → where, each as `file → module`. The face is left out."""
    files = sorted(package.rglob("*.py"))
    rooms = {room_of(module_of(path, package)) for path in files} - {FACE}
    found: dict[str, dict[str, list[str]]] = {room: {} for room in sorted(rooms)}
    for path in files:
        module = module_of(path, package)
        own = room_of(module)
        if own == FACE:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name in imported_modules(tree, module, path.name == "__init__.py"):
            if (room := room_of(name)) in rooms - {own}:
                found[own].setdefault(room, []).append(f"{path.relative_to(package)} → {name}")
    return found


def circle(edges: Graph) -> list[str]:
    """Rooms that import each other in turn, the first again at the end; empty if there are none."""
    done: set[str] = set()

    def search(room: str, way: list[str]) -> list[str]:
        if room in way:
            return [*way[way.index(room) :], room]
        if room in done:
            return []
        for other in sorted(edges[room]):
            if found := search(other, [*way, room]):
                return found
        done.add(room)
        return []

    return next((found for room in sorted(edges) if (found := search(room, []))), [])


def levels(edges: Graph) -> list[list[str]]:
    """The rooms from the ground up: each imports rooms of lower levels alone."""
    height: dict[str, int] = {}

    def measure(room: str) -> int:
        if room not in height:
            height[room] = 1 + max(map(measure, edges[room]), default=-1)
        return height[room]

    heights = {room: measure(room) for room in edges}
    return [
        sorted(room for room, at in heights.items() if at == level)
        for level in range(max(heights.values()) + 1)
    ]


def reached(edges: Graph, room: str) -> set[str]:
    """All that a room knows, itself or through others."""
    found: set[str] = set()
    waiting = [room]
    while waiting:
        for other in edges[waiting.pop()]:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def drawn(edges: Graph) -> str:
    """The graph in text, a level at a time, each room with what it imports."""
    lines = []
    for number, rooms in enumerate(levels(edges)):
        lines.append(f"level {number}")
        lines += [f"  {room:15} {' '.join(sorted(edges[room]))}".rstrip() for room in rooms]
    return "\n".join(lines)


def explained(edges: Graph, way: list[str]) -> str:
    """A circle with one import for each of its steps."""
    steps = [f"{a} imports {b}: {edges[a][b][0]}" for a, b in itertools.pairwise(way)]
    return "\n".join([" → ".join(way), *steps])


if __name__ == "__main__":
    found = graph()
    print(explained(found, way) if (way := circle(found)) else drawn(found))
