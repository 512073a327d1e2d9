"""The exercises, found by their files: `lesson_03/rms_norm.py` is the exercise `rms_norm`."""

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llama_mini.course.judge.circumstances import the_same_for_all
from llama_mini.course.judge.exercise import Exercise, snake_case


class UnknownExerciseError(KeyError):
    """Raised for a name that no exercise has; its message suggests the nearest one."""

    def __str__(self) -> str:
        return self.args[0]


class _Exercises(Mapping[str, Exercise]):
    """Every exercise by name; a file is read when its exercise is first asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Exercise] = {}

    def __getitem__(self, name: str) -> Exercise:
        if name not in self._loaded:
            if name not in _modules():
                raise UnknownExerciseError(_suggestion(name, list(self)))
            with the_same_for_all():
                self._loaded[name] = importlib.import_module(_modules()[name]).EXERCISE
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_modules())

    def __len__(self) -> int:
        return len(_modules())

    def __contains__(self, name: object) -> bool:
        return name in _modules()


@functools.cache
def _modules() -> dict[str, str]:
    """The name of every exercise, with the module that its file is, lesson after lesson."""
    return {
        module.name: f"{__name__}.{lesson.name}.{module.name}"
        for lesson in pkgutil.iter_modules(__path__)
        for module in pkgutil.iter_modules([str(Path(__path__[0], lesson.name))])
    }


EXERCISES: Mapping[str, Exercise] = _Exercises()


def in_lesson_order() -> list[Exercise]:
    """Every exercise, by lesson, and within a lesson after those it builds on."""
    ordered: list[Exercise] = []

    def add(exercise: Exercise) -> None:
        if exercise in ordered:
            return
        for name in exercise.prerequisites:
            if EXERCISES[name].lesson == exercise.lesson:
                add(EXERCISES[name])
        ordered.append(exercise)

    for exercise in sorted(
        EXERCISES.values(), key=lambda exercise: (exercise.lesson, exercise.name)
    ):
        add(exercise)
    return ordered


def find(thing: Any) -> Exercise:
    """The exercise meant by a name, a symbol's name, or the symbol itself.

    Raises UnknownExerciseError, which suggests the nearest name.
    """
    name = thing if isinstance(thing, str) else _name_of(thing)
    name = snake_case(name.rpartition(".")[2].strip().removesuffix("()"))
    return EXERCISES[name]


def _name_of(thing: Any) -> str:
    # An instance has no name of its own, so its class says which exercise it belongs to.
    name = getattr(thing, "__name__", None) if callable(thing) else None
    return name if isinstance(name, str) else type(thing).__name__


def _suggestion(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"There is no exercise {name!r}. Did you mean {near[0]!r}?"
    return f"There is no exercise {name!r}; there are {', '.join(known)}."
