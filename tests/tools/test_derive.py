"""Stubs and solutions cut from source text, checked on modules written for the purpose."""

import ast
import sys
import textwrap
from pathlib import Path

import leaves
import pytest
import torch

from llama_mini.course import EXERCISES
from llama_mini.course.derive import exercise_cell, solution_cell


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write `course_fixture.py` and return the slot of a symbol in it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str, name: str) -> str:
        (tmp_path / "course_fixture.py").write_text(textwrap.dedent(text), encoding="utf-8")
        sys.modules.pop("course_fixture", None)
        return f"course_fixture:{name}"

    yield write
    sys.modules.pop("course_fixture", None)


def run(cell: str) -> dict:
    namespace: dict = {"__name__": "cell"}
    exec(compile(cell, "<cell>", "exec"), namespace)
    return namespace


def test_a_solution_keeps_the_source_text_comments_included(home):
    slot = home(
        """
        import math

        # Heron's way.
        def area(a, b, c):  # three sides
            '''The area.'''
            s = (a+b+c) / 2     # odd   spacing stays
            return math.sqrt(s*(s-a)*(s-b)*(s-c))
        """,
        "area",
    )
    cell = solution_cell(slot)
    assert cell.startswith("import math\n\n\n# Heron's way.\ndef area(a, b, c):  # three sides\n")
    assert "    s = (a+b+c) / 2     # odd   spacing stays\n" in cell
    assert run(cell)["area"](3, 4, 5) == 6


def test_only_the_imports_in_use_are_there_grouped_and_made_absolute(home):
    slot = home(
        """
        from __future__ import annotations

        import os, sys
        import json as js
        from typing import TYPE_CHECKING, Any, Literal

        import torch
        from torch import Tensor, nn

        if TYPE_CHECKING:
            from pathlib import Path, PurePath

        def f(x: Tensor, where: Path, kind: Literal["some words"]) -> nn.Module:
            return js.dumps(str(where))
        """,
        "f",
    )
    header = solution_cell(slot).split("\n\n\n")[0]
    assert header == textwrap.dedent(
        """\
        from __future__ import annotations

        import json as js
        from pathlib import Path
        from typing import Literal

        from torch import Tensor, nn"""
    )


def test_another_public_symbol_of_the_module_is_reached_when_it_is_used_not_before(home):
    slot = home(
        """
        def half(x):
            return x / 2

        def quarter(x):
            return half(half(x)) + len([half for half in ()])
        """,
        "quarter",
    )
    with pytest.raises(ValueError, match=r"'half' both"):
        solution_cell(slot)
    slot = home(
        "def half(x):\n    return x / 2\ndef quarter(é):\n    return half(half(é))\n", "quarter"
    )
    cell = solution_cell(slot)
    namespace = run(cell)
    assert namespace["quarter"](8) == 2
    import course_fixture

    course_fixture.half = lambda x: x + 1
    assert namespace["quarter"](8) == 10


def test_constants_and_checks_of_arguments_are_imported_by_name(home):
    slot = home(
        """
        LIMIT, STEP = 3, 4
        _a = 5

        def _as_number(x):
            return x + _a

        def _demand_number(x):
            assert x

        def f(x, top=LIMIT):
            _demand_number(x)
            return _as_number(x) + top + STEP
        """,
        "f",
    )
    cell = solution_cell(slot)
    assert "from course_fixture import LIMIT, STEP, _as_number, _demand_number" in cell
    assert run(cell)["f"](1) == 13


@pytest.mark.parametrize(
    ("above", "used"),
    [
        ("_a = 4", "_a"),
        ("def _helper():\n    return 4", "_helper()"),
        ("from os import _exit", "_exit"),
        ("from os import _exit as leave", "leave"),
        ("import multiprocessing._x as x", "x"),
        ("if True:\n    _a = 4", "_a"),
    ],
)
@pytest.mark.parametrize("cell", [exercise_cell, solution_cell])
def test_any_other_private_name_makes_no_cell(home, above, used, cell):
    with pytest.raises(ValueError, match=r"course_fixture:f needs _.* no private name"):
        cell(home(f"{above}\ndef f():\n    return {used}\n", "f"))


def test_a_recursive_function_calls_itself_not_the_package(home):
    cell = solution_cell(home("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n", "f"))
    assert cell.startswith("def f") and run(cell)["f"](4) == 24


def test_a_function_stub_has_signature_and_docstring_and_raises(home):
    slot = home(
        '''
        import functools
        import math

        @functools.cache
        def f(
            x: dict[str, int] = {"a:": 1},  # a colon in brackets
            g=lambda y: y,
        ) -> "dict[str, int]":
            """One line.

            Two lines.
            """
            # the answer
            return math.floor(x)
        ''',
        "f",
    )
    cell = exercise_cell(slot)
    assert "the answer" not in cell and "floor" not in cell
    assert "import math" in cell, "the stub offers the imports of the solution"
    namespace = run(cell.replace("@functools.cache\n", ""))
    assert namespace["f"].__doc__ == "One line.\n\n    Two lines.\n    "
    with pytest.raises(NotImplementedError, match="Write f here"):
        namespace["f"]()


def test_a_one_line_definition_without_docstring_makes_a_stub_too(home):
    cell = exercise_cell(home("def f(x): return x + 1\n", "f"))
    assert cell == 'def f(x):\n    raise NotImplementedError("Write f here.")'


def test_a_class_stub_keeps_the_interface_and_what_is_given_and_no_other_body(home):
    slot = home(
        '''
        from torch import nn

        class Layer(nn.Module):
            """A layer."""

            bias: bool = False
            scale = 2  # a setting

            def __init__(self, dim):
                super().__init__()
                self.dim = dim

            # Shown.
            def extra_repr(self):
                return f"dim={self.dim}"

            @property
            def width(self) -> int:
                """In features."""
                return self.dim * self.scale

            def _secret(self):
                return 41

            def forward(self, x):
                """x to x."""
                return self._secret() + x
        ''',
        "Layer",
    )
    cell = exercise_cell(slot, given=["__init__", "extra_repr"])
    layer = run(cell)["Layer"](5)
    assert repr(layer) == "Layer(dim=5)" and "# Shown." in cell
    assert layer.bias is False and layer.scale == 2
    assert "_secret" not in cell
    assert type(layer).forward.__doc__ == "x to x."
    # nn.Module hides AttributeErrors of properties, not NotImplementedError.
    with pytest.raises(NotImplementedError, match=r"Layer\.width"):
        _ = layer.width
    with pytest.raises(NotImplementedError, match=r"Layer\.forward"):
        layer(torch.ones(1))


@pytest.mark.parametrize(
    ("slot", "given", "message"),
    [
        ("llama_mini.norm", (), "module:name"),
        ("llama_mini.nowhere:f", (), "no Python source"),
        ("llama_mini.norm:LayerNorm", (), "it defines RMSNorm"),
        ("llama_mini.norm:RMSNorm", ("reset",), "no method reset"),
        ("llama_mini.feedforward:silu", ("forward",), "is a function"),
    ],
)
def test_a_symbol_that_does_not_fit_is_refused_with_what_is_there(slot, given, message):
    with pytest.raises(ValueError, match=message):
        exercise_cell(slot, given)


def test_an_undefined_name_is_found_when_the_cell_is_made_not_when_it_runs(home):
    with pytest.raises(ValueError, match="nowhere_defined"):
        solution_cell(home("def f():\n    return nowhere_defined\n", "f"))


SLOTS = [*(exercise.symbol for exercise in EXERCISES.values()), *leaves.SLOTS]


@pytest.mark.parametrize("slot", SLOTS)
def test_every_derived_cell_of_the_package_runs_by_itself(slot):
    name = slot.partition(":")[2]
    solution, exercise = solution_cell(slot), exercise_cell(slot)
    assert name in run(solution) and name in run(exercise)
    stub = ast.parse(exercise).body[-1]
    whole = ast.parse(solution).body[-1]
    assert ast.get_docstring(stub) == ast.get_docstring(whole)


# What stubs have ever imported that is private: cells that learners kept import it still.
@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("llama_mini.attention", ["_demand_fit"]),
        (
            "llama_mini.scaling",
            ["_STARTS", "_as_runs", "_demand_at_least_zero", "_demand_positive"],
        ),
    ],
)
def test_what_kept_answers_import_stays_where_it_was(module, names):
    run(f"from {module} import {', '.join(names)}")


def test_a_derived_norm_computes_what_torchs_own_does():
    RMSNorm = run(solution_cell("llama_mini.norm:RMSNorm"))["RMSNorm"]
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(RMSNorm(8)(x), torch.nn.functional.rms_norm(x, (8,), eps=1e-6))
