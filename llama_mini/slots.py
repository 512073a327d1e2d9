"""Which part of the package is whose: the reference's, or code that a learner wrote.

Every exercise builds one public symbol, its slot, named `module:symbol`, such as
`llama_mini.norm:RMSNorm`. The package reaches such a symbol through its home module each time it is
used, so filling a slot is one assignment on that module. This file knows nothing of lessons or
grading; it only swaps, and remembers, so that whatever is made can say whose code made it.
"""

import gc
import hashlib
import importlib
import inspect
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

# The homes of what a model is built from. It keeps the layers it was built from, so a slot of
# these may not change while one is in memory.
ARCHITECTURE = (
    "llama_mini.norm", "llama_mini.rope", "llama_mini.attention", "llama_mini.feedforward",
    "llama_mini.model",
)  # fmt: skip

_reference: dict[str, Any] = {}
_hashes: dict[str, str] = {}


class LivingModelError(RuntimeError):
    """Raised when a slot would change under a model that is still in memory."""


@dataclass(frozen=True)
class Place:
    """Where in a learner's code something happened: the slot, its file, and the line from 1."""

    slot: str
    file: str
    line: int


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


def fingerprint(*prefixes: str) -> dict[str, str]:
    """Whose code this is: the slots that run a learner's, each with a hash of its source.

    prefixes: homes, `"llama_mini.data"` or `*ARCHITECTURE`, whose slots count; all without any.
    Empty where the reference runs. It goes into the key or the head of whatever is kept, so that
    what one code made is never taken for what another would make.
    """
    return {
        slot: _hashes[slot]
        for slot in filled()
        if not prefixes or any(is_within(slot, prefix) for prefix in prefixes)
    }


def is_within(slot: str, home: str) -> bool:
    """Whether a slot lies in a module, or in a package of modules: `llama_mini.data` is one."""
    return (split(slot)[0] + ".").startswith(home + ".")


def fill(slot: str, symbol: Any, source: str | None = None) -> None:
    """Let the package use `symbol` for this slot.

    source: the text that defines it and all it needs, for `fingerprint`; None looks it up. Raises
    LivingModelError if a model that is in memory was built from this slot.
    """
    replace_all({**_filled_symbols(), slot: symbol}, {} if source is None else {slot: source})


def replace_all(symbols: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> None:
    """Fill exactly these slots and give every other one back to the reference, in one step.

    sources: the text of each, as for `fill`. Raises LivingModelError as `fill` does.
    """
    _assign(
        {**{slot: _reference[slot] for slot in _reference if slot not in symbols}, **symbols},
        sources or {},
    )


def restore_all() -> None:
    """Give every slot back to the reference."""
    replace_all({})


def describe(code: Mapping[str, str] | None = None) -> str:
    """One sentence that says whose code runs now, or whose made what carries a `fingerprint`."""
    names = filled() if code is None else sorted(code)
    if not names:
        return "reference code in every slot"
    return f"your code in {', '.join(map(short_name, names))}; reference code elsewhere"


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What differs between two fingerprints, in words, one a slot; empty where nothing does."""
    words = []
    for slot in sorted({*before, *after}):
        old, new = before.get(slot), after.get(slot)
        if old == new:
            continue
        name = short_name(slot)
        if old is None:
            words.append(f"{name} was the reference and is yours now")
        elif new is None:
            words.append(f"{name} was yours and is the reference now")
        else:
            words.append(f"{name} is yours, in another version")
    return words


def short_name(slot: str) -> str:
    """`"llama_mini.norm:RMSNorm"` → `"norm.RMSNorm"`, as it is said to a reader."""
    return slot.replace(":", ".").removeprefix("llama_mini.")


def place_in_learners_code(error: BaseException) -> Place | None:
    """The innermost line of a learner's code that `error` came through; None if it met none.

    An error that the package raises inside a learner's layer passes through that layer, too.
    """
    owners = {
        code.co_filename: slot
        for slot, symbol in _filled_symbols().items()
        for code in _codes(symbol)
    }
    place, frame = None, error.__traceback__
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if file in owners:
            place = Place(owners[file], file, frame.tb_lineno)
        frame = frame.tb_next
    return place


def _codes(symbol: Any) -> Iterator[CodeType]:
    """The code of a function, decorated or not, or of a class's methods."""
    members = [symbol] if not inspect.isclass(symbol) else list(vars(symbol).values())
    for member in members:
        function = inspect.unwrap(getattr(member, "__func__", member))
        if isinstance(function, FunctionType):
            yield function.__code__


def _filled_symbols() -> dict[str, Any]:
    return {slot: current(slot) for slot in _reference}


def _hash(symbol: Any, source: str | None) -> str:
    if source is None:
        try:
            source = inspect.getsource(symbol)
        except (OSError, TypeError):
            # Its text is nowhere: it counts as other code than any that ever ran.
            return secrets.token_hex(8)
    return hashlib.sha256(source.encode("utf-8")).hexdigest()[:16]


def _assign(symbols: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    changes = {slot: symbol for slot, symbol in symbols.items() if current(slot) is not symbol}
    built_from = [slot for slot in changes if any(is_within(slot, home) for home in ARCHITECTURE)]
    if built_from and (count := _living_models()):
        raise LivingModelError(
            f"{count} Transformer{'s are' if count > 1 else ' is'} still in memory, built before "
            f"this change to {', '.join(sorted(built_from))}. A model keeps the layers it was "
            "built from, so the result would be half old and half new. Restart the kernel (or "
            "`del` the model and what refers to it), apply the overlay first, then build the model."
        )
    for slot, symbol in changes.items():
        module, name = split(slot)
        original = reference(slot)
        setattr(importlib.import_module(module), name, symbol)
        if symbol is original:
            _reference.pop(slot, None)
            _hashes.pop(slot, None)
        else:
            _reference[slot] = original
            _hashes[slot] = _hash(symbol, sources.get(slot))


def _living_models() -> int:
    home = sys.modules.get("llama_mini.model")
    if home is None:
        return 0
    kinds = {home.Transformer, reference("llama_mini.model:Transformer")}
    gc.collect()
    return sum(1 for thing in gc.get_objects() if type(thing) in kinds)
