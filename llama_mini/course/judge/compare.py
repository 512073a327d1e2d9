"""Compare two snapshots: are they the same up to rounding, and if not, where do they part?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llama_mini.course.judge.snapshot import (
    Failure,
    Record,
    Sequence,
    Shot,
    Strange,
    TensorShot,
    describe,
    with_article,
)

# Distance from 1 to the next larger number; half of it is the largest rounding error.
EPS = {
    "float64": 2**-52,
    "float32": 2**-23,
    "float16": 2**-10,
    "bfloat16": 2**-7,
    "complex64": 2**-23,
    "complex128": 2**-52,
}

HALVES = frozenset({"float16", "bfloat16"})


@dataclass(frozen=True)
class Tolerance:
    """How far two results may be apart: in units in the last place, or relatively if rtol is given.

    equal_types: a float is not accepted for a whole number, even if the two are equal, nor one
    kind of error for another.
    For one element it is `relative · (|expected| + root mean square of expected)`: elements that
    are small because larger ones cancelled carry the larger ones' rounding.
    """

    ulps: float = 16.0
    rtol: float | None = None
    equal_types: bool = True

    def relative(self, dtype: str) -> float:
        """The relative tolerance for a dtype; 0 for whole numbers and booleans."""
        eps = EPS.get(dtype, 0.0)
        return 0.0 if not eps else self.rtol if self.rtol is not None else self.ulps * eps


@dataclass(frozen=True)
class Difference:
    """Where and how a result parts from the expected one.

    kind: "type", "dtype", "shape", "device", "length", "keys", "values", "raises".
    where: the path inside the result, such as `[0]["loss"]`; empty at the top.
    text: one clause that says it, to follow the name of what was compared.
    ratio: the largest error over the tolerance; infinite unless only values differ.
    errors: for tensors whose values differ, each element's error over its tolerance, flat.
    """

    kind: str
    where: str
    text: str
    ratio: float = math.inf
    shape: tuple[int, ...] = ()
    errors: tuple[float, ...] = ()
    first_index: tuple[int, ...] | None = None
    largest_error: float | None = None


@dataclass(frozen=True)
class Comparison:
    """The outcome: `ratio` is the largest error over the tolerance, at most 1 if all agree."""

    ratio: float
    difference: Difference | None = None


def compare(expected: Shot, given: Shot, tolerance: Tolerance = Tolerance()) -> Comparison:
    """Compare `given` with `expected`; the first difference found is reported."""
    worst = 0.0
    for found in _walk(expected, given, tolerance, ""):
        if isinstance(found, Difference):
            return Comparison(max(found.ratio, worst), found)
        worst = max(worst, found)
    return Comparison(worst)


def _walk(
    expected: Shot, given: Shot, tolerance: Tolerance, where: str
) -> Iterator[float | Difference]:
    if isinstance(expected, TensorShot) and isinstance(given, TensorShot):
        yield _tensors(expected, given, tolerance, where)
    elif isinstance(expected, Failure) or isinstance(given, Failure):
        alike = type(expected) is type(given) and not tolerance.equal_types
        yield 0.0 if expected == given or alike else _failures(expected, given, where)
    elif (
        isinstance(expected, Sequence)
        and isinstance(given, Sequence)
        and expected.kind == given.kind
    ):
        yield from _sequences(expected, given, tolerance, where)
    elif isinstance(expected, Record) and isinstance(given, Record) and expected.kind == given.kind:
        yield from _records(expected, given, tolerance, where)
    elif _is_number(expected) and _is_number(given):
        yield _numbers(expected, given, tolerance, where)
    elif type(expected) is type(given) and not isinstance(expected, Sequence | Record | Strange):
        yield (
            0.0
            if expected == given
            else _values(where, f"is {describe(given)}; expected {describe(expected)}")
        )
    else:
        yield Difference(
            "type",
            where,
            f"is {_a(given)}; expected {_a(expected)}{_how_to_convert(expected, given, where)}",
        )


def _failures(expected: Shot, given: Shot, where: str) -> Difference:
    wanted = with_article(expected.kind) if isinstance(expected, Failure) else _a(expected)
    did = f"raised {given.kind}" if isinstance(given, Failure) else f"is {_a(given)}"
    return Difference("raises", where, f"{did}; expected {wanted}")


def _sequences(expected: Sequence, given: Sequence, tolerance: Tolerance, where: str):
    for index, pair in enumerate(zip(expected.items, given.items, strict=False)):
        yield from _walk(*pair, tolerance, f"{where}[{index}]")
    if len(expected.items) != len(given.items):
        yield Difference(
            "length", where, f"has {len(given.items)} items; expected {len(expected.items)}"
        )


def _records(expected: Record, given: Record, tolerance: Tolerance, where: str):
    missing = [key for key in expected.parts if key not in given.parts]
    surplus = [key for key in given.parts if key not in expected.parts]
    if missing or surplus:
        clauses = [f"lacks {_listed(missing)}"] * bool(missing) + [
            f"has {_listed(surplus)} too many"
        ] * bool(surplus)
        yield Difference("keys", where, " and ".join(clauses))
    for key in expected.parts:
        if key in given.parts:
            yield from _walk(expected.parts[key], given.parts[key], tolerance, f"{where}[{key!r}]")


def _numbers(expected: Any, given: Any, tolerance: Tolerance, where: str) -> float | Difference:
    if tolerance.equal_types and isinstance(expected, int) and isinstance(given, float):
        return Difference(
            "type", where, f"is the float {given!r}; expected the whole number {expected!r}"
        )
    exact = isinstance(expected, int) and isinstance(given, int)
    relative = 0.0 if exact else tolerance.relative("float64")
    ratio = _ratio(expected, given, 2 * relative * _size(expected))
    if ratio <= 1:
        return ratio
    return _values(
        where, f"is {given!r}; expected {expected!r}", ratio, largest_error=abs(given - expected)
    )


def _tensors(
    expected: TensorShot, given: TensorShot, tolerance: Tolerance, where: str
) -> float | Difference:
    for kind in ("device", "shape", "dtype"):
        wanted, found = getattr(expected, kind), getattr(given, kind)
        if wanted != found:
            verb = {"device": "is on the device", "shape": "has shape", "dtype": "is"}[kind]
            return Difference(kind, where, f"{verb} {found}; expected {wanted}")
    if expected.values is None or given.values is None:
        return 0.0
    finite = [_size(value) for value in expected.values if math.isfinite(_size(value))]
    root_mean_square = (
        math.sqrt(math.fsum(value * value for value in finite) / len(finite)) if finite else 0.0
    )
    relative = tolerance.relative(expected.dtype)
    errors = tuple(
        _ratio(one, other, relative * (_size(one) + root_mean_square))
        for one, other in zip(expected.values, given.values, strict=True)
    )
    ratio = max(errors, default=0.0)
    if ratio <= 1:
        return ratio
    wrong = [index for index, error in enumerate(errors) if not error <= 1]
    largest = max(_gap(expected.values[index], given.values[index]) for index in wrong)
    first = unravel(wrong[0], expected.shape)
    text = (
        f"differs in {len(wrong)} of {len(errors)} values; the first at {list(first)}: "
        f"yours {short(given.values[wrong[0]])}, expected {short(expected.values[wrong[0]])}; "
        f"the largest error is {short(largest)}"
    )
    if not expected.shape:
        text = f"is {short(given.values[0])}; expected {short(expected.values[0])}"
    return Difference("values", where, text, ratio, expected.shape, errors, first, largest)


def unravel(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of each axis, of a position in the flattened tensor."""
    axes = []
    for length in reversed(shape):
        index, place = divmod(index, length)
        axes.append(place)
    return tuple(reversed(axes))


def short(value: Any) -> str:
    """A number in at most six significant digits."""
    if isinstance(value, complex):
        return f"{value:.6g}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _values(where: str, text: str, ratio: float = math.inf, **details: Any) -> Difference:
    return Difference("values", where, text, ratio, **details)


def _ratio(expected: Any, given: Any, allowed: float) -> float:
    gap = _gap(expected, given)
    return (
        0.0 if gap == 0 else gap / allowed if allowed > 0 and math.isfinite(allowed) else math.inf
    )


def _gap(expected: Any, given: Any) -> float:
    if expected == given or (_is_nan(expected) and _is_nan(given)):
        return 0.0
    gap = _size(expected - given)
    return math.inf if math.isnan(gap) else gap


def _size(value: Any) -> float:
    try:
        return float(abs(value))
    except OverflowError:
        return math.inf


def _is_nan(value: Any) -> bool:
    return value != value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def _listed(names: list[Any]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _a(shot: Shot) -> str:
    if isinstance(shot, TensorShot):
        return f"a Tensor, {describe(shot)}"
    if shot is None:
        return "None"
    if isinstance(shot, Sequence | Record | Strange):
        return with_article(describe(shot))
    return f"the {type(shot).__name__} {describe(shot)}"


def _how_to_convert(expected: Shot, given: Shot, where: str) -> str:
    if given is None:
        looked_up = ", and so does `.get` for a key that is not there" if where else ""
        return f". A function without `return` gives None{looked_up}"
    if _is_number(expected) and isinstance(given, TensorShot) and given.shape == ():
        return ". `.item()` gives the number in a tensor"
    if isinstance(expected, TensorShot) and isinstance(given, Strange) and "ndarray" in given.kind:
        return ". Stay in torch: numpy knows no gradients and no devices"
    return ""
