"""Token shards: the mix as raw 16-bit numbers on disk, and how training reads them.

A finished mix is a folder with `index.json`, `train-00000.bin` …, `validation-00000.bin` …
(little-endian uint16), `train-documents.npy` and `validation-documents.npy` (where each document
begins, and its source), and `tokenizer.model`. The index is written last: without it, or when it
does not fit the files beside it, the folder is not a mix.
"""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from llama_mini import paths, slots
from llama_mini.data.files import fingerprint
from llama_mini.data.mixing import packing
from llama_mini.files import remove_partial_files, sha256_of_file
from llama_mini.pinned.files import atomic_write
from llama_mini.tokenizer.sentencepiece import Tokenizer

SPLITS = ("train", "validation")
INDEX_FILE = "index.json"
TOKENIZER_FILE = "tokenizer.model"
TOKENS_PER_SHARD = 1 << 21
_FORMAT = 1
_TOKEN = np.dtype("<u2")
_DOCUMENT = np.dtype([("start", "<i8"), ("source", "<u1")])


def default_folder() -> Path:
    """The folder of the mix that today's code makes, built or not.

    `paths.mix_dir()` for the reference's; the workspace's `paths.own_mix_dir()` as soon as a
    learner's code fills a slot of `llama_mini.data`.
    """
    return paths.own_mix_dir() if slots.fingerprint("llama_mini.data") else paths.mix_dir()


def write_shards(
    folder: Path,
    documents_by_split: Mapping[str, Iterable[tuple[str, Sequence[int]]]],
    tokenizer_file: Path,
    tokens_per_shard: int = TOKENS_PER_SHARD,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a mix into `folder` and return its index.

    documents_by_split: for "train" and "validation", the documents in reading order as (source,
    token ids without `<s>` and `</s>`, which are put around each here). tokenizer_file: the model
    that made the ids; it is copied in. about: JSON-like facts to keep in the index. Every file
    appears whole or not at all, the index last. Raises ValueError if a split is missing or empty,
    or an id does not fit the vocabulary.
    """
    tokenizer = Tokenizer(tokenizer_file)
    if tokenizer.vocab_size > 1 << 16:
        raise ValueError(
            f"A vocabulary of {tokenizer.vocab_size:,} tokens does not fit 16 bits; at most 65,536."
        )
    if set(documents_by_split) != set(SPLITS):
        raise ValueError(f"A mix has the splits {SPLITS}; got {sorted(documents_by_split)}.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX_FILE).unlink(missing_ok=True)
    remove_partial_files(folder)
    for stray in [*folder.glob("*-[0-9]*.bin"), *folder.glob("*-documents.npy")]:
        stray.unlink()

    sources: list[str] = []
    splits = {}
    for split in SPLITS:
        tokens, starts = _concatenate(documents_by_split[split], tokenizer, sources)
        if not len(tokens):
            raise ValueError(f"The split {split!r} has no documents.")
        shards = []
        for number, begin in enumerate(range(0, len(tokens), tokens_per_shard)):
            piece = tokens[begin : begin + tokens_per_shard]
            path = folder / f"{split}-{number:05d}.bin"
            with atomic_write(path) as file:
                file.write(piece.tobytes())
            shards.append({"file": path.name, "tokens": len(piece), "sha256": sha256_of_file(path)})
        path = folder / f"{split}-documents.npy"
        with atomic_write(path) as file:
            np.save(file, starts, allow_pickle=False)
        splits[split] = {
            "tokens": len(tokens),
            "documents": len(starts),
            "shards": shards,
            "documents_file": {"file": path.name, "sha256": sha256_of_file(path)},
        }
    with atomic_write(folder / TOKENIZER_FILE) as out, tokenizer_file.open("rb") as model:
        shutil.copyfileobj(model, out)
    index = {
        "format": _FORMAT,
        "vocab_size": tokenizer.vocab_size,
        "sources": sources,
        "splits": splits,
        "tokenizer": {"file": TOKENIZER_FILE, "sha256": sha256_of_file(folder / TOKENIZER_FILE)},
        "about": dict(about or {}),
    }
    index["digest"] = fingerprint(index["vocab_size"], splits, index["tokenizer"]["sha256"])
    with atomic_write(folder / INDEX_FILE) as file:
        file.write((json.dumps(index, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    return index


def _concatenate(
    documents: Iterable[tuple[str, Sequence[int]]], tokenizer: Tokenizer, sources: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    kept: list[Sequence[int]] = []
    numbers: list[int] = []
    for source, ids in documents:
        if source not in sources:
            sources.append(source)
        if len(ids) and not 0 <= min(ids) <= max(ids) < tokenizer.vocab_size:
            raise ValueError(
                f"A document of {source} has ids from {min(ids)} to {max(ids)}; the vocabulary "
                f"of {tokenizer.path} has 0 to {tokenizer.vocab_size - 1}. Did another encode it?"
            )
        kept.append(ids)
        numbers.append(sources.index(source))
    tokens, begins = packing.pack_documents(kept, tokenizer.bos_id, tokenizer.eos_id)
    starts = np.empty(len(numbers), dtype=_DOCUMENT)
    starts["start"], starts["source"] = begins, numbers
    return tokens.astype(_TOKEN), starts


def read_index(folder: str | Path) -> dict[str, Any]:
    """The index of a finished mix.

    Raises FileNotFoundError if the folder is none: no index, or files that do not fit it.
    """
    folder = Path(folder)
    path = folder / INDEX_FILE
    advice = "Run `llama-mini data build`."
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if folder == paths.own_mix_dir():
            raise FileNotFoundError(
                f"There is no finished data mix of your own in {folder}: it takes one, for it runs "
                f"on {slots.describe(slots.fingerprint('llama_mini.data'))}. {advice} Or train on "
                "the reference's, with --no-overlay."
            ) from None
        raise FileNotFoundError(f"There is no finished data mix in {folder}. {advice}") from None
    except ValueError as error:
        raise FileNotFoundError(f"{path} is not readable ({error}). {advice}") from error
    if not isinstance(index, dict) or index.get("format") != _FORMAT:
        raise FileNotFoundError(f"The mix in {folder} is of another format. {advice}")
    for split in index["splits"].values():
        for shard in split["shards"]:
            shard_path = folder / shard["file"]
            size = shard_path.stat().st_size if shard_path.is_file() else None
            if size != shard["tokens"] * _TOKEN.itemsize:
                raise FileNotFoundError(
                    f"{shard_path} should hold {shard['tokens']:,} tokens of 2 bytes and "
                    f"{'is missing' if size is None else f'has {size:,} bytes'}. {advice}"
                )
        if not (folder / split["documents_file"]["file"]).is_file():
            name = split["documents_file"]["file"]
            raise FileNotFoundError(f"{folder / name} is missing. {advice}")
    if not (folder / TOKENIZER_FILE).is_file():
        raise FileNotFoundError(f"{folder / TOKENIZER_FILE} is missing. {advice}")
    return index


def is_intact(folder: Path) -> bool:
    """True if the folder is a finished mix and every byte of it is as it was written."""
    try:
        index = read_index(folder)
    except FileNotFoundError:
        return False
    files = [index["tokenizer"]]
    for split in index["splits"].values():
        files += [*split["shards"], split["documents_file"]]
    return all(sha256_of_file(folder / file["file"]) == file["sha256"] for file in files)


class TokenShards:
    """One split of a finished mix, read from disk as needed.

    split: "train" or "validation". `len()` is its number of tokens. Raises FileNotFoundError if the
    folder is not a finished mix, ValueError if there is no such split.
    """

    def __init__(self, folder: str | Path, split: str) -> None:
        self.folder = Path(folder)
        index = read_index(self.folder)
        if split not in index["splits"]:
            raise ValueError(f"A mix has the splits {SPLITS}; got {split!r}.")
        self.split = split
        self.vocab_size: int = index["vocab_size"]
        self.digest: str = index["digest"]
        self.sources: list[str] = index["sources"]
        self._about = index["splits"][split]
        self._shards = [
            np.memmap(self.folder / shard["file"], dtype=_TOKEN, mode="r")
            for shard in self._about["shards"]
        ]
        self._ends = np.cumsum([len(shard) for shard in self._shards])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __repr__(self) -> str:
        return f"TokenShards({str(self.folder)!r}, {self.split!r}): {len(self):,} tokens"

    def read(self, start: int, count: int) -> np.ndarray:
        """`count` tokens from `start` on, as uint16 (count,), across the borders of shards.

        Raises IndexError if the split does not have them.
        """
        if start < 0 or count < 0 or start + count > len(self):
            raise IndexError(
                f"Asked for {count} tokens from {start} on; the {self.split} split in "
                f"{self.folder} has {len(self):,}: start + count may be at most that, and neither "
                "below 0."
            )
        out = np.empty(count, dtype=np.uint16)
        done = 0
        shard = int(np.searchsorted(self._ends, start, side="right"))
        while done < count:
            begin = start + done - (int(self._ends[shard - 1]) if shard else 0)
            piece = self._shards[shard][begin : begin + count - done]
            out[done : done + len(piece)] = piece
            done += len(piece)
            shard += 1
        return out

    @cached_property
    def documents(self) -> np.ndarray:
        """Where each document begins (`start`) and the number of its source in `sources`."""
        path = self.folder / self._about["documents_file"]["file"]
        return np.load(path, allow_pickle=False)

    def document(self, number: int) -> np.ndarray:
        """The tokens of one document, `<s>` and `</s>` included, as uint16."""
        starts = self.documents["start"]
        if not 0 <= number < len(starts):
            raise IndexError(f"The {self.split} split has documents 0 to {len(starts) - 1}.")
        end = int(starts[number + 1]) if number + 1 < len(starts) else len(self)
        return self.read(int(starts[number]), end - int(starts[number]))
