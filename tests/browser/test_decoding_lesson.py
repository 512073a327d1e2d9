"""The lesson on decoding in a real browser: its pictures move from the keyboard."""

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
    path = lab.root / "own" / "08_decoding.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(to_bytes(lesson_notebook(read_lesson(ROOT / "lessons" / "08_decoding.py"))))
    return "own/08_decoding.ipynb"


def test_the_lesson_runs_and_its_two_pictures_move(jupyter, notebook):
    jupyter.open_notebook(notebook)
    jupyter.run_all()
    assert jupyter.errors() == []
    explorers = [
        index
        for index, cell in enumerate(jupyter.cells())
        if cell["cell_type"] == "code" and "\nExplorer(" in cell["source"]
    ]
    assert len(explorers) == 2
    for index in explorers:
        move_a_slider(jupyter, index)

    choice = jupyter.show_cell(jupyter.find_cell("def draw_choice"))
    temperature, k, _ = choice.get_by_role("slider").all()
    temperature.focus()
    jupyter.page.keyboard.press("Home")
    choice.locator('img[alt*="; 1 of 16 words can be drawn: cereal 1.000."]').wait_for()
    jupyter.page.keyboard.press("End")
    choice.locator('img[alt*="temperature 3, k = 16, p = 1; 16 of 16"]').wait_for()
    k.focus()
    jupyter.page.keyboard.press("ArrowLeft")
    choice.locator('img[alt*="k = 15, p = 1; 15 of 16"]').wait_for()

    memory = jupyter.show_cell(jupyter.find_cell("def draw_memory"))
    memory.get_by_role("slider").first.focus()
    jupyter.page.keyboard.press("End")
    # 64 texts of 2,048 positions at half a MiB each.
    memory.locator('img[alt*="7B 13.5 for the weights and 68.7 for the cache"]').wait_for()
