"""The overlay: your passed answers, and the package running on them.

    from llama_mini.course import overlay
    overlay.apply()             # the package runs on every answer of yours that passed
    overlay.apply("rms_norm")   # on this one alone
    overlay.status()            # whose code is where
    overlay.reset()             # on the reference again; nothing is deleted

Each answer is a Python file in the workspace's `overlay/`, the cell as it passed its check.
"""

import hashlib
import inspect
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_mini
from llama_mini import slots
from llama_mini.course.casebook import EXERCISES, find, in_lesson_order
from llama_mini.course.judge.code import files_of, load
from llama_mini.course.judge.exercise import Exercise
from llama_mini.course.judge.grading import grade
from llama_mini.course.judge.watch import watched
from llama_mini.course.learner.display import Table
from llama_mini.course.learner.records import read
from llama_mini.course.learner.report import CORRECT, Report, report_on
from llama_mini.files import write_text
from llama_mini.paths import workspace

_MARK = "# llama_mini: "
_LOAD_SECONDS = 5.0
_loaded: dict[tuple[Path, str], Any] = {}


@dataclass(frozen=True)
class Saved:
    """An answer in the overlay: its file, its source, and under which conditions it passed."""

    exercise: Exercise
    path: Path
    source: str
    passed_as: dict[str, Any] | None

    @property
    def is_current(self) -> bool:
        """Whether it is the very text that passed, for this version of the package."""
        return self.passed_as == _conditions(self.exercise, self.source)


def apply(*names: str) -> Table:
    """Let the package run on your passed answers, all or the named ones; the rest is reference.

    Apply before you build a model. Raises llama_mini.slots.LivingModelError if one is already in
    memory, and ValueError for an answer that has not passed its check.
    """
    saved = _all_saved()
    chosen = {find(name).name for name in names} or set(saved)
    if absent := sorted(chosen - set(saved)):
        raise ValueError(
            f"{', '.join(absent)}: no answer of yours has passed yet. Solve it, run check, then "
            "apply."
        )
    symbols, sources, notes = {}, {}, []
    for exercise in in_lesson_order():
        if exercise.name in chosen:
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
    records, problems = read()
    saved = _all_saved()
    rows = []
    for exercise in in_lesson_order():
        state = records[exercise.name].state if exercise.name in records else "not attempted"
        kept = (
            "-"
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


def save(exercise: Exercise, source: str) -> Path:
    """Keep a passed cell as the learner's part. Raises OSError if the workspace is read-only."""
    path = folder() / f"{exercise.name}.py"
    source = source.strip("\n") + "\n"
    header = (
        f"# {exercise.symbol_name}, as it passed its check. The package runs on it after "
        "overlay.apply().\n"
        f"{_MARK}{json.dumps(_conditions(exercise, source))}\n\n"
    )
    write_text(path, header + source)
    return path


def folder() -> Path:
    """Where passed answers are kept."""
    return workspace() / "overlay"


def load_answer(exercise: Exercise, source: str, filename: str) -> Any:
    """Run source in a fresh namespace and take the exercise's symbol from it.

    Raises whatever the source raises, and NameError if it does not define the symbol.
    """
    module = load(source, filename, f"my_llama_mini.{exercise.name}")
    if not hasattr(module, exercise.symbol_name):
        raise NameError(f"{Path(filename).name} does not define {exercise.symbol_name}")
    return getattr(module, exercise.symbol_name)


def _all_saved() -> dict[str, Saved]:
    paths = {path.stem: path for path in sorted(folder().glob("*.py"))}
    return {name: _read(EXERCISES[name], path) for name, path in paths.items() if name in EXERCISES}


def _read(exercise: Exercise, path: Path) -> Saved:
    text = path.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines()[:3]:
        if line.startswith(_MARK):
            try:
                return Saved(
                    exercise,
                    path,
                    text.partition(line)[2].strip("\n") + "\n",
                    json.loads(line[len(_MARK) :]),
                )
            except ValueError:
                break
    return Saved(exercise, path, text, None)


def _conditions(exercise: Exercise, source: str) -> dict[str, Any]:
    return {
        "symbol": exercise.symbol,
        "version": llama_mini.__version__,
        "signature": signature_hash(slots.reference(exercise.symbol)),
        "sha256": hashlib.sha256(source.encode()).hexdigest(),
    }


def signature_hash(symbol: Any) -> str:
    """A short hash of how a function, or a class's public methods, may be called."""
    members = {symbol.__name__: symbol}
    if inspect.isclass(symbol):
        members = {
            n: m
            for n, m in vars(symbol).items()
            if inspect.isfunction(m) and (n == "__init__" or n[0] != "_")
        }
    lines = []
    for name, member in sorted(members.items()):
        # Not str(signature): how annotations print differs between versions of Python.
        parameters = inspect.signature(member).parameters.values()
        described = [f"{p.kind.name} {p.name}={p.default!r}" for p in parameters]
        lines.append(f"{name}({', '.join(described)})")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _ready(saved: Saved) -> tuple[Any | None, str]:
    """The answer's symbol, checked again if need be; None and why if it passes no more."""
    name = saved.exercise.name
    text = saved.path.read_text(encoding="utf-8", errors="replace")
    if saved.is_current and (saved.path, text) in _loaded:
        # The same object as before: a second apply() changes nothing, so it may not be refused.
        return _loaded[saved.path, text], ""
    run = watched(
        lambda: load_answer(saved.exercise, text, str(saved.path)),
        _LOAD_SECONDS,
        frozenset({str(saved.path)}),
    )
    if run.raised is not None:
        return None, _set_aside(saved, f"it raises {run.raised.type}: {run.raised.message}")
    note = ""
    if not saved.is_current:
        report = _check_again(saved.exercise, run.value)
        if report.state != CORRECT:
            return None, _set_aside(saved, report.message.partition("\n")[0])
        save(saved.exercise, saved.source)
        changed = _what_changed(saved)
        note = f"{name} passed under other conditions ({changed}). Checked again, it still passes."
        text = saved.path.read_text(encoding="utf-8")
    _loaded[saved.path, text] = run.value
    return run.value, note


def _check_again(exercise: Exercise, answer: Any) -> Report:
    return report_on(
        exercise, grade(exercise, answer, files_of(answer)), slots.reference(exercise.symbol)
    )


def _what_changed(saved: Saved) -> str:
    if saved.passed_as is None:
        return "its first lines are missing"
    now = _conditions(saved.exercise, saved.source)
    words = {
        "symbol": "another symbol",
        "version": f"llama_mini {saved.passed_as.get('version')}, now {llama_mini.__version__}",
        "signature": "another signature",
        "sha256": "the file was edited",
    }
    return ", ".join(words[key] for key in now if saved.passed_as.get(key) != now[key])


def _set_aside(saved: Saved, why: str) -> str:
    aside = folder() / "set_aside" / saved.path.name
    aside.parent.mkdir(parents=True, exist_ok=True)
    os.replace(saved.path, aside)
    changed = _what_changed(saved) or "nothing in it changed"
    return f"{saved.exercise.name} passes no more ({changed}): {why} It is kept in {aside}."
