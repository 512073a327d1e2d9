"""Whose code made a run: asked at every update, kept in its checkpoints, said in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from llama_mini import slots

# The homes of what a run's numbers follow from. Other exercises may change while it goes on.
HOMES = (
    *slots.ARCHITECTURE,
    "llama_mini.training.recipe",
    "llama_mini.training.scale.ranks",
    "llama_mini.training.scale.reduce",
    "llama_mini.training.scale.shard",
    "llama_mini.training.scale.precision",
)
# The homes of what a summary's numbers and its sample follow from besides.
MEASURES = (
    "llama_mini.training.scale.flops",
    "llama_mini.evaluation.held_out",
    "llama_mini.generation",
)
MASKS = "llama_mini.data.mixing.packing"

NAME_ALONE = ""
"""In place of a hash: the slot ran a learner's code, and which is not known."""

Code = dict[str, str]
"""A slot's name → the hash of what fills it, as `slots.fingerprint` gives it."""


def todays(document_mask: bool = False) -> Code:
    """The learner's code that an update made now would run."""
    return slots.fingerprint(*HOMES, *([MASKS] if document_mask else []))


def known(before: Mapping[str, str], now: Mapping[str, str]) -> Code:
    """`before` with the hashes of `now` where only the slot's name was kept."""
    return {slot: hash_ or now.get(slot, hash_) for slot, hash_ in before.items()}


def refuse_other_code(run: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise ValueError, with all that differs, if a run was trained on other code than runs now."""
    if changes := slots.changes(before, now):
        raise ValueError(
            f"Run {run!r} was trained on other code than runs now: {'; '.join(changes)}. Put that "
            "code back to continue it as it began. To go on with today's, which the run will "
            "remember, add --with-todays-code (in Python, with_todays_code=True)."
        )


def change(step: int, before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, Any]:
    """What is remembered where an update follows other code than the one before it.

    step: the updates done on the code before.
    """
    return {"step": step, "before": dict(before), "after": dict(now)}


def whole_run(code: Mapping[str, str], changes: Sequence[Mapping[str, Any]], step: int) -> str:
    """Whose code made the weights after update `step`, from the first update on, in words.

    code: that of the last update. changes: as `change` makes them, oldest first.
    """
    begins = [0, *(made["step"] for made in changes)]
    codes = [*(made["before"] for made in changes), code]
    ends = [*begins[1:], step]
    spans = [span for span in zip(begins, ends, codes, strict=True) if span[0] < span[1]]
    if len(spans) < 2:
        return slots.describe(spans[-1][2] if spans else code)
    return "; ".join(
        f"updates {begin + 1:,} to {end:,} on {slots.describe(used)}" for begin, end, used in spans
    )
