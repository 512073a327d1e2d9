"""The first notebook and the capstone in a real browser, pictures and all."""

import re

from llama_mini.data.build import build_mix


def test_the_first_notebook_runs_and_its_slider_moves_its_picture(jupyter):
    jupyter.open_notebook("notebooks/00_start_here.ipynb")
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() == 1


def test_the_capstone_trains_and_shows_the_attention_of_its_own_model(jupyter):
    build_mix(progress=False)
    jupyter.page.set_default_timeout(300_000)
    jupyter.open_notebook("notebooks/13_capstone.ipynb")
    jupyter.run_all()
    assert jupyter.errors() == []
    cell = jupyter.show_cell(jupyter.find_cell("explore_attention("))
    layer, head = cell.get_by_role("slider").all()
    cell.locator('img[alt^="Attention of layer 0, head 0"]').wait_for()
    layer.focus()
    jupyter.page.keyboard.press("ArrowRight")
    cell.locator('img[alt^="Attention of layer 1, head 0"]').wait_for()
    head.focus()
    jupyter.page.keyboard.press("End")
    last = cell.locator('img[alt^="Attention of layer 1, head 3"]')
    last.wait_for()
    assert re.search(r"mean distance [0-9.]+ tokens", last.get_attribute("alt"))
    loss = jupyter.show_cell(jupyter.find_cell("LiveFigure("))
    loss.locator('img[alt*="smoothed bigram at"]').wait_for()
