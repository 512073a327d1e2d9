"""Lead sections of Wikipedia's articles."""

import json
from collections.abc import Iterator
from pathlib import Path

from llama_mini.data import cleaning, wikipedia
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part


def read(archive: Path, part: Part) -> Iterator[Read]:
    """Lead sections of articles, out of a JSON file of title → extract."""
    for _, raw in members(archive, part):
        for title, article in json.loads(raw).items():
            yield Read(
                title,
                title,
                cleaning.tidy(f"{title}\n\n{wikipedia.clean_lead(article['extract'])}"),
            )
