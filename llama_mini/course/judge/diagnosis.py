"""Name the mistake: compare what an answer did with what each known wrong answer does."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from llama_mini.course.judge.bank import Writing, bank
from llama_mini.course.judge.compare import HALVES, Tolerance
from llama_mini.course.judge.exercise import Case, Exercise
from llama_mini.course.judge.grading import (
    CaseResult,
    compare_observations,
    expectations,
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
    known = bank(exercise)
    if found := _explain_all(exercise, known, results, observed):
        return Diagnosis(found)
    behaviours = _behaviours(exercise, results)
    only_outputs = _explain_outputs(exercise, known, results, observed)
    if only_outputs:
        said = {named.name for named in only_outputs}
        return Diagnosis(
            only_outputs, tuple(named for named in behaviours if named.name not in said)
        )
    if behaviours:
        return Diagnosis(behaviours[:1], behaviours[1:])
    return Diagnosis(resembles=_resemblance(exercise, known, results))


def _explain_all(
    exercise: Exercise,
    known: Sequence[Writing],
    results: list[CaseResult],
    observed: list[Observations],
) -> tuple[Named, ...]:
    order = _telling_first(results)

    def same(writing: Writing) -> bool:
        return all(_same(exercise.cases[i], writing[i], observed[i]) for i in order)

    if by_value := _found(same, (w for w in known if not w.wrong.values_vary)):
        return by_value
    expected = expectations(exercise)

    def fails_alike(writing: Writing) -> bool:
        return all(
            _pattern(results[i]) == _pattern(score(exercise.cases[i], expected[i], writing[i]))
            for i in order
        )

    return _found(fails_alike, (w for w in known if w.wrong.values_vary))


def _explain_outputs(
    exercise: Exercise,
    known: Sequence[Writing],
    results: list[CaseResult],
    observed: list[Observations],
) -> tuple[Named, ...]:
    """Wrong answers that give the same results, and differ in something besides."""
    order, expected = _telling_first(results), expectations(exercise)

    def same(writing: Writing, others: Sequence[Observations]) -> bool:
        return all(_same(exercise.cases[i], writing[i], others[i], only=OUTPUT) for i in order)

    return _found(
        lambda writing: same(writing, observed) and not same(writing, expected),
        (w for w in known if not w.wrong.values_vary),
    )


def _telling_first(results: list[CaseResult]) -> list[int]:
    """The cases in the order in which they rule most mistakes out for the least work.

    Few mistakes are wrong in the same way as the answer, and many are right where it is right. Of
    the cases where it fails, those without probes are quickest.
    """

    def work(index: int) -> tuple[bool, int]:
        case = results[index].case
        return results[index].passed, case.gradients + case.another_device

    return sorted(range(len(results)), key=work)


def _found(explains: Callable[[Writing], bool], writings: Iterable[Writing]) -> tuple[Named, ...]:
    """The mistakes of which some writing explains what was seen; one is enough for each."""
    found: dict[str, Named] = {}
    for writing in writings:
        if writing.wrong.name not in found and explains(writing):
            found[writing.wrong.name] = Named(writing.wrong.name, writing.wrong.advice)
    return tuple(found.values())


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


# What agrees half of the time agrees in one of so many cases nearly always, and each costs a run.
_HEARING = 3


def _resemblance(
    exercise: Exercise, known: Sequence[Writing], results: list[CaseResult]
) -> tuple[Named, int, int] | None:
    """The wrong answer whose results agree most often with the answer's wrong ones."""
    failing = [i for i in _telling_first(results) if OUTPUT in results[i].differences]
    comparable = [i for i in failing if results[i].differences[OUTPUT].kind == "values"]
    counts: dict[str, tuple[int, Named]] = {}
    for writing in known:
        agreeing = _agreeing(exercise, results, writing, comparable, len(failing))
        named = Named(writing.wrong.name, writing.wrong.advice)
        if agreeing > counts.get(named.name, (0, named))[0]:
            counts[named.name] = agreeing, named
    best = sorted(counts.values(), key=lambda found: -found[0])
    # More than any other mistake has: a tie would be guessing.
    if not best or (len(best) > 1 and best[0][0] == best[1][0]):
        return None
    agreeing, named = best[0]
    return named, agreeing, len(failing)


def _agreeing(
    exercise: Exercise,
    results: list[CaseResult],
    writing: Writing,
    comparable: list[int],
    failing: int,
) -> int:
    """In how many cases a mistake gives the answer's wrong results; 0 if in less than half.

    Half of the evidence is the least to speak of a mistake, so the search ends where a writing
    cannot reach it any more, or has disagreed in the first `_HEARING` cases.
    """
    agreeing = 0
    for done, i in enumerate(comparable):
        if 2 * (agreeing + len(comparable) - done) < failing or (done == _HEARING and not agreeing):
            return 0
        agreeing += _same(exercise.cases[i], writing[i], results[i].observed, only=OUTPUT)
    return agreeing if 2 * agreeing >= failing else 0


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


def _pattern(result: CaseResult) -> dict[str, str]:
    return {name: difference.kind for name, difference in result.differences.items()}
