"""What a learner does on the first day, done in a real browser."""

import sys
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from lesson import SETUP  # noqa: E402

from llama_mini.course.derive import solution_cell  # noqa: E402

EXPLORER = """
import ipywidgets as widgets
from llama_mini.visualization import figures
from llama_mini.visualization.explore import Explorer

def draw(power):
    figure, axes = figures.subplots()
    axes.plot([x**power for x in range(10)])
    return figure, f"A curve of power {power:g} from 0 to 9."

Explorer(draw, power=widgets.FloatSlider(1.0, min=0.0, max=3.0, step=0.5))
"""


def write_notebook(path: Path, *sources: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, path)


def test_the_server_wants_its_token(lab):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{lab.address}/api/contents")
    assert refused.value.code == 403
    with urllib.request.urlopen(f"{lab.address}/api/contents?token={lab.token}") as answer:
        assert answer.status == 200


def test_the_printed_address_opens_the_first_page(jupyter, lab):
    jupyter.page.goto(f"{lab.address}/lab/tree/{lab.first_page}?token={lab.token}")
    jupyter.page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    # JupyterLab first brings back what was open before, then shows what the address names.
    tab = jupyter.page.locator(".lm-TabBar-tab.lm-mod-current", has_text="00_start_here.ipynb")
    tab.wait_for()
    assert jupyter.page.locator(".jp-Dialog").count() == 0, "a question stands in the way"


def test_a_failing_cell_is_reported_as_an_error(jupyter, lab):
    write_notebook(lab.root / "own" / "fails.ipynb", "print('so far')", "1 / 0")
    jupyter.open_notebook("own/fails.ipynb")
    jupyter.run_all()
    assert jupyter.output_text(0) == "so far\n"
    assert jupyter.errors() == ["cell 1: ZeroDivisionError: division by zero"]


def test_an_explorer_answers_to_the_arrow_keys(jupyter, lab):
    write_notebook(lab.root / "own" / "explorer.ipynb", EXPLORER)
    jupyter.open_notebook("own/explorer.ipynb")
    jupyter.run_all()
    assert jupyter.errors() == []
    jupyter.move_a_slider(0)


def test_a_forgotten_first_cell_is_explained(jupyter, lab):
    write_notebook(lab.root / "own" / "forgot.ipynb", "check(len)")
    jupyter.open_notebook("own/forgot.ipynb")
    jupyter.run_all()
    assert "from llama_mini.course import" in jupyter.output_text(0)


LESSON = "notebooks/03_rmsnorm.ipynb"
EXERCISE = "my_llama_mini/exercises/03_rmsnorm.ipynb"


@pytest.fixture
def screenshot(request) -> Path | None:
    """Where the picture for the README goes, if the tests are to make it anew."""
    wanted = request.config.getoption("--update-screenshot", default=False)
    return ROOT / "docs" / "screenshot.png" if wanted else None


def test_the_lesson_on_rmsnorm_runs_and_its_sliders_move_its_pictures(jupyter):
    jupyter.open_notebook(LESSON)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert jupyter.move_every_picture() >= 2


def test_an_untouched_exercise_says_not_attempted(jupyter):
    jupyter.open_notebook(EXERCISE)
    jupyter.run_all()
    assert jupyter.errors() == []
    assert "not attempted" in shown_by_check(jupyter)


def test_a_wrong_answer_is_named_with_a_picture_and_a_right_one_passes(jupyter, lab, screenshot):
    jupyter.open_notebook(EXERCISE)
    stub = jupyter.find_cell("class RMSNorm")
    jupyter.run_cell(jupyter.find_cell(SETUP))

    right = solution_cell("llama_mini.norm:RMSNorm")
    wrong = right.replace(
        "torch.rsqrt(mean_square + self.eps)", "(1 / (torch.sqrt(mean_square) + self.eps))"
    )
    assert wrong != right
    answer(jupyter, stub, wrong)
    said = shown_by_check(jupyter)
    assert "not yet" in said and "root" in said
    picture = jupyter.show_cell(jupyter.find_cell("check(RMSNorm)")).locator("img").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 0
    assert picture.get_attribute("alt")
    if screenshot:
        jupyter.page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
        picture.evaluate("image => image.scrollIntoView({block: 'end'})")
        jupyter.page.wait_for_timeout(1000)  # the page has settled
        jupyter.screenshot(screenshot)

    answer(jupyter, stub, right)
    said = shown_by_check(jupyter)
    assert "correct" in said and "not yet" not in said
    saved = lab.workspace / "overlay" / "rms_norm.py"
    assert "torch.rsqrt(mean_square + self.eps)" in saved.read_text(encoding="utf-8")


def answer(jupyter, stub: int, code: str) -> None:
    """Paste an answer over the stub, run it, and check it."""
    jupyter.replace_source(stub, code)
    jupyter.run_cell(stub)
    jupyter.run_cell(jupyter.find_cell("check(RMSNorm)"))


def shown_by_check(jupyter) -> str:
    """What a learner reads below the check cell, in lower case."""
    cell = jupyter.show_cell(jupyter.find_cell("check(RMSNorm)"))
    output = cell.locator(".jp-OutputArea").first
    output.wait_for()
    return output.inner_text().lower()
