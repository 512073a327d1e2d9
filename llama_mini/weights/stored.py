"""What every reader of weights gives: a config, a tokenizer, and whole tensors, one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llama_mini.config import ModelConfig
from llama_mini.weights.transfer import to_device


@dataclass(frozen=True)
class Entry:
    """One tensor as it lies on disk: its whole shape, the dtype it is read as, its bytes there."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    bytes_on_disk: int


class StoredWeights(ABC):
    """Weights on disk, opened: headers are read and checked, tensors still lie in the files.

    what: the format in a few words. config: the model's shape. entries: every tensor by Meta's
    name; tied weights have no `output.weight`. notes: sentences that the user should read.
    """

    what: str
    config: ModelConfig
    entries: Mapping[str, Entry]
    notes: tuple[str, ...] = ()

    @abstractmethod
    def tensor(self, name: str, device: torch.device) -> Tensor:
        """One whole tensor in Meta's layout, on the device, in the dtype of its entry.

        On the CPU it may be a view of the mapped file, so that reading it copies nothing.
        """

    def is_mapped(self, name: str) -> bool:
        """Whether tensor(name, cpu) is a view of what is there already and takes no new memory."""
        return False

    def part(
        self, name: str, device: torch.device, axis: int | None, index: int, count: int
    ) -> Tensor:
        """Part `index` of `count` equal ones of a tensor, cut along `axis`; None: the whole.

        It keeps nothing of the rest of the tensor in memory.
        """
        if axis is None:
            return self.tensor(name, device)
        whole = self.tensor(name, torch.device("cpu"))
        size = whole.shape[axis] // count
        part = whole.narrow(axis, index * size, size)
        return to_device(part.clone(memory_format=torch.contiguous_format), device)

    @abstractmethod
    def tokenizer(self) -> Any | None:
        """The tokenizer that came with the weights; None if none did. Raises ValueError if it has
        another vocabulary than the model."""

    def verify(self) -> str:
        """Compare the files with their checksums; a sentence that says what was compared.

        Raises ValueError if a file differs, or if there is nothing to compare with.
        """
        raise ValueError(
            f"{self.what} carries no checksums, so there is nothing to verify it against."
        )
