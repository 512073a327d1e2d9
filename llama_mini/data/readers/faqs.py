"""FAQs in reStructuredText."""

from collections.abc import Iterator
from pathlib import Path

from llama_mini.data import cleaning, restructuredtext, threads
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Iterator[Read]:
    """FAQs in reStructuredText, a document for every question with its answer."""
    for name, raw in members(archive, part):
        pairs = restructuredtext.questions_and_answers(raw.decode("utf-8"))
        for number, (question, answer) in enumerate(pairs):
            text = threads.thread_text(question, [(0, cleaning.unwrap(answer))])
            yield Read(f"{name}/{number}", f"{name}/{number}", cleaning.tidy(text))
