"""Stages done once and kept: each result lies under a name that states what it follows from."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from llama_mini import paths
from llama_mini.data.documents import Document, read_documents, write_documents
from llama_mini.data.keys import Key
from llama_mini.data.pipeline import Stage
from llama_mini.data.stages import Answer
from llama_mini.files import remove_partial_files
from llama_mini.pinned.files import atomic_write

# What a stage did: {"stage": its name, "sources": {source: {"kept": n, "left out": {reason: n},
# "remarks": {remark: n}}}}.
Account = dict[str, Any]


class Shelf:
    """Where results are kept: the reference's in the shared cache, a learner's in the workspace.

    It remembers what was asked of it, so that what nothing asks for any longer can go.
    """

    def __init__(self) -> None:
        self._asked: set[Path] = set()
        for folder in self._folders():
            remove_partial_files(folder)

    def path(self, stem: str, key: Key, suffix: str) -> Path:
        """The place of a result. No result that a learner's code made shares a folder with ours."""
        shared, own = self._folders()
        path = (own if key.code else shared) / f"{stem}-{key.value[:16]}{suffix}"
        self._asked.add(path)
        return path

    def sweep(self, code: dict[str, str]) -> None:
        """Delete what was not asked for, from the folder of a mix that `code` had a hand in."""
        shared, own = self._folders()
        folder = own if code else shared
        for path in folder.glob(f"*-{'[0-9a-f]' * 16}.*"):
            if path not in self._asked:
                path.unlink(missing_ok=True)

    @staticmethod
    def _folders() -> tuple[Path, Path]:
        return paths.cache_dir() / "stages", paths.own_stages_dir()


@dataclass(frozen=True)
class Link:
    """One step of a chain: the name of its result, and how to make it from the one before."""

    name: str
    key: Key
    make: Callable[[list[Document]], tuple[list[Document], Account]]


def links(
    stages: Sequence[Stage], before: Sequence[Key], stem: str = "", progress: bool = True
) -> list[Link]:
    """The steps of a chain of stages, after what `before` names."""
    chain: list[Link] = []
    for stage in stages:

        def make(documents: list[Document], stage=stage) -> tuple[list[Document], Account]:
            bar = tqdm(total=len(documents), desc=stage.name, unit="document", disable=not progress)
            with bar:
                return counted(stage.name, documents, _watched(stage.answers(documents), bar))

        before = [stage.key(before)]
        chain.append(Link(stage.name + stem, before[0], make))
    return chain


def through(
    shelf: Shelf,
    chain: Sequence[Link],
    begin: Callable[[], tuple[list[Document], list[Account]]] = lambda: ([], []),
) -> tuple[list[Document], list[Account]]:
    """The documents at the end of a chain, and the accounts of all its stages.

    Goes on after the last link whose result is kept. begin: the documents before the first link and
    the accounts of how they came about; called if no result is kept.
    """
    places = [
        (shelf.path(link.name, link.key, ".jsonl.gz"), shelf.path(link.name, link.key, ".json"))
        for link in chain
    ]
    done = len(chain)
    while done and not all(path.is_file() for path in places[done - 1]):
        done -= 1
    if done:
        file, account_file = places[done - 1]
        documents = list(read_documents(file))
        accounts = json.loads(account_file.read_text(encoding="utf-8"))
    else:
        documents, accounts = begin()
    for link, (file, account_file) in zip(chain[done:], places[done:], strict=True):
        documents, account = link.make(documents)
        accounts = [*accounts, account]
        write_documents(file, documents)
        _write_accounts(account_file, accounts)
    return documents, accounts


def counted(
    stage: str, sources: Iterable[Document], answers: Iterable[Answer]
) -> tuple[list[Document], Account]:
    """The documents that stay, and the answers counted by source; `sources`: whose they are."""
    kept: list[Document] = []
    stayed: Counter[str] = Counter()
    left: dict[str, Counter[str]] = {}
    remarks: dict[str, Counter[str]] = {}
    for before, (document, reason) in zip(sources, answers, strict=True):
        if document is not None:
            kept.append(document)
            stayed[before.source] += 1
        if reason is not None:
            told = left if document is None else remarks
            told.setdefault(before.source, Counter())[reason] += 1
    account = {
        source: {
            "kept": stayed[source],
            "left out": dict(left.get(source, {})),
            "remarks": dict(remarks.get(source, {})),
        }
        for source in sorted({*stayed, *left})
    }
    return kept, {"stage": stage, "sources": account}


def merged(accounts: Iterable[Sequence[Account]]) -> list[Account]:
    """The accounts of several ways as one: what stages of one name did is added up."""
    stages: dict[str, dict[str, dict[str, Any]]] = {}
    for account in (account for way in accounts for account in way):
        total = stages.setdefault(account["stage"], {})
        for source, own in account["sources"].items():
            sums = total.setdefault(source, {"kept": 0, "left out": {}, "remarks": {}})
            sums["kept"] += own["kept"]
            for what in ("left out", "remarks"):
                sums[what] = dict(Counter(sums[what]) + Counter(own[what]))
    return [{"stage": stage, "sources": sources} for stage, sources in stages.items()]


def _write_accounts(path: Path, accounts: list[Account]) -> None:
    with atomic_write(path) as file:
        file.write((json.dumps(accounts, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))


def _watched(answers: Iterable[Answer], bar: tqdm) -> Iterable[Answer]:
    for answer in answers:
        bar.update()
        yield answer
