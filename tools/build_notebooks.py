"""Build every notebook of the course from lessons/ and from the package's own source.

  python tools/build_notebooks.py            write notebooks/, exercises/ and solutions/
  python tools/build_notebooks.py --check    change nothing; list what differs and exit with 1
                                             (outputs in a lesson that you ran do not count)

A lesson is one Python file, lessons/NN_name.py, in jupytext's py:percent format: a cell starts with
`# %%` (code) or `# %% [markdown]`. Its first heading is its title, and its first code cell is the
one import line of the course (SETUP_LINE in llama_mini/course). It becomes

  notebooks/NN_name.ipynb    the lesson
  exercises/NN_name.ipynb    what the learner fills in     (only if the lesson has exercises)
  solutions/NN_name.ipynb    the same, solved              (only if the lesson has exercises)

An exercise is an empty code cell that names a symbol of the package, after a markdown cell that
says what to do. Both leave the lesson, which points to the exercise notebook in their place:

  # %% [markdown] tags=["exercise-text"]
  # Write the norm. Take the mean square in float32.

  # %% tags=["exercise"] symbol="llama_mini.norm:RMSNorm" given=["__init__"] part="The mathematics"

The stub and the solution are cut from the package's source, so there is nothing to copy and nothing
to keep in step. `given` names methods that the learner gets whole; `part` is the heading of the
lesson that the exercise leads back to. Minutes, difficulty and
prerequisites come from the exercise's casebook. A cell tagged "shared" is in all three notebooks;
any other tag stays with its cell.
"""

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lesson import SETUP, Cell, Lesson, LessonError, headings, read_lesson  # noqa: E402

from llama_mini.course.derive import exercise_cell, solution_cell  # noqa: E402
from llama_mini.files import atomic_write  # noqa: E402

FOLDERS = ("notebooks", "exercises", "solutions")

_OWN_TAGS = {"exercise", "exercise-text", "shared"}


def lesson_notebook(lesson: Lesson) -> NotebookNode:
    """The lesson, with a pointer where an exercise stands."""
    cells: list[Cell] = []
    for cell in lesson.cells:
        if cell.symbol:
            cells.append(Cell("markdown", _pointer(lesson, cell)))
        elif "exercise-text" not in cell.tags:
            cells.append(cell)
    return _notebook(cells)


def exercise_notebook(lesson: Lesson) -> NotebookNode:
    """For each exercise its text, a stub, the line that checks it, and help to uncomment."""
    intro = (
        f"# {lesson.title}: exercises\n\n"
        f"These belong to [the lesson](../../notebooks/{lesson.stem}.ipynb). Replace each "
        "`raise NotImplementedError` by your own code, then run the cell and the `check` below it. "
        "When it says *correct*, your code is saved and the package can run on it."
    )
    return _notebook([Cell("markdown", intro), *_workbook(lesson, solved=False)])


def solution_notebook(lesson: Lesson) -> NotebookNode:
    """The exercise notebook with the package's own code in place of the stubs."""
    intro = (
        f"# {lesson.title}: solutions\n\n"
        "The package's own code for the exercises of "
        f"[the lesson](../notebooks/{lesson.stem}.ipynb). It is one good answer, not the only one: "
        "`check` accepts any code that computes the same. Here the answers are graded but not "
        "saved: what you pass in your own notebook is yours."
    )
    return _notebook([Cell("markdown", intro), *_workbook(lesson, solved=True)])


def _workbook(lesson: Lesson, *, solved: bool) -> Iterator[Cell]:
    yield Cell("code", SETUP)
    text = ""
    for cell in lesson.cells:
        if "shared" in cell.tags:
            yield cell
        elif "exercise-text" in cell.tags:
            text = cell.source
        elif cell.symbol:
            yield Cell("markdown", _headed(text, cell, _way_back(lesson, cell, solved=solved)))
            name = _casebook(cell).name
            if solved:
                yield Cell("code", solution_cell(cell.symbol))
                # Not `check`, which would save our code as the learner's own.
                graded = f'check_answer("{name}", {cell.name})'
                yield Cell("code", f"from llama_mini.course import check_answer\n\n{graded}")
            else:
                yield Cell("code", exercise_cell(cell.symbol, cell.given))
                yield Cell("code", f"check({cell.name})")
                yield Cell(
                    "code",
                    "# Stuck? Remove the # before hint and run this cell, again for the next one.\n"
                    f'# hint("{name}")\n'
                    f'# solution("{name}")',
                )


def _pointer(lesson: Lesson, cell: Cell) -> str:
    return (
        f"## Exercise: `{cell.name}`\n\n{_facts(cell)}\n\n"
        f"Write it in [your exercise notebook](../my_llama_mini/exercises/{lesson.stem}.ipynb). "
        f"To look only: [the exercise](../exercises/{lesson.stem}.ipynb), "
        f"[a solution](../solutions/{lesson.stem}.ipynb)."
    )


def _way_back(lesson: Lesson, cell: Cell, *, solved: bool) -> str:
    """A link to the part of the lesson where the exercise belongs; empty if it names none.

    Exercises are read where they are copied to, two folders deep.
    """
    if cell.part is None:
        return ""
    folder = "../notebooks" if solved else "../../notebooks"
    # By the cell's id: JupyterLab finds a heading only in a lesson that is open and rendered.
    (there,) = (
        node["id"]
        for node in lesson_notebook(lesson).cells
        if node.cell_type == "markdown" and cell.part in headings(node.source)
    )
    return f"Back to the lesson: [{cell.part}]({folder}/{lesson.stem}.ipynb#cell-id={there})"


def _headed(text: str, cell: Cell, way_back: str) -> str:
    """An exercise's text with its facts below its heading, which is the symbol by default."""
    first_line, _, rest = text.partition("\n")
    if not first_line.startswith("## "):
        first_line, rest = f"## `{cell.name}`", text
    paragraphs = [first_line, _facts(cell), way_back, rest.strip()]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _facts(cell: Cell) -> str:
    exercise = _casebook(cell)
    facts = [f"{exercise.minutes} minutes", f"difficulty {exercise.difficulty} of 5"]
    if exercise.prerequisites:
        facts.append("builds on " + ", ".join(f"`{name}`" for name in exercise.prerequisites))
    return "*" + " · ".join(facts) + "*"


def _casebook(cell: Cell) -> Any:
    # Imported late: lessons without exercises build without the grader and what it needs.
    from llama_mini.course import EXERCISES

    for exercise in EXERCISES.values():
        if exercise.symbol == cell.symbol:
            return exercise
    raise LessonError(
        f"{cell.symbol} has no casebook. Add one in llama_mini/course/casebook/lesson_NN/; "
        f"there are {', '.join(sorted(EXERCISES)) or 'none'}."
    )


def _notebook(cells: Sequence[Cell]) -> NotebookNode:
    seen: Counter[tuple[str, str]] = Counter()
    nodes = []
    for cell in cells:
        key = (cell.kind, cell.source)
        seen[key] += 1
        make = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
        node = make(cell.source)
        # From the content, so that a change to one cell shows as a change to one cell.
        node["id"] = hashlib.sha256("\0".join((*key, str(seen[key]))).encode()).hexdigest()[:12]
        if tags := [tag for tag in cell.tags if tag not in _OWN_TAGS]:
            node["metadata"]["tags"] = tags
        nodes.append(node)
    return nbformat.v4.new_notebook(
        cells=nodes,
        metadata={
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        },
    )


def to_bytes(notebook: NotebookNode) -> bytes:
    """A valid notebook as it stands in the repository. Raises nbformat's ValidationError."""
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    nbformat.validate(notebook)
    return (nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n").encode()


def build(root: Path) -> tuple[dict[Path, bytes], dict[str, str]]:
    """Every notebook that `root`/lessons stands for, and what is wrong with the other lessons.

    Returns the bytes of each notebook by its path below `root`, and an error message by the stem of
    each lesson that cannot be built.
    """
    built: dict[Path, bytes] = {}
    errors: dict[str, str] = {}
    for path in sorted((root / "lessons").glob("*.py")):
        try:
            built |= build_lesson(path)
        except ValueError as error:
            named = str(error).startswith(path.name)
            errors[path.stem] = str(error) if named else f"{path.name}: {error}"
    return built, errors


def build_lesson(path: Path) -> dict[Path, bytes]:
    """The notebooks of one lesson. Raises LessonError, or ValueError from course/derive."""
    lesson = read_lesson(path)
    notebooks = {"notebooks": lesson_notebook(lesson)}
    if lesson.exercises:
        notebooks["exercises"] = exercise_notebook(lesson)
        notebooks["solutions"] = solution_notebook(lesson)
    return {
        Path(folder, f"{lesson.stem}.ipynb"): to_bytes(notebook)
        for folder, notebook in notebooks.items()
    }


def differences(root: Path, built: dict[Path, bytes], unknown: Container[str] = ()) -> list[str]:
    """What is missing, different or not derived from a lesson, one line each.

    A lesson that a reader ran and saved is not different: JupyterLab keeps its outputs in the file.
    `unknown` are the stems of lessons that could not be built; theirs are no strays.
    """
    lines = []
    for path, data in built.items():
        if not (root / path).is_file():
            lines.append(f"missing: {path.as_posix()}")
        elif (present := (root / path).read_bytes()) != data and not _only_run(path, present, data):
            lines.append(f"differs: {path.as_posix()}")
    lines += [
        f"stray:   {path.as_posix()} (no lesson makes it; delete it, or add its lesson)"
        for path in _present(root)
        if path not in built and path.stem not in unknown
    ]
    return lines


def _only_run(path: Path, present: bytes, data: bytes) -> bool:
    if path.parts[0] != "notebooks":
        return False
    try:
        saved, built = (nbformat.reads(text.decode(), as_version=4) for text in (present, data))
        was_run = any(c.get("outputs") or c.get("execution_count") for c in saved.cells)
        return was_run and [(c.id, c.cell_type, c.source) for c in saved.cells] == [
            (c.id, c.cell_type, c.source) for c in built.cells
        ]
    except (ValueError, AttributeError, KeyError):
        return False


def _present(root: Path) -> list[Path]:
    return sorted(
        path.relative_to(root)
        for folder in FOLDERS
        for path in (root / folder).rglob("*")
        if path.is_file() and ".ipynb_checkpoints" not in path.parts
    )


def write(root: Path, built: dict[Path, bytes]) -> list[Path]:
    """Write what is new or changed, each file whole or not at all; return those paths."""
    changed = []
    for path, data in built.items():
        target = root / path
        if target.is_file() and target.read_bytes() == data:
            continue
        with atomic_write(target) as file:
            file.write(data)
        changed.append(path)
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="build_notebooks.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check", action="store_true", help="compare with the files there; write nothing"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: this one)")
    options = parser.parse_args(arguments)

    built, errors = build(options.root)
    for error in errors.values():
        print(error, file=sys.stderr)
    if not options.check:
        changed = write(options.root, built)
        print(f"{len(built)} notebooks, {len(changed)} written.")
        for path in changed:
            print(f"  {path.as_posix()}")
    found = differences(options.root, built, errors)
    for line in found:
        print(line, file=sys.stderr)
    if options.check:
        if found or errors:
            print("Run: python tools/build_notebooks.py", file=sys.stderr)
        else:
            print(f"{len(built)} notebooks match lessons/ and the package.")
    return 1 if found or errors else 0


if __name__ == "__main__":
    sys.exit(main())
