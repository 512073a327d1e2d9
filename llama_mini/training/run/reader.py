"""Reads a run of ours: the checkpoint with the lowest validation loss, and the run's tokenizer.

Importing this file is enough for `load` to know runs, too. The weights cannot import it: training
is built on top of them.
"""

from pathlib import Path

import torch
from torch import Tensor

from llama_mini.config import ModelConfig
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.training.run import checkpoint, code, folder
from llama_mini.weights import loading
from llama_mini.weights.stored import Entry, StoredWeights
from llama_mini.weights.transfer import to_device


class TrainedWeights(StoredWeights):
    """The weights of `best.pt` (of `last.pt` before the first look), under Meta's names."""

    def __init__(self, path: Path) -> None:
        run = folder.Run(path)
        saved = checkpoint.load(run.best if run.best.is_file() else run.last)
        made_by = code.whole_run(saved.code, saved.code_changes, saved.step)
        self.what = f"run {run.name!r}, trained on {made_by}"
        self.config = ModelConfig.from_dict(saved.params)
        self._tokenizer_file = run.tokenizer_file
        self._tensors = saved.model
        self.entries = {
            name: Entry(tuple(tensor.shape), tensor.dtype, tensor.nbytes)
            for name, tensor in saved.model.items()
            if not (self.config.tied_embeddings and name == "output.weight")
        }

    def tensor(self, name: str, device: torch.device) -> Tensor:
        return to_device(self._tensors[name], device)

    def is_mapped(self, name: str) -> bool:
        return True

    def tokenizer(self) -> Tokenizer:
        return Tokenizer(self._tokenizer_file)


loading.register(
    loading.Reader(
        "a run of llama-mini train (params.json, last.pt)", folder.is_run, TrainedWeights
    )
)
