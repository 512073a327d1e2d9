"""Run every case of an exercise on an answer and score it."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from llama_mini import slots
from llama_mini.course.judge.circumstances import the_same_for_all
from llama_mini.course.judge.code import codes_of, functions_of, load, noticing_calls_to
from llama_mini.course.judge.compare import Comparison, Difference, Tolerance, compare
from llama_mini.course.judge.exercise import Case, Exercise
from llama_mini.course.judge.running import (
    ARGUMENTS,
    GRADIENT,
    CannotTell,
    Observation,
    Observations,
    Rearranged,
    argument_names,
    run_case,
)
from llama_mini.course.judge.snapshot import Shot
from llama_mini.course.judge.watch import Raised, Watched, watched

PRELUDE = """\
import math
import einops
import torch
import torch.nn.functional as F
from torch import Tensor, nn
"""


@dataclass(frozen=True)
class CaseResult:
    """What became of one case.

    observed: what the answer did, empty if the case was not run. differences: by observation, where
    that parts from the reference. ratio: the largest error over the tolerance.
    """

    case: Case
    observed: Observations
    differences: dict[str, Difference]
    ratio: float
    stopped: Raised | None = None

    @property
    def passed(self) -> bool:
        return bool(self.observed) and not self.differences and self.stopped is None

    @property
    def points(self) -> int:
        """All of the case's points, or none."""
        return self.case.points if self.passed else 0


@dataclass
class Grade:
    """What became of all cases, and what was noticed on the way."""

    exercise: Exercise
    results: list[CaseResult] = field(default_factory=list)
    printed: str = ""
    warnings: list[str] = field(default_factory=list)
    used_reference: bool = False

    @property
    def points(self) -> int:
        """Points of the cases passed; none at all for the package's own code."""
        return 0 if self.used_reference else sum(result.points for result in self.results)

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results) and not self.used_reference

    @property
    def is_stub(self) -> bool:
        """Whether every case ends at a `raise NotImplementedError` of the answer's own."""
        return bool(self.results) and all(
            any(isinstance(seen, Raised) and seen.is_stub for seen in result.observed.values())
            and not any(
                isinstance(seen, Raised) and not seen.is_stub for seen in result.observed.values()
            )
            for result in self.results
        )

    @property
    def stopped(self) -> CaseResult | None:
        """The case that ran out of time, if any; those after it were not run."""
        return next((result for result in self.results if result.stopped is not None), None)


@the_same_for_all()
def grade(exercise: Exercise, answer: Any, files: frozenset[str] = frozenset()) -> Grade:
    """Run every case on `answer`, each watched. files: whose source lines are the learner's.

    Raises KeyboardInterrupt for a real Ctrl-C, and nothing else.
    """
    result = Grade(exercise)
    names = argument_names(slots.reference(exercise.symbol))
    ours = functions_of(slots.reference(exercise.symbol))
    # A copy of one of our functions runs our code without a call of the function.
    result.used_reference = bool(codes_of(answer) & {function.__code__ for function in ours})
    for case, expected in zip(exercise.cases, expectations(exercise), strict=True):
        if result.stopped is not None:
            result.results.append(CaseResult(case, {}, {}, math.inf))
            continue
        with noticing_calls_to(ours) as called:
            run = watched(
                functools.partial(run_case, case, answer, files, names), case.seconds, files
            )
        result.used_reference |= bool(called)
        _note(result, run)
        result.results.append(score(case, expected, run.value or {}, run.raised))
    return result


def score(
    case: Case, expected: Observations, observed: Observations, stopped: Raised | None = None
) -> CaseResult:
    """Compare what was observed with what was expected."""
    differences, worst = {}, 0.0
    for name, wanted in expected.items():
        comparison = compare_observations(name, wanted, observed, tolerance(case))
        worst = max(worst, comparison.ratio)
        if comparison.difference is not None:
            differences[name] = comparison.difference
    for name, seen in observed.items():
        if name not in expected:
            differences[name], worst = _surplus(seen), math.inf
    # What was not reached follows from an exception, so that comes first.
    causes_first = sorted(differences.items(), key=lambda found: found[1].kind == "missing")
    return CaseResult(case, observed, dict(causes_first), worst, stopped)


def compare_observations(
    name: str, wanted: Observation, observed: Observations, limit: Tolerance
) -> Comparison:
    """Compare one observation; an exception differs from every value and from other exceptions."""
    if name not in observed:
        return _unequal("missing", "was not reached")
    seen = observed[name]
    if isinstance(wanted, CannotTell) or isinstance(seen, CannotTell):
        return Comparison(0.0)
    if isinstance(wanted, Raised):
        if isinstance(seen, Raised):
            same = wanted.type == seen.type
            return (
                Comparison(0.0)
                if same
                else _unequal("raises", f"raised {seen.type}; expected {wanted.type}")
            )
        return _unequal("raises", f"came without the {wanted.type} this case must raise")
    if isinstance(seen, Raised):
        return _unequal("raises", f"raised {seen.type}: {seen.message}")
    if name.startswith(GRADIENT) and seen is None and wanted is not None:
        return _unequal("gradient", "does not exist: the result is cut off from it")
    comparison = compare(_afterwards(wanted), _afterwards(seen), limit)
    if name == ARGUMENTS and comparison.difference is not None:
        if isinstance(seen, Rearranged):
            text = "is not what it was: the answer changes a list or dict that it was given"
            return _unequal("rearranged", text)
        return _unequal("edited", "is not what it was: the answer writes into what it was given")
    return comparison


def _afterwards(seen: Shot | Rearranged) -> Shot:
    return seen.afterwards if isinstance(seen, Rearranged) else seen


def tolerance(case: Case) -> Tolerance:
    """How far results of this case may be off."""
    return Tolerance(case.ulps, case.rtol)


@functools.cache
def expectations(exercise: Exercise) -> tuple[Observations, ...]:
    """What the reference does in each case, or gives by the truth that a case was made from."""
    reference = slots.reference(exercise.symbol)
    names = argument_names(reference)
    return tuple(
        run_case(case, reference if case.truth is None else _giving(case.truth), names=names)
        for case in exercise.cases
    )


def run_code(code: str, exercise: Exercise, label: str) -> tuple[Observations, ...]:
    """What an answer written in a casebook does in each case."""
    answer = symbol_from(code, exercise, label)
    names = argument_names(slots.reference(exercise.symbol))
    return tuple(run_case(case, answer, names=names) for case in exercise.cases)


@the_same_for_all()
def symbol_from(code: str, exercise: Exercise, label: str) -> Any:
    """The symbol that a casebook's source text defines, in a namespace with the usual imports."""
    name = f"llama_mini_casebook.{exercise.name}"
    module = load(PRELUDE, "<casebook imports>", name, ModuleType(name))
    load(code, f"<{exercise.name}: {label}>", name, module)
    return getattr(module, exercise.symbol_name)


def _giving(truth: Any) -> Callable[..., Any]:
    return lambda *given, **named: truth


def _unequal(kind: str, text: str) -> Comparison:
    return Comparison(math.inf, Difference(kind, "", text))


def _surplus(seen: Observation) -> Difference:
    text = f"raised {seen.type}: {seen.message}" if isinstance(seen, Raised) else "is not asked for"
    return Difference("raises" if isinstance(seen, Raised) else "surplus", "", text)


def _note(result: Grade, run: Watched) -> None:
    if run.printed and not result.printed:
        result.printed = run.printed
    result.warnings += [warning for warning in run.warnings if warning not in result.warnings]
