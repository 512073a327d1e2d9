"""The rules of the house that no reader should have to check by hand."""

import ast
import functools
import importlib
import inspect
import re
import types

import leaves
import pytest
import room_graph
from captured_symbols import captured_in_memory, captured_in_text
from room_graph import FILES, PACKAGE

from llama_mini import slots

ARCHITECTURE = ("norm", "rope", "attention", "feedforward")
# Whoever knows a model knows one of these.
OF_A_MODEL = {*ARCHITECTURE, "config", "cache", "model"}


def exercise_symbols() -> dict[str, set[str]]:
    """Home module → the names of its exercise symbols, of which some wait for their lesson."""
    from llama_mini.course import EXERCISES

    homes: dict[str, set[str]] = {}
    for slot in (*leaves.SLOTS, *(exercise.symbol for exercise in EXERCISES.values())):
        module, symbol = slots.split(slot)
        homes.setdefault(module, set()).add(symbol)
    return homes


def symbols_by_id() -> dict[int, str]:
    """The exercise symbols themselves, and the full name each has at home."""
    return {
        id(slots.reference(f"{home}:{name}")): f"{home}.{name}"
        for home, names in exercise_symbols().items()
        for name in names
    }


@pytest.mark.parametrize("name", ["Checkpoint", "Run", "is_run", "PRECISIONS"])
def test_one_name_stands_for_one_thing(name):
    defined = [
        path
        for path in FILES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if name == getattr(node, "name", None)
        or name in [ast.unparse(target) for target in getattr(node, "targets", [])]
    ]
    assert len(defined) == 1, defined


def test_the_rooms_form_no_circle():
    edges = room_graph.graph()
    way = room_graph.circle(edges)
    assert not way, room_graph.explained(edges, way)
    # Nobody would see a test of no files fail: these rooms are known to stand on each other.
    assert room_graph.reached(edges, "cli") >= {"training", "data", "weights", "model", "config"}
    print(room_graph.drawn(edges))


def test_the_table_for_contributors_is_an_order_of_the_rooms():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("| rooms | what they are |")[2].partition("\n\n")[0]
    order = [
        room
        for row in re.findall(r"^\| `([\w ]+)` \|", table, re.MULTILINE)
        for room in row.split()
    ]
    edges = room_graph.graph()
    assert sorted(order) == sorted(edges)
    for room in order:
        above_or_left = set(order[: order.index(room)])
        assert set(edges[room]) <= above_or_left, f"{room} stands too high in the table"


@pytest.mark.parametrize(
    "statement",
    [
        "from llama_mini.training import loop",
        "from llama_mini.training.run.loop import Trainer",
        "from llama_mini import training",
        "import llama_mini.training.run as r",
        "from ..training.run import loop",
        "from .. import training as t",
        "def late():\n    from llama_mini.training import loop",
        "if TYPE_CHECKING:\n    from llama_mini.training.run.loop import Trainer",
        "importlib.import_module('llama_mini.training.run')",
        "from llama_mini import load",  # the face asks training for its reader
    ],
)
def test_an_import_in_any_form_is_one_that_closes_a_circle(statement, tmp_path):
    package = tmp_path / "llama_mini"
    for name, text in {
        "__init__.py": "",
        "paths.py": '"""Nothing."""',
        "weights/__init__.py": "from llama_mini import paths",
        "weights/door.py": statement,
        "training/__init__.py": "from llama_mini.paths import runs_dir",
        "training/run.py": "from llama_mini.weights.door import load",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    edges = room_graph.graph(package)
    assert room_graph.circle(edges) == ["training", "weights", "training"]
    assert "weights/door.py" in room_graph.explained(edges, room_graph.circle(edges))
    (package / "weights" / "door.py").write_text("")
    edges = room_graph.graph(package)
    assert room_graph.circle(edges) == []
    assert room_graph.levels(edges) == [["paths"], ["weights"], ["training"]]


@pytest.mark.parametrize("own", ["data", "tokenizer", "pinned", "workspace"])
def test_data_and_tokenizer_know_no_model(own):
    assert not room_graph.reached(room_graph.graph(), own) & OF_A_MODEL


def test_only_the_command_line_knows_the_course():
    edges = room_graph.graph()
    assert {room for room in edges if "course" in edges[room]} == {"cli"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_exercise_symbols_are_reached_through_their_module(path):
    # `from llama_mini.norm import RMSNorm` would keep the reference when a learner's code moves in.
    source, module = path.read_text(encoding="utf-8"), room_graph.module_of(path)
    found = captured_in_text(source, module, exercise_symbols(), path.name == "__init__.py")
    assert not found, f"import the home module and name the symbol where it is used: {found}"


@pytest.mark.parametrize(
    "statement",
    [
        "from llama_mini.norm import RMSNorm",
        "from llama_mini.norm import *",
        "from ..norm import RMSNorm as Norm",
        "def late():\n    from llama_mini.norm import RMSNorm",
        "from llama_mini import Transformer",
        "from llama_mini import norm\nx = norm.RMSNorm",
        "from .. import norm as n\nx = n.RMSNorm(4)",
        "import llama_mini.norm as n\nTABLE = {'norm': n.RMSNorm}",
        "import llama_mini.norm\nclass A(llama_mini.norm.RMSNorm): pass",
        "from llama_mini import norm\ndef build(kind=norm.RMSNorm): pass",
        "from llama_mini import norm\ndef build(*, kind=norm.RMSNorm): pass",
        "from llama_mini import norm\nclass A:\n    kind = norm.RMSNorm",
        "from llama_mini import norm\nclass A:\n    def __init__(self, kind=norm.RMSNorm): ...",
        "from llama_mini import norm\nbuild = lambda kind=norm.RMSNorm: kind",
        "from llama_mini import norm\nif True:\n    x = [kind for kind in (norm.RMSNorm,)]",
        "from llama_mini import norm\nx = getattr(norm, 'RMSNorm')",
    ],
)
def test_a_symbol_that_is_captured_at_import_is_seen(statement):
    homes = {"llama_mini.norm": {"RMSNorm"}, "llama_mini.model": {"Transformer"}}
    assert captured_in_text(statement, "llama_mini.weights.loading", homes)


@pytest.mark.parametrize(
    "statement",
    [
        "from llama_mini import norm\ndef build():\n    return norm.RMSNorm(4)",
        "from llama_mini import norm\nbuild = lambda: norm.RMSNorm(4)",
        "from llama_mini import norm\ndef show(layer: norm.RMSNorm) -> norm.RMSNorm: ...",
        "from llama_mini import norm\nclass A:\n    layer: norm.RMSNorm",
        "if TYPE_CHECKING:\n    from llama_mini import Transformer",
        "from llama_mini.norm import OTHER\nx = OTHER",
    ],
)
def test_a_symbol_that_is_named_when_it_is_used_is_no_capture(statement):
    homes = {"llama_mini.norm": {"RMSNorm"}, "llama_mini.model": {"Transformer"}}
    assert not captured_in_text(statement, "llama_mini.weights.loading", homes)


def test_a_table_in_the_home_itself_captures_too():
    source = "def top_k(): ...\nTABLE = {'k': top_k}"
    homes = {"llama_mini.generation": {"top_k"}}
    assert captured_in_text(source, "llama_mini.generation", homes) == ["line 2: top_k"]


def test_no_table_default_or_closure_of_the_package_holds_an_exercise_symbol():
    names = [room_graph.module_of(path) for path in FILES if path.name != "__main__.py"]
    modules = [importlib.import_module(name) for name in names]
    found = [
        place
        for module in modules
        if module is not slots  # which lends them out
        for place in captured_in_memory(module, symbols_by_id())
    ]
    assert not found


def test_what_is_hidden_in_tables_defaults_and_closures_is_found():
    def symbol():
        pass

    def closed_over():
        return symbol

    def by_default(*, use=symbol):
        pass

    class Keeps:
        use = staticmethod(symbol)

    for kept in (closed_over, by_default, Keeps):
        kept.__module__ = "llama_mini.readers"
    module = types.ModuleType("llama_mini.readers")
    module.symbol = symbol
    symbols = {id(symbol): "llama_mini.readers.symbol"}
    assert captured_in_memory(module, symbols) == []
    in_a_table = {"a": [(symbol,)]}
    partly = functools.partial(print, symbol)
    for hidden in (symbol, in_a_table, partly, closed_over, by_default, Keeps):
        module.other = hidden
        (found,) = captured_in_memory(module, symbols)
        assert found.startswith("llama_mini.readers.other")
        assert found.endswith("holds llama_mini.readers.symbol")


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


@pytest.mark.parametrize(
    ("home", "signature"),
    [(home, signature) for home, known in leaves.LEAVES.items() for signature in known],
)
def test_a_leaf_has_the_parameters_that_are_promised(home, signature):
    name = signature.partition("(")[0]
    parameters = inspect.signature(slots.reference(f"llama_mini.{home}:{name}")).parameters
    described = (
        p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters.values()
    )
    assert f"{name}({', '.join(described)})" == signature


BENCHMARKS = PACKAGE.parent / "benchmarks"


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.name)
def test_what_a_benchmark_keeps_says_whose_code_ran(path):
    text = path.read_text(encoding="utf-8")
    keeps = ".write(json.dumps(" in text
    assert not keeps or '"code": slots.fingerprint()' in text or "**machine()" in text


@pytest.mark.parametrize("folder", ["llama_mini", "lessons", "tests", "tools", "benchmarks"])
def test_nothing_refers_to_notes_that_a_reader_does_not_have(folder):
    for path in sorted((PACKAGE.parent / folder).rglob("*.py")):
        for name in re.findall(
            r"\b[A-Z]{4,}\.md\b|\bFACT" r"S\b", path.read_text(encoding="utf-8")
        ):
            assert (PACKAGE.parent / name).is_file(), f"{path} speaks of {name}"
