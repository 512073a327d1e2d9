"""The lesson on rotary positions in a real browser: every picture of it moves from the keyboard."""

import re

LESSON = "notebooks/04_rope.ipynb"


def described(cell, start: str) -> str:
    """The picture's text alternative, once it begins with `start`."""
    image = cell.locator(f'img[alt^="{start}"]')
    image.wait_for()
    return image.get_attribute("alt")


def test_the_lesson_runs_and_its_four_pictures_move(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 4


def test_moving_query_and_key_together_keeps_their_score(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    cell = jupyter.show_cell(jupyter.find_cell("def draw_proof"))
    query, key = cell.get_by_role("slider").all()

    def score(query_position: int, key_position: int) -> str:
        start = f"Query at position {query_position}, key at {key_position},"
        return re.search(r"score (\S+)\. ", described(cell, start))[1]

    before = score(12, 8)
    query.focus()
    jupyter.page.keyboard.press("ArrowRight")
    assert score(13, 8) != before
    key.focus()
    jupyter.page.keyboard.press("ArrowRight")
    assert score(13, 9) == before


def test_interpolation_brings_all_angles_back(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    cell = jupyter.show_cell(jupyter.find_cell("def draw_arcs"))
    trained = "Angles between query and key at length 4096, positions "
    assert ": 23 of 64" in described(cell, trained + "as trained")
    cell.locator("select").select_option("interpolated")
    assert ": 0 of 64" in described(cell, trained + "interpolated")
