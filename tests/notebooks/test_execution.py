"""Every notebook, run from its first cell to its last in a kernel and a workspace of its own."""

from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


def parametrized(folder: str):
    paths = sorted((ROOT / folder).glob("*.ipynb"))
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a notebook and return its cells; an exception in it fails the test."""
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path / "workspace"))
    monkeypatch.setenv("LLAMA_MINI_QUICK", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(path: Path):
        notebook = nbformat.read(path, as_version=4)
        client = nbclient.NotebookClient(
            notebook,
            timeout=None,  # pytest's own limit ends a notebook that hangs
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        )
        return client.execute().cells

    return run


def verdicts(cells) -> dict[str, str]:
    """Each cell that grades, by its last line, and what it said."""
    return {
        cell.source.splitlines()[-1]: "\n".join(
            output["text"] if output.output_type == "stream" else output.data["text/plain"]
            for output in cell.outputs
        )
        for cell in cells
        if cell.cell_type == "code"
        and cell.source.splitlines()[-1].startswith(("check(", "check_answer("))
    }


@pytest.mark.timeout(1200)
@parametrized("notebooks")
def test_a_lesson_runs_to_its_end(execute, path):
    cells = execute(path)
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code")


@parametrized("solutions")
def test_every_solution_is_correct_and_does_not_pass_for_the_learners(execute, path, tmp_path):
    said = verdicts(execute(path))
    assert not list((tmp_path / "workspace").glob("overlay/*.py"))
    assert said
    for line, answer in said.items():
        assert "correct" in answer.lower(), f"{line}: {answer}"
        assert "not yet" not in answer.lower()


@parametrized("exercises")
def test_an_untouched_exercise_notebook_runs_to_its_end_and_says_not_attempted(execute, path):
    said = verdicts(execute(path))
    assert said
    for line, answer in said.items():
        assert "not attempted" in answer.lower(), f"{line}: {answer}"
