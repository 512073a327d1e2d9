"""What a run will be, settled before it begins: this machine's answers, and no change midway."""

from dataclasses import replace
from typing import Any

import torch

from llama_mini import precisions
from llama_mini.config import CONFIGS, ModelConfig
from llama_mini.training.run import folder
from llama_mini.training.run.settings import TrainSettings


def resolve(settings: TrainSettings) -> TrainSettings:
    """The settings with every "auto" and every open name replaced by what this machine gives.

    Raises KeyError for an unknown config, ValueError for an unknown device.
    """
    context = CONFIGS[settings.config].max_seq_len
    if settings.seq_len is not None and settings.seq_len > context:
        raise ValueError(
            f"seq_len {settings.seq_len} is more than the {context} positions of config "
            f"{settings.config!r}. Lower --seq-len, or choose another config."
        )
    device = device_named(settings.device)
    dtype = precisions.choose(settings.precision, device)
    return replace(
        settings,
        run=settings.run or folder.free_name(settings.config),
        seq_len=settings.seq_len or context,
        device=str(device),
        precision=next(name for name, known in precisions.UNQUANTIZED.items() if known == dtype),
        threads=settings.threads or torch.get_num_threads(),
    )


def model_config(settings: TrainSettings, vocab_size: int) -> ModelConfig:
    """The named config with the vocabulary of the data."""
    return replace(CONFIGS[settings.config], vocab_size=vocab_size)


def refuse_other_settings(run: str, made_with: TrainSettings, given: dict[str, Any]) -> None:
    """Raise ValueError if `given` asks for something that the run was not made with.

    None and "auto" ask for nothing. `data` may move: its digest is compared, not its place.
    """
    changed = [
        f"{name} {getattr(made_with, name)} (now {value})"
        for name, value in given.items()
        if name != "data" and value not in (None, "auto", getattr(made_with, name))
    ]
    if changed:
        raise ValueError(
            f"Run {run!r} was made with {', '.join(changed)}, and a run keeps its settings to the "
            "end. Leave them out to continue it, or start a new run under another --run name."
        )


def refuse_other_data(run: str, made_with: str, found: str, folder: object) -> None:
    """Raise ValueError if the mix in `folder` is not the one the run began with."""
    if found != made_with:
        raise ValueError(
            f"Run {run!r} was trained on the mix {made_with[:12]}…, and {folder} holds "
            f"{found[:12]}…. Point --data to the mix it began with, or start a new run."
        )


def device_named(name: str) -> torch.device:
    """The device of a setting, "auto" being CUDA if there is one, else the CPU.

    Raises ValueError if this machine has none such.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    kind = name.partition(":")[0]
    if kind not in there:
        raise ValueError(f"device must be auto, cpu, cuda or mps; got {name!r}.")
    if kind != "cpu" and not there[kind]():
        raise ValueError(f"This machine, or this build of torch, has no {kind}. Try --device cpu.")
    return torch.device(name)
