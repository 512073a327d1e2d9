"""In a real kernel: loops are stopped, and a forgotten first cell is named."""

import nbclient
import nbformat
import pytest

from llama_mini.course import SETUP_LINE

ENDLESS = """
def silu(x):
    while True:
        try:
            x = x + 1
        except Exception:
            pass

check(silu)
"""
CELLS = [
    "%load_ext llama_mini.course.learner.kernel",
    "import sys; print('torch' in sys.modules)",
    "check(3)",
    "silly",
    SETUP_LINE,
    ENDLESS,
    "import torch\n\ndef silu(x):\n    return x * torch.sigmoid(x)\n\ncheck(silu)",
    "from llama_mini.paths import workspace; print(workspace())",
]


def text(cell) -> str:
    return "\n".join(
        output.get("text") or output.get("evalue") or output["data"]["text/plain"]
        for output in cell.outputs
    )


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each cell of a notebook said, opened from a folder far from the project."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLAMA_MINI_HOME", str(folder / "home"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
        resources = {"metadata": {"path": str(folder)}}
        client = nbclient.NotebookClient(
            notebook, kernel_name="python3", allow_errors=True, resources=resources
        )
        cells = client.execute().cells
    return {cell.source: text(cell) for cell in cells}, folder


def test_a_missing_first_cell_is_named_for_the_courses_names_only(said):
    cells, _ = said
    assert cells["import sys; print('torch' in sys.modules)"].strip() == "False"
    assert SETUP_LINE in cells["check(3)"]
    assert "name 'check' is not defined" in cells["check(3)"]
    assert SETUP_LINE not in cells["silly"]


def test_an_endless_loop_is_stopped_in_the_kernel_and_the_next_cell_runs(said):
    cells, folder = said
    assert "still running" in cells[ENDLESS]
    assert "silu: correct" in cells[CELLS[6]]
    assert (folder / "home" / "overlay" / "silu.py").exists()


def test_the_workspace_is_found_from_any_folder(said):
    cells, folder = said
    assert cells[CELLS[7]].strip() == str(folder / "home")
