"""Reads a run of ours: the checkpoint with the lowest validation loss, and the run's tokenizer."""

from pathlib import Path

import torch

from llama_mini import model as architecture
from llama_mini import slots
from llama_mini.config import ModelConfig
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.training import checkpoint, runs


def is_run(path: Path) -> bool:
    """Whether `path` is the folder of a run."""
    return path.is_dir() and runs.is_run(path)


def read(path: Path, device: torch.device) -> tuple[architecture.Transformer, Tokenizer]:
    """The model, with the weights of `best.pt` (of `last.pt` before the first look), and tokenizer.

    Raises ValueError if the weights do not fit the layers that the package runs on now.
    """
    run = runs.Run(path)
    saved = checkpoint.load(run.best if run.best.is_file() else run.last)
    model = architecture.Transformer(ModelConfig.from_dict(saved.params))
    try:
        model.load_state_dict(saved.model)
    except RuntimeError as error:
        raise ValueError(
            f"The weights of run {run.name!r} do not fit this model, which has "
            f"{slots.describe()}. {error}"
        ) from error
    return model.to(device), Tokenizer(run.tokenizer_file)
