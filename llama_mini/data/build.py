"""Building the data mix, stage by stage; each stage's result is kept under a name that states
everything it was made from, so a run that was cut short goes on where it stopped."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from llama_mini import files, paths, slots
from llama_mini.data import kept, pipeline, readers, shards
from llama_mini.data.documents import Document
from llama_mini.data.files import DataError, fingerprint
from llama_mini.data.keys import Key
from llama_mini.data.mixing import assemble, vocabulary
from llama_mini.data.sources import Part, SourceTable, load_table
from llama_mini.data.table import MixRow, format_table, mix_table, rows_of, whose_code
from llama_mini.pinned import fetch
from llama_mini.tokenizer.sentencepiece import Tokenizer

__all__ = ["MixReport", "MixRow", "build_mix", "format_table", "mix_table"]

TOTAL_TOKENS = 6_600_000
VALIDATION_FRACTION = 0.03
_TOKENIZER_BYTES = 12_000_000


@dataclass(frozen=True)
class MixReport:
    """What `build_mix` did: where the mix is, its table, and the seconds each stage took.

    about: what the mix's index says besides, such as whose code made it, and what each stage left
    out.
    """

    folder: Path
    digest: str
    rows: list[MixRow]
    seconds: dict[str, float] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{format_table(self.rows)}\n\nMade by {whose_code(self.about)}."


def build_mix(
    out: Path | None = None,
    seed: int = 0,
    vocab_size: int = 4096,
    total_tokens: int = TOTAL_TOKENS,
    validation_fraction: float = VALIDATION_FRACTION,
    table: SourceTable | None = None,
    progress: bool = True,
) -> MixReport:
    """Fetch, read, clean, filter, tokenize, sample and pack the data mix.

    out: its folder, `shards.default_folder()` by default. seed: of the split, the sampling and the
    order. total_tokens: in the training split; validation gets about `validation_fraction` of that
    beside it. The same table, seed, sizes and code give the same bytes. Finished stages are kept
    and used again, the reference's in the cache, those that a learner's code had a hand in in the
    workspace; a finished mix is checked, and left alone if today's code would make the same. One
    build at a time works in a cache; another waits. Raises DataError with the next step if a file
    cannot be had, is not the pinned one, or does not fit on the disk.
    """
    table = load_table() if table is None else table
    with _one_at_a_time(progress):
        return _build(out, seed, vocab_size, total_tokens, validation_fraction, table, progress)


def _build(
    out: Path | None,
    seed: int,
    vocab_size: int,
    total_tokens: int,
    validation_fraction: float,
    table: SourceTable,
    progress: bool,
) -> MixReport:
    shelf = kept.Shelf()
    plan = plan_of(table, seed, vocab_size, total_tokens, validation_fraction, progress)
    key = plan.mix
    out = _folder_for(out, key)
    seconds: dict[str, float] = {}
    if _stamp_of(out) == key.value and shards.is_intact(out):
        index = shards.read_index(out)
        return MixReport(out, index["digest"], mix_table(out), seconds, index["about"])

    with _timed("fetch", seconds):
        fetch.fetch_all(table.files, _downloads(), progress)

    def read_all() -> tuple[list[Document], list[kept.Account]]:
        with _timed("read and clean", seconds):
            bar = tqdm(plan.parts, desc="read and clean", unit="part", disable=not progress)
            ways = [kept.through(shelf, way) for way in bar]
        return [document for documents, _ in ways for document in documents], kept.merged(
            accounts for _, accounts in ways
        )

    with _timed("filter and deduplicate", seconds):
        documents, accounts = kept.through(shelf, plan.documents, read_all)
    if "read and clean" in seconds:
        seconds["filter and deduplicate"] -= seconds["read and clean"]
    with _timed("train the tokenizer", seconds):
        model = shelf.path("vocabulary", plan.vocabulary, ".model")
        if not model.is_file():
            vocabulary.train(documents, model, **plan.training)
    with _timed("encode", seconds):
        tokens = _encode(documents, Tokenizer(model), progress)
    with _timed("sample and pack", seconds):
        sizes = [len(ids) + 2 for ids in tokens]
        train, validation, sampled = assemble.reading_orders(documents, sizes, **plan.mixing)
        rows = rows_of(table, documents, sizes, validation, sampled)
        index = shards.write_shards(
            out,
            {
                "train": ((documents[i].source, tokens[i]) for i in train),
                "validation": ((documents[i].source, tokens[i]) for i in validation),
            },
            model,
            about={
                "stamp": key.value,
                "code": key.code,
                "seed": seed,
                "table": [asdict(row) for row in rows],
                "stages": accounts,
            },
        )
    shelf.sweep(key.code)
    return MixReport(out, index["digest"], rows, seconds, index["about"])


@dataclass(frozen=True)
class Plan:
    """The way to a mix: what is made after what, and the key of each result.

    parts: from each part of a package file to its documents. documents: from all of these to those
    of the mix. training, mixing: the settings of the tokenizer's training and of the mixing.
    """

    parts: list[list[kept.Link]]
    documents: list[kept.Link]
    training: dict[str, Any]
    vocabulary: Key
    mixing: dict[str, Any]
    mix: Key


def plan_of(
    table: SourceTable,
    seed: int = 0,
    vocab_size: int = 4096,
    total_tokens: int = TOTAL_TOKENS,
    validation_fraction: float = VALIDATION_FRACTION,
    progress: bool = False,
) -> Plan:
    """The way to the mix of these settings under today's code; arguments as for `build_mix`."""
    parts = [_way_of(part, table, progress) for part in table.parts]
    before = [way[-1].key for way in parts]
    documents = kept.links(pipeline.of_all(table), before, progress=progress)
    shares = {source.key: source.share for source in table.sources}
    training = {
        "shares": shares, "n_bytes": _TOKENIZER_BYTES, "vocab_size": vocab_size, "seed": seed,
    }  # fmt: skip
    mixing = {
        "shares": shares, "total_tokens": total_tokens, "seed": seed,
        "validation_fraction": validation_fraction,
    }  # fmt: skip
    key = documents[-1].key
    vocabulary_key = pipeline.vocabulary_key(training, key)
    titles = {source.key: source.title for source in table.sources}
    mix = pipeline.mix_key({**mixing, "titles": titles}, [key, vocabulary_key])
    return Plan(parts, documents, training, vocabulary_key, mixing, mix)


def _way_of(part: Part, table: SourceTable, progress: bool) -> list[kept.Link]:
    """From a part of a package file to the documents that all sources go on with."""
    file = table.file(part.package)
    reading = pipeline.reading(part, table)
    # A package may feed a source in several parts.
    stem = f"-{part.source}-{part.package}-{fingerprint(asdict(part))[:8]}"

    def read(_: list[Document]) -> tuple[list[Document], kept.Account]:
        found = list(readers.read_part(_downloads() / file.filename, part, file))
        return kept.counted(reading.name, (d for d, _ in found), (answer for _, answer in found))

    key = reading.key([])
    return [
        kept.Link(reading.name + stem, key, read),
        *kept.links(pipeline.of_part(part), [key], stem, progress),
    ]


def _downloads() -> Path:
    return paths.cache_dir() / "downloads"


def _folder_for(out: Path | None, key: Key) -> Path:
    """Where the mix goes. Raises DataError if a learner's would lie in the shared cache."""
    if out is None:
        return paths.own_mix_dir() if key.code else paths.mix_dir()
    out = Path(out)
    if key.code and out.resolve().is_relative_to(paths.cache_dir()):
        raise DataError(
            f"{out} lies in the cache that the reference's data are in, and this mix would be made "
            f"by {slots.describe(key.code)}. Leave its folder to the command, or name another."
        )
    return out


@contextmanager
def _one_at_a_time(progress: bool) -> Iterator[None]:
    """Wait until no other build is at work in this cache; say so if there is one."""
    with ExitStack() as stack:
        place = paths.cache_dir() / "build"
        try:
            stack.enter_context(files.lock(place, wait=False))
        except BlockingIOError:
            if progress:
                print(
                    f"Another build is at work in {paths.cache_dir()}; this one waits for it.",
                    file=sys.stderr,
                    flush=True,
                )
            stack.enter_context(files.lock(place))
        yield


def _stamp_of(folder: Path) -> str | None:
    try:
        return shards.read_index(folder)["about"].get("stamp")
    except FileNotFoundError:
        return None


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


def _encode(documents: list[Document], tokenizer: Tokenizer, progress: bool) -> list[list[int]]:
    tokens: list[list[int]] = []
    step = 256
    for begin in tqdm(
        range(0, len(documents), step), desc="encode", unit="batch", disable=not progress
    ):
        batch = [document.text for document in documents[begin : begin + step]]
        tokens += tokenizer.encode_batch(batch)
    return tokens
