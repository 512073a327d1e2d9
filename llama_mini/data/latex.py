"""Reading a LaTeX paper as LLaMA did: no preamble, no comments, macros expanded, no bibliography.

Source: LLaMA paper, section 2.1. The text stays LaTeX; what only steers the typesetting goes.
"""

import re

DEFINITION = re.compile(
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
    source = expand_macros(_readable(strip_comments(source)))
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
        text = _simplify(_FLOAT.sub("", part))
        title, _ = braced(text, text.index("{"))
        sections.append((title, text))
    return sections


def _spans(body: str) -> list[tuple[int, int]]:
    starts = [match.start() for match in _SECTION.finditer(body)]
    return list(zip(starts, [*starts[1:], len(body)], strict=True))


def braced(text: str, position: int) -> tuple[str, int]:
    """What stands between the brace at `position` and its partner, and the place after that.

    Without a partner, all that follows and the end of the text. `\\{` and `\\}` are no braces.
    """
    depth = 0
    for index in range(position, len(text)):
        if text[index] == "{" and text[index - 1 : index] != "\\":
            depth += 1
        elif text[index] == "}" and text[index - 1 : index] != "\\":
            depth -= 1
            if depth == 0:
                return text[position + 1 : index], index + 1
    return text[position + 1 :], len(text)


def strip_comments(source: str) -> str:
    """LaTeX without its comments, as TeX reads it.

    A comment begins at a "%", unless an odd number of backslashes stands before it: `\\%` is a
    percent sign, and `\\\\%` a line break with a comment after it. It takes the rest of its line,
    the end of the line, and the spaces and tabs that begin the next. Only if the next line is empty
    or blank, the end of the line stays, so that a paragraph still ends there.

    Source: Knuth, The TeXbook, chapters 7 and 8; LLaMA, arXiv 2302.13971, §2.1, for doing it.
    """
    return re.sub(r"(?<!\\)((?:\\\\)*)%[^\n]*(?:\n(?![ \t]*(?:\n|\Z))[ \t]*)?", r"\1", source)


def expand_macros(source: str) -> str:
    """LaTeX with the author's own macros written out, and their definitions gone.

    `DEFINITION` finds what `\\newcommand`, `\\renewcommand` and `\\providecommand` define: group 1
    is the name, group 2 the number of arguments or None; it ends before the brace of the body.
    Macros with an optional argument are not found; those whose body uses the macro itself, or TeX's
    inner workings ("@"), cannot be written out. Both stay, with their definitions. Of several
    definitions the last holds everywhere.

    A use is the name after a backslash, with no letter or "@" behind it, and as many arguments in
    braces as the macro has, with or without white space before them; a use with fewer stays. The
    body takes its place, with `#1`, `#2`, … replaced by the arguments. After a macro without
    arguments, the forced space `\\ ` becomes a space; other space stays. What an expansion brings
    in is expanded in turn, 8 times at most. `braced` finds the partner of a brace.

    Source: LLaMA, arXiv 2302.13971, §2.1: "inline-expanded definitions and macros".
    """
    macros: dict[str, tuple[int, str]] = {}
    kept, position = [], 0
    for definition in DEFINITION.finditer(source):
        name, n_arguments = definition[1], int(definition[2] or 0)
        body, end = braced(source, definition.end())
        if definition.start() < position or "@" in body:
            continue
        if re.search(rf"\\{name}(?![A-Za-z@])", body):
            continue
        macros[name] = (n_arguments, body)
        kept.append(source[position : definition.start()])
        position = end
    source = "".join(kept) + source[position:]
    if not macros:
        return source
    use = re.compile(rf"\\({'|'.join(macros)})(?![A-Za-z@])")
    for _ in range(8):
        out, position = [], 0
        while match := use.search(source, position):
            n_arguments, body = macros[match[1]]
            end, arguments = match.end(), []
            while len(arguments) < n_arguments:
                opening = re.compile(r"\s*\{").match(source, end)
                if opening is None:
                    break
                argument, end = braced(source, opening.end() - 1)
                arguments.append(argument)
            if len(arguments) < n_arguments:
                out.append(source[position:end])
            else:
                pieces = re.split(r"#([1-9])", body)  # text, number, text, number, …, text
                for place in range(1, len(pieces), 2):
                    number = int(pieces[place])
                    known = number <= n_arguments
                    pieces[place] = arguments[number - 1] if known else f"#{number}"
                body = "".join(pieces)
                if n_arguments == 0 and source[end : end + 2] == "\\ ":
                    body, end = body + " ", end + 2
                out += [source[position : match.start()], body]
            position = end
        expanded = "".join(out) + source[position:]
        if expanded == source:
            break
        source = expanded
    return source


def _readable(source: str) -> str:
    """Without macros that would not read as text: authors' notes to each other in red are no part
    of a paper, and what is made of a command's original (`\\orig…`) is layout."""
    out, position = [], 0
    for definition in DEFINITION.finditer(source):
        body, end = braced(source, definition.end())
        if definition.start() < position:
            continue
        if r"\color{red}" in body:
            out += [source[position : definition.end()], "{}"]
            position = end
        elif r"\orig" in body:
            out.append(source[position : definition.start()])
            position = end
    return "".join(out) + source[position:]


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
        inside, end = braced(text, match.end())
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
        inside, end = braced(text, match.end() - 1)
        text = text[: match.end() - 1] + inside + text[end:]
        position = match.end() - 1
    return text


def _replace_command(text: str, name: str, keep_argument: bool) -> str:
    pattern = re.compile(rf"\\{name}\*?\s*(?=\{{)")
    out, position = [], 0
    while match := pattern.search(text, position):
        argument, end = braced(text, match.end())
        out.append(text[position : match.start()])
        if keep_argument:
            text = argument + text[end:]
        else:
            text = text[end:]
        position = 0
    return "".join(out) + text[position:]
