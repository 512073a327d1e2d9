"""The unit of the whole pipeline: a document."""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from llama_mini.pinned.files import atomic_write


@dataclass(frozen=True)
class Document:
    """A piece of text that a model reads in one go, between `<s>` and `</s>`.

    source: key of one of the seven sources. id: unique; says where the text comes from. group:
    documents of one group never part at the train/validation split (chapters of one book).
    """

    source: str
    id: str
    group: str
    text: str

    def with_text(self, text: str) -> "Document":
        """The same document with another text."""
        return replace(self, text=text)


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """Write documents as compressed JSON lines, atomically."""
    # No file name and no time in the gzip header: the same documents give the same bytes.
    with (
        atomic_write(path) as raw,
        gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) as file,
    ):
        for document in documents:
            line = json.dumps(asdict(document), ensure_ascii=False) + "\n"
            file.write(line.encode("utf-8"))


def read_documents(path: Path) -> Iterator[Document]:
    """Read what `write_documents` wrote."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield Document(**json.loads(line))
