"""Reading a LaTeX paper as LLaMA did: no preamble, no comments, macros expanded, no bibliography.

Source: LLaMA paper, section 2.1. The text stays LaTeX; what only steers the typesetting goes.
"""

import re

_COMMENT = re.compile(r"(?<!\\)%.*?(?:\n[ \t]*|$)")
_DEFINITION = re.compile(
    r"\\(?:newcommand|renewcommand|providecommand)\*?\s*\{?\s*\\([A-Za-z]+)\s*\}?\s*(?:\[(\d)\])?\s*(?=\{)"
)
_SECTION = re.compile(r"\\section\*?\s*\{")
_END = re.compile(
    r"\\begin\{thebibliography\}|\\bibliography\b|\\section\*?\s*\{(?:References|Acknowledg)"
    r"|\\acknowledgments?\b|\\end\{document\}"
)
_FLOAT = re.compile(
    r"\\begin\{(figure|table|deluxetable|floatingfigure|tikzpicture|algorithm|comment)(\*?)\}"
    r".*?\\end\{\1\2\}",
    re.DOTALL,
)
_MATH_BORDER = re.compile(r"\\(begin|end)\{(?:equation|eqnarray|align|displaymath|gather)\*?\}")
_BARE_BRACE = re.compile(r"(?:(?<=[\s(~])|^)\{(?!\\)", re.MULTILINE)
_UNWRAPPED = ("emph", "textit", "textbf", "textsf", "texttt", "textsc", "textrm", "underline")
_UNWRAPPED += ("mbox", "sffamily", "url", "lstinline", "protect")
_DROPPED_WITH_ARGUMENT = (
    "label",
    "vspace",
    "hspace",
    "pagestyle",
    "color",
    "index",
    "footnotetext",
)
_DROPPED = re.compile(
    r"\\(?:sffamily|bf|it|tt|rm|sf|em|small|footnotesize|large|Large|normalsize|noindent|clearpage"
    r"|newpage|pagebreak|medskip|smallskip|bigskip|centering|appendix|maketitle|protect|par|sloppy"
    r"|hfill|break|newline)(?![A-Za-z])\s?"
)


def paper_sections(source: str) -> list[tuple[str, str]]:
    """The sections of a paper as (title, LaTeX text), each text beginning with its `\\section`."""
    source = _COMMENT.sub("", source)
    macros = _macros(source)
    body = source.partition(r"\begin{document}")[2] or source
    start = _SECTION.search(body)
    if start is None:
        return []
    body = body[start.start() :]
    parts = [body[a:b] for a, b in _spans(body)]
    sections = []
    for part in parts:
        if _END.match(part):
            continue
        if end := _END.search(part):
            part = part[: end.start()]
        text = _simplify(_expand(_FLOAT.sub("", part), macros))
        title, _ = _argument(text, text.index("{"))
        sections.append((title, text))
    return sections


def _spans(body: str) -> list[tuple[int, int]]:
    starts = [match.start() for match in _SECTION.finditer(body)]
    return list(zip(starts, [*starts[1:], len(body)], strict=True))


def _argument(text: str, position: int) -> tuple[str, int]:
    """What stands between the brace at `position` and its partner, and the place after it."""
    depth = 0
    for index in range(position, len(text)):
        if text[index] == "{" and text[index - 1 : index] != "\\":
            depth += 1
        elif text[index] == "}" and text[index - 1 : index] != "\\":
            depth -= 1
            if depth == 0:
                return text[position + 1 : index], index + 1
    return text[position + 1 :], len(text)


def _macros(source: str) -> dict[str, tuple[int, str]]:
    """The user's macros: name → (number of arguments, body). Later definitions win, as in TeX."""
    macros = {}
    for match in _DEFINITION.finditer(source):
        body, _ = _argument(source, match.end())
        # A macro of TeX's inner workings cannot be expanded as text.
        if (
            "@" not in body
            and not re.search(rf"\\{match.group(1)}(?![A-Za-z])", body)
            and "\\orig" not in body
        ):
            # What authors write to each other in red is not part of the paper.
            body = "" if r"\color{red}" in body else body
            macros[match.group(1)] = (int(match.group(2) or 0), body)
    return macros


def _expand(text: str, macros: dict[str, tuple[int, str]], depth: int = 8) -> str:
    """Expand the user's macros in place, arguments included, until none is left."""
    if not macros or depth == 0:
        return text
    pattern = re.compile(
        r"\\(" + "|".join(sorted(macros, key=len, reverse=True)) + r")(?![A-Za-z@])"
    )
    out, position, changed = [], 0, False
    while match := pattern.search(text, position):
        n_arguments, body = macros[match.group(1)]
        end, arguments = match.end(), []
        for _ in range(n_arguments):
            opening = re.compile(r"\s*\{").match(text, end)
            if opening is None:
                break
            argument, end = _argument(text, opening.end() - 1)
            arguments.append(argument)
        if len(arguments) < n_arguments:
            out.append(text[position:end])
            position = end
            continue
        for number, argument in enumerate(arguments, 1):
            body = body.replace(f"#{number}", argument)
        if n_arguments == 0 and text[end : end + 2] == "\\ ":  # `\name\ word`: a forced space
            body, end = body + " ", end + 2
        out += [text[position : match.start()], body]
        position, changed = end, True
    expanded = "".join(out) + text[position:]
    return _expand(expanded, macros, depth - 1) if changed else expanded


def _simplify(text: str) -> str:
    for name in _DROPPED_WITH_ARGUMENT:
        text = _replace_command(text, name, keep_argument=False)
    text = re.sub(r"\\href\s*\{[^{}]*\}\s*(?=\{)", r"\\emph", text)
    # `\\xspace` stands where TeX would swallow a space that the author meant.
    text = _DROPPED.sub("", re.sub(r"\\xspace(?![A-Za-z])", "", text))
    for name in _UNWRAPPED:
        text = _replace_command(text, name, keep_argument=True)
    text = _without_bare_braces(_ensure_math(text))
    # Listings whose every line was a comment sign to us are empty now; options of others stay out.
    text = re.sub(r"\\begin\{(\w+)\}\s*\\end\{\1\}", "", text)
    text = re.sub(r"\\lst[a-z]+\b(?:\[[^\]]*\])?", "", text)
    return re.sub(r"\n[ \t]*\n\s*", "\n\n", text).strip()


def _ensure_math(text: str) -> str:
    """`\\ensuremath{x}` as `x` within mathematics and as `$x$` outside it."""
    while match := re.search(r"\\ensuremath\s*(?=\{)", text):
        inside, end = _argument(text, match.end())
        before = text[: match.start()]
        paragraph = before[before.rfind("\n\n") + 1 :]
        opened = [m.group(1) for m in _MATH_BORDER.finditer(before)]
        in_math = len(re.findall(r"(?<!\\)\$", paragraph)) % 2 or (opened and opened[-1] == "begin")
        text = before + (inside if in_math else f"${inside}$") + text[end:]
    return text


def _without_bare_braces(text: str) -> str:
    """Text without braces that no command claims: after a space, not opening with a command."""
    position = 0
    while match := _BARE_BRACE.search(text, position):
        inside, end = _argument(text, match.end() - 1)
        text = text[: match.end() - 1] + inside + text[end:]
        position = match.end() - 1
    return text


def _replace_command(text: str, name: str, keep_argument: bool) -> str:
    pattern = re.compile(rf"\\{name}\*?\s*(?=\{{)")
    out, position = [], 0
    while match := pattern.search(text, position):
        argument, end = _argument(text, match.end())
        out.append(text[position : match.start()])
        if keep_argument:
            text = argument + text[end:]
        else:
            text = text[end:]
        position = 0
    return "".join(out) + text[position:]
