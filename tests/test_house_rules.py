"""The rules of the house that no reader should have to check by hand."""

import ast
from pathlib import Path

import pytest

import llama_mini

PACKAGE = Path(llama_mini.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ARCHITECTURE = ("norm", "rope", "attention", "feedforward")

# Each room may import the rooms of the lines above its own: DESIGN, "who may know whom".
LEVELS = [
    {"paths", "files", "config", "slots", "cache", "scaling"},
    set(ARCHITECTURE),
    {"model"},
    {"planning"},
    {"generation", "compiled", "parallel", "weights", "training", "evaluation", "visualization"}
    | {"text", "plan", "data", "tokenizer", "pinned"},
    {"course", "doctor", "workspace"},
    {"cli", "__main__", "__init__"},
]


def room(path: Path) -> str:
    """`llama_mini/data/mix.py` → data; `llama_mini/norm.py` → norm."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level(name: str) -> int:
    return next(number for number, rooms in enumerate(LEVELS) if name in rooms)


def imported_rooms(tree: ast.AST) -> set[str]:
    """Every `llama_mini` room that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "llama_mini":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("llama_mini.")
            }
    return {name for name in found if any(name in rooms for rooms in LEVELS)}


def exercise_symbols() -> dict[str, set[str]]:
    """Home module → the names of its exercise symbols."""
    from llama_mini.course import EXERCISES

    homes: dict[str, set[str]] = {}
    for exercise in EXERCISES.values():
        module, symbol = exercise.symbol.split(":")
        homes.setdefault(module, set()).add(symbol)
    return homes


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_room_imports_only_rooms_below_it(path):
    own = room(path)
    for name in imported_rooms(ast.parse(path.read_text(encoding="utf-8"))) - {own}:
        assert level(name) <= level(own), f"{own} must not know {name}"


@pytest.mark.parametrize("own", ["data", "tokenizer"])
def test_data_and_tokenizer_know_no_model(own):
    for path in (PACKAGE / own).rglob("*.py"):
        seen = imported_rooms(ast.parse(path.read_text(encoding="utf-8")))
        assert seen <= {"paths", "files", "pinned", "data", "tokenizer"}, path


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_exercise_symbols_are_reached_through_their_module(path):
    # `from llama_mini.norm import RMSNorm` would keep the reference when a learner's code moves in.
    homes = exercise_symbols()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in homes:
            bound = {alias.name for alias in node.names} & homes[node.module]
            assert not bound, f"import {node.module} and write module.{bound}"


@pytest.mark.parametrize("name", ARCHITECTURE)
def test_the_architecture_needs_torch_and_einops_alone(name):
    tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").split(".")[0])
    assert roots <= {"math", "torch", "einops", "llama_mini"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_is_unpickled(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called == "torch.load":
            assert options.get("weights_only") == "True"
        if called in {"np.load", "numpy.load"}:
            assert options.get("allow_pickle", "False") == "False"
        assert not called.startswith(("pickle.load", "pickle.Unpickler", "joblib.load"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_public_name_has_a_docstring(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path.name} says nothing of itself"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_importing_the_package_loads_no_torch():
    import subprocess
    import sys

    code = "import sys, llama_mini; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
