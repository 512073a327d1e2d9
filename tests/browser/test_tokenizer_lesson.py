"""The lesson on the tokenizer in a real browser: every picture of it moves from the keyboard."""

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
    path = lab.root / "own" / "02_tokenizer.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(to_bytes(lesson_notebook(read_lesson(ROOT / "lessons" / "02_tokenizer.py"))))
    return "own/02_tokenizer.ipynb"


def test_the_lesson_runs_and_its_three_pictures_move(jupyter, notebook):
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


def test_the_merge_stepper_tells_each_merge_in_words(jupyter, notebook):
    jupyter.open_notebook(notebook)
    jupyter.run_all()
    cell = jupyter.show_cell(jupyter.find_cell("def draw_merges"))
    picture, handle = cell.locator("img").first, cell.get_by_role("slider").first
    picture.wait_for()
    assert picture.get_attribute("alt").startswith("merges: 0, the last: none yet")
    handle.focus()
    jupyter.page.keyboard.press("End")
    cell.locator('img[alt^="merges: 300"]').wait_for()
    pieces = cell.locator("img").first.get_attribute("alt").split(": ")[-1].split(" | ")
    assert "".join(pieces).replace("▁", " ").strip().startswith("the other theory")
    assert len(pieces) < len("the other theory is that the mother gathers feathers") / 2
