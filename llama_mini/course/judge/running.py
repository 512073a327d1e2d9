"""Run one case on one answer, and note everything that can be compared."""

import copy
import inspect
import itertools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from llama_mini.course.judge.circumstances import the_same_numbers
from llama_mini.course.judge.exercise import Args, Case
from llama_mini.course.judge.snapshot import Record, Shot, snapshot
from llama_mini.course.judge.watch import Raised, TimeUpError, explain, quiet

# Taken now, before any learner's code runs.
_grad, _backward_target = torch.autograd.grad, torch.Tensor.requires_grad_
_is_floating_point = torch.is_floating_point

# What PyTorch says of `.item()`, `if`, `float()` and others on the meta device.
_NO_VALUES = "cannot be called on meta tensors"

OUTPUT = "the result"
PARAMETERS = "the set of parameters"
ARGUMENTS = "the input afterwards"
GRADIENT = "the gradient"
ELSEWHERE = "the result on another device"


@dataclass(frozen=True)
class CannotTell:
    """What a probe notes where it has no way to judge an answer: nothing that counts against it."""


@dataclass(frozen=True)
class Rearranged:
    """The input afterwards, where a list or dict in it holds other things than it was given."""

    afterwards: Shot


Observation = Shot | Raised | CannotTell | Rearranged
Observations = dict[str, Observation]


@the_same_numbers()
def run_case(
    case: Case, answer: Any, files: frozenset[str] = frozenset(), names: tuple[str, ...] = ()
) -> Observations:
    """What `answer` does in `case`, by the name of what was observed, whatever a notebook has set.

    An exception ends its own observation; a result that fails ends the case, because nothing that
    follows could add to it. names: what the arguments are called. Raises TimeUpError and a real
    KeyboardInterrupt.
    """
    seen: Observations = {}
    with _noting(seen, OUTPUT, files):
        given = fresh(case.given)
        values = [*given.positional, *given.named.values()]
        held = list(_held(values))
        target = _built(case, answer, seen)
        result = _use(case, target, given)
        seen[OUTPUT] = snapshot(result)
        if not case.may_edit:
            kept = all(itertools.starmap(_still_holds, held))
            seen[ARGUMENTS] = snapshot(values) if kept else Rearranged(snapshot(values))
    if isinstance(seen[OUTPUT], Raised):
        return seen
    if case.gradients:
        with _noting(seen, GRADIENT, files), quiet():
            seen.update(_gradients(case, answer, names))
    if case.another_device:
        with _noting(seen, ELSEWHERE, files), quiet(), _ListsAskForValues():
            given = on_device(fresh(case.given), "meta")
            target = _built(case, answer, {})
            target = target.to("meta") if isinstance(target, nn.Module) else target
            seen[ELSEWHERE] = snapshot(_use(case, target, given))
        if _asks_for_values(seen[ELSEWHERE]):
            seen[ELSEWHERE] = CannotTell()
    return seen


def fresh(given: Args) -> Args:
    """A copy of arguments that shares nothing with them."""
    return Args(copy.deepcopy(given.positional), copy.deepcopy(dict(given.named)))


def on_device(given: Args, device: str) -> Args:
    """Arguments with every tensor among them moved to `device`, inside lists and dicts too."""
    return Args(_moved(given.positional, device), _moved(dict(given.named), device))


def argument_names(reference: Any) -> tuple[str, ...]:
    """What the arguments of a function, or of a module's forward, are called."""
    function = (
        reference.forward
        if inspect.isclass(reference) and hasattr(reference, "forward")
        else reference
    )
    try:
        names = tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
    return names[1:] if names[:1] == ("self",) else names


class _noting:
    """A context in which an exception becomes an observation."""

    def __init__(self, seen: Observations, name: str, files: frozenset[str]) -> None:
        self.seen, self.name, self.files = seen, name, files

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        if error is None or isinstance(error, TimeUpError):
            return False
        raised = explain(error, self.files)
        if raised is None:
            return False
        self.seen[self.name] = raised
        return True


class _ListsAskForValues(TorchFunctionMode):
    """Let `.tolist()` and formatting fail on the meta device as `.item()` does there.

    By itself `.tolist()` fails with the words of a copy to the CPU, and only the copy is a mistake.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in (Tensor.tolist, Tensor.__format__) and args[0].is_meta:
            raise RuntimeError(f"{func.__name__} {_NO_VALUES}")
        return func(*args, **(kwargs or {}))


def _asks_for_values(seen: Observation) -> bool:
    """Whether an answer failed on the meta device for what works on any device that has numbers."""
    if not isinstance(seen, Raised):
        return False
    without_a_meta_version = seen.type == "NotImplementedError" and not seen.message.startswith(
        "Cannot copy out of meta tensor"
    )
    return _NO_VALUES in seen.message or without_a_meta_version


def _built(case: Case, answer: Any, seen: Observations) -> Any:
    if case.build is None:
        return answer
    build = fresh(case.build)
    instance = answer(*build.positional, **build.named)
    if not isinstance(instance, nn.Module):
        return instance
    tensors = _state(instance)
    seen[PARAMETERS] = Record(
        "Module", {name: _outline(tensor, case.initial) for name, tensor in tensors.items()}
    )
    for name, value in case.state.items():
        # A name that is not there was noted above; the case goes on, to see what else there is.
        if name in tensors and tensors[name].shape == value.shape:
            with torch.no_grad():
                tensors[name].copy_(value)
    return instance if case.dtype is None else instance.to(case.dtype)


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: value
        for name, value in module.state_dict(keep_vars=True).items()
        if isinstance(value, Tensor)
    }


def _outline(tensor: Tensor, with_values: bool) -> Shot:
    kind = ("trained" if tensor.requires_grad else "not trained") + f", shape {tuple(tensor.shape)}"
    return {True: Record(kind, {"at the start": snapshot(tensor)}), False: kind}[with_values]


def _use(case: Case, target: Any, given: Args) -> Any:
    call: Callable[..., Any] = target
    return (
        case.use(target, *given.positional, **given.named)
        if case.use is not None
        else call(*given.positional, **given.named)
    )


def _gradients(case: Case, answer: Any, names: tuple[str, ...]) -> Observations:
    given = fresh(case.given)
    target = _built(case, answer, {})
    inputs = {
        f"{GRADIENT} of {names[index] if index < len(names) else f'argument {index + 1}'}": value
        for index, value in enumerate(given.positional)
        if isinstance(value, Tensor) and _is_floating_point(value)
    }
    for value in inputs.values():
        _backward_target(value)
    if isinstance(target, nn.Module):
        inputs |= {f"{GRADIENT} of {name}": value for name, value in target.named_parameters()}
    # In-place code fails on a leaf. Handed a view of one it runs, and is known by its edit alone.
    handed = Args(
        tuple(
            v.view_as(v) if isinstance(v, Tensor) and v.requires_grad else v
            for v in given.positional
        )
    )
    outputs = [leaf for leaf in _tensors(_use(case, target, Args(handed.positional, given.named)))]
    outputs = [leaf for leaf in outputs if leaf.requires_grad]
    if not outputs:
        return dict.fromkeys(inputs)
    # Unequal weights: the plain sum has the same gradient for many different mistakes.
    weights = [
        torch.linspace(0.5, 1.5, leaf.numel()).to(leaf.dtype).view(leaf.shape) for leaf in outputs
    ]
    found = _grad(outputs, list(inputs.values()), weights, allow_unused=True)
    return {name: snapshot(gradient) for name, gradient in zip(inputs, found, strict=True)}


def _held(value: Any) -> Iterator[tuple[list | dict, tuple[Any, ...]]]:
    """Every list and dict in `value`, with what it holds now."""
    if isinstance(value, dict | list):
        yield value, _contents(value)
    if isinstance(value, dict | list | tuple):
        for item in _contents(value):
            yield from _held(item)


def _contents(container: dict | list | tuple) -> tuple[Any, ...]:
    return (*container, *(container.values() if isinstance(container, dict) else ()))


def _still_holds(container: list | dict, before: tuple[Any, ...]) -> bool:
    now = _contents(container)
    return len(now) == len(before) and all(map(operator.is_, now, before))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _moved(value: Any, device: str) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: _moved(item, device) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_moved(item, device) for item in value)
    return value
