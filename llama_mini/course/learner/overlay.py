"""The overlay: your passed answers, and the package running on them.

    from llama_mini.course import overlay
    overlay.apply()             # the package runs on every answer of yours that passed
    overlay.apply("rms_norm")   # on this one alone
    overlay.status()            # whose code is where
    overlay.reset()             # on the reference again; nothing is deleted

Each answer is a Python file in the workspace's `overlay/`, the cell as it passed its check.
"""

from pathlib import Path
from typing import Any

from llama_mini import slots
from llama_mini.course.casebook import find, in_lesson_order
from llama_mini.course.judge.code import files_of, load
from llama_mini.course.judge.exercise import Exercise
from llama_mini.course.judge.grading import grade
from llama_mini.course.judge.watch import Watched, watched
from llama_mini.course.learner import records
from llama_mini.course.learner.answers import Saved, all_saved, folder, move_aside, read, save
from llama_mini.course.learner.display import Table
from llama_mini.course.learner.report import CORRECT, report_on

_LOAD_SECONDS = 5.0
_loaded: dict[tuple[Path, str], Any] = {}


def apply(*names: str) -> Table:
    """Let the package run on your passed answers, all or the named ones; the rest is reference.

    Apply before you build a model. Raises llama_mini.slots.LivingModelError if one is already in
    memory, and ValueError for an answer that has not passed its check.
    """
    saved, unfit = all_saved()
    chosen = {find(name).name for name in names} or {*saved, *unfit}
    if absent := sorted(chosen - {*saved, *unfit}):
        raise ValueError(
            f"{', '.join(absent)}: no answer of yours has passed yet. Solve it, run check, then "
            "apply."
        )
    symbols, sources, notes = {}, {}, []
    for exercise in in_lesson_order():
        if exercise.name not in chosen:
            continue
        if exercise.name in unfit:
            notes.append(_unfit_note(exercise.name, unfit[exercise.name]))
            continue
        symbol, note = _ready(saved[exercise.name])
        notes += [note] * bool(note)
        if symbol is not None:
            symbols[exercise.symbol] = symbol
            sources[exercise.symbol] = saved[exercise.name].source
    slots.replace_all(symbols, sources)
    return status(notes)


def reset() -> Table:
    """Let the package run on its reference again. Your saved answers stay where they are.

    Raises llama_mini.slots.LivingModelError if a model is in memory.
    """
    slots.restore_all()
    return status()


def status(notes: list[str] | None = None) -> Table:
    """Every exercise: whether an answer of yours passed, and whose code the package runs now."""
    checks, problems = records.read()
    saved, unfit = all_saved()
    rows = []
    for exercise in in_lesson_order():
        state = checks[exercise.name].state if exercise.name in checks else "not attempted"
        kept = (
            "not a file to read"
            if exercise.name in unfit
            else "-"
            if exercise.name not in saved
            else "yes"
            if saved[exercise.name].is_current
            else "to be checked again"
        )
        runs = {"learner": "your code", "reference": "reference"}[slots.owner(exercise.symbol)]
        rows.append((exercise.lesson, exercise.symbol.replace(":", "."), state, kept, runs))
    columns = ("lesson", "symbol", "state", "in the overlay", "the package runs")
    return Table(
        f"The package runs {slots.describe()}.", columns, rows, [*(notes or []), *problems]
    )


def load_answer(exercise: Exercise, source: str, filename: str) -> Any:
    """Run source in a fresh namespace and take the exercise's symbol from it.

    Raises whatever the source raises, and NameError if it does not define the symbol.
    """
    module = load(source, filename, f"my_llama_mini.{exercise.name}")
    if not hasattr(module, exercise.symbol_name):
        raise NameError(f"{Path(filename).name} does not define {exercise.symbol_name}")
    return getattr(module, exercise.symbol_name)


def _ready(saved: Saved) -> tuple[Any | None, str]:
    """The answer's symbol, checked again if need be, and what to say; None if it is not applied."""
    if saved.is_current and (saved.path, saved.text) in _loaded:
        # The same object as before: a second apply() changes nothing, so it may not be refused.
        return _loaded[saved.path, saved.text], ""
    note = ""
    run = _run(saved)
    if not saved.is_current and run.raised is None:
        outcome = grade(saved.exercise, run.value, files_of(run.value))
        if outcome.stopped is not None:
            return None, _too_slow(saved, outcome.stopped.case.seconds)
        report = report_on(saved.exercise, outcome, slots.reference(saved.exercise.symbol))
        if report.state != CORRECT:
            return None, _set_aside(saved, report.message.partition("\n")[0])
        note = (
            f"{saved.exercise.name} passed under other conditions ({saved.what_changed}). Checked "
            "again, it still passes."
        )
        try:
            saved = read(saved.exercise, save(saved.exercise, saved.source))
            run = _run(saved)
        except OSError as error:
            note += f" It could not be kept as checked: {error.strerror}."
    if run.raised is not None and run.raised.timed_out:
        return None, _too_slow(saved, _LOAD_SECONDS)
    if run.raised is not None:
        return None, _set_aside(saved, f"it raises {run.raised.type}: {run.raised.message}")
    _loaded[saved.path, saved.text] = run.value
    return run.value, note


def _run(saved: Saved) -> Watched:
    name = str(saved.path)
    return watched(
        lambda: load_answer(saved.exercise, saved.text, name), _LOAD_SECONDS, frozenset({name})
    )


def _too_slow(saved: Saved, seconds: float) -> str:
    """A slow machine looks like a slow answer, so nobody's work is put away for it."""
    return (
        f"{saved.exercise.name} was still running after {seconds:g} s and was stopped, so it is "
        f"not applied this time. It stays in {saved.path}; apply the overlay again when the "
        "machine has less to do."
    )


def _set_aside(saved: Saved, why: str) -> str:
    changed = saved.what_changed or "nothing in it changed"
    return f"{saved.exercise.name} passes no more ({changed}): {why} {move_aside(saved.path)}"


def _unfit_note(name: str, error: OSError) -> str:
    path = folder() / f"{name}.py"
    reason = f"{name} is not applied: {path.name} cannot be read ({error.strerror})."
    # A file that cannot be read now may be readable tomorrow. A folder or a dead link never is.
    return f"{reason} {move_aside(path)}" if not path.is_file() else reason
