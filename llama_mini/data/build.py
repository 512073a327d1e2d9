"""Building the data mix, stage by stage; each stage's result is kept under a name that states
everything it was made from, so a run that was cut short goes on where it stopped."""

import importlib.metadata
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from llama_mini import paths
from llama_mini.data import prose, readers, shards
from llama_mini.data.ccnet import dedup, language
from llama_mini.data.documents import Document, read_documents, write_documents
from llama_mini.data.files import fingerprint
from llama_mini.data.mixing import passes
from llama_mini.data.sources import SourceTable, load_table
from llama_mini.data.table import MixRow, format_table, mix_table
from llama_mini.files import remove_partial_files
from llama_mini.pinned import fetch
from llama_mini.tokenizer.sentencepiece import Tokenizer, train_tokenizer

__all__ = ["MixReport", "MixRow", "build_mix", "format_table", "mix_table"]

TOTAL_TOKENS = 6_600_000
VALIDATION_FRACTION = 0.03
_TOKENIZER_BYTES = 12_000_000
# Sources whose every text must be English. Code, LaTeX and FAQs are short of words to tell it by.
_ENGLISH = ("commoncrawl", "c4", "wikipedia", "books")
_WEB = ("commoncrawl", "c4")


@dataclass(frozen=True)
class MixReport:
    """What `build_mix` did: where the mix is, its table, and the seconds each stage took."""

    folder: Path
    digest: str
    rows: list[MixRow]
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return format_table(self.rows)


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

    out: its folder, `paths.mix_dir()` by default. seed: of the split, the sampling and the order.
    total_tokens: in the training split; validation gets about `validation_fraction` of that beside
    it. The same table, seed and sizes give the same bytes. Finished stages are kept in the cache
    and used again; a finished mix is checked and left alone. Raises DataError with the next step if
    a file cannot be had, is not the pinned one, or does not fit on the disk.
    """
    out = paths.mix_dir() if out is None else Path(out)
    table = load_table() if table is None else table
    stages = paths.cache_dir() / "stages"
    remove_partial_files(stages)
    stamp = fingerprint(
        _inputs(table), seed, vocab_size, total_tokens, validation_fraction, _TOKENIZER_BYTES
    )
    seconds: dict[str, float] = {}
    if _stamp_of(out) == stamp and shards.is_intact(out):
        return MixReport(out, shards.read_index(out)["digest"], mix_table(out), seconds)

    with _timed("fetch", seconds):
        archives = fetch.fetch_all(table.files, paths.cache_dir() / "downloads", progress)
    with _timed("read and clean", seconds):
        texts = _read_all(table, archives, stages, progress)
    with _timed("filter and deduplicate", seconds):
        documents, removed = _filtered(table, texts, stages, progress)
    with _timed("train the tokenizer", seconds):
        model = _tokenizer(table, documents, stages, seed, vocab_size, stamp)
    with _timed("encode", seconds):
        tokens = _encode(documents, Tokenizer(model), progress)
    with _timed("sample and pack", seconds):
        share = {source.key: source.share for source in table.sources}
        sizes = [len(ids) + 2 for ids in tokens]
        train, validation = passes.split_validation(
            documents, sizes, share, round(total_tokens * validation_fraction), seed
        )
        order, sampled = passes.sample(
            [documents[i] for i in train], [sizes[i] for i in train], share, total_tokens, seed
        )
        validation.sort(key=lambda i: passes.draw(seed, "order", documents[i].id))
        rows = _rows(table, documents, sizes, validation, sampled)
        index = shards.write_shards(
            out,
            {
                "train": ((documents[train[i]].source, tokens[train[i]]) for i in order),
                "validation": ((documents[i].source, tokens[i]) for i in validation),
            },
            model,
            about={
                "stamp": stamp,
                "seed": seed,
                "table": [asdict(row) for row in rows],
                "removed": removed,
            },
        )
    return MixReport(out, index["digest"], rows, seconds)


def _inputs(table: SourceTable) -> str:
    """A hash of what the documents follow from: the table, our code, and the libraries it uses."""
    modules = sorted(Path(__file__).parent.rglob("*.py"))
    code = {path.name: path.read_text(encoding="utf-8") for path in modules}
    libraries = ("py3langid", "resiliparse", "sentencepiece")
    versions = {name: importlib.metadata.version(name) for name in libraries}
    return fingerprint(table.fingerprint(), code, versions)


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


def _stage(folder: Path, name: str, stamp: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The file of a stage, made by `make` if it is not there; older results of it are dropped."""
    path = folder / f"{name}-{stamp[:16]}{suffix}"
    if not path.is_file():
        make(path)
        for old in folder.glob(f"{name}-{'[0-9a-f]' * 16}{suffix}"):
            if old != path:
                old.unlink(missing_ok=True)
    return path


def _read_all(
    table: SourceTable, archives: dict[str, Path], stages: Path, progress: bool
) -> list[Path]:
    stamp = _inputs(table)
    files = []
    for part in tqdm(table.parts, desc="read and clean", unit="part", disable=not progress):

        def make(path: Path, part=part) -> None:
            file = table.file(part.package)
            write_documents(path, readers.read_part(archives[part.package], part, file))

        name = f"text-{part.source}-{part.package}"
        files.append(_stage(stages, name, stamp, ".jsonl.gz", make))
    return files


def _filtered(
    table: SourceTable, texts: list[Path], stages: Path, progress: bool
) -> tuple[list[Document], dict[str, dict[str, int]]]:
    """The documents that stay, in a fixed order, and how many of each source went, by reason."""
    removed: Counter[tuple[str, str]] = Counter()
    everything = [document for path in texts for document in read_documents(path)]

    def make(path: Path) -> None:
        web = [document for document in everything if document.source in _WEB]
        others = [document for document in everything if document.source not in _WEB]
        candidates = [*dedup.without_repeated_paragraphs(web), *others]
        kept = []
        bar = tqdm(candidates, desc="filter", unit="document", disable=not progress)
        for document in bar:
            if prose.rejection(document) is None and (
                document.source not in _ENGLISH or language.detect_language(document.text) == "en"
            ):
                kept.append(document)
        bar = tqdm(kept, desc="deduplicate", unit="document", disable=not progress)
        write_documents(path, dedup.without_near_duplicates(bar))

    path = _stage(stages, "documents", _inputs(table), ".jsonl.gz", make)
    documents = list(read_documents(path))
    ids = {document.id for document in documents}
    for document in everything:
        removed[document.source, document.id in ids] += 1
    counts = {
        source.key: {
            "read": removed[source.key, True] + removed[source.key, False],
            "kept": removed[source.key, True],
        }
        for source in table.sources
    }
    return documents, counts


def _tokenizer(
    table: SourceTable,
    documents: list[Document],
    stages: Path,
    seed: int,
    vocab_size: int,
    stamp: str,
) -> Path:
    """Train the tokenizer on text in the proportions of the mix."""

    def make(path: Path) -> None:
        texts = []
        for source in table.sources:
            own = [document for document in documents if document.source == source.key]
            own.sort(key=lambda document: passes.draw(seed, "tokenizer", document.id))
            room = _TOKENIZER_BYTES * source.share / 100
            for document in own:
                if room <= 0:
                    break
                texts.append(document.text)
                room -= len(document.text.encode("utf-8"))
        train_tokenizer(texts, path, vocab_size)

    return _stage(stages, "tokenizer", stamp, ".model", make)


def _encode(documents: list[Document], tokenizer: Tokenizer, progress: bool) -> list[list[int]]:
    tokens: list[list[int]] = []
    step = 256
    for begin in tqdm(
        range(0, len(documents), step), desc="encode", unit="batch", disable=not progress
    ):
        batch = [document.text for document in documents[begin : begin + step]]
        tokens += tokenizer.encode_batch(batch)
    return tokens


def _rows(
    table: SourceTable,
    documents: list[Document],
    sizes: list[int],
    validation: list[int],
    sampled: dict[str, passes.Sampled],
) -> list[MixRow]:
    total = sum(taken.tokens for taken in sampled.values())
    rows = []
    for source in table.sources:
        own = [document for document in documents if document.source == source.key]
        taken = sampled[source.key]
        rows.append(
            MixRow(
                source=source.title,
                documents=len(own),
                megabytes=sum(len(document.text.encode("utf-8")) for document in own) / 1e6,
                tokens=taken.tokens,
                share=100 * taken.tokens / total,
                epochs=taken.epochs,
                validation_tokens=sum(
                    sizes[i] for i in validation if documents[i].source == source.key
                ),
                licence=table.licences(source.key),
            )
        )
    return rows
