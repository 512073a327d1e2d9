"""Show things to a learner: rich in a notebook, plain in a terminal."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llama_mini.course.learner.cells import running_shell


class Shown:
    """Something with a plain and a rich face. Subclasses define `plain()` and `rich()`."""

    def plain(self) -> str:
        """What a terminal prints."""
        raise NotImplementedError

    def rich(self) -> str:
        """What a notebook shows, as HTML."""
        return f"<pre>{html.escape(self.plain())}</pre>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.plain(), "text/html": self.rich()}

    def __repr__(self) -> str:
        return self.plain()


@dataclass(repr=False)
class Message(Shown):
    """A heading, paragraphs, and perhaps code to read."""

    heading: str
    paragraphs: Sequence[str] = ()
    code: str = ""

    def plain(self) -> str:
        return "\n\n".join(
            part for part in (self.heading, *self.paragraphs, self.code.rstrip()) if part
        )

    def rich(self) -> str:
        body = "".join(paragraph(text) for text in self.paragraphs)
        code = f"<pre><code>{html.escape(self.code.rstrip())}</code></pre>" if self.code else ""
        return f"<div><p><strong>{marked(self.heading)}</strong></p>{body}{code}</div>"


@dataclass(repr=False)
class Table(Shown):
    """Rows under a heading, with notes below."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    notes: Sequence[str] = field(default_factory=list)

    def plain(self) -> str:
        cells = [[str(cell) for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(len(row[index]) for row in cells) for index in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([self.caption, "", *lines, *([""] if self.notes else []), *self.notes])

    def rich(self) -> str:
        head = "".join(
            f'<th scope="col" style="text-align:left">{html.escape(str(c))}</th>'
            for c in self.columns
        )
        body = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left">{html.escape(str(cell))}</td>' for cell in row)
            + "</tr>"
            for row in self.rows
        )
        notes = "".join(paragraph(note) for note in self.notes)
        caption = (
            f'<caption style="text-align:left"><strong>{marked(self.caption)}</strong></caption>'
        )
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


def show(thing: Shown) -> None:
    """Display a thing in the notebook, or print it in a terminal."""
    if running_shell() is None:
        print(thing.plain())
    else:
        from IPython.display import display

        display(thing)


def paragraph(text: str) -> str:
    """Text as an HTML paragraph; lines of it stay lines."""
    return f"<p>{marked(text)}</p>".replace("\n", "<br>")


def marked(text: str) -> str:
    """Text as HTML, with what stands in backquotes as code."""
    parts = html.escape(text, quote=False).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(
        f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)
    )
