"""`load`: one door for every format that weights come in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from llama_mini import model as architecture
from llama_mini.weights import run_folder

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Reader:
    """One format: what it is called, how to recognise it, and how to read it onto a device."""

    what: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, torch.device], tuple[architecture.Transformer, Any]]


READERS = (
    Reader("a run of llama-mini train (params.json, last.pt)", run_folder.is_run, run_folder.read),
)


def load(
    path: str | Path, device: str | torch.device = "cpu", precision: str | None = None
) -> tuple[architecture.Transformer, Any]:
    """Read a model and its tokenizer from a path, whichever known format it is in.

    precision: "fp32", "bf16" or "fp16" for the weights; None leaves them as they are stored.
    → the model on `device`, and a tokenizer with encode and decode. Raises FileNotFoundError if
    there is nothing at the path, and ValueError if no reader knows what is there.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(
            f"precision must be {', '.join(PRECISIONS)}, or None for as stored; got {precision!r}."
        )
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}. Name a folder or a file of weights.")
    for reader in READERS:
        if reader.recognises(path):
            model, tokenizer = reader.read(path, torch.device(device))
            return model if precision is None else model.to(PRECISIONS[precision]), tokenizer
    readable = "; ".join(reader.what for reader in READERS)
    raise ValueError(f"{path} holds {_contents(path)}. What can be read: {readable}.")


def _contents(path: Path) -> str:
    """A few words on what is there, for someone who took the wrong path."""
    if path.is_file():
        return f"one file of {path.stat().st_size:,} bytes"
    names = sorted(child.name for child in path.iterdir())
    if not names:
        return "nothing: the folder is empty"
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
