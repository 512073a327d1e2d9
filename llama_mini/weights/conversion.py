"""From any layout that is read to the two that are written: Hugging Face's and Meta's."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from llama_mini.precisions import UNQUANTIZED
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.weights.formats.huggingface.writer import write_huggingface
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.stored import StoredWeights

LAYOUTS = ("hf", "meta")


def convert(
    checkpoint: StoredWeights,
    out: str | Path,
    layout: str,
    precision: str | None = None,
    n_shards: int | None = None,
) -> Path:
    """Write weights anew in another layout, dtype or number of files, one tensor at a time.

    layout: "hf" (config.json, safetensors) or "meta" (params.json, consolidated.00.pth …).
    precision: "fp32", "bf16" or "fp16"; None keeps what is stored. n_shards: how many files; None:
    one for Meta's layout, and files of 5 GB for Hugging Face's. The tokenizer goes along where the
    layout has a place for it. → `out`, which appears when all of it is written. Raises ValueError
    for an unknown layout or precision, if the weights are stored in several dtypes and none is
    named, or there is too little room; FileExistsError if `out` exists.
    """
    out = Path(out)
    if layout not in LAYOUTS:
        raise ValueError(f"The layout must be {' or '.join(LAYOUTS)}; got {layout!r}.")
    dtype = _dtype(checkpoint, precision)
    tokenizer = checkpoint.tokenizer()
    if out.exists():
        raise FileExistsError(f"{out} exists already. Name a folder that does not.")
    _demand_room(checkpoint, out, dtype)
    if layout == "hf":
        return write_huggingface(
            out, checkpoint.config, _read(checkpoint), dtype, n_shards, tokenizer
        )
    with tempfile.TemporaryDirectory() as scratch:
        file = _tokenizer_file(tokenizer, Path(scratch))
        if tokenizer is not None and file is None:
            tqdm.write(
                "Meta's layout holds SentencePiece tokenizers alone, so this model's stays behind.",
                file=sys.stderr,
            )
        return write_meta(out, checkpoint.config, _read(checkpoint), n_shards or 1, dtype, file)


def _tokenizer_file(tokenizer: Any | None, scratch: Path) -> Path | None:
    """The file of a SentencePiece tokenizer; one that came inside another file is written."""
    if not isinstance(tokenizer, Tokenizer):
        return None
    if tokenizer.path is not None:
        return tokenizer.path
    tokenizer.save(scratch / "tokenizer.model")
    return scratch / "tokenizer.model"


def _read(checkpoint: StoredWeights) -> Iterator[tuple[str, Tensor]]:
    total = sum(entry.bytes_on_disk for entry in checkpoint.entries.values())
    with tqdm(total=total, unit="B", unit_scale=True, desc="Writing", leave=False) as bar:
        for name, entry in checkpoint.entries.items():
            yield name, checkpoint.tensor(name, torch.device("cpu"))
            bar.update(entry.bytes_on_disk)


def _dtype(checkpoint: StoredWeights, precision: str | None) -> torch.dtype:
    if precision is not None:
        if precision not in UNQUANTIZED:
            raise ValueError(
                f"Weights are written in {', '.join(UNQUANTIZED)}, or in None for as stored; got "
                f"{precision!r}."
            )
        return UNQUANTIZED[precision]
    stored = {entry.dtype for entry in checkpoint.entries.values()}
    if len(stored) > 1:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in stored))
        raise ValueError(f"These weights are stored as {names}. Name one precision to write them.")
    return stored.pop()


def _demand_room(checkpoint: StoredWeights, out: Path, dtype: torch.dtype) -> None:
    """Say that the disk is too small before hours of writing, not after."""
    numbers = sum(torch.Size(entry.shape).numel() for entry in checkpoint.entries.values())
    place = next(folder for folder in out.absolute().parents if folder.exists())
    needed, free = numbers * dtype.itemsize, shutil.disk_usage(place).free
    if needed > free:
        raise ValueError(
            f"{out} needs {needed / 1e9:.1f} GB, and {place} has {free / 1e9:.1f} GB left. Make "
            "room, name another disk, or a smaller precision."
        )
