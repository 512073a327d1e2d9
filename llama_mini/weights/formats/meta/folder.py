"""Reads Meta's folders: params.json, checklist.chk, any number of consolidated.NN.pth."""

import math
from pathlib import Path

import torch
from torch import Tensor

from llama_mini.config import ModelConfig
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.weights import meta
from llama_mini.weights.formats.json_file import read_small
from llama_mini.weights.formats.meta import checklist
from llama_mini.weights.formats.meta.params_json import parse_params
from llama_mini.weights.formats.meta.shards import (
    find_shards,
    open_all,
    open_shard,
    shard_name,
    whole_entries,
)
from llama_mini.weights.formats.tokenizer_file import demand_vocabulary
from llama_mini.weights.stored import StoredWeights
from llama_mini.weights.transfer import to_device


def is_meta_folder(path: Path) -> bool:
    """Whether `path` is a folder in Meta's layout, whole or not, or a shard in one."""
    if path.is_file():
        return path.name.startswith("consolidated.") and path.suffix == ".pth"
    return (path / checklist.NAME).is_file() or any(path.glob("consolidated*pth*"))


class MetaFolder(StoredWeights):
    """Weights as Meta released them, each tensor cut over the shards (meta.shard_axis).

    path: the folder, or a shard in it. Opening it compares the shards with one another and with
    params.json; their numbers are compared with nothing but `verify`. Raises FileNotFoundError if
    files are missing, ValueError if they do not belong together.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else path.parent
        files = find_shards(self.folder)
        first = open_shard(files[min(files)])
        self.config = _read_params(self.folder, first)
        self._shards = open_all(self.folder, files, first, self.config)
        self.what = f"{len(files)} shard{'s' * (len(files) > 1)} in Meta's layout"
        self.entries = whole_entries(self._shards, self.config, self.folder)
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
        """As in `StoredWeights`; only the shards are read in which some of the part lies."""
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
        found = checklist.verify(path, expected)
        self.notes = self._without_tokenizer()
        return "; ".join([found, *self._verify_tokenizer()])

    def _verify_tokenizer(self) -> list[str]:
        """The release has a list of its own for the tokenizer, which all sizes share."""
        if self._tokenizer_file is None:
            return []
        path = self._tokenizer_file.with_name("tokenizer_checklist.chk")
        if not path.is_file():
            return []
        return [checklist.verify(path, checklist.parse_checklist(read_small(path), path))]

    def _unchecked(self) -> str:
        if (self.folder / checklist.NAME).is_file():
            return f"unchecked: verify=True (--verify) compares the MD5 sums in {checklist.NAME}"
        return f"unchecked: there is no {checklist.NAME} to compare with"

    def _without_tokenizer(self) -> tuple[str, ...]:
        if self._tokenizer_file is not None:
            return ()
        return (f"no tokenizer: tokenizer.model is neither in {self.folder} nor above it",)


def _read_params(folder: Path, shard: dict[str, Tensor]) -> ModelConfig:
    path = folder / "params.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, and the shards do not say what it says. Download it too."
        )
    embeddings = shard.get("tok_embeddings.weight")
    rows = None if embeddings is None or embeddings.ndim != 2 else embeddings.shape[0]
    return parse_params(read_small(path), path, rows)
