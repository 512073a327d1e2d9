"""The lesson on attention in a real browser: every picture of it moves from the keyboard."""

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
    path = lab.root / "own" / "05_attention.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(to_bytes(lesson_notebook(read_lesson(ROOT / "lessons" / "05_attention.py"))))
    return "own/05_attention.ipynb"


def test_the_lesson_runs_and_its_four_pictures_move(jupyter, notebook):
    jupyter.open_notebook(notebook)
    jupyter.run_all()
    assert jupyter.errors() == []
    explorers = [
        index
        for index, cell in enumerate(jupyter.cells())
        if "\nExplorer(" in cell["source"] or "\nexplore_attention(" in cell["source"]
    ]
    assert len(explorers) == 4
    for index in explorers:
        move_a_slider(jupyter, index)

    mask = jupyter.show_cell(jupyter.find_cell("def draw_mask"))
    mask.locator("select").select_option("from the corner")
    wrong = mask.locator('img[alt*="by the rule “from the corner”"]')
    wrong.wait_for()
    # Five cached positions and three queries: each row lacks its own five.
    assert "15 of 24 entries are wrong" in wrong.get_attribute("alt")
