"""All that a run needs to go on as if it had never stopped, in one file."""

import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from llama_mini import files

FORMAT = 1


@dataclass
class Checkpoint:
    """The state after `step` updates.

    model, optimizer: their state dicts. rng: the random generators, "cpu" and maybe "cuda".
    step: updates done, which is also the place in the data. total_steps: updates in all, or None
    while the pace is still being measured. seconds: time spent so far. best_loss: the lowest quick
    validation loss, in nats per token. data_digest: which mix. settings, params: plain dictionaries
    of TrainSettings and ModelConfig. learner_slots: the slots that ran a learner's code.
    """

    model: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    rng: dict[str, torch.Tensor]
    step: int
    total_steps: int | None
    seconds: float
    best_loss: float
    data_digest: str
    settings: dict[str, Any]
    params: dict[str, Any]
    learner_slots: list[str]


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all. Raises OSError if the disk is full."""
    # vars, not asdict: asdict would copy every tensor first.
    values = {"format": FORMAT, **vars(checkpoint)}
    try:
        with files.atomic_write(path) as file:
            torch.save(values, file)
    except files.DiskFullError as error:
        advice = "Free some disk space, or delete old runs, then continue with --resume"
        raise files.DiskFullError(error.errno, f"{error.strerror}. {advice}") from error


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint without running anything that may be hidden in it.

    Raises FileNotFoundError if there is none, and ValueError if the file is something else.
    """
    try:
        values = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is missing, and a run cannot go on without it. Start a new run."
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a checkpoint that can be read: {error}") from error
    names = {field.name for field in fields(Checkpoint)}
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT or set(values) != names:
        raise ValueError(
            f"{path} is not a checkpoint of this version (format {FORMAT}). "
            "Train again, or use the version of llama_mini that wrote it."
        )
    return Checkpoint(**values)


def rng_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of the random generators that training on `device` may draw from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_rng(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put the random generators back into a state that `rng_state` returned."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
