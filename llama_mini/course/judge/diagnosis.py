"""Name the mistake: compare what an answer did with what each known wrong answer does."""

import dataclasses
import functools
import re
import warnings
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from llama_mini.course.judge.compare import HALVES, Difference, Tolerance
from llama_mini.course.judge.exercise import Case, Exercise, WrongAnswer
from llama_mini.course.judge.grading import (
    CaseResult,
    compare_observations,
    expectations,
    run_code,
    score,
    tolerance,
)
from llama_mini.course.judge.running import ELSEWHERE, GRADIENT, OUTPUT, Observation, Observations
from llama_mini.course.judge.snapshot import TensorShot, snapshot
from llama_mini.course.judge.watch import Raised


class Named(NamedTuple):
    """A mistake: what it is called, and the sentence that helps."""

    name: str
    advice: str


@dataclass(frozen=True)
class Diagnosis:
    """What the mistake is.

    candidates: the mistakes that explain everything seen; several if no case tells them apart.
    besides: further faults, each explained by itself.
    resembles: where nothing explains everything, a mistake that explains part of the numbers, and
        in how many of the wrong results.
    """

    candidates: tuple[Named, ...] = ()
    besides: tuple[Named, ...] = ()
    resembles: tuple[Named, int, int] | None = None


# Faults that mean the same in every exercise, recognised by how the answer behaves.
EDITS_INPUT = Named(
    "edits its input",
    "Your code writes into the tensor it was given: an operation that ends in an underscore, "
    "`out=`, `+=` and "
    "`x[...] =` all do, and `.float()` makes no copy of what is float32 already. Whoever called "
    "you still needs that tensor, so make a new one.",
)
CHANGES_LIST = Named(
    "changes a list it was given",
    "Your code takes things out of a list or dict that it was given, or puts others in: `pop`, "
    "`append`, `sort`, `reverse` and `x[0] = …` all do. Whoever called you still needs it as it "
    "was: loop over it, or make one of your own.",
)
NO_GRADIENT = Named(
    "no gradient",
    "The numbers are right, but no gradient gets through, so nothing before or in it could be "
    "trained. `.detach()`, "
    "`.data`, `.item()`, `torch.no_grad()` and `torch.tensor(...)` each cut the gradient off.",
)
WRONG_GRADIENT = Named(
    "wrong gradient",
    "The numbers are right and the gradient is not: part of the computation is hidden from "
    "autograd, by `.detach()`, "
    "`.data`, `.item()` or `torch.no_grad()`.",
)
OVERWRITES = Named(
    "overwrites what the gradient needs",
    "An in-place operation overwrote a number that the gradient needs. Make a new tensor: `a * b` "
    "instead of `a.mul_(b)` or `a *= b`.",
)
FIXED_DEVICE = Named(
    "bound to one device",
    "Your code only works on the CPU: it makes a tensor there, or moves one there. Make new "
    "tensors beside the input "
    "(`torch.ones_like(x)`, `device=x.device`), and leave `.cpu()` and `.cuda()` out.",
)
WRONG_DTYPE = Named(
    "wrong dtype",
    "The result has another dtype than asked for. `.to(x.dtype)` or `.type_as(x)` brings it back.",
)
RETURNS_NOTHING = Named(
    "returns nothing",
    "Your code gives None. Either `return` is missing, or nothing has been written yet.",
)
RETURNS_INPUT = Named(
    "returns its input",
    "What comes out is what went in. If you compute something, it does not reach `return`.",
)


def diagnose(exercise: Exercise, results: list[CaseResult]) -> Diagnosis:
    """Which known mistake explains these results."""
    if any(result.stopped or not result.observed for result in results):
        return Diagnosis()
    observed = [result.observed for result in results]
    if found := _explain_all(exercise, results, observed):
        return Diagnosis(found)
    behaviours = _behaviours(exercise, results)
    only_outputs = _explain_outputs(exercise, observed)
    if only_outputs:
        said = {named.name for named in only_outputs}
        return Diagnosis(
            only_outputs, tuple(named for named in behaviours if named.name not in said)
        )
    if behaviours:
        return Diagnosis(behaviours[:1], behaviours[1:])
    return Diagnosis(resembles=_resemblance(exercise, results))


@functools.cache
def bank(exercise: Exercise) -> tuple[tuple[WrongAnswer, tuple[Observations, ...]], ...]:
    """What every wrong answer of an exercise does in each case."""
    with warnings.catch_warnings():
        # Some mistakes make PyTorch warn; the learner would look for the cause in their own code.
        warnings.simplefilter("ignore")
        return tuple(
            (wrong, run_code(code, exercise, wrong.name))
            for wrong in exercise.wrong_answers
            for code in (wrong.code, *wrong.also)
        )


def _explain_all(
    exercise: Exercise, results: list[CaseResult], observed: list[Observations]
) -> tuple[Named, ...]:
    by_value = [
        wrong
        for wrong, known in bank(exercise)
        if not wrong.values_vary and all(map(_same, exercise.cases, known, observed))
    ]
    if by_value:
        return _named(by_value)
    pattern = [_pattern(result.differences) for result in results]
    by_pattern = [
        wrong
        for wrong, known in bank(exercise)
        if wrong.values_vary
        and pattern
        == [_pattern(score(*known_case).differences) for known_case in _scored(exercise, known)]
    ]
    return _named(by_pattern)


def _explain_outputs(exercise: Exercise, observed: list[Observations]) -> tuple[Named, ...]:
    """Wrong answers that give the same results, and differ in something besides."""
    expected = expectations(exercise)
    found = [
        wrong
        for wrong, known in bank(exercise)
        if not wrong.values_vary
        and all(
            _same(*triple, only=OUTPUT)
            for triple in zip(exercise.cases, known, observed, strict=True)
        )
        and not all(
            _same(*triple, only=OUTPUT)
            for triple in zip(exercise.cases, known, expected, strict=True)
        )
    ]
    return _named(found)


def _behaviours(exercise: Exercise, results: list[CaseResult]) -> tuple[Named, ...]:
    kinds = {
        (name, difference.kind)
        for result in results
        for name, difference in result.differences.items()
    }
    outputs = {kind for name, kind in kinds if name == OUTPUT}
    gradients = {kind for name, kind in kinds if name.startswith(GRADIENT)}
    found = []
    if all(OUTPUT in result.observed and result.observed[OUTPUT] is None for result in results):
        found.append(RETURNS_NOTHING)
    elif all(_returns_input(result) for result in results):
        found.append(RETURNS_INPUT)
    elif outputs == {"dtype"}:
        found.append(_wrong_dtype(exercise))
    if any(kind == "edited" for _, kind in kinds):
        found.append(EDITS_INPUT)
    if any(kind == "rearranged" for _, kind in kinds):
        found.append(CHANGES_LIST)
    if not outputs and gradients:
        found += _gradient_faults(results, gradients - {"missing"}, EDITS_INPUT in found)
    if any(ELSEWHERE in r.differences and OUTPUT not in r.differences for r in results):
        found.append(FIXED_DEVICE)
    return tuple(found)


def _wrong_dtype(exercise: Exercise) -> Named:
    """WRONG_DTYPE; where no tensor is given whose dtype counts, the one asked for is named."""
    given = [value for case in exercise.cases for value in case.given.positional]
    outputs = [seen[OUTPUT] for seen in expectations(exercise)]
    wanted = {shot.dtype for shot in outputs if isinstance(shot, TensorShot)}
    if len(wanted) != 1 or any(isinstance(value, Tensor) for value in given):
        return WRONG_DTYPE
    (dtype,) = wanted
    advice = f"The result has another dtype than asked for. Return {dtype}: `.to(torch.{dtype})`."
    return Named(WRONG_DTYPE.name, advice)


def _gradient_faults(results: list[CaseResult], kinds: set[str], edited: bool) -> list[Named]:
    if kinds == {"gradient"}:
        return [NO_GRADIENT]
    if edited:
        # Writing into the input spoils its gradient too: one cause, and it has been said.
        return []
    if "raises" not in kinds:
        return [WRONG_GRADIENT]
    raised = [result.observed.get(GRADIENT) for result in results]
    in_place = any(isinstance(seen, Raised) and "inplace" in seen.message for seen in raised)
    return [OVERWRITES] if in_place else []


def _returns_input(result: CaseResult) -> bool:
    given = result.case.given.positional
    return (
        bool(given)
        and OUTPUT in result.differences
        and result.observed.get(OUTPUT) == snapshot(given[0])
    )


def _resemblance(exercise: Exercise, results: list[CaseResult]) -> tuple[Named, int, int] | None:
    """The wrong answer whose results agree most often with the answer's wrong ones."""
    failing = [index for index, result in enumerate(results) if OUTPUT in result.differences]
    counts = {
        wrong.name: (wrong, agreeing)
        for wrong, known in bank(exercise)
        if (
            agreeing := sum(
                results[index].differences[OUTPUT].kind == "values"
                and _same(exercise.cases[index], known[index], results[index].observed, only=OUTPUT)
                for index in failing
            )
        )
    }
    best = sorted(counts.values(), key=lambda found: -found[1])
    # Half of the evidence, and more than any other mistake has: less would be guessing.
    if not best or 2 * best[0][1] < len(failing) or (len(best) > 1 and best[0][1] == best[1][1]):
        return None
    return Named(best[0][0].name, best[0][0].advice), best[0][1], len(failing)


def _same(case: Case, known: Observations, observed: Observations, only: str | None = None) -> bool:
    names = [only] if only else list(known)
    if not only and known.keys() != observed.keys():
        return False
    return all(name in known and _agree(name, known[name], observed, case) for name in names)


def _agree(name: str, known: Observation, observed: Observations, case: Case) -> bool:
    seen = observed.get(name)
    if isinstance(known, Raised) and isinstance(seen, Raised):
        # Sizes in a message vary with how a mistake is written; what it complains of does not.
        return known.type == seen.type and _complaint(known.message) == _complaint(seen.message)
    limit = dataclasses.replace(tolerance(case), equal_types=False)
    if isinstance(known, TensorShot) and known.dtype not in HALVES:
        # A case in bfloat16 may count every bit; a mistake that stays in float32 has other bits.
        limit = dataclasses.replace(limit, ulps=max(limit.ulps, Tolerance().ulps))
    return compare_observations(name, known, observed, limit).difference is None


def _complaint(message: str) -> str:
    return re.sub(r"[0-9]+", "#", message)


def _scored(exercise: Exercise, known: tuple[Observations, ...]):
    return zip(exercise.cases, expectations(exercise), known, strict=True)


def _pattern(differences: dict[str, Difference]) -> dict[str, str]:
    return {name: difference.kind for name, difference in differences.items()}


def _named(wrong_answers: list[WrongAnswer]) -> tuple[Named, ...]:
    return tuple(dict.fromkeys(Named(wrong.name, wrong.advice) for wrong in wrong_answers))
