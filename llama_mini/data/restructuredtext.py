"""Questions and answers out of an FAQ written in reStructuredText."""

import re

_UNDERLINE = re.compile(r"^([=\-~^\"'`*+#.])\1{3,}\s*$")
_TARGET = re.compile(r"^\s*(?:\.\. _[^\n]*:.*|__ \S.*|\.\. \[[^\]]+\].*)$")
_DIRECTIVE_OR_COMMENT = re.compile(r"^\s*\.\.(?:\s|$)")
_KEPT_DIRECTIVE = re.compile(
    r"^(\s*)\.\. (note|tip|warning|seealso|admonition|important)::\s*(.*)$"
)
_CODE_DIRECTIVE = re.compile(r"^(\s*)\.\. (code-block|code|sourcecode|console)::")
_ROLE_WITH_TITLE = re.compile(r":[\w:+.-]+:`([^`<]+?)\s*<[^`>]*>`")
_ROLE = re.compile(r":[\w:+.-]+:`[~.!]?(?:_\w+\.)?([^`]+)`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]+>`__?")
_REFERENCE = re.compile(r"`([^`]+)`__?")
_LABEL = re.compile(r":ref:`([^`<]+)`")
_DEFAULT_ROLE = re.compile(r"(?<![`:\w])`([^`\n]+)`(?![`_\w])")
_FOOTNOTE = re.compile(r"\s*\[(?:#\w*|\d+|\*)\]_")
_WORD_REFERENCE = re.compile(r"(?<=\w)__?(?=[\s.,;:)?!'\"]|$)")
_LITERAL = re.compile(r"``([^`]+)``")
_EMPHASIS = re.compile(r"(?<![\w*])\*{1,2}([^\s*][^*\n]*?)\*{1,2}(?![\w*])")


def questions_and_answers(source: str) -> list[tuple[str, str]]:
    """The innermost sections of an FAQ that have a text of their own, as (question, answer)."""
    lines = source.expandtabs(8).split("\n")
    pairs: list[tuple[str, list[str]]] = []
    index = 0
    while index < len(lines):
        below = lines[index + 1] if index + 1 < len(lines) else ""
        if lines[index].strip() and not lines[index][0].isspace() and _UNDERLINE.match(below):
            if not _UNDERLINE.match(lines[index]):
                pairs.append((lines[index].strip(), []))
                index += 2
                continue
        if pairs and not _UNDERLINE.match(lines[index]):
            pairs[-1][1].append(lines[index])
        index += 1
    answered = [(_inline(title), plain_text("\n".join(body))) for title, body in pairs]
    return [(question, answer) for question, answer in answered if answer]


def plain_text(source: str) -> str:
    """reStructuredText without targets, directives and roles; code blocks keep their indent."""
    lines: list[str] = []
    skip_deeper_than: int | None = None
    code_deeper_than: int | None = None
    for line in source.split("\n"):
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            lines.append("")
            continue
        if skip_deeper_than is not None:
            if indent > skip_deeper_than:
                continue
            skip_deeper_than = None
        if code_deeper_than is not None:
            if indent > code_deeper_than:
                lines.append(line)
                continue
            code_deeper_than = None
        if _TARGET.match(line):
            skip_deeper_than = indent
        elif kept := _KEPT_DIRECTIVE.match(line):
            lines.append(_inline(kept.group(1) + kept.group(3)) if kept.group(3) else "")
        elif _CODE_DIRECTIVE.match(line):
            lines.append("")
            code_deeper_than = indent
        elif _DIRECTIVE_OR_COMMENT.match(line):
            skip_deeper_than = indent
        elif re.match(r"^\s*:\w[\w -]*:(?:\s|$)", line):
            continue
        else:
            if line.rstrip().endswith("::"):
                code_deeper_than = indent
                line = "" if line.strip() == "::" else line.rstrip()[:-1]
            lines.append(_inline(line))
    return re.sub(r"\n{3,}", "\n\n", _inline_across_lines("\n".join(lines))).strip("\n")


def _inline(line: str) -> str:
    line = _ROLE_WITH_TITLE.sub(r"\1", line)
    # A reference without a title would show the title of its target; its label comes close.
    line = _LABEL.sub(lambda match: match.group(1).replace("_", " "), line)
    line = _ROLE.sub(r"\1", line)
    line = _LINK.sub(r"\1", line)
    line = _LITERAL.sub(r"\1", line)
    line = _DEFAULT_ROLE.sub(r"\1", _REFERENCE.sub(r"\1", _FOOTNOTE.sub("", line)))
    line = _WORD_REFERENCE.sub("", line)
    return re.sub(r"(?<=\S) {2,}(?=\S)", " ", _EMPHASIS.sub(r"\1", line))


def _inline_across_lines(text: str) -> str:
    # Links and roles may be broken over two lines.
    text = re.sub(r"\*\*(\w[^*]{3,300}?)\*\*", r"\1", text)
    text = re.sub(r":[\w:+.-]+:`([^`<]+?)\s*<[^`>]*>`", r"\1", text)
    text = re.sub(r"`([^`<]+?)\s*<[^`>]+>`__?", r"\1", text)
    return re.sub(r"(?<!`)`([^`]+)`__?(?!\w)", r"\1", text)
