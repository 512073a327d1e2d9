"""Which part of the package is whose: the reference's, or code that a learner wrote.

Every exercise builds one public symbol, its slot, named `module:symbol`, such as
`llama_mini.norm:RMSNorm`. The package reaches such a symbol through its home module each time it is
used, so filling a slot is one assignment on that module. This file knows nothing of lessons or
grading; it only swaps, and remembers, so that training and loading can say whose code ran.
"""

import gc
import importlib
import sys
from typing import Any

_reference: dict[str, Any] = {}


class LivingModelError(RuntimeError):
    """Raised when a slot would change under a model that is still in memory."""


def split(slot: str) -> tuple[str, str]:
    """`"llama_mini.norm:RMSNorm"` → `("llama_mini.norm", "RMSNorm")`."""
    module, separator, symbol = slot.partition(":")
    if not separator or not module or not symbol:
        raise ValueError(
            f"A slot is named module:symbol, such as llama_mini.norm:RMSNorm; got {slot!r}."
        )
    return module, symbol


def current(slot: str) -> Any:
    """What the package uses for this slot now. Raises AttributeError if there is no such symbol."""
    module, symbol = split(slot)
    return getattr(importlib.import_module(module), symbol)


def reference(slot: str) -> Any:
    """The package's own definition, whatever fills the slot now."""
    return _reference[slot] if slot in _reference else current(slot)


def owner(slot: str) -> str:
    """`"learner"` if a learner's code fills the slot, else `"reference"`."""
    return "learner" if slot in _reference else "reference"


def filled() -> list[str]:
    """The slots that run on a learner's code, sorted."""
    return sorted(_reference)


def fill(slot: str, symbol: Any) -> None:
    """Let the package use `symbol` for this slot. Raises LivingModelError if a model is alive."""
    _assign({slot: symbol})


def replace_all(symbols: dict[str, Any]) -> None:
    """Fill exactly these slots and give every other one back to the reference, in one step."""
    _assign({**{slot: _reference[slot] for slot in _reference if slot not in symbols}, **symbols})


def restore_all() -> None:
    """Give every slot back to the reference."""
    replace_all({})


def describe() -> str:
    """One sentence that says whose code the package runs."""
    if not _reference:
        return "reference code in every slot"
    names = ", ".join(slot.replace(":", ".").removeprefix("llama_mini.") for slot in filled())
    return f"your code in {names}; reference code elsewhere"


def _assign(symbols: dict[str, Any]) -> None:
    changes = {slot: symbol for slot, symbol in symbols.items() if current(slot) is not symbol}
    if changes and (count := _living_models()):
        raise LivingModelError(
            f"{count} Transformer{'s are' if count > 1 else ' is'} still in memory, built before "
            f"this change to {', '.join(sorted(changes))}. A model keeps the layers it was built "
            "from, so the result would be half old and half new. Restart the kernel (or `del` the "
            "model and what refers to it), apply the overlay first, then build the model."
        )
    for slot, symbol in changes.items():
        module, name = split(slot)
        original = reference(slot)
        setattr(importlib.import_module(module), name, symbol)
        if symbol is original:
            _reference.pop(slot, None)
        else:
            _reference[slot] = original


def _living_models() -> int:
    home = sys.modules.get("llama_mini.model")
    if home is None:
        return 0
    kinds = {home.Transformer, reference("llama_mini.model:Transformer")}
    gc.collect()
    return sum(1 for thing in gc.get_objects() if type(thing) in kinds)
