"""The lesson on decoding in a real browser: its pictures move from the keyboard."""

LESSON = "notebooks/08_decoding.ipynb"


def test_the_lesson_runs_and_its_two_pictures_move(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 2

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
