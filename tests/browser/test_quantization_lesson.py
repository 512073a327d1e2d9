"""The lesson on quantization in a real browser: its pictures move from the keyboard."""

LESSON = "notebooks/15_quantization.ipynb"


def test_the_lesson_runs_and_its_three_pictures_move(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 3

    grid = jupyter.show_cell(jupyter.find_cell("def draw_grid"))
    bits, outlier = grid.get_by_role("slider").all()
    bits.focus()
    jupyter.page.keyboard.press("Home")
    grid.locator('img[alt*="of 2 bits"]').wait_for()
    jupyter.page.keyboard.press("ArrowRight")
    jupyter.page.keyboard.press("ArrowRight")
    outlier.focus()
    jupyter.page.keyboard.press("End")
    grid.locator('img[alt*="an outlier of 40 times the usual size"]').wait_for()

    memory = jupyter.show_cell(jupyter.find_cell("def draw_memory"))
    memory.get_by_role("slider").first.focus()
    jupyter.page.keyboard.press("End")
    memory.locator('img[alt*="at 32 bits each: 7B 27.0"]').wait_for()
