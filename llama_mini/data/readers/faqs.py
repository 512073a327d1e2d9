"""FAQs in reStructuredText."""

from pathlib import Path

from llama_mini.data import cleaning, restructuredtext
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Read:
    """FAQs in reStructuredText, a document for every question with its answer."""
    for name, raw in members(archive, part):
        pairs = restructuredtext.questions_and_answers(raw.decode("utf-8"))
        for number, (question, answer) in enumerate(pairs):
            yield f"{name}/{number}", f"{name}/{number}", f"{question}\n\n{cleaning.unwrap(answer)}"
