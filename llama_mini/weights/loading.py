"""`load`: one door for every format that weights come in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from tqdm.auto import tqdm

from llama_mini import model as architecture
from llama_mini import slots
from llama_mini.weights import gguf_file, huggingface_folder, meta_folder, run_folder
from llama_mini.weights.checkpoint import Checkpoint
from llama_mini.weights.empty import empty_model

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Reader:
    """One format: what it is called, how to recognise it, and how to open it."""

    what: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path], Checkpoint]


READERS = (
    Reader("a run of llama-mini train (params.json, last.pt)", run_folder.is_run, run_folder.Run),
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
)


def load(
    path: str | Path,
    device: str | torch.device = "cpu",
    precision: str | None = None,
    *,
    mesh: "DeviceMesh | None" = None,
    verify: bool = False,
) -> tuple[architecture.Transformer, Any]:
    """Read a model and its tokenizer from a path, whichever known format it is in.

    precision: "fp32", "bf16" or "fp16" for the weights; None leaves them as they are stored.
    verify: compare the files with their checksums first. mesh: the processes of torchrun, which then
    hold the model together, each on its own device (`llama_mini.parallel`). → the model on `device`, and a tokenizer
    with encode and decode (None if none came with the weights). Tensors go to the device one at a
    time, so the host never holds the model twice. Raises FileNotFoundError if there is nothing at
    the path, and ValueError if no reader knows what is there or it is damaged.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(
            f"precision must be {', '.join(PRECISIONS)}, or None for as stored; got {precision!r}."
        )
    checkpoint = open_checkpoint(path)
    if verify:
        checkpoint.verify()
    tokenizer = checkpoint.tokenizer()
    model = empty_model(checkpoint.config)
    _demand_same_tensors(checkpoint, model)
    if mesh is None:
        fill(model, checkpoint, torch.device(device), precision)
        return model, tokenizer
    from llama_mini import parallel  # here, because importing DTensor takes a second

    share = parallel.Share(checkpoint, mesh)
    parallel.narrow(model, mesh)
    fill(model, share, torch.device(mesh.device_type), precision)
    parallel.connect(model, mesh)
    return model, tokenizer


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Look at what a path holds, and open it with the reader that knows it; reads headers only."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}. Name a folder or a file of weights.")
    for reader in READERS:
        if reader.recognises(path):
            return reader.open(path)
    readable = "; ".join(reader.what for reader in READERS)
    raise ValueError(f"{path} holds {_contents(path)}. What can be read: {readable}.")


def fill(
    model: nn.Module, checkpoint: Checkpoint, device: torch.device, precision: str | None
) -> None:
    """Give a model that was built on the meta device its weights, one tensor at a time."""
    dtype = None if precision is None else PRECISIONS[precision]
    total = sum(entry.bytes_on_disk for entry in checkpoint.entries.values())
    with tqdm(total=total, unit="B", unit_scale=True, desc="Loading", leave=False) as bar:
        for name, entry in checkpoint.entries.items():
            tensor = checkpoint.tensor(name, device)
            owner, _, leaf = name.rpartition(".")
            module = model.get_submodule(owner)
            setattr(module, leaf, nn.Parameter(tensor.to(dtype or tensor.dtype)))
            bar.update(entry.bytes_on_disk)
    if model.config.tied_embeddings:
        model.output.weight = model.tok_embeddings.weight


def _demand_same_tensors(checkpoint: Checkpoint, model: nn.Module) -> None:
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


def _contents(path: Path) -> str:
    """A few words on what is there, for someone who took the wrong path."""
    if path.is_file():
        return f"one file of {path.stat().st_size:,} bytes"
    names = sorted(child.name for child in path.iterdir())
    if not names:
        return "nothing: the folder is empty"
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
