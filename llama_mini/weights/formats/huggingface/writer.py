"""Writes Hugging Face's layout: config.json and safetensors, in Hugging Face's order of rows."""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from llama_mini import files
from llama_mini.config import ModelConfig
from llama_mini.weights import huggingface
from llama_mini.weights.casting import cast
from llama_mini.weights.formats.huggingface.config import config_values
from llama_mini.weights.formats.huggingface.folder import CONFIG
from llama_mini.weights.formats.huggingface.safetensors_index import INDEX, SINGLE
from llama_mini.weights.formats.huggingface.safetensors_writer import SafetensorsWriter
from llama_mini.weights.formats.huggingface.tokenizer import write_tokenizer
from llama_mini.weights.shapes import parameter_shapes

_SHARD_BYTES = 5_000_000_000


def write_huggingface(
    folder: str | Path,
    config: ModelConfig,
    tensors: Iterable[tuple[str, Tensor]],
    dtype: torch.dtype = torch.float16,
    n_shards: int | None = None,
    tokenizer: Any | None = None,
) -> Path:
    """Write a model that transformers opens; the folder appears when all of it is written.

    tensors: (name, tensor) pairs by Meta's names, in any order, such as `state_dict().items()`.
    Each is asked for when its turn comes and written before the next, so they need not be in
    memory together. dtype: what the numbers are stored as. n_shards: over how many files, about
    equally; None: files of 5 GB. tokenizer: written with them, if one is given. → the folder.
    Raises FileExistsError if it exists, files.DiskFullError if there is no room, ValueError if
    tensors are missing or of another shape, or overflow float16.
    """
    folder = Path(folder)
    shapes = {huggingface.huggingface_name(name): shape for name, shape in parameter_shapes(config)}
    shards = _assign(shapes, dtype.itemsize, n_shards)
    with files.atomic_folder(folder) as partial:
        with ExitStack() as stack:
            home: dict[str, SafetensorsWriter] = {}
            for name, members in shards.items():
                file = stack.enter_context((partial / name).open("wb"))
                stack.callback(_bring_to_disk, file)
                home |= dict.fromkeys(members, SafetensorsWriter(file, members, dtype))
            _write_tensors(home, config, tensors, dtype)
        if len(shards) > 1:
            files.write_json(partial / INDEX, _index(shards, dtype))
        files.write_json(partial / CONFIG, config_values(config, dtype, tokenizer))
        if tokenizer is not None:
            write_tokenizer(partial, tokenizer)
    return folder


def _assign(
    shapes: dict[str, tuple[int, ...]], itemsize: int, n_shards: int | None
) -> dict[str, dict[str, tuple[int, ...]]]:
    """File name → the tensors in it. A tensor goes where its middle falls in the whole."""
    sizes = {name: torch.Size(shape).numel() * itemsize for name, shape in shapes.items()}
    total = sum(sizes.values())
    count = -(-total // _SHARD_BYTES) if n_shards is None else n_shards
    if not 1 <= count <= len(sizes):
        raise ValueError(f"{len(sizes)} tensors cannot be written into {count} files.")
    groups: dict[int, dict[str, tuple[int, ...]]] = {}
    begin = 0
    for name, size in sizes.items():
        groups.setdefault((2 * begin + size) * count // (2 * total), {})[name] = shapes[name]
        begin += size
    if len(groups) == 1:
        return {SINGLE: groups.popitem()[1]}
    width = len(groups)
    return {
        f"model-{number:05}-of-{width:05}.safetensors": group
        for number, group in enumerate(groups.values(), start=1)
    }


def _write_tensors(
    home: dict[str, SafetensorsWriter],
    config: ModelConfig,
    tensors: Iterable[tuple[str, Tensor]],
    dtype: torch.dtype,
) -> None:
    for name, tensor in tensors:
        if config.tied_embeddings and name == "output.weight":
            continue
        theirs = huggingface.huggingface_name(name)
        if theirs not in home:
            raise ValueError(f"This config has no tensor {name}, or it came twice.")
        writer = home.pop(theirs)
        tensor = cast(name, tensor, dtype)
        writer.add(theirs, huggingface.to_huggingface(name, tensor, config))
    if home:
        missing = sorted(map(huggingface.meta_name, home))
        raise ValueError(f"The model lacks {', '.join(missing[:3])}.")


def _index(shards: dict[str, dict[str, tuple[int, ...]]], dtype: torch.dtype) -> dict[str, Any]:
    numbers = sum(torch.Size(s).numel() for members in shards.values() for s in members.values())
    return {
        "metadata": {"total_parameters": numbers, "total_size": numbers * dtype.itemsize},
        "weight_map": {name: file for file, members in shards.items() for name in members},
    }


def _bring_to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
