"""The lessons on SwiGLU and the Transformer in a real browser: their pictures move, and say so."""

import sys
from pathlib import Path

import pytest
from test_jupyterlab import move_a_slider

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from build_notebooks import lesson_notebook, to_bytes  # noqa: E402
from lesson import read_lesson  # noqa: E402


def open_lesson(jupyter, lab, stem: str) -> list[int]:
    """Run the lesson as its source is now; the indices of its cells with an Explorer."""
    path = lab.root / "own" / f"{stem}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(to_bytes(lesson_notebook(read_lesson(ROOT / "lessons" / f"{stem}.py"))))
    jupyter.open_notebook(f"own/{stem}.ipynb")
    jupyter.run_all()
    assert jupyter.errors() == []
    return [
        index
        for index, cell in enumerate(jupyter.cells())
        if cell["cell_type"] == "code" and "\nExplorer(" in cell["source"]
    ]


@pytest.mark.parametrize("stem", ["06_swiglu", "07_transformer"])
def test_both_pictures_of_the_lesson_move_from_the_keyboard(jupyter, lab, stem):
    explorers = open_lesson(jupyter, lab, stem)
    assert len(explorers) == 2
    for index in explorers:
        move_a_slider(jupyter, index)
