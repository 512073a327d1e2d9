"""Reading documents straight out of package archives: one reader for every kind of member.

Archives are only ever read as data, member by member, in memory: nothing is imported, unpickled or
written to disk under a name that an archive chose.
"""

import csv
import io
import json
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from llama_mini.data import cleaning, extraction, latex, quality, restructuredtext
from llama_mini.data.documents import Document
from llama_mini.data.files import DataError
from llama_mini.data.sources import Part
from llama_mini.pinned.files import PinnedFile


def members(archive: Path, part: Part) -> Iterator[tuple[str, bytes]]:
    """The members of an archive that a part names, as (name, bytes), in order of name.

    Raises DataError if there is none, or if the file is not an archive of its kind.
    """
    try:
        found = dict(_wanted(archive, part))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DataError(
            f"{part.package}: {archive} is not a readable archive ({error}). Delete it and run "
            "`llama-mini data build` again."
        ) from error
    if not found:
        raise DataError(
            f"{part.package}: {archive.name} has no member like {', '.join(part.include)}, which "
            f"the source {part.source} is read from. Was sources.toml changed? Correct its "
            "`include`, or pin the version that has it."
        )
    yield from sorted(found.items())


def _wanted(archive: Path, part: Part) -> Iterator[tuple[str, bytes]]:
    def wanted(name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in part.include) and not any(
            fnmatchcase(name, pattern) for pattern in part.exclude
        )

    if archive.name.endswith((".whl", ".zip")):
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                if wanted(name):
                    yield name, file.read(name)
    else:
        with tarfile.open(archive) as file:
            for member in file:
                if member.isfile() and wanted(member.name):
                    yield member.name, file.extractfile(member).read()


def read_part(archive: Path, part: Part, file: PinnedFile) -> Iterator[Document]:
    """All documents of a part, extracted and cleaned, not yet filtered."""
    reader = READERS.get(part.reader)
    if reader is None:
        raise ValueError(f"There is no reader {part.reader!r}; there are {', '.join(READERS)}.")
    for name, group, text in reader(archive, part):
        # Python separates its definitions by two blank lines.
        blank_lines = 2 if part.reader == "python_sources" else 1
        if text := cleaning.tidy(text, blank_lines):
            prefix = f"{file.package}-{file.version}"
            yield Document(part.source, f"{prefix}/{name}", f"{prefix}/{group}", text)


# What a reader yields: the document's name within its file, its group, its text.
Read = Iterator[tuple[str, str, str]]


def web_pages(archive: Path, part: Part) -> Read:
    """Pages of the open web: the main text, of which only paragraphs of sentences are kept."""
    for name, page in members(archive, part):
        text = cleaning.tidy(extraction.extract_text(page))
        yield name, name, quality.c4_lines(text)


def manual_pages(archive: Path, part: Part) -> Read:
    """Pages of a manual: the main text, with its headings and its code."""
    for name, page in members(archive, part):
        text = cleaning.tidy(extraction.extract_text(page))
        yield name, name, quality.without_menus(text)


# Lists of results and minute-by-minute reports share the articles' table.
_SCORES = re.compile(r"Scores, Results|\bFixtures\b|\bLIVE\b|as it happened", re.IGNORECASE)


def news(archive: Path, part: Part) -> Read:
    """Articles of the outlets that the part names, out of a CSV table in a zip file."""
    outlets = part.option("outlets")
    for _, packed in members(archive, part):
        with zipfile.ZipFile(io.BytesIO(packed)) as inner:
            table = inner.read(inner.namelist()[0]).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(table, newline="")))
        # Sentences that three articles share are the outlet's furniture, whoever shows it.
        counts = Counter(s for row in rows for s in set(cleaning.sentences(row["text"])))
        furniture = {sentence for sentence, count in counts.items() if count >= 3}
        hyphens = cleaning.false_hyphens(row["text"] for row in rows)
        for row in rows:
            outlet = urlsplit(row["article_source_link"]).hostname or ""
            if outlet not in outlets:
                continue
            phrases = [s for s in cleaning.sentences(row["text"]) if s in furniture]
            body = cleaning.repair_news(cleaning.without_phrases(row["text"], phrases), hyphens)
            title = cleaning.repair_news(row["title"], hyphens)
            if body and title and not _SCORES.search(title):
                name = f"{outlet}/{row['article_id']}"
                yield name, name, f"{title}\n\n{body}"


def wikipedia_leads(archive: Path, part: Part) -> Read:
    """Lead sections of articles, out of a JSON file of title → extract."""
    for _, raw in members(archive, part):
        for title, article in json.loads(raw).items():
            yield title, title, f"{title}\n\n{cleaning.clean_lead(article['extract'])}"


def books(archive: Path, part: Part) -> Read:
    """Books cut at their chapters or tales. A book's chapters belong together; tales do not."""
    for name, raw in members(archive, part):
        text = cleaning.tidy(raw.decode("utf-8-sig"))
        title = Path(name).stem
        tales = "Tales" in title
        for number, chapter in enumerate(_chapters(text)):
            yield f"{title}/{number}", f"{title}/{number}" if tales else title, chapter


def _chapters(text: str) -> Iterator[str]:
    paragraphs = text.split("\n\n")
    chapter: list[str] = []
    for paragraph in paragraphs:
        is_heading = "\n" not in paragraph and _is_chapter_heading(paragraph)
        if is_heading and any(not _is_chapter_heading(p) for p in chapter):
            yield cleaning.unwrap("\n\n".join(chapter))
            chapter = []
        chapter.append(paragraph)
    yield cleaning.unwrap("\n\n".join(chapter))


def _is_chapter_heading(line: str) -> bool:
    line = line.strip()
    if re.match(r"(?i)^(?:chapter|part|book)\s+[ivxlc\d]+\b", line) or re.match(
        r"^[IVXL]{1,7}\.?$", line
    ):
        return len(line) < 80
    letters = [c for c in line if c.isalpha()]
    return 3 < len(line) < 70 and len(letters) > 3 and all(c.isupper() for c in letters)


def papers(archive: Path, part: Part) -> Read:
    """Papers in LaTeX, a document for every section; a paper's sections belong together."""
    for name, raw in members(archive, part):
        for number, (title, text) in enumerate(latex.paper_sections(raw.decode("utf-8"))):
            yield f"{name}/{number} {title}", name, text


def faqs(archive: Path, part: Part) -> Read:
    """FAQs in reStructuredText, a document for every question with its answer."""
    for name, raw in members(archive, part):
        pairs = restructuredtext.questions_and_answers(raw.decode("utf-8"))
        for number, (question, answer) in enumerate(pairs):
            yield f"{name}/{number}", f"{name}/{number}", f"{question}\n\n{cleaning.unwrap(answer)}"


def python_sources(archive: Path, part: Part) -> Read:
    """Python files without tests, vendored copies and licence headers.

    Raises DataError if the package's own metadata names no Apache, BSD or MIT licence.
    """
    metadata = Part(part.source, part.package, part.reader, ("*.dist-info/METADATA",))
    header = b"\n".join(raw for _, raw in members(archive, metadata)).split(b"\n\n")[0]
    if not re.search(rb"^(?:Licen[cs]e|Classifier: License).*(?:Apache|BSD|MIT)", header, re.M):
        raise DataError(
            f"{part.package}: {archive.name} names no Apache, BSD or MIT licence in its metadata, "
            f"so the source {part.source} may not take it. Choose another package in sources.toml."
        )
    for name, raw in members(archive, part):
        folders = name.split("/")[:-1]
        if not any(re.match(r"_?tests?$|_?vendor", folder) for folder in folders):
            yield name, name, cleaning.without_licence_header(raw.decode("utf-8"))


READERS: dict[str, Callable[[Path, Part], Read]] = {
    reader.__name__: reader
    for reader in (
        web_pages, manual_pages, news, wikipedia_leads, books, papers, faqs, python_sources
    )
}  # fmt: skip
