"""`check` in a notebook: the cell is found, run again on its own, judged and kept."""

import json
import subprocess
import sys

import pytest
import torch

from llama_mini import feedforward
from llama_mini.course import overlay
from llama_mini.course.derive import solution_cell

SILU = "import torch\n\n\ndef silu(x):\n    return x * torch.sigmoid(x)\n"


def test_a_correct_cell_is_kept_without_the_courses_own_calls(shell, home):
    said = shell(f"# my first one\n{SILU}\n\ncheck(silu)  # now\nhint('silu')")
    assert "silu: correct, 5 of 5 points" in said
    kept = (home / "overlay" / "silu.py").read_text()
    assert "# my first one" in kept
    assert "check(" not in kept and "hint(" not in kept
    header = json.loads(kept.splitlines()[1].removeprefix("# llama_mini: "))
    assert set(header) == {"symbol", "version", "signature", "sha256"}


def test_the_newest_cell_that_defines_the_symbol_counts(shell, home):
    shell(SILU.replace("sigmoid", "tanh"))
    shell(SILU + "# the good one\n")
    shell("silu_of_two = 3")
    assert "correct" in shell("check(silu)")
    assert "the good one" in (home / "overlay" / "silu.py").read_text()


def test_a_stub_is_not_attempted_and_nothing_is_kept(shell, home):
    said = shell("def silu(x):\n    raise NotImplementedError\ncheck(silu)")
    assert "silu: not attempted" in said
    assert not (home / "overlay").exists()


def test_a_helper_in_another_cell_is_found_and_said(shell):
    shell("import torch\n\ndef gate(x):\n    return torch.sigmoid(x)")
    said = shell("def silu(x):\n    return x * gate(x)\ncheck(silu)")
    assert "not yet" in said
    assert "`gate` lives in cell 2, and cell 3 needs it" in said


def test_an_import_in_another_cell_is_found_and_said(shell):
    shell("import torch as t")
    said = shell("def silu(x: t.Tensor):\n    return x * t.sigmoid(x)\ncheck(silu)")
    assert "put `import torch as t` into this cell" in said


def test_check_by_name_finds_the_symbol(shell):
    assert "not attempted" in shell("check('silu')")
    shell(SILU)
    assert "correct" in shell("check('silu')")


def test_a_lambda_is_known_by_the_name_it_was_given(shell, home):
    said = shell("import torch\nsilu = lambda x: x * torch.sigmoid(x)\ncheck(silu)")
    assert "silu: correct" in said
    assert (home / "overlay" / "silu.py").exists()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("check()", "check() needs to know what to check"),
        ("check(3)", "cannot tell which exercise this is: an int (3)"),
        ("check('slu')", "Did you mean 'silu'"),
        ("hint('silo')", "Did you mean 'silu'"),
        ("solution('rmsnorm')", "Did you mean 'rms_norm'"),
        ("progress('silv')", "Did you mean 'silu'"),
        ("progress(99)", "Lesson 99 has no exercises"),
    ],
)
def test_a_call_that_means_nothing_is_answered_kindly(shell, call, expected):
    assert expected in shell(call)


def test_an_answer_that_exits_does_not_end_the_notebook(shell):
    said = shell("import sys\n\ndef silu(x):\n    sys.exit(0)\n\ncheck(silu)\nprint('still here')")
    assert "SystemExit" in said
    assert "still here" in said


def test_a_cell_that_fails_by_itself_is_told_so(shell):
    shell("count = 1")
    shell("if count > 1:\n    raise ValueError('twice')\ncount += 1\n" + SILU)
    said = shell("check(silu)")
    assert "`count` lives in cell 3" in said or "`count` lives in cell 2" in said


def test_magics_and_syntax_of_notebooks_are_left_out(shell, home):
    said = shell(f"%precision 3\n{SILU}\ncheck(silu)")
    assert "correct" in said
    assert "get_ipython" not in (home / "overlay" / "silu.py").read_text()


def test_hints_come_one_by_one_and_are_remembered(shell, home):
    assert "hint 1 of 3" in shell("hint('silu')")
    second = shell("hint('silu')")
    assert "hint 2 of 3" in second and "1. Which" in second
    shell("hint('silu')")
    assert "These were all hints" in shell("hint('silu')")
    stored = json.loads((home / "progress.json").read_text())
    assert stored["exercises"]["silu"]["hints"] == 3


def test_the_solution_is_the_reference_and_is_remembered(shell):
    assert "return x * torch.sigmoid(x)" in shell("solution('silu')")
    assert "not attempted, solution seen" in shell("progress('silu')")


def test_progress_counts_and_a_correct_answer_stays_correct(shell):
    shell("def silu(x):\n    return x\ncheck(silu)")
    assert "not yet" in shell("progress('silu')")
    shell(f"{SILU}\ncheck(silu)")
    shell("def silu(x):\n    return x\ncheck(silu)")
    table = shell("progress(0)")
    assert "1 of 1 exercises correct" in table
    assert "5 of 5  " in table


def test_a_workspace_that_cannot_be_written_is_said_and_stops_nothing(shell, home):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where a folder should be")
    said = shell(f"{SILU}\ncheck(silu)")
    assert "silu: correct" in said
    assert "LLAMA_MINI_HOME" in said
    home.unlink()


def test_a_progress_file_that_is_broken_is_set_aside_and_said(shell, home):
    home.mkdir()
    (home / "progress.json").write_text('{"exercises": {"silu": {"points": "many"}}}')
    assert "could not be understood" in shell("progress()")
    assert "many" in (home / "progress.unreadable.json").read_text()
    (home / "progress.json").write_text("{ half")
    shell(f"{SILU}\ncheck(silu)")
    assert (home / "progress.unreadable-2.json").read_text() == "{ half"
    assert "correct" in shell("progress('silu')")


@pytest.fixture
def run_file(home, tmp_path):
    """`run_file(text)` runs a plain Python file and returns what it printed."""

    def run(text: str) -> str:
        script = tmp_path / "mine.py"
        script.write_text(text)
        done = subprocess.run([sys.executable, script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def checked_as_a_program(symbol: str) -> str:
    ending = f"    from llama_mini.course import check\n    check({symbol})\n"
    return f"\nif __name__ == '__main__':\n{ending}"


def test_outside_a_notebook_the_file_stands_in_for_the_cell(run_file, home):
    assert "silu: correct" in run_file(SILU + checked_as_a_program("silu"))
    assert (home / "overlay" / "silu.py").read_text().endswith(SILU)


def test_an_answer_under_a_decorator_is_kept_from_a_file(run_file, home):
    stream = solution_cell("llama_mini.generation:stream")
    assert "@torch.no_grad()\ndef stream(" in stream
    said = run_file(stream + checked_as_a_program("stream"))
    assert "stream: correct" in said and "Kept in" in said
    definition = stream[stream.index("@torch.no_grad()") :]
    assert (home / "overlay" / "stream.py").read_text().endswith("\n\n\n" + definition + "\n")


HIDING = """
def loudly(function):
    def wrapper(*given):
        return function(*given)
    return wrapper


@loudly
"""


def test_an_answer_hidden_by_its_decorator_is_kept_from_a_file(run_file, home):
    said = run_file(SILU.replace("\n\ndef", HIDING + "def") + checked_as_a_program("silu"))
    assert "silu: correct" in said
    assert "@loudly\ndef silu" in (home / "overlay" / "silu.py").read_text()


WITH_ALL_IT_NEEDS = """
import torch
from llama_mini.course import check

# What is left of one, by name.
_REST = {"one": 1.0}  # a table
for _name in ("nothing",):
    _REST[_name] = 0.0
UNUSED = print("a part of the file that the answer does not need")


def gate(x):
    return _REST["one"] / (_REST["one"] + torch.exp(-x)) + _REST["nothing"]


def silu(x):
    return x * gate(x)


check(silu)
"""


def test_what_an_answer_needs_of_its_file_is_kept_with_it(run_file, home):
    said = run_file(WITH_ALL_IT_NEEDS)
    assert "silu: correct" in said
    kept = (home / "overlay" / "silu.py").read_text()
    assert "# What is left of one, by name.\n" + '_REST = {"one": 1.0}  # a table' in kept
    assert "UNUSED" not in kept and "check" not in kept.partition("\n\n")[2]
    overlay.apply()
    x = torch.linspace(-3, 3, 7)
    torch.testing.assert_close(feedforward.silu(x), torch.nn.functional.silu(x))
