"""Articles of news outlets."""

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from llama_mini.data import cleaning
from llama_mini.data import news as articles
from llama_mini.data.readers.archives import Read, members
from llama_mini.data.sources import Part

# Lists of results and minute-by-minute reports share the articles' table.
_SCORES = re.compile(r"Scores, Results|\bFixtures\b|\bLIVE\b|as it happened", re.IGNORECASE)


def read(archive: Path, part: Part) -> Iterator[Read]:
    """Articles of the outlets that the part names, out of a CSV table in a zip file."""
    outlets = part.option("outlets")
    for _, packed in members(archive, part):
        with zipfile.ZipFile(io.BytesIO(packed)) as inner:
            table = inner.read(inner.namelist()[0]).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(table, newline="")))
        # Sentences that three articles share are the outlet's furniture, whoever shows it.
        counts = Counter(s for row in rows for s in set(articles.sentences(row["text"])))
        furniture = {sentence for sentence, count in counts.items() if count >= 3}
        hyphens = articles.false_hyphens(row["text"] for row in rows)
        for row in rows:
            outlet = urlsplit(row["article_source_link"]).hostname or ""
            if outlet not in outlets:
                continue
            phrases = [s for s in articles.sentences(row["text"]) if s in furniture]
            body = articles.repair_news(articles.without_phrases(row["text"], phrases), hyphens)
            title = articles.repair_news(row["title"], hyphens)
            name = f"{outlet}/{row['article_id']}"
            if not body or not title:
                yield Read(name, name, "", "damaged beyond repair")
            elif _SCORES.search(title):
                yield Read(name, name, "", "scores or a live report")
            else:
                yield Read(name, name, cleaning.tidy(f"{title}\n\n{body}"))
