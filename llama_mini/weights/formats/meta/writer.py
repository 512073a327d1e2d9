"""Writes Meta's layout: the shards, params.json and checklist.chk that the release has."""

import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from llama_mini import files, rope
from llama_mini.config import ModelConfig
from llama_mini.weights import meta
from llama_mini.weights.casting import cast
from llama_mini.weights.formats.meta import checklist
from llama_mini.weights.formats.meta.params_json import params_text
from llama_mini.weights.formats.meta.pth_writer import PthWriter
from llama_mini.weights.formats.meta.shards import shard_name
from llama_mini.weights.shapes import parameter_shapes


def write_meta(
    folder: str | Path,
    config: ModelConfig,
    tensors: Iterable[tuple[str, Tensor]],
    n_shards: int = 1,
    dtype: torch.dtype = torch.float16,
    tokenizer_file: str | Path | None = None,
) -> Path:
    """Write a model in Meta's layout; the folder appears when all of it is written.

    tensors: (name, tensor) pairs by Meta's names, in any order, such as `state_dict().items()`.
    Each is asked for when its turn comes and written before the next, so they need not be in
    memory together. Tied embeddings are written twice, for the layout knows no tying. n_shards: how
    many files each tensor is cut over; it must divide the key/value heads, so that each has whole
    ones. dtype: what the numbers are stored as; Meta's are float16. → the folder. Raises
    FileExistsError if it exists, files.DiskFullError if there is no room, ValueError if tensors are
    missing, of another shape, or overflow float16.
    """
    folder = Path(folder)
    _demand_even(config, n_shards)
    with files.atomic_folder(folder) as partial:
        names = [shard_name(index) for index in range(n_shards)]
        with ExitStack() as stack:
            writers = []
            for name in names:
                file = stack.enter_context((partial / name).open("wb"))
                writers.append(stack.enter_context(PthWriter(file, Path(name).stem)))
            _write_shards(writers, config, tensors, dtype)
        (partial / "params.json").write_text(params_text(config), encoding="utf-8")
        listed = [*names, "params.json"]
        (partial / checklist.NAME).write_text(
            checklist.checklist_text(partial, listed), encoding="utf-8", newline="\n"
        )
        if tokenizer_file is not None:
            shutil.copyfile(tokenizer_file, partial / "tokenizer.model")
    return folder


def _demand_even(config: ModelConfig, n_shards: int) -> None:
    if n_shards < 1 or config.kv_heads % n_shards:
        raise ValueError(
            f"Each shard has whole heads; {config.kv_heads} key/value heads do not divide over "
            f"{n_shards} shards."
        )
    for name, shape in parameter_shapes(config):
        axis = meta.shard_axis(name)
        if axis is not None and shape[axis] % n_shards:
            raise ValueError(
                f"{name} {shape} is cut along axis {axis}, and {shape[axis]} does not divide over "
                f"{n_shards} shards."
            )


def _write_shards(
    writers: list[PthWriter],
    config: ModelConfig,
    tensors: Iterable[tuple[str, Tensor]],
    dtype: torch.dtype,
) -> None:
    missing = dict(parameter_shapes(config))
    if config.tied_embeddings:
        missing["output.weight"] = missing["tok_embeddings.weight"]

    def write(name: str, tensor: Tensor) -> None:
        if (expected := missing.pop(name, None)) != tuple(tensor.shape):
            raise ValueError(
                f"{name} {tuple(tensor.shape)} is not what this config asks for: "
                f"{expected or 'it has no such tensor, or had it already'}."
            )
        axis = meta.shard_axis(name)
        parts = [tensor] * len(writers) if axis is None else tensor.chunk(len(writers), dim=axis)
        for writer, part in zip(writers, parts, strict=True):
            writer.add(name, cast(name, part, dtype))

    for name, tensor in tensors:
        if not (config.tied_embeddings and name == "output.weight"):
            write(name, tensor)
        if config.tied_embeddings and name == "tok_embeddings.weight":
            write("output.weight", tensor)
    if missing:
        raise ValueError(f"The model lacks {', '.join(list(missing)[:3])}.")

    # The release has them in each layer of 7B, and once in the larger models.
    freqs = rope.rope_frequencies(config.head_dim, config.rope_theta).to(dtype)
    layers = [f"layers.{i}.attention.inner_attention." for i in range(config.n_layers)]
    for writer in writers:
        for place in layers if len(writers) == 1 else [""]:
            writer.add(f"{place}rope.freqs", freqs)
