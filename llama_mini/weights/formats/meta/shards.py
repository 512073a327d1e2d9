"""The shards of one of Meta's folders: found, opened, held against each other and the params."""

import re
from pathlib import Path

import torch
from torch import Tensor

from llama_mini import slots
from llama_mini.config import CONFIGS, ModelConfig
from llama_mini.weights import meta
from llama_mini.weights.formats.meta import checklist
from llama_mini.weights.formats.meta.pth import open_pth
from llama_mini.weights.shapes import parameter_shapes
from llama_mini.weights.stored import Entry

_SHARD = re.compile(r"consolidated\.([0-9]{2})\.pth")
_MOST = 100  # that two digits can number
_WQ = "layers.0.attention.wq.weight"
_AGAIN = f"Download it again, or check it with md5sum -c {checklist.NAME}."


def shard_name(index: int) -> str:
    """`consolidated.00.pth` and so on."""
    return f"consolidated.{index:02}.pth"


def find_shards(folder: Path) -> dict[int, Path]:
    """Shard number → file. What may be a shard under a wrong name is refused, not passed over.

    Raises FileNotFoundError if there is none.
    """
    files, strays = {}, []
    for path in sorted(folder.glob("consolidated*")):
        if match := _SHARD.fullmatch(path.name):
            files[int(match[1])] = path
        elif "pth" in path.name.lower():
            strays.append(path.name)
    if strays:
        raise ValueError(
            f"{folder} has {', '.join(strays)}, which {'is' if len(strays) == 1 else 'are'} not "
            f"named as Meta's shards are: {shard_name(0)}, {shard_name(1)} … Rename what was "
            "renamed, and delete second copies and unfinished downloads."
        )
    if not files:
        raise FileNotFoundError(f"{folder} has no {shard_name(0)}. Download the shards again.")
    return files


def open_shard(path: Path) -> dict[str, Tensor]:
    """The tensors of a shard, mapped, by Meta's names. Raises ValueError as `open_pth` does."""
    # The rotary frequencies are rebuilt in float32 (rope.rope_frequencies); Meta stored them, too.
    return {k: v for k, v in open_pth(path).items() if not k.endswith("rope.freqs")}


def open_all(
    folder: Path, files: dict[int, Path], first: dict[str, Tensor], config: ModelConfig
) -> list[dict[str, Tensor]]:
    """All shards in order, once they are as many as the shapes in the first one ask for.

    files: as `find_shards` gives them; first: the one with the lowest number, opened. Raises
    FileNotFoundError if some are missing, ValueError if there are too many, or two do not belong
    together.
    """
    count = _count(first, config) or len(files)
    if count > _MOST:
        raise ValueError(
            f"{folder / 'params.json'} says dim {config.dim}, which would take {count:,} shards "
            "like these. Do they belong to the same size? Download both again."
        )
    expected = set(range(count))
    what = _size_name(config) or folder.resolve().name
    has = f"{what} has {count} shard{'s' * (count != 1)}; found {len(files)} in {folder}"
    if missing := sorted(expected - set(files)):
        names = ", ".join(map(shard_name, missing[:8]))
        raise FileNotFoundError(f"{has} (missing {names}{' …' * (len(missing) > 8)}). {_AGAIN}")
    if surplus := sorted(set(files) - expected):
        names = ", ".join(map(shard_name, surplus))
        raise ValueError(f"{has} (too many: {names}). Remove what belongs to another size.")

    shards = [first] + [open_shard(files[index]) for index in range(1, count)]
    for index, shard in enumerate(shards[1:], start=1):
        for name in sorted(set(first) | set(shard)):
            ours, theirs = _describe(shard.get(name)), _describe(first.get(name))
            if ours != theirs:
                raise ValueError(
                    f"{shard_name(index)} does not belong to {shard_name(0)}: {name} is {ours} in "
                    f"it, and {theirs} there. {_AGAIN}"
                )
        for other in range(index):
            if _same_numbers(shard, shards[other]):
                raise ValueError(
                    f"{shard_name(index)} holds the same numbers as {shard_name(other)}: one of "
                    f"them is a copy. {_AGAIN}"
                )
    return shards


def whole_entries(
    shards: list[dict[str, Tensor]], config: ModelConfig, folder: Path
) -> dict[str, Entry]:
    """Every tensor with its whole shape, compared with what params.json says.

    Raises ValueError if a shape or a name differs.
    """
    first, entries = shards[0], {}
    for name, expected in parameter_shapes(config):
        if name not in first:
            raise ValueError(
                f"{folder / 'params.json'} asks for {name}, which {shard_name(0)} does not have. "
                "Do they belong to the same size? Download both again."
            )
        shard, axis = first[name], meta.shard_axis(name)
        shape = tuple(
            length * (len(shards) if index == axis else 1)
            for index, length in enumerate(shard.shape)
        )
        if shape != expected:
            raise ValueError(
                f"{folder / 'params.json'} asks for {name} of shape {expected}; {len(shards)} "
                f"shard{'s' * (len(shards) > 1)} of {tuple(shard.shape)} make {shape} (with "
                f"{slots.describe()}). Do they belong to the same size? Download both again."
            )
        parts = 1 if axis is None else len(shards)
        entries[name] = Entry(shape, shard.dtype, shard.nbytes * parts)
    if unknown := sorted(set(first) - set(entries)):
        raise ValueError(
            f"{shard_name(0)} has {', '.join(unknown[:3])}{' …' * (len(unknown) > 3)}, which a "
            f"model of {config.n_layers} layers does not. Is params.json of another size?"
        )
    return entries


def _size_name(config: ModelConfig) -> str | None:
    shape = (config.dim, config.n_layers, config.n_heads)
    return next(
        (name for name, c in CONFIGS.items() if (c.dim, c.n_layers, c.n_heads) == shape), None
    )


def _count(shard: dict[str, Tensor], config: ModelConfig) -> int | None:
    """How many such shards make the model; None if this one does not say."""
    wq = shard.get(_WQ)
    return config.dim // wq.shape[0] if wq is not None and wq.ndim == 2 and wq.numel() else None


def _describe(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}"


def _same_numbers(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two shards agree where each has rows of its own; a constant row says nothing."""
    if _WQ not in a or a[_WQ].ndim != 2 or not a[_WQ].numel():
        return False
    row = a[_WQ][0]
    return bool((row != row[0]).any()) and torch.equal(row, b[_WQ][0])
