"""`check`: run a learner's cell again on its own, judge it, and keep it if it is correct."""

import inspect
import sys
from typing import Any

from llama_mini import slots
from llama_mini.course.casebook import UnknownExerciseError, find, in_lesson_order
from llama_mini.course.judge.code import files_of
from llama_mini.course.judge.exercise import Exercise
from llama_mini.course.judge.grading import grade
from llama_mini.course.judge.snapshot import describe, with_article
from llama_mini.course.judge.watch import Raised, watched
from llama_mini.course.learner import overlay, records
from llama_mini.course.learner.cells import Cell, cell_that_defines, find_cell, running_shell
from llama_mini.course.learner.display import Message, Shown, show
from llama_mini.course.learner.report import CORRECT, NOT_ATTEMPTED, NOT_YET, Report, report_on

_NOTHING = object()
_LOAD_SECONDS = 5.0


def check(answer: Any = _NOTHING, name: str | None = None) -> None:
    """Check an exercise, `check(RMSNorm)`, and show what came of it.

    The cell that defines the answer runs again in a namespace of its own, and that is what is
    judged; once correct it is kept in the overlay. `name` says which exercise is meant where the
    answer's own name does not. Raises nothing but a real KeyboardInterrupt.
    """
    try:
        shown = _check(answer, name)
    except Exception as error:
        # A fault of ours, or of a disk: it must not stop a notebook, and must not look like the
        # learner's.
        shown = Message(
            f"check() itself failed, with {type(error).__name__}: {error}",
            ["Your answer was not judged."],
        )
    show(shown)


def check_answer(name: str, answer: Any) -> Report:
    """Judge an answer to the exercise `name`, as it is: nothing is run again, shown or saved.

    Raises KeyError for a name no exercise has, and a real KeyboardInterrupt.
    """
    exercise = find(name)
    if told := _told_by_its_kind(exercise, answer):
        return told
    reference = slots.reference(exercise.symbol)
    return report_on(exercise, grade(exercise, answer, files_of(answer)), reference)


def _check(answer: Any, name: str | None) -> Shown:
    if answer is _NOTHING:
        example = in_lesson_order()[0]
        return Message(
            "check() needs to know what to check.",
            [f"Hand in what you wrote, without calling it: `check({example.symbol_name})`."],
        )
    try:
        exercise = _exercise_of(answer) if name is None else find(name)
    except UnknownExerciseError as error:
        if isinstance(answer, str) or name is not None or callable(answer):
            return Message(str(error))
        return Message(
            f"check() cannot tell which exercise this is: {_kind(answer)}.",
            ["Hand in the function or class itself, under the name its text asks for."],
        )
    if isinstance(answer, str):
        answer = _defined(exercise.symbol_name)
        if answer is None:
            return Message(
                f"{exercise.name}: not attempted",
                [f"There is no `{exercise.symbol_name}` here yet. Run its cell first."],
            )
    report = _judge(exercise, answer)
    report.notes += records.note_check(exercise.name, report.state, report.points)
    if report.state == NOT_ATTEMPTED:
        report.notes += _unsolved_prerequisites(exercise)
    return report


def _exercise_of(answer: Any) -> Exercise:
    """The exercise an answer belongs to by its own name, or by the name it was given here."""
    try:
        return find(answer)
    except UnknownExerciseError:
        # `silu = lambda x: …` has no name of its own.
        bound = [e for e in in_lesson_order() if _defined(e.symbol_name) is answer]
        if not bound:
            raise
        return bound[0]


def _judge(exercise: Exercise, answer: Any) -> Report:
    if told := _told_by_its_kind(exercise, answer):
        return told
    cell = None
    if _defined(exercise.symbol_name) is answer or _own_name(answer) == exercise.symbol_name:
        cell = find_cell(exercise.symbol_name, answer)
    if cell is None:
        report = check_answer(exercise.name, answer)
        if report.state == CORRECT:
            report.notes.append(
                "It could not be kept, because no cell or file was found that defines "
                f"`{exercise.symbol_name}`. Write it under that name in one cell and check again."
            )
        return report
    return _judge_cell(exercise, cell, slots.reference(exercise.symbol))


def _judge_cell(exercise: Exercise, cell: Cell, reference: Any) -> Report:
    filename = f"<your {exercise.name} cell>"
    files = frozenset({filename})
    run = watched(
        lambda: overlay.load_answer(exercise, cell.source, filename), _LOAD_SECONDS, files
    )
    if run.raised is not None:
        message = _elsewhere(run.raised, cell) or (
            f"{cell.place.capitalize()} is run again on its own to be checked, and raised "
            f"{run.raised.type}: "
            f"{run.raised.message}"
            + (
                f"\nin line {run.raised.line_number}: `{run.raised.line}`"
                if run.raised.line
                else ""
            )
        )
        return Report(exercise.name, NOT_YET, 0, exercise.max_points, message)
    if run.value is reference:
        return _ours(exercise)
    report = report_on(exercise, grade(exercise, run.value, files), reference)
    for raised in [
        seen
        for result in report.cases
        for seen in result.observed.values()
        if isinstance(seen, Raised)
    ]:
        if elsewhere := _elsewhere(raised, cell):
            report.message, report.diagnosis, report.candidates = elsewhere, None, ()
            break
    if report.state == CORRECT:
        report.notes += _keep(exercise, cell)
    return report


def _keep(exercise: Exercise, cell: Cell) -> list[str]:
    try:
        path = overlay.save(exercise, cell.source)
    except OSError as error:
        return [f"It could not be kept: {error}. Set LLAMA_MINI_HOME to a folder you may write to."]
    return [
        f"Kept in {path.parent.parent.name}/{path.parent.name}/{path.name}: `overlay.apply()` "
        "lets the package run on it."
    ]


def _elsewhere(raised: Raised, cell: Cell) -> str:
    """What to say of a name that is in the kernel and not in the cell, which must stand alone."""
    missing, shell = raised.missing_name, running_shell()
    if missing is None or shell is None or missing not in shell.user_ns:
        return ""
    number = cell_that_defines(missing)
    where = f"lives in cell {number}" if number else "lives in the kernel"
    remedy = f"move `{missing}` into this cell"
    if inspect.ismodule(shell.user_ns[missing]):
        module = shell.user_ns[missing].__name__
        renamed = f" as {missing}" if module != missing else ""
        remedy = f"put `import {module}{renamed}` into this cell"
    return (
        f"`{missing}` {where}, and {cell.place} needs it. Your answer becomes a part of the "
        "package by itself, so its "
        f"cell must run by itself: {remedy}, or import it there."
    )


def _told_by_its_kind(exercise: Exercise, answer: Any) -> Report | None:
    """The report on what no case has to be run for: our own symbol, or another kind of thing."""
    reference = slots.reference(exercise.symbol)
    if answer is reference:
        return _ours(exercise)
    if unfit := _unfit(exercise, answer, reference):
        return Report(
            exercise.name, NOT_YET, 0, exercise.max_points, unfit, diagnosis="wrong kind of answer"
        )
    return None


def _ours(exercise: Exercise) -> Report:
    message = (
        f"That is the package's own `{exercise.symbol.replace(':', '.')}`, not yours. "
        "Run the cell in which you write it, then check again."
    )
    return Report(exercise.name, NOT_ATTEMPTED, 0, exercise.max_points, message)


def _unfit(exercise: Exercise, answer: Any, reference: Any) -> str:
    """Why an answer cannot even be tried; empty if it can."""
    symbol = exercise.symbol_name
    if inspect.isclass(reference) and not inspect.isclass(answer):
        if type(answer).__name__ == symbol:
            return f"You handed in a {symbol} already built. Hand in the class: `check({symbol})`."
        return f"`{symbol}` is to be a class; you handed in {_kind(answer)}."
    if not callable(answer):
        return (
            f"`{symbol}` is to be a function; you handed in {_kind(answer)}. "
            f"Hand it in without calling it: `check({symbol})`."
        )
    return ""


def _kind(answer: Any) -> str:
    if inspect.isclass(answer):
        return f"the class {answer.__name__}"
    if inspect.isroutine(answer):
        return f"the function {getattr(answer, '__name__', '?')}"
    described, kind = describe(answer), type(answer).__name__
    return with_article(kind) + ("" if described.startswith(kind) else f" ({described})")


def _own_name(answer: Any) -> str | None:
    return getattr(answer, "__name__", None)


def _defined(symbol: str) -> Any | None:
    shell = running_shell()
    return (shell.user_ns if shell else vars(sys.modules["__main__"])).get(symbol)


def _unsolved_prerequisites(exercise: Exercise) -> list[str]:
    solved = {name for name, record in records.read()[0].items() if record.state == CORRECT}
    open_ones = [name for name in exercise.prerequisites if name not in solved]
    return (
        [f"It builds on {', '.join(open_ones)}, which you may want to solve before."]
        if open_ones
        else []
    )
