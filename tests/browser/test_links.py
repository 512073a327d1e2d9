"""The links between exercises and lessons, clicked in a real browser."""

import pytest


@pytest.mark.parametrize("folder", ["my_llama_mini/exercises", "exercises", "solutions"])
def test_an_exercise_leads_back_to_its_part_of_the_lesson(jupyter, folder):
    part = "Two layouts, and why mixing them reads almost right"
    jupyter.open_notebook(f"{folder}/04_rope.ipynb")
    link = jupyter.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) a", has_text=part).first
    link.scroll_into_view_if_needed()
    link.click()
    jupyter.page.wait_for_function(
        "window.jupyterapp.shell.currentWidget?.context?.path === 'notebooks/04_rope.ipynb'"
    )
    jupyter.page.wait_for_function(
        """part => {
            const cells = window.jupyterapp.shell.currentWidget.content.widgets;
            const cell = cells.find(c => c.model.sharedModel.getSource().includes("## " + part));
            const place = cell?.node.getBoundingClientRect();
            return place && place.height > 0 && place.top < window.innerHeight / 2
                && place.bottom > 0;
        }""",
        arg=part,
    )


def test_a_lesson_leads_to_the_next(jupyter):
    jupyter.open_notebook("notebooks/03_rmsnorm.ipynb")
    jupyter.show_cell(jupyter.find_cell("## What comes next", "markdown"))
    jupyter.page.locator(
        ".jp-NotebookPanel:not(.lm-mod-hidden) a", has_text="04 · Rotary positions"
    ).click()
    jupyter.page.wait_for_function(
        "window.jupyterapp.shell.currentWidget?.context?.path === 'notebooks/04_rope.ipynb'"
    )
