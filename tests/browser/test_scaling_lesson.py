"""The lesson on scaling in a real browser: every picture of it moves from the keyboard."""

import re
import sys
from pathlib import Path

import pytest
from test_jupyterlab import move_a_slider

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from build_notebooks import lesson_notebook, to_bytes  # noqa: E402
from lesson import read_lesson  # noqa: E402


@pytest.fixture(scope="module")
def notebook(lab) -> str:
    """The lesson as its source is now, below the folder that the server shows."""
    path = lab.root / "own" / "01_scaling.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(to_bytes(lesson_notebook(read_lesson(ROOT / "lessons" / "01_scaling.py"))))
    return "own/01_scaling.ipynb"


def test_the_lesson_runs_its_three_pictures_move_and_the_refit_restores_the_rule(jupyter, notebook):
    jupyter.open_notebook(notebook)
    jupyter.run_all()
    assert jupyter.errors() == []
    explorers = [
        index
        for index, cell in enumerate(jupyter.cells())
        if cell["cell_type"] == "code" and "\nExplorer(" in cell["source"]
    ]
    assert len(explorers) == 3
    for index in explorers:
        move_a_slider(jupyter, index)

    cell = jupyter.show_cell(jupyter.find_cell("def draw_isoflop"))

    def tokens_per_parameter(constants: str) -> int:
        image = cell.locator(f'img[alt*="by {constants}."]')
        image.wait_for()
        return int(re.search(r"(\d+) tokens per parameter", image.get_attribute("alt"))[1])

    assert tokens_per_parameter("Chinchilla, as printed") > 80
    cell.locator("select").select_option("Epoch's refit")
    assert 15 < tokens_per_parameter("Epoch's refit") < 25
