"""The learner's progress: one JSON file in the workspace, read and written by nothing else."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from llama_mini.course.casebook import EXERCISES, find, in_lesson_order
from llama_mini.course.learner.display import Message, Shown, Table, show
from llama_mini.course.learner.report import CORRECT, NOT_ATTEMPTED
from llama_mini.files import free_name, lock, write_text
from llama_mini.paths import workspace


@dataclass
class Record:
    """What is known of one exercise. `state` is the best so far: a correct answer stays correct."""

    state: str = NOT_ATTEMPTED
    points: int = 0
    attempts: int = 0
    hints: int = 0
    solution_seen: bool = False


def progress(only: object = None) -> None:
    """Show every exercise and its state; `only` narrows it to a lesson's number or one exercise."""
    show(progress_table(only))


def progress_table(only: object = None) -> Shown:
    """The table `progress` shows."""
    records, notes = read()
    exercises = in_lesson_order()
    if isinstance(only, int):
        exercises = [exercise for exercise in exercises if exercise.lesson == only]
    elif only is not None:
        try:
            exercises = [find(only)]
        except KeyError as error:
            return Message(str(error))
    if not exercises:
        lessons = ", ".join(
            str(number) for number in sorted({e.lesson for e in EXERCISES.values()})
        )
        return Message(f"Lesson {only} has no exercises. Lessons with exercises: {lessons}.")
    rows, solved = [], 0
    for exercise in exercises:
        record = records.get(exercise.name, Record())
        solved += record.state == CORRECT
        state = record.state + (", solution seen" if record.solution_seen else "")
        help_taken = f"{record.hints} of {len(exercise.hints)}"
        effort = f"{exercise.minutes} min"
        points = f"{record.points} of {exercise.max_points}"
        difficulty = f"{exercise.difficulty} of 5"
        rows.append(
            (
                exercise.lesson,
                exercise.name,
                state,
                points,
                record.attempts,
                help_taken,
                effort,
                difficulty,
            )
        )
    columns = ("lesson", "exercise", "state", "points", "checks", "hints", "time", "difficulty")
    return Table(f"{solved} of {len(exercises)} exercises correct", columns, rows, notes)


def note_check(name: str, state: str, points: int) -> list[str]:
    """Record an outcome of a check. Returns what the learner should be told, usually nothing."""

    def outcome(record: Record) -> None:
        if state != NOT_ATTEMPTED:
            record.attempts += 1
            record.points = max(record.points, points)
            if record.state != CORRECT:
                record.state = state

    return _update(name, outcome)


def note_help(name: str, hints: int = 0, solution: bool = False) -> list[str]:
    """Record that hints or the solution were read. Returns what the learner should be told."""

    def help_taken(record: Record) -> None:
        record.hints = max(record.hints, hints)
        record.solution_seen |= solution

    return _update(name, help_taken)


def read() -> tuple[dict[str, Record], list[str]]:
    """All records, and what the learner should be told: a file that cannot be read is set aside."""
    try:
        return _parsed(), []
    except OSError as error:
        return {}, [_unreadable(error)]
    except ValueError:
        try:
            with lock(progress_file()):
                return _parsed_or_set_aside()
        except OSError as error:
            return {}, [_unreadable(error)]


def progress_file() -> Path:
    """Where the records are."""
    return workspace() / "progress.json"


def _update(name: str, change: Callable[[Record], None]) -> list[str]:
    """Change one record, alone: notebooks and commands of one learner may run at the same time."""
    try:
        with lock(progress_file()):
            records, notes = _parsed_or_set_aside()
            change(records.setdefault(name, Record()))
            entries = {key: asdict(record) for key, record in sorted(records.items())}
            write_text(
                progress_file(), json.dumps({"version": 1, "exercises": entries}, indent=1) + "\n"
            )
    except OSError as error:
        return [
            f"Your progress could not be saved in {workspace()}: {error.strerror}. "
            "Set LLAMA_MINI_HOME to a folder you may write to."
        ]
    return notes


def _parsed() -> dict[str, Record]:
    """The records in the file, none without one. Raises ValueError for what cannot be one."""
    try:
        stored = json.loads(progress_file().read_text(encoding="utf-8"))
        known = {field.name for field in fields(Record)}
        return {
            name: _checked({k: v for k, v in entry.items() if k in known})
            for name, entry in stored["exercises"].items()
        }
    except FileNotFoundError:
        return {}
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{progress_file()} holds something else than records.") from error


def _parsed_or_set_aside() -> tuple[dict[str, Record], list[str]]:
    path = progress_file()
    try:
        return _parsed(), []
    except ValueError:
        aside = free_name(path.with_name("progress.unreadable.json"))
        os.replace(path, aside)
        return {}, [
            f"{path.name} could not be understood. It is kept as {aside}, and a new one is begun."
        ]


def _unreadable(error: OSError) -> str:
    return f"Your progress in {progress_file()} cannot be read: {error.strerror}."


def _checked(entry: dict[str, object]) -> Record:
    record = Record(**entry)  # type: ignore[arg-type]
    for field in fields(Record):
        if not isinstance(getattr(record, field.name), type(field.default)):
            raise ValueError(f"{field.name} must be {type(field.default).__name__}")
    return record
