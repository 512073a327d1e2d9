"""`hint` and `solution`: help in small steps, and then the whole answer."""

from typing import Any

from llama_mini.course.casebook import UnknownExerciseError, find
from llama_mini.course.derive import solution_cell
from llama_mini.course.learner import records
from llama_mini.course.learner.display import Message, Shown, show


def hint(exercise: Any) -> None:
    """Show the next hint of an exercise, `hint("rms_norm")`, after those already seen."""
    show(_next_hint(exercise))


def solution(exercise: Any) -> None:
    """Show the reference's source of an exercise, `solution("rms_norm")`."""
    show(_solution(exercise))


def _next_hint(thing: Any) -> Shown:
    try:
        exercise = find(thing)
    except UnknownExerciseError as error:
        return Message(str(error))
    seen = records.read()[0].get(exercise.name, records.Record()).hints
    count, total = min(seen + 1, len(exercise.hints)), len(exercise.hints)
    notes = records.note_help(exercise.name, hints=count)
    # Where nothing can be saved, every call would show the first hint; saying so is in `notes`.
    shown = [f"{number}. {text}" for number, text in enumerate(exercise.hints[:count], start=1)]
    if seen >= total:
        shown.append(f"These were all hints. `solution({exercise.name!r})` shows the whole answer.")
    return Message(f"{exercise.name}: hint {count} of {total}", [*shown, *notes])


def _solution(thing: Any) -> Shown:
    try:
        exercise = find(thing)
    except UnknownExerciseError as error:
        return Message(str(error))
    notes = records.note_help(exercise.name, solution=True)
    after = (
        "Reading a solution is a way to learn. Close it, and write it once from memory: "
        "it counts like any other."
    )
    return Message(
        f"{exercise.name}: the reference", [after, *notes], solution_cell(exercise.symbol)
    )
