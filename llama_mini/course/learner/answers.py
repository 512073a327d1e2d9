"""The answers that passed: a Python file each, with a line of what they passed under."""

import hashlib
import inspect
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_mini
from llama_mini import slots
from llama_mini.course.casebook import EXERCISES
from llama_mini.course.judge.exercise import Exercise
from llama_mini.files import free_name, write_text
from llama_mini.paths import workspace

_MARK = "# llama_mini: "


@dataclass(frozen=True)
class Saved:
    """An answer in the overlay: its file and the text of it, and under which conditions it passed.

    source: of the text, all that runs. passed_as: the conditions, None if they cannot be told.
    """

    exercise: Exercise
    path: Path
    text: str
    source: str
    passed_as: dict[str, Any] | None

    @property
    def is_current(self) -> bool:
        """Whether it is the very text that passed, for this version of the package."""
        return self.passed_as == _conditions(self.exercise, self.source)

    @property
    def what_changed(self) -> str:
        """What is not as it was when the answer passed, in words; empty if it is current."""
        if self.is_current:
            return ""
        if self.passed_as is None:
            return "its first lines are missing"
        now = _conditions(self.exercise, self.source)
        words = {
            "symbol": "another symbol",
            "version": f"llama_mini {self.passed_as.get('version')}, now {llama_mini.__version__}",
            "signature": "another signature",
            "sha256": "the file was edited",
        }
        changed = [words[key] for key in now if self.passed_as.get(key) != now[key]]
        return ", ".join(changed) or "its first lines were edited"


def folder() -> Path:
    """Where they are kept."""
    return workspace() / "overlay"


def save(exercise: Exercise, source: str) -> Path:
    """Keep a passed cell as the learner's part. Raises OSError if the workspace is read-only."""
    path = folder() / f"{exercise.name}.py"
    # Line ends as they will be read again, so that the hash holds.
    source = source.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"
    if path.is_dir():
        move_aside(path)
    header = (
        f"# {exercise.symbol_name}, as it passed its check. The package runs on it after "
        "overlay.apply().\n"
        f"{_MARK}{json.dumps(_conditions(exercise, source))}\n\n"
    )
    write_text(path, header + source)
    return path


def all_saved() -> tuple[dict[str, Saved], dict[str, OSError]]:
    """The answers in the overlay, and why what lies there under an answer's name cannot be read."""
    saved: dict[str, Saved] = {}
    unfit: dict[str, OSError] = {}
    for path in sorted(folder().glob("*.py")):
        if path.stem in EXERCISES:
            try:
                saved[path.stem] = read(EXERCISES[path.stem], path)
            except OSError as error:
                unfit[path.stem] = error
    return saved, unfit


def read(exercise: Exercise, path: Path) -> Saved:
    """One kept answer. Raises OSError if there is no file, or none to read."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.split("\n")
    mark = next((n for n, line in enumerate(lines[:3]) if line.startswith(_MARK)), None)
    if mark is None:
        return Saved(exercise, path, text, text, None)
    if any(line.strip() and not line.startswith("#") for line in lines[:mark]):
        # Code above the mark runs like any other, so it is part of the source.
        source = text
    else:
        source = "\n".join(lines[mark + 1 :]).strip("\n") + "\n"
    try:
        passed_as = json.loads(lines[mark].removeprefix(_MARK))
    except (ValueError, RecursionError):
        passed_as = None
    return Saved(exercise, path, text, source, passed_as if isinstance(passed_as, dict) else None)


def move_aside(path: Path) -> str:
    """Move what is no answer out of the overlay, under a name of its own; → where it is now."""
    aside = path.parent / "set_aside" / path.name
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside = free_name(aside)
        os.replace(path, aside)
    except OSError as error:
        return f"It stays in {path}, for it could not be moved ({error.strerror})."
    return f"It is kept in {aside}."


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


def _conditions(exercise: Exercise, source: str) -> dict[str, Any]:
    return {
        "symbol": exercise.symbol,
        "version": llama_mini.__version__,
        "signature": signature_hash(slots.reference(exercise.symbol)),
        "sha256": hashlib.sha256(source.encode()).hexdigest(),
    }
