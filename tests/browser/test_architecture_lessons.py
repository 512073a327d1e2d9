"""The lessons on SwiGLU and the Transformer in a real browser: their pictures move, and say so."""

import pytest


@pytest.mark.parametrize("stem", ["06_swiglu", "07_transformer"])
def test_both_pictures_of_the_lesson_move_from_the_keyboard(jupyter, stem):
    jupyter.open_notebook(f"notebooks/{stem}.ipynb")
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 2
