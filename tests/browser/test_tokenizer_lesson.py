"""The lesson on the tokenizer in a real browser: every picture of it moves from the keyboard."""

LESSON = "notebooks/02_tokenizer.ipynb"


def test_the_lesson_runs_and_its_three_pictures_move(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 3


def test_the_merge_stepper_tells_each_merge_in_words(jupyter):
    jupyter.open_notebook(LESSON)
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
