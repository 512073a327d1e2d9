"""The lesson on scaling in a real browser: every picture of it moves from the keyboard."""

import re

LESSON = "notebooks/01_scaling.ipynb"


def test_the_lesson_runs_its_three_pictures_move_and_the_refit_restores_the_rule(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 3

    cell = jupyter.show_cell(jupyter.find_cell("def draw_isoflop"))

    def tokens_per_parameter(constants: str) -> int:
        image = cell.locator(f'img[alt*="by {constants}."]')
        image.wait_for()
        return int(re.search(r"(\d+) tokens per parameter", image.get_attribute("alt"))[1])

    assert tokens_per_parameter("Chinchilla, as printed") > 80
    cell.locator("select").select_option("Epoch's refit")
    assert 15 < tokens_per_parameter("Epoch's refit") < 25
