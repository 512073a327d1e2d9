"""The lesson on loading in a real browser: its pictures move from the keyboard."""

LESSON = "notebooks/14_loading.ipynb"


def test_the_lesson_runs_and_its_three_pictures_move(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 3

    # w2 and w1 are cut across each other: the shapes are those of Meta's release.
    cut = jupyter.show_cell(jupyter.find_cell("def draw_cut"))
    shards = cut.get_by_role("slider").first
    _, tensor = cut.locator("select").all()
    shards.focus()
    jupyter.page.keyboard.press("End")
    cut.locator('img[alt*="shards: 8, cut along axis 1, 6656 × 2240 each"]').wait_for()
    tensor.select_option("feed_forward.w1.weight")
    cut.locator('img[alt*="shards: 8, cut along axis 0, 2240 × 6656 each"]').wait_for()

    # Eight pieces in the wrong order are worse than knowing nothing; other rows are not.
    mistake = jupyter.show_cell(jupyter.find_cell("def draw_mistake"))
    mistake.locator("select").select_option("rows of wq, wk as Hugging Face has them")
    described = mistake.locator('img[alt^="rows of wq, wk"]')
    described.wait_for()
    nats, right = (
        float(described.get_attribute("alt").split(before)[1].split()[0])
        for before in ("shards: ", "per token where ")
    )
    assert right + 0.2 < nats < 6.24
