"""The lesson on attention in a real browser: every picture of it moves from the keyboard."""

LESSON = "notebooks/05_attention.ipynb"


def test_the_lesson_runs_and_its_four_pictures_move(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 4

    mask = jupyter.show_cell(jupyter.find_cell("def draw_mask"))
    mask.locator("select").select_option("from the corner")
    wrong = mask.locator('img[alt*="by the rule “from the corner”"]')
    wrong.wait_for()
    # Five cached positions and three queries: each row lacks its own five.
    assert "15 of 24 entries are wrong" in wrong.get_attribute("alt")
