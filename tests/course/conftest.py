"""A workspace for each test, a real IPython shell in this process, and slots given back."""

import atexit

import pytest

from llama_mini import slots


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    slots.restore_all()


@pytest.fixture
def shell(home, monkeypatch):
    """`shell(cell)` runs a cell as a notebook does and returns what it showed."""
    monkeypatch.setenv("IPYTHONDIR", str(home.parent / "ipython"))
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    InteractiveShell.clear_instance()
    instance = InteractiveShell.instance(config=Config(HistoryManager={"hist_file": ":memory:"}))

    def run(cell: str) -> str:
        with capture_output() as captured:
            instance.run_cell(cell, store_history=True)
        return captured.stdout + "".join(
            output.data.get("text/plain", "") for output in captured.outputs
        )

    run("from llama_mini.course import check, hint, solution, progress, overlay")
    yield run
    atexit.unregister(instance.atexit_operations)
    instance._atexit_once()
    InteractiveShell.clear_instance()


def pytest_terminal_summary(terminalreporter):
    """How well the casebooks know mistakes that somebody else wrote, and right answers."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    seen = {"mistake": [], "alternative": []}
    for report in reports:
        for name, value in getattr(report, "user_properties", []):
            if report.when == "call" and name in seen:
                seen[name].append(value)
    if mistakes := seen["mistake"]:
        rejected, named = (sum(column) for column in zip(*mistakes, strict=True))
        terminalreporter.write_line(
            f"Of {len(mistakes)} separately written mistakes {rejected} were rejected "
            f"({rejected / len(mistakes):.1%}) and {named} named ({named / len(mistakes):.1%})."
        )
    if accepted := seen["alternative"]:
        terminalreporter.write_line(
            f"Of {len(accepted)} other correct answers {len(accepted) - sum(accepted)} "
            "were turned away."
        )
