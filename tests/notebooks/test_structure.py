"""What every committed notebook must be before anyone runs it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from lesson import SETUP  # noqa: E402

NOTEBOOKS = sorted(
    path
    for folder in ("notebooks", "exercises", "solutions")
    for path in (ROOT / folder).glob("*.ipynb")
)
every_notebook = pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}"
)


def read(path: Path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def committed(path: Path) -> str:
    """The notebook as git has it: whoever ran a lesson may have saved its outputs in the file."""
    name = path.relative_to(ROOT).as_posix()
    done = subprocess.run(["git", "show", f":{name}"], cwd=ROOT, capture_output=True)
    return (done.stdout if done.returncode == 0 else path.read_bytes()).decode()


def code(path: Path) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == "code"]


def test_there_are_notebooks_of_each_kind():
    assert {path.parent.name for path in NOTEBOOKS} == {"notebooks", "exercises", "solutions"}


@every_notebook
def test_a_notebook_is_valid_and_its_ids_are_unique(path):
    notebook = read(path)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@every_notebook
def test_a_notebook_is_committed_without_outputs(path):
    for cell in nbformat.reads(committed(path), as_version=nbformat.NO_CONVERT).cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None


@every_notebook
def test_the_first_code_cell_is_the_one_import_line(path):
    assert code(path)[0] == SETUP


@every_notebook
def test_the_first_cell_is_the_title_and_there_is_only_one(path):
    cells = read(path).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    titles = [c for c in cells if c.cell_type == "markdown" and c.source.startswith("# ")]
    assert len(titles) == 1


@every_notebook
def test_every_figure_says_in_words_what_it_shows(path):
    for source in code(path):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"figures.show", "show"}:
                assert "alt" in {keyword.arg for keyword in node.keywords}, ast.unparse(node)
            # Pictures that go past the helper have no text alternative.
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) != "plt.show", source


@every_notebook
def test_pictures_in_the_text_have_a_text_alternative(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert "![](" not in cell.source
            assert "<img" not in cell.source or "alt=" in cell.source


def links(source: str, folder: Path) -> list[tuple[str, Path, str]]:
    """The text, notebook and cell id of each link to a notebook, seen from a folder."""
    found = re.findall(r"\[([^]]+)\]\(([^)\s#]+\.ipynb)(?:#cell-id=(\w+))?\)", source)
    return [(text, (folder / file).resolve(), cell) for text, file, cell in found]


@pytest.mark.parametrize("folder", ["my_llama_mini/exercises", "solutions"])
def test_every_exercise_leads_back_to_its_part_of_the_lesson(folder):
    kind = Path(folder).name
    for path in sorted((ROOT / kind).glob("*.ipynb")):
        sections = [
            cell.source
            for cell in read(path).cells
            if cell.cell_type == "markdown" and cell.source.startswith("## ")
        ]
        assert sections
        for section in sections:
            ((part, lesson, id_of_cell),) = (
                link for link in links(section, ROOT / folder) if link[2]
            )
            assert lesson == ROOT / "notebooks" / path.name, section
            (cell,) = (cell for cell in read(lesson).cells if cell.id == id_of_cell)
            assert re.search(rf"^##+ {re.escape(part)}$", cell.source, re.MULTILINE), section


@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if p.parent.name == "notebooks"], ids=lambda p: p.stem
)
def test_every_lesson_ends_with_what_comes_next(path):
    last = read(path).cells[-1].source
    assert last.startswith("## What comes next\n")
    following = [target for _, target, _ in links(last, path.parent)]
    assert following
    for target in following:
        assert target.is_file() and target != path
