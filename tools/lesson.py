"""Read a lesson: lessons/NN_name.py, in jupytext's py:percent format with the course's markup.

`python tools/build_notebooks.py --help` explains the markup.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jupytext

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from llama_mini.course import SETUP_LINE as SETUP

_KNOWN_METADATA = {"tags", "symbol", "given", "part", "lines_to_next_cell"}


class LessonError(ValueError):
    """A lesson that cannot be built; the message names the file and the cell."""


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson. `symbol`, `given` and `part` belong to a cell tagged "exercise"."""

    kind: str
    source: str
    tags: tuple[str, ...] = ()
    symbol: str | None = None
    given: tuple[str, ...] = ()
    part: str | None = None

    @property
    def name(self) -> str:
        """`llama_mini.norm:RMSNorm` → `RMSNorm`."""
        return (self.symbol or "").partition(":")[2]


@dataclass(frozen=True)
class Lesson:
    """A lesson's file name without its ending, its title, and its cells."""

    stem: str
    title: str
    cells: tuple[Cell, ...]

    @property
    def exercises(self) -> list[Cell]:
        """The cells that name a symbol to write."""
        return [cell for cell in self.cells if "exercise" in cell.tags]


def read_lesson(path: Path) -> Lesson:
    """Parse one lesson. Raises LessonError if it does not keep to the markup."""
    document = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    cells: list[Cell] = []
    for number, node in enumerate(document.cells, start=1):
        where = f"{path.name}, cell {number}"
        metadata = dict(node.metadata)
        if unknown := sorted(set(metadata) - _KNOWN_METADATA):
            raise LessonError(f"{where}: unknown cell option {', '.join(unknown)}.")
        cell = Cell(
            node.cell_type,
            node.source.strip("\n"),
            tuple(metadata.get("tags", ())),
            metadata.get("symbol"),
            tuple(metadata.get("given", ())),
            metadata.get("part"),
        )
        _demand_sound(cell, where)
        cells.append(cell)
    _demand_order(cells, path.name)
    _demand_parts(cells, path.name)
    return Lesson(path.stem, _title(cells, path.name), tuple(cells))


def _demand_sound(cell: Cell, where: str) -> None:
    if ("exercise" in cell.tags) != (cell.symbol is not None):
        raise LessonError(f'{where}: tags=["exercise"] and symbol="module:name" go together.')
    if cell.symbol and (cell.kind != "code" or cell.source):
        raise LessonError(
            f"{where}: an exercise is an empty code cell; the package has its code. "
            "Put its text in a markdown cell before it, tagged exercise-text."
        )
    if "exercise-text" in cell.tags and cell.kind != "markdown":
        raise LessonError(f"{where}: a cell tagged exercise-text must be markdown.")
    if not cell.symbol and not cell.source:
        raise LessonError(f"{where}: the cell is empty.")


def _demand_order(cells: Sequence[Cell], name: str) -> None:
    code = [cell for cell in cells if cell.kind == "code"]
    if not code or code[0].source != SETUP:
        raise LessonError(f"{name}: the first code cell must be this line alone:\n{SETUP}")
    for before, cell in zip([None, *cells], cells, strict=False):
        told = before is not None and "exercise-text" in before.tags
        if cell.symbol and not told:
            raise LessonError(f"{name}: {cell.symbol} needs an exercise-text cell right before it.")
        if told and not cell.symbol:
            raise LessonError(f"{name}: an exercise-text cell is not followed by its exercise.")
    if cells and "exercise-text" in cells[-1].tags:
        raise LessonError(f"{name}: an exercise-text cell is not followed by its exercise.")
    twice = [s for s, n in Counter(c.symbol for c in cells if c.symbol).items() if n > 1]
    if twice:
        raise LessonError(f"{name}: {', '.join(twice)} is an exercise twice.")


def _demand_parts(cells: Sequence[Cell], name: str) -> None:
    told = [cell for cell in cells if cell.kind == "markdown" and "exercise-text" not in cell.tags]
    there = [heading for cell in told for heading in headings(cell.source)]
    for cell in cells:
        if cell.part is not None and there.count(cell.part) != 1:
            raise LessonError(
                f"{name}: {cell.symbol} leads back to {cell.part!r}, which must be one heading of "
                f"the lesson. There are {', '.join(there)}."
            )


def headings(source: str) -> list[str]:
    """The headings below the title in the source of a markdown cell."""
    lines = source.splitlines()
    return [line.lstrip("#").strip() for line in lines if line.startswith(("## ", "### "))]


def _title(cells: Sequence[Cell], name: str) -> str:
    for cell in cells:
        first_line = cell.source.partition("\n")[0]
        if cell.kind == "markdown" and first_line.startswith("# "):
            return first_line.removeprefix("# ").strip()
    raise LessonError(f"{name}: no markdown cell starts with a title, `# …`.")
