"""`load`: one door for every format that weights come in."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from tqdm.auto import tqdm

from llama_mini import model as architecture
from llama_mini import slots
from llama_mini.config import ModelConfig
from llama_mini.empty import empty_model
from llama_mini.machine import devices
from llama_mini.precisions import PRECISIONS, QUANTIZED
from llama_mini.weights import pretrained, refusal
from llama_mini.weights.filling import fill
from llama_mini.weights.formats.gguf import file as gguf_file
from llama_mini.weights.formats.huggingface import folder as huggingface_folder
from llama_mini.weights.formats.meta import folder as meta_folder
from llama_mini.weights.memory import without_collections
from llama_mini.weights.stored import StoredWeights

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


@dataclass(frozen=True)
class Reader:
    """One format: what it is called, how to recognise it, and how to open it."""

    what: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path], StoredWeights]


_readers = [
    Reader(
        "Meta's layout (params.json, consolidated.00.pth …)",
        meta_folder.is_meta_folder,
        meta_folder.MetaFolder,
    ),
    Reader(
        "a Hugging Face folder (config.json, model.safetensors)",
        huggingface_folder.is_huggingface_folder,
        huggingface_folder.HuggingFaceFolder,
    ),
    Reader("a GGUF file of architecture llama (.gguf)", gguf_file.is_gguf, gguf_file.Gguf),
]


def register(reader: Reader) -> None:
    """Let `load` know one more format, which is asked before those it knew."""
    _readers.insert(0, reader)


@dataclass(frozen=True)
class Loaded:
    """A model that was read, and what there is to say of it.

    tokenizer: None if none came with the weights. config: that of the whole model, of which a
    process of a mesh holds a part. what: the format, in a few words. notes: what the user should
    know, each in a few words. seconds: from the first tensor to the last one on the
    device; bytes_read: how much they take on disk.
    """

    model: architecture.Transformer
    tokenizer: Any | None
    config: ModelConfig
    what: str
    notes: tuple[str, ...]
    bytes_read: int
    seconds: float


def load(
    path: str | Path,
    device: str | torch.device = "cpu",
    precision: str | None = None,
    *,
    mesh: "DeviceMesh | None" = None,
    verify: bool = False,
    force: bool = False,
) -> tuple[architecture.Transformer, Any]:
    """Read a model and its tokenizer from a path, whichever known format it is in.

    precision: "fp32", "bf16" or "fp16" for the weights; None leaves them as they are stored. With
    "int8" and "int4" each projection is quantised as it arrives, on the device; the rest is bf16.
    verify: compare the files with their checksums first. mesh: the processes of torchrun, which
    then hold the model together, each on its own device (`llama_mini.parallel`). force: load even
    what is known not to fit. → the model on `device`, and a tokenizer with encode and decode (None
    if none came with the weights). The model is in eval mode, and its weights ask for gradients, so
    it can be trained as it is. Tensors go to the device one at a time, so the host never holds the
    model twice; on the CPU, what is neither merged nor cast stays in its mapped file, which must
    not be overwritten meanwhile. What the user should know, such as that nothing was verified, goes
    to stderr. Raises FileNotFoundError if there is nothing at the path, DoesNotFitError if the
    weights need more memory than is free, and ValueError if no reader knows what is there, it is
    damaged, or a number is too large for fp16.
    """
    loaded = read(path, device, precision, mesh=mesh, verify=verify, force=force)
    for note in loaded.notes if mesh is None or mesh.get_rank() == 0 else ():
        tqdm.write(f"{loaded.what}: {note}.", file=sys.stderr)
    return loaded.model, loaded.tokenizer


@without_collections()
def read(
    path: str | Path,
    device: str | torch.device = "cpu",
    precision: str | None = None,
    *,
    mesh: "DeviceMesh | None" = None,
    verify: bool = False,
    force: bool = False,
    has_prompt: bool = False,
) -> Loaded:
    """What `load` does, with all there is to say of it; prints nothing but progress bars.

    has_prompt: a text is to be continued, so ValueError is raised, before any weight is read, if no
    tokenizer came with them.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(
            f"precision must be {', '.join(PRECISIONS)}, or None for as stored; got {precision!r}."
        )
    if mesh is not None and precision in QUANTIZED:
        raise ValueError(
            f"A model that processes share is not quantised; got precision {precision!r} with a "
            "mesh. Take bf16, or load the model in one process."
        )
    device = find_device(device)
    checkpoint = open_checkpoint(path)
    tokenizer = checkpoint.tokenizer()
    if has_prompt and tokenizer is None:
        raise ValueError(
            "A prompt needs a tokenizer, and none came with these weights. Put theirs beside "
            "them, or leave out --prompt."
        )
    part = checkpoint
    if mesh is not None:
        # Here, because importing DTensor takes a second.
        from llama_mini import parallel
        from llama_mini.weights.share import Share

        part, device = Share(checkpoint, mesh), torch.device(mesh.device_type)
    if not force:
        refusal.demand_fit(part, device, precision)
    model = empty_model(checkpoint.config)
    _demand_same_tensors(checkpoint, model)
    verified = (checkpoint.verify(),) if verify else ()
    started = time.perf_counter()
    if mesh is not None:
        parallel.narrow(model, mesh)
    fill(model, part, device, precision)
    if mesh is not None:
        parallel.connect(model, mesh)
    _wait_for(device)
    return Loaded(
        model.eval(),
        tokenizer,
        checkpoint.config,
        checkpoint.what,
        verified + checkpoint.notes,
        sum(entry.bytes_on_disk for entry in checkpoint.entries.values()),
        time.perf_counter() - started,
    )


def open_checkpoint(path: str | Path) -> StoredWeights:
    """Look at what a path holds, and open it with the reader that knows it; reads headers only.

    A name such as "smollm2" stands for weights that are fetched, unless a path has it.
    """
    path = pretrained.resolve(path)
    for reader in _readers:
        if reader.recognises(path):
            return reader.open(path)
    readable = "; ".join(reader.what for reader in _readers)
    raise ValueError(f"{path} holds {_contents(path)}. What can be read: {readable}.")


def _demand_same_tensors(checkpoint: StoredWeights, model: nn.Module) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    found = {name: entry.shape for name, entry in checkpoint.entries.items()}
    if expected != found:
        missing = sorted(set(expected) - set(found))
        unexpected = sorted(set(found) - set(expected))
        differing = [
            f"{name} {found[name]} where {shape} is expected"
            for name, shape in expected.items()
            if name in found and found[name] != shape
        ]
        parts = [
            f"{label}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
            for label, names in (
                ("missing", missing),
                ("not known", unexpected),
                ("of another shape", differing),
            )
            if names
        ]
        raise ValueError(
            f"The tensors of {checkpoint.what} do not fit this model, which has "
            f"{slots.describe()}. {'; '.join(parts)}."
        )


def find_device(device: str | torch.device) -> torch.device:
    """The device of that name. Raises ValueError if this machine does not have it."""
    try:
        found = torch.device(device)
    except RuntimeError:
        found = None
    there = devices.kinds_here()
    if found is None or found.type not in (*there, "meta"):
        raise ValueError(
            f"This machine has no device {str(device)!r} that this PyTorch can use; it has "
            f"{', '.join(there)}."
        )
    return found


def _wait_for(device: torch.device) -> None:
    """Copies to a GPU are only queued; the time that is reported ends when they are done."""
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).synchronize()


def _contents(path: Path) -> str:
    """A few words on what is there, for someone who took the wrong path."""
    if path.is_file():
        return f"one file of {path.stat().st_size:,} bytes"
    names = sorted(child.name for child in path.iterdir())
    if not names:
        return "nothing: the folder is empty"
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
