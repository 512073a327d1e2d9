"""The proof that every casebook owes: what is right passes, what is wrong is rejected and named.

Runs on each file of `llama_mini/course/casebook/*/`, so a new exercise is held to it by existing.
"""

import dataclasses
import inspect
import itertools
from pathlib import Path

import pytest
import torch

from llama_mini import slots
from llama_mini.course import EXERCISES, casebook
from llama_mini.course.casebook import find, in_lesson_order
from llama_mini.course.derive import exercise_cell, solution_cell
from llama_mini.course.judge.bank import bank
from llama_mini.course.judge.diagnosis import _agree
from llama_mini.course.judge.exercise import snake_case
from llama_mini.course.judge.grading import expectations, grade, run_code, score, symbol_from
from llama_mini.course.judge.running import OUTPUT, run_case
from llama_mini.course.learner.report import report_on

names = list(EXERCISES)
wrong_answers = [
    pytest.param(name, wrong, code, id=f"{name}: {wrong.name} {number}")
    for name in names
    for wrong in EXERCISES[name].wrong_answers
    for number, code in enumerate((wrong.code, *wrong.also))
]
alternatives = [
    pytest.param(name, alternative, id=f"{name}: {alternative.name}")
    for name in names
    for alternative in EXERCISES[name].alternatives
]


def judged(exercise, answer):
    return report_on(exercise, grade(exercise, answer), slots.reference(exercise.symbol))


def made_of(exercise, change):
    """The reference with `change(arguments, result)` for its result; a class keeps the rest."""
    reference = slots.reference(exercise.symbol)
    if not inspect.isclass(reference):
        return lambda *a, **k: change(a, reference(*a, **k))

    def forward(self, *a, **k):
        return change(a, reference.forward(self, *a, **k))

    return type(exercise.symbol_name, (reference,), {"forward": forward})


def zeros_like(value):
    if isinstance(value, torch.Tensor):
        return torch.zeros_like(value)
    if isinstance(value, dict):
        return {key: zeros_like(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(zeros_like, value))
    if isinstance(value, list | tuple | set):
        return type(value)(zeros_like(item) for item in value)
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(value, **{f: zeros_like(getattr(value, f)) for f in fields})
    return type(value)()


NOTHING = {
    "None": lambda given, result: None,
    "the input unchanged": lambda given, result: given[0] if given else None,
    "zeros": lambda given, result: zeros_like(result),
}


@pytest.mark.parametrize("name", names)
def test_the_file_is_named_after_the_symbol_and_its_folder_after_the_lesson(name):
    exercise = EXERCISES[name]
    file = Path(casebook.__file__).parent / f"lesson_{exercise.lesson:02}" / f"{name}.py"
    assert file.is_file()
    assert exercise.name == name == snake_case(exercise.symbol_name)
    assert find(slots.reference(exercise.symbol)) is exercise
    assert all(before in EXERCISES for before in exercise.prerequisites)


@pytest.mark.parametrize("name", names)
def test_the_published_solution_gets_every_point(name):
    exercise = EXERCISES[name]
    report = judged(exercise, symbol_from(solution_cell(exercise.symbol), exercise, "solution"))
    assert (report.state, report.points) == ("correct", exercise.max_points), report


@pytest.mark.parametrize("name", names)
def test_the_published_stub_is_not_attempted(name):
    exercise = EXERCISES[name]
    report = judged(exercise, symbol_from(exercise_cell(exercise.symbol), exercise, "stub"))
    assert (report.state, report.points) == ("not attempted", 0), report


@pytest.mark.parametrize("name", names)
@pytest.mark.parametrize("kind", NOTHING)
def test_an_answer_that_computes_nothing_scores_nothing_in_any_case(name, kind):
    exercise = EXERCISES[name]
    answer = made_of(exercise, NOTHING[kind])
    for case, expected in zip(exercise.cases, expectations(exercise), strict=True):
        scored = score(case, expected, run_case(case, answer))
        assert scored.points == 0, f"{kind} passes the case {case.name!r}"


@pytest.mark.parametrize(("name", "wrong", "code"), wrong_answers)
def test_a_wrong_answer_is_rejected_and_named(name, wrong, code):
    exercise = EXERCISES[name]
    report = judged(exercise, symbol_from(code, exercise, wrong.name))
    assert report.state == "not yet"
    assert report.points < report.max_points
    assert report.candidates == (wrong.name,), report
    assert report.diagnosis == wrong.name
    assert wrong.advice in report.message


@pytest.mark.parametrize(("name", "wrong", "code"), wrong_answers)
def test_a_wrong_answer_exceeds_ten_times_the_tolerance_somewhere(name, wrong, code):
    exercise = EXERCISES[name]
    seen = run_code(code, exercise, wrong.name)
    scored = map(score, exercise.cases, expectations(exercise), seen)
    assert max(result.ratio for result in scored) > 10


@pytest.mark.parametrize("name", names)
def test_wrong_answers_with_different_advice_are_told_apart_by_some_case(name):
    exercise = EXERCISES[name]
    by_value = [(seen.wrong, seen) for seen in bank(exercise) if not seen.wrong.values_vary]
    for (one, seen_one), (other, seen_other) in itertools.combinations(by_value, 2):
        if one.advice != other.advice:
            same = all(
                first.keys() == second.keys()
                and all(_agree(key, first[key], second, case) for key in first)
                for case, first, second in zip(exercise.cases, seen_one, seen_other, strict=True)
            )
            assert not same, f"no case separates {one.name!r} from {other.name!r}"


@pytest.mark.parametrize(("name", "alternative"), alternatives)
def test_an_alternative_passes_within_a_third_of_the_tolerance(name, alternative, record_property):
    exercise = EXERCISES[name]
    report = judged(exercise, symbol_from(alternative.code, exercise, alternative.name))
    record_property("alternative", report.state == "correct")
    assert report.state == "correct", report
    assert max(result.ratio for result in report.cases) < 1 / 3


@pytest.mark.parametrize("name", names)
def test_the_reference_agrees_with_itself_and_every_case_has_a_result(name):
    exercise = EXERCISES[name]
    for case, expected in zip(exercise.cases, expectations(exercise), strict=True):
        again = run_case(case, slots.reference(exercise.symbol))
        ratio = score(case, {OUTPUT: expected[OUTPUT]}, {OUTPUT: again[OUTPUT]}).ratio
        # The truth that a case was made from is another source, which the reference finds again.
        assert ratio == 0 if case.truth is None else ratio < 1 / 3


def test_lesson_order_puts_prerequisites_first():
    order = [exercise.name for exercise in in_lesson_order()]
    assert sorted(order) == sorted(names)
    for exercise in EXERCISES.values():
        for before in exercise.prerequisites:
            assert order.index(before) < order.index(exercise.name)
