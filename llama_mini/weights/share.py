"""What one process of several reads of weights that they hold together."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from llama_mini import parallel
from llama_mini.weights import meta
from llama_mini.weights.stored import StoredWeights


class Share(StoredWeights):
    """What one process of a mesh reads of a checkpoint: its part of each tensor that is cut.

    Its entries have the shapes of the parts; its config is that of the whole. Raises ValueError if
    the model's heads or another axis do not divide evenly over the processes.
    """

    def __init__(self, whole: StoredWeights, mesh: DeviceMesh) -> None:
        parallel.demand_even(whole.config, mesh.size())
        self.whole = whole
        self.what, self.config, self.notes = whole.what, whole.config, whole.notes
        self._rank, self._size = mesh.get_local_rank(), mesh.size()
        self.entries = {}
        for name, entry in whole.entries.items():
            shape, axis = list(entry.shape), meta.shard_axis(name)
            if axis is None:
                self.entries[name] = entry
                continue
            if shape[axis] % self._size:
                raise ValueError(
                    f"{name} is cut along an axis of {shape[axis]}, which does not divide over "
                    f"{self._size} processes. Start another number of them."
                )
            shape[axis] //= self._size
            self.entries[name] = replace(
                entry, shape=tuple(shape), bytes_on_disk=entry.bytes_on_disk // self._size
            )

    def tensor(self, name: str, device: torch.device) -> Tensor:
        return self.whole.part(name, device, meta.shard_axis(name), self._rank, self._size)

    def tokenizer(self) -> Any | None:
        return self.whole.tokenizer()

    def verify(self) -> str:
        return self.whole.verify()
