"""All that a run needs to go on as if it had never stopped, in one file."""

import pickle
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llama_mini import files
from llama_mini.training.recipe.update import NotFiniteError, is_finite
from llama_mini.training.run.code import NAME_ALONE

VERSION = 2


@dataclass
class Checkpoint:
    """The state after `step` updates. What an older version did not keep has a default.

    model, optimizer: their state dicts. rng: the random generators, "cpu" and maybe "cuda".
    step: updates done, which is also the place in the data. total_steps: updates in all, or None
    while the pace is still being measured. seconds: time spent so far. best_loss: the lowest quick
    validation loss, in nats per token. data_digest: which mix. settings, params: plain dictionaries
    of TrainSettings and ModelConfig. code: the learner's code that the last update ran, as
    `slots.fingerprint` gives it. code_changes: where that changed, as `code.change` makes them.
    look_seconds: what a quick look at the validation split takes, 0 if that is not known yet.
    loss_scale: the fields of float16's `LossScale`, of the next update; empty without one.
    """

    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    rng: dict[str, Tensor]
    step: int
    total_steps: int | None
    seconds: float
    best_loss: float
    data_digest: str
    settings: dict[str, Any]
    params: dict[str, Any]
    code: dict[str, str] = field(default_factory=dict)
    code_changes: list[dict[str, Any]] = field(default_factory=list)
    look_seconds: float = 0.0
    loss_scale: dict[str, float] = field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; what was there before stays if it cannot be.

    Raises NotFiniteError if one of its numbers is none, and OSError if the disk is full.
    """
    if not is_finite(_tensors([checkpoint.model, checkpoint.optimizer])):
        raise NotFiniteError(
            f"weights or their moments after update {checkpoint.step} are not all numbers, so they "
            f"were not written to {path.name}"
        )
    # vars, not asdict: asdict would copy every tensor first.
    values = {"format": VERSION, **vars(checkpoint)}
    try:
        with files.atomic_write(path) as file:
            torch.save(values, file)
    except files.DiskFullError as error:
        advice = "Free some disk space, or delete old runs, then continue with --resume"
        raise files.DiskFullError(error.errno, f"{error.strerror}. {advice}") from error


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint without running anything that may be hidden in it.

    Raises FileNotFoundError if there is none, and ValueError if the file is something else, or was
    written by a later version.
    """
    try:
        values = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is missing, and a run cannot go on without it. Start a new run."
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a checkpoint that can be read: {error}") from error
    version = values.pop("format", None) if isinstance(values, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ValueError(
            f"{path} was written by a later llama_mini (checkpoint version {version}; this one "
            f"reads up to {VERSION}). Update llama_mini, or start a new run."
        )
    if version == 1 and "learner_slots" in values:
        values["code"] = dict.fromkeys(values.pop("learner_slots"), NAME_ALONE)
    names = {f.name for f in fields(Checkpoint)}
    needed = {f.name for f in fields(Checkpoint) if f.default is f.default_factory is MISSING}
    if version not in range(1, VERSION + 1) or not needed <= set(values) <= names:
        raise ValueError(
            f"{path} is not a checkpoint of this version or one before it (format 1 to {VERSION}, "
            f"with {', '.join(sorted(needed))}). Start a new run."
        )
    return Checkpoint(**values)


def _tensors(tree: Any) -> Iterator[Tensor]:
    """The floating-point tensors of nested dictionaries and lists."""
    if isinstance(tree, Tensor):
        if tree.is_floating_point():
            yield tree
        return
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            yield from _tensors(value)


def rng_state(device: torch.device) -> dict[str, Tensor]:
    """The state of the random generators that training on `device` may draw from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_rng(state: dict[str, Tensor], device: torch.device) -> None:
    """Put the random generators back into a state that `rng_state` returned."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
