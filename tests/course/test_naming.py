"""Is a mistake named when somebody else writes it, at other shapes than the casebook has?"""

import dataclasses
import importlib.util
from pathlib import Path

import pytest

from llama_mini import slots
from llama_mini.course import EXERCISES
from llama_mini.course.judge import diagnosis
from llama_mini.course.judge.grading import grade, symbol_from
from llama_mini.course.learner.report import report_on

FOLDER = Path(__file__).parent / "variants"


def read(path: Path):
    spec = importlib.util.spec_from_file_location(f"variants_of_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOURCES = {path.stem: read(path) for path in sorted(FOLDER.glob("*/*.py"))}
# One object for all variants of an exercise, so that the reference runs once. Where a file names no
# cases of its own, its mistakes are at least written by another hand.
ELSEWHERE = {
    name: dataclasses.replace(
        EXERCISES[name], cases=getattr(source, "CASES", EXERCISES[name].cases)
    )
    for name, source in SOURCES.items()
}
BEHAVIOURS = {
    named.name for named in vars(diagnosis).values() if isinstance(named, diagnosis.Named)
}

variants = [
    pytest.param(name, mistake, code, id=f"{name}: {mistake} {number}")
    for name, source in SOURCES.items()
    for mistake, codes in source.VARIANTS.items()
    for number, code in enumerate([codes] if isinstance(codes, str) else codes)
]


@pytest.mark.parametrize(("name", "mistake", "code"), variants)
def test_a_separately_written_mistake_is_rejected_and_named(name, mistake, code, record_property):
    exercise = ELSEWHERE[name]
    answer = symbol_from(code, exercise, mistake)
    report = report_on(exercise, grade(exercise, answer), slots.reference(exercise.symbol))
    record_property("mistake", (report.state == "not yet", report.diagnosis == mistake))
    assert report.state == "not yet"
    assert report.candidates[:1] == (mistake,), report


@pytest.mark.parametrize("name", EXERCISES)
def test_every_mistake_of_the_bank_has_a_variant(name):
    assert name in SOURCES, (
        f"write its mistakes again, in variants/lesson_{EXERCISES[name].lesson:02}/{name}.py"
    )
    bank = {wrong.name for wrong in EXERCISES[name].wrong_answers}
    assert bank <= set(SOURCES[name].VARIANTS)
    assert set(SOURCES[name].VARIANTS) <= bank | BEHAVIOURS
