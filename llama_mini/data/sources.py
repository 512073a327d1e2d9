"""The table of sources: the pinned files that the mix is made of, and what each gives."""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from llama_mini.pinned.files import PinnedFile


@dataclass(frozen=True)
class Source:
    """One of the seven sources of LLaMA's pre-training data.

    key: its short name. title: the paper's name. share: percent of the tokens (LLaMA paper,
    Table 1). stand_in: what plays its role here. caveat: what that is not.

    What its documents must be like: kind: "prose" and "code" have rules of thumb, "latex" has none.
    min_characters, min_words: shorter ones are left out. language: an ISO 639-1 code that all must
    be in, or nothing. crawled: it is pages of the web, where the same paragraphs come back.
    """

    key: str
    title: str
    share: float
    stand_in: str
    caveat: str
    kind: str = "prose"
    min_characters: int = 0
    min_words: int = 0
    language: str = ""
    crawled: bool = False


@dataclass(frozen=True)
class Grading:
    """How crawled pages are graded, and which grades stay.

    reference: the source that they are compared with. keep_buckets: of "head", "middle" and "tail"
    by perplexity. min_reference_probability: what the classifier must give a page.
    """

    reference: str
    keep_buckets: tuple[str, ...]
    min_reference_probability: float


@dataclass(frozen=True)
class Part:
    """The members of one file that feed one source.

    reader: the file of `readers/` that understands them. include, exclude: patterns of member
    names (shell style, matched against the whole name). options: what the reader further needs, and
    the `stages` that these documents alone go through.
    """

    source: str
    package: str
    reader: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def reader_module(self) -> str:
        """The full name of the reader's module."""
        return self.reader if "." in self.reader else f"llama_mini.data.readers.{self.reader}"

    def option(self, name: str) -> tuple[str, ...]:
        """The values of an option, or an empty tuple."""
        return dict(self.options).get(name, ())


@dataclass(frozen=True)
class SourceTable:
    """Everything `sources.toml` says."""

    sources: tuple[Source, ...]
    files: tuple[PinnedFile, ...]
    parts: tuple[Part, ...]
    grading: Grading | None = None

    def source(self, key: str) -> Source:
        """The source of that key. Raises KeyError with the keys there are."""
        for source in self.sources:
            if source.key == key.lower():
                return source
        keys = ", ".join(source.key for source in self.sources)
        raise KeyError(f"There is no source {key!r}; there are {keys}.")

    def file(self, package: str) -> PinnedFile:
        """The pinned file of a package."""
        return next(file for file in self.files if file.package == package)

    def licences(self, key: str) -> str:
        """The licences of the texts of a source, in the table's order."""
        names = [self.file(part.package).licence for part in self.parts if part.source == key]
        return "; ".join(dict.fromkeys(names))


def load_table(path: Path | None = None) -> SourceTable:
    """Read a table of sources, the course's own by default.

    Raises ValueError if shares do not sum to 100, or a part or the grading names an unknown
    source or package.
    """
    raw = (
        resources.files("llama_mini.data").joinpath("sources.toml").read_bytes()
        if path is None
        else path.read_bytes()
    )
    tables = tomllib.loads(raw.decode("utf-8"))
    sources = tuple(Source(key=key, **fields) for key, fields in tables["sources"].items())
    files = tuple(PinnedFile(**fields) for fields in tables["files"])
    parts = tuple(_part(fields) for fields in tables["parts"])
    grading = Grading(**_tuples(tables["grading"])) if "grading" in tables else None
    table = SourceTable(sources, files, parts, grading)
    _check(table)
    return table


def _part(fields: dict) -> Part:
    fields = _tuples(fields)
    own = {name: fields.pop(name) for name in ("source", "package", "reader", "include")}
    return Part(**own, exclude=fields.pop("exclude", ()), options=tuple(sorted(fields.items())))


def _tuples(fields: dict) -> dict:
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }


def _check(table: SourceTable) -> None:
    total = sum(source.share for source in table.sources)
    if abs(total - 100) > 1e-6:
        raise ValueError(f"The shares of the sources must sum to 100 %; they sum to {total} %.")
    keys = {source.key for source in table.sources}
    packages = {file.package for file in table.files}
    for part in table.parts:
        if part.source not in keys or part.package not in packages:
            raise ValueError(
                f"A part names source {part.source!r} and package {part.package!r}; both must be "
                f"in the table. Sources: {sorted(keys)}. Packages: {sorted(packages)}."
            )
    if table.grading and table.grading.reference not in keys:
        raise ValueError(
            f"Pages are compared with the source {table.grading.reference!r}, and there is none; "
            f"there are {sorted(keys)}."
        )
    if unfed := keys - {part.source for part in table.parts}:
        raise ValueError(f"No part feeds {', '.join(sorted(unfed))}.")
