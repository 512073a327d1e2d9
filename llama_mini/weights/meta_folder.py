"""Reads Meta's folders: params.json, checklist.chk, any number of consolidated.NN.pth."""

import math
import re
from pathlib import Path

import torch
from torch import Tensor

from llama_mini import slots
from llama_mini.config import CONFIGS, ModelConfig
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.weights import checklist, meta
from llama_mini.weights.checkpoint import Checkpoint, Entry
from llama_mini.weights.json_file import read_small
from llama_mini.weights.params_json import parse_params
from llama_mini.weights.pth import open_pth
from llama_mini.weights.shapes import parameter_shapes
from llama_mini.weights.tokenizer_file import demand_vocabulary
from llama_mini.weights.transfer import to_device

_SHARD = re.compile(r"consolidated\.([0-9]{2})\.pth")
_AGAIN = f"Download it again, or check it with md5sum -c {checklist.NAME}."


def shard_name(index: int) -> str:
    """`consolidated.00.pth` and so on."""
    return f"consolidated.{index:02}.pth"


def is_meta_folder(path: Path) -> bool:
    """Whether `path` is a folder in Meta's layout, whole or not, or a shard in one."""
    if path.is_file():
        return path.name.startswith("consolidated.") and path.suffix == ".pth"
    return (path / checklist.NAME).is_file() or any(path.glob("consolidated*pth*"))


class MetaFolder(Checkpoint):
    """Weights as Meta released them, each tensor cut over the shards (meta.shard_axis).

    path: the folder, or a shard in it. Opening it compares the shards with one another and with
    params.json; their numbers are compared with nothing but `verify`. Raises FileNotFoundError if
    files are missing, ValueError if they do not belong together.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else path.parent
        files = _shard_files(self.folder)
        first = _open_shard(files[min(files)])
        self.config = _read_params(self.folder, first)
        self._shards = _open_all(self.folder, files, first, self.config)
        self.what = f"{len(files)} shard{'s' * (len(files) > 1)} in Meta's layout"
        self.entries = _entries(self._shards, self.config, self.folder)
        self._tokenizer_file = next(
            (
                file
                for place in (self.folder, self.folder.absolute().parent)
                if (file := place / "tokenizer.model").is_file()
            ),
            None,
        )
        self.notes = (self._unchecked(), *self._without_tokenizer())

    def tensor(self, name: str, device: torch.device) -> Tensor:
        whole = meta.shard_axis(name) is None
        shards = self._shards[:1] if whole else self._shards
        return meta.merge_shards(name, [to_device(shard[name], device) for shard in shards])

    def part(
        self, name: str, device: torch.device, axis: int | None, index: int, count: int
    ) -> Tensor:
        """As in `Checkpoint`; only the shards are read in which some of the part lies."""
        if axis is None:
            return self.tensor(name, device)
        # Pieces so small that shards and parts alike are made of whole ones.
        pieces = math.lcm(len(self._shards), count)
        in_a_shard, in_a_part = pieces // len(self._shards), pieces // count
        found = []
        for piece in range(index * in_a_part, (index + 1) * in_a_part):
            shard = self._shards[piece // in_a_shard][name]
            size = shard.shape[axis] // in_a_shard
            found.append(shard.narrow(axis, piece % in_a_shard * size, size))
        merged = meta.merge_shards(name, [to_device(piece, device) for piece in found])
        return merged.contiguous()

    def is_mapped(self, name: str) -> bool:
        return len(self._shards) == 1 or meta.shard_axis(name) is None

    def tokenizer(self) -> Tokenizer | None:
        if self._tokenizer_file is None:
            return None
        tokenizer = Tokenizer(self._tokenizer_file)
        demand_vocabulary(self._tokenizer_file, tokenizer.vocab_size, self.config.vocab_size)
        return tokenizer

    def verify(self) -> str:
        path = self.folder / checklist.NAME
        if not path.is_file():
            raise ValueError(
                f"{self.folder} has no {checklist.NAME} to verify it against. Download it too, or "
                "load without verifying."
            )
        expected = checklist.parse_checklist(read_small(path), path)
        used = [shard_name(index) for index in range(len(self._shards))] + ["params.json"]
        if unlisted := [name for name in used if name not in expected]:
            raise ValueError(
                f"{path} does not list {', '.join(unlisted)}, so that cannot be verified. "
                "Is it the list of another size?"
            )
        found = checklist.verify_folder(self.folder, expected)
        self.notes = self._without_tokenizer()
        return found

    def _unchecked(self) -> str:
        if (self.folder / checklist.NAME).is_file():
            return f"unchecked: verify=True (--verify) compares the MD5 sums in {checklist.NAME}"
        return f"unchecked: there is no {checklist.NAME} to compare with"

    def _without_tokenizer(self) -> tuple[str, ...]:
        if self._tokenizer_file is not None:
            return ()
        return (f"no tokenizer: tokenizer.model is neither in {self.folder} nor above it",)


def _shard_files(folder: Path) -> dict[int, Path]:
    """Shard number → file. What may be a shard under a wrong name is refused, not passed over."""
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


def _open_shard(path: Path) -> dict[str, Tensor]:
    # The rotary frequencies are rebuilt in float32 (rope.rope_frequencies); Meta stored them, too.
    return {k: v for k, v in open_pth(path).items() if not k.endswith("rope.freqs")}


def _read_params(folder: Path, shard: dict[str, Tensor]) -> ModelConfig:
    path = folder / "params.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, and the shards do not say what it says. Download it too."
        )
    embeddings = shard.get("tok_embeddings.weight")
    return parse_params(read_small(path), path, None if embeddings is None else len(embeddings))


def _open_all(
    folder: Path, files: dict[int, Path], first: dict[str, Tensor], config: ModelConfig
) -> list[dict[str, Tensor]]:
    """All shards in order, once they are as many as the shapes in the first one ask for."""
    wq = first.get("layers.0.attention.wq.weight")
    count = config.dim // len(wq) if wq is not None and len(wq) else len(files)
    expected = set(range(count))
    what = _size_name(config) or folder.resolve().name
    has = f"{what} has {count} shard{'s' * (count != 1)}; found {len(files)} in {folder}"
    if missing := sorted(expected - set(files)):
        names = ", ".join(map(shard_name, missing[:8]))
        raise FileNotFoundError(f"{has} (missing {names}{' …' * (len(missing) > 8)}). {_AGAIN}")
    if surplus := sorted(set(files) - expected):
        names = ", ".join(map(shard_name, surplus))
        raise ValueError(f"{has} (too many: {names}). Remove what belongs to another size.")

    shards = [first] + [_open_shard(files[index]) for index in range(1, count)]
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


def _entries(
    shards: list[dict[str, Tensor]], config: ModelConfig, folder: Path
) -> dict[str, Entry]:
    """Every tensor with its whole shape, compared with what params.json says."""
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


def _describe(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}"


def _same_numbers(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two shards agree where each has rows of its own; a constant row says nothing."""
    name = "layers.0.attention.wq.weight"
    if name not in a:
        return False
    row = a[name][0]
    return bool((row != row[0]).any()) and torch.equal(row, b[name][0])
