"""A result turned into plain Python values, so that nothing done later, or to torch, changes it.

Comparing plain numbers keeps a grader honest: a replaced `torch.allclose`, or a Tensor subclass
that claims to equal everything, has no say in it.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Taken now, before any learner's code runs: a cell may assign to these names later.
_detach = Tensor.detach
_resolve_conj, _resolve_neg, _to_dense = Tensor.resolve_conj, Tensor.resolve_neg, Tensor.to_dense
_flatten, _tolist = Tensor.flatten, Tensor.tolist
_state_dict, _keys_and_values = nn.Module.state_dict, dict.items
_numpy_item = np.generic.item

Plain = bool | int | float | complex | str | bytes | None


@dataclass(frozen=True)
class TensorShot:
    """A tensor: shape, dtype and device in words, and its values as one flat list.

    values is None where there are none to read, as on the meta device.
    """

    shape: tuple[int, ...]
    dtype: str
    device: str
    values: tuple[Any, ...] | None


@dataclass(frozen=True)
class Sequence:
    """A list, tuple or set. `kind` is its type's name; sets are sorted by how they print."""

    kind: str
    items: tuple["Shot", ...]


@dataclass(frozen=True)
class Record:
    """Named parts: a dict, a dataclass or a module's state dict. `kind` is its type's name."""

    kind: str
    parts: dict[Any, "Shot"]


@dataclass(frozen=True)
class Strange:
    """Something that no exercise asks for. `kind` is its type's name, `note` what else to say."""

    kind: str
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """An exception that a case noted in place of a result, by its type's name."""

    kind: str


Shot = Plain | TensorShot | Sequence | Record | Strange | Failure


def failure(error: Exception) -> Failure:
    """What a case notes where one of several calls raised; it is shown as raised, not returned."""
    return Failure(type(error).__name__)


def snapshot(value: Any) -> Shot:
    """`value` in plain Python. Lists, dicts, dataclasses and modules keep their structure."""
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes, Failure):
        return value
    if kind in (Tensor, nn.Parameter, nn.Buffer):
        return _tensor(value)
    if isinstance(value, np.generic):
        return _numpy_item(value)
    if kind in (list, tuple):
        return Sequence(kind.__name__, tuple(snapshot(item) for item in value))
    if kind in (set, frozenset):
        return Sequence(kind.__name__, tuple(snapshot(item) for item in sorted(value, key=repr)))
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return Record(
            kind.__name__,
            {name: snapshot(item) for name, item in zip(kind._fields, value, strict=True)},
        )
    if isinstance(value, dict):
        # Counter and defaultdict are dicts in all that matters here.
        return Record("dict", {key: snapshot(item) for key, item in _keys_and_values(value)})
    if isinstance(value, nn.Module):
        return Record("Module", {name: _tensor(item) for name, item in _state_dict(value).items()})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return Record(
            kind.__name__,
            {f.name: snapshot(getattr(value, f.name)) for f in dataclasses.fields(value)},
        )
    if isinstance(value, Tensor):
        return Strange(kind.__name__, "a subclass of Tensor")
    if isinstance(value, np.ndarray):
        return Strange("numpy.ndarray", f"shape {tuple(value.shape)}")
    if isinstance(value, torch.dtype | torch.device | torch.Size):
        return str(value)
    return Strange(kind.__name__)


def _tensor(value: Tensor) -> TensorShot:
    value = _detach(value)
    name = str(value.dtype).removeprefix("torch.")
    device = value.device.type
    values = None
    if device != "meta":
        if value.layout != torch.strided:
            value = _to_dense(value)
        values = tuple(_tolist(_flatten(_resolve_neg(_resolve_conj(value)))))
    return TensorShot(tuple(value.shape), name, device, values)


def describe(value: Any) -> str:
    """A few words on a value for a message: `float32 (2, 3, 8)`, `'cat'`, `list of 4`."""
    shot = value if isinstance(value, TensorShot | Sequence | Record | Strange) else snapshot(value)
    match shot:
        case TensorShot(shape, dtype, device):
            return f"{dtype} {shape}" + ("" if device == "cpu" else f" on {device}")
        case Sequence(kind, items):
            return f"{kind} of {len(items)}"
        case Record("dict", parts):
            return f"dict of {len(parts)}"
        case Record(kind, _):
            return kind
        case Strange(kind, note):
            return f"{kind}, {note}" if note else kind
    text = repr(shot)
    return text if len(text) <= 60 else f"{text[:57]}…"


def with_article(words: str) -> str:
    """`int` → `an int`, `list of 3` → `a list of 3`."""
    return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}"
