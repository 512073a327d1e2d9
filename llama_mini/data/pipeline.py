"""The stages between a package file and the mix, in the order in which text goes through them."""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from llama_mini.data.documents import Document
from llama_mini.data.keys import Key, key_of
from llama_mini.data.sources import Part, SourceTable
from llama_mini.data.stages import Answer


@dataclass(frozen=True)
class Stage:
    """One step of the way, by name: what it does is looked up when it does it.

    module: of `llama_mini.data.stages`, or a full name where there is a dot in it. settings:
    JSON-like; its `answers` gets them. also: further modules that its result follows from.
    """

    name: str
    module: str
    settings: dict[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        """The full name of the module."""
        return self.module if "." in self.module else f"llama_mini.data.stages.{self.module}"

    def key(self, before: Sequence[Key]) -> Key:
        """What this stage's result follows from, after those before it."""
        return key_of(self.name, self.settings, [self.home, *self.also], before)

    def answers(self, documents: Sequence[Document]) -> Iterator[Answer]:
        """What it says of each document: (kept, reason), see `llama_mini.data.stages`."""
        return importlib.import_module(self.home).answers(documents, **self.settings)


def reading(part: Part, table: SourceTable) -> Stage:
    """The stage that makes documents of a part of a package file."""
    settings = {"part": asdict(part), "file": asdict(table.file(part.package))}
    return Stage("read", part.reader_module, settings, also=("llama_mini.data.readers",))


def of_part(part: Part) -> list[Stage]:
    """What only the documents of one part of the table go through, after they are read."""
    there_are = {
        "closing_lines": Stage("closing_lines", "closing_lines"),
        "form_lines": Stage("form_lines", "form_lines"),
        "c4_pages": Stage("c4_pages", "c4_pages", {"bad_words": list(part.option("bad_words"))}),
    }
    if unknown := [name for name in part.option("stages") if name not in there_are]:
        raise ValueError(
            f"The part of {part.package} for {part.source} names the stages {unknown}; there are "
            f"{', '.join(there_are)}."
        )
    return [there_are[name] for name in part.option("stages")]


def of_all(table: SourceTable) -> list[Stage]:
    """What the documents of all parts go through together, from top to bottom."""
    crawled = [source.key for source in table.sources if source.crawled]
    languages = {source.key: source.language for source in table.sources if source.language}
    rules = {
        source.key: {
            "kind": source.kind,
            "min_characters": source.min_characters,
            "min_words": source.min_words,
        }
        for source in table.sources
    }
    grades = []
    if table.grading:
        graded = {"sources": crawled, "reference": table.grading.reference}
        keep = list(table.grading.keep_buckets)
        at_least = table.grading.min_reference_probability
        grades = [
            Stage("perplexity", "perplexity", {**graded, "keep": keep}),
            Stage("classifier", "classifier", {**graded, "at_least": at_least}),
        ]
    return [
        Stage("paragraphs", "paragraphs", {"sources": crawled}),
        Stage("rules", "rules", {"rules": rules}),
        Stage("language", "languages", {"languages": languages}),
        *grades,
        Stage("passages", "passages", {"duplicate_above": 0.5, "related_above": 0.1}),
    ]


def vocabulary_key(settings: dict[str, Any], before: Key) -> Key:
    """What the tokenizer follows from: the documents, and how it is trained on them."""
    return key_of("vocabulary", settings, ["llama_mini.data.mixing.vocabulary"], [before])


def mix_key(settings: dict[str, Any], before: Sequence[Key]) -> Key:
    """What the mix follows from: documents, tokenizer, and how they become tokens in an order."""
    modules = ["llama_mini.data.mixing.assemble", "llama_mini.data.shards"]
    return key_of("mix", settings, modules, before)
