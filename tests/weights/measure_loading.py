"""Run in a process of its own: anonymous memory while a Meta folder is loaded; prints JSON.

python measure_loading.py FOLDER_WITH_ONE_SHARD FOLDER_WITH_TWO
"""

import gc
import json
import sys
from pathlib import Path

import torch

from llama_mini.weights import meta
from llama_mini.weights.formats.meta.pth import open_pth
from llama_mini.weights.loading import load, open_checkpoint
from llama_mini.weights.memory import PeakMemory
from llama_mini.weights.transfer import Staging

CPU = torch.device("cpu")
MiB = 1 << 20


def growth(action) -> int:
    """Bytes of anonymous memory that an action needs at most, its result included."""
    gc.collect()
    with PeakMemory(CPU) as memory:
        result = action()
    del result
    gc.collect()
    return memory.host_bytes


def through_staging(folder: Path) -> None:
    """What happens on the way to a GPU: pieces through two buffers, merged on the other side.

    The other side is host memory here, and each tensor is dropped when it is whole, as if it were
    on a device. So what is left to measure is what the host needs.
    """
    checkpoint, staging = open_checkpoint(folder), Staging(MiB, pinned=False)

    def send(shard: torch.Tensor) -> torch.Tensor:
        target = torch.empty(shard.shape, dtype=shard.dtype)
        staging.copy(shard, target)
        return target

    shards = [open_pth(path) for path in sorted(folder.glob("*.pth"))]
    for name, entry in checkpoint.entries.items():
        used = shards if meta.shard_axis(name) is not None else shards[:1]
        merged = meta.merge_shards(name, [send(shard[name]) for shard in used])
        assert merged.shape == entry.shape


def naive(folder: Path) -> dict[str, torch.Tensor]:
    """What is usually done: read every shard, then concatenate."""
    shards = [
        torch.load(path, weights_only=True, mmap=False) for path in sorted(folder.glob("*.pth"))
    ]
    names = [name for name in shards[0] if not name.endswith("rope.freqs")]
    return {name: meta.merge_shards(name, [shard[name] for shard in shards]) for name in names}


def main() -> None:
    torch.set_num_threads(1)
    one, two = Path(sys.argv[1]), Path(sys.argv[2])
    entries = open_checkpoint(two).entries.values()
    load(one)  # what is imported and built for the first load is not the load's
    measured = {
        "model": sum(entry.bytes_on_disk for entry in entries),
        "largest": max(entry.bytes_on_disk for entry in entries),
        "one shard": growth(lambda: load(one)),
        "two shards": growth(lambda: load(two)),
        "one shard cast": growth(lambda: load(one, precision="bf16")),
        "staged": growth(lambda: through_staging(two)),
        "naive": growth(lambda: naive(two)),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
