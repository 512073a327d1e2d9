"""Plain characters, plain spacing and whole paragraphs: what text of any kind may need."""

import re
import unicodedata

_CONTROL = [*range(0x00, 0x09), 0x0B, *range(0x0E, 0x20), *range(0x7F, 0xA0)]
_INVISIBLE = [0xAD, *range(0x200B, 0x2010), 0x2060, 0xFEFF]
_UNWANTED = dict.fromkeys([*_CONTROL, *_INVISIBLE])
_SPACES = dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_BREAKS = {0x0C: "\n", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}
_CHARACTERS = _UNWANTED | _SPACES | _BREAKS


def tidy(text: str, blank_lines: int = 1) -> str:
    """Plain characters and plain spacing: what every source gets.

    Composes accents (NFC), removes control and invisible characters, makes every space and line
    break a plain one, drops trailing spaces, and leaves at most `blank_lines` of them in a row.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.translate(_CHARACTERS)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    most = "\n" * (blank_lines + 1)
    return re.sub(rf"\n{{{blank_lines + 2},}}", most, text).strip("\n")


def unwrap(text: str) -> str:
    """Join the lines of each paragraph that were broken to fit a page.

    A paragraph with an indented line (verse, code, a table) or with short lines alone stays as is.
    """
    return "\n\n".join(_unwrap_paragraph(p) for p in re.split(r"\n{2,}", text))


def _unwrap_paragraph(paragraph: str) -> str:
    lines = paragraph.split("\n")
    if len(lines) < 2 or any(line[:1].isspace() for line in lines[1:]):
        return paragraph
    if max(len(line) for line in lines) < 50:
        return paragraph
    return " ".join(line.strip() for line in lines)
