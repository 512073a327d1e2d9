"""bpe_encode: text to pieces, the best score first, as SentencePiece does it."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_LETTERS = {letter: -100.0 - place for place, letter in enumerate("▁abcdefhilmnorstuw012.é<>")}
_WORDS = (
    "▁h",
    "er",
    "▁w",
    "or",
    "▁he",
    "ll",
    "▁the",
    "th",
    "llo",
    "▁hello",
    "ld",
    "▁wor",
    "▁world",
    "▁▁",
    "▁▁▁",
    "▁t",
)
_SCORES = _LETTERS | {piece: -1.0 - place for place, piece in enumerate(_WORDS)}


def _toy(**joints: float) -> dict[str, float]:
    """A vocabulary of the letters and these joints."""
    return _LETTERS | joints


# Runs of spaces have the lowest scores of Meta's file, and "a    b" is cut as Meta's file cuts it.
_META = _LETTERS | {"▁a": -4.0, "▁b": -30.0} | {"▁" * length: -1e9 for length in range(2, 17)}

_START = 'if not text:\n        return []\n    symbols = list("▁" + text.replace(" ", "▁"))'
_JOINT = "symbols[i] + symbols[i + 1]"
_IN_SCORES = f"{_JOINT} in scores"
_PAIRS = f"[i for i in range(len(symbols) - 1) if {_IN_SCORES}]"
_BEST = "max(pairs, key=lambda i: (scores[symbols[i] + symbols[i + 1]], -i))"
_JOIN = (
    "while True:\n"
    f"        pairs = {_PAIRS}\n"
    "        if not pairs:\n"
    "            break\n"
    "        i = BEST\n"
    "        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]"
)
_END = (
    "pieces = []\n"
    "    for symbol in symbols:\n"
    "        pieces += [symbol] if symbol in scores else bpe.byte_fallback(symbol)\n"
    "    return pieces"
)


def _encoding(start: str = _START, join: str = _JOIN, best: str = _BEST, end: str = _END) -> str:
    """An encoder that is right but for the part given."""
    body = "\n    ".join((start, join.replace("BEST", best), end))
    return f"from llama_mini.tokenizer import bpe\n\n\ndef bpe_encode(text, scores):\n    {body}\n"


def _ending(fallback: str) -> str:
    return _END.replace("bpe.byte_fallback(symbol)", fallback)


def _several(answer, scores, *texts):
    return [answer(text, scores) for text in texts]


EXERCISE = Exercise(
    symbol="llama_mini.tokenizer.bpe:bpe_encode",
    lesson=2,
    minutes=25,
    difficulty=3,
    prerequisites=("train_bpe", "byte_fallback"),
    cases=(
        Case("two words", given=args("hello world", _SCORES), points=2),
        Case(
            "the best score, not the leftmost or the longest",
            given=args(
                _toy(ab=-3.0, bc=-2.0, cd=-1.0, bcd=-9.0, abc=-4.0), "abcd", "abc", "bcd", "abcabc"
            ),
            use=_several,
            points=2,
        ),
        Case(
            "equal scores",
            given=args(_toy(aa=-1.0, ab=-1.0, bc=-1.0), "aaa", "aaaaa", "abc", "aabc"),
            use=_several,
        ),
        Case(
            "a joint that is better than its parts",
            given=args(_toy(ab=-5.0, aba=-1.0, cd=-3.0, abcd=-2.0), "ababa", "abcd", "abcdaba"),
            use=_several,
        ),
        Case(
            "a joint by another way than it was learned",
            given=args(_toy(ab=-2.0, abc=-6.0, cd=-4.0, abcd=-7.0, d=-1.0), "abc", "abcd"),
            use=_several,
        ),
        Case(
            "spaces before, between and after",
            given=args(_SCORES, " hello", "hello  the", "the   ", "   "),
            use=_several,
            points=2,
        ),
        Case("Meta's own example of four spaces", given=args("a    b", _META)),
        Case(
            "a line break and a tab",
            given=args(_SCORES, "the\nworld", "\tthe\t", "the \n the"),
            use=_several,
        ),
        Case(
            "characters that are not in the vocabulary",
            given=args("the 🦙 → zoo", _SCORES),
            points=2,
        ),
        Case(
            "digits, with and without a piece of two",
            given=args(_toy(**{"12": -2.0, "01": -3.0}), "12", "0120", "2 21 1"),
            use=_several,
        ),
        Case(
            "nothing is normalised",
            given=args(_SCORES, "é e\u0301", "ﬁ", "HE", "<s>"),
            use=_several,
        ),
        Case("the empty text, and a single space", given=args(_SCORES, "", " "), use=_several),
        Case(
            "a score of 0",
            given=args({"▁": -9, "a": -9, "b": -9, "ab": 0, "▁a": -1}, "ab", "aab"),
            use=_several,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "no space before the text",
            "The first word has no `▁`, so `hello` at the beginning would be another token than "
            "`hello` after a space. One space is put before every text.",
            _encoding(_START.replace('"▁" + text', "text")),
        ),
        WrongAnswer(
            "a space only where there is none",
            "You put a space before the text only if it does not begin with one. It is always put "
            "there: ` hello` has two.",
            _encoding(_START.replace('"▁" + text', '("" if text[0] == " " else "▁") + text')),
        ),
        WrongAnswer(
            "a space before the empty text",
            "The empty text has no pieces at all, not even the space that stands before any other "
            "text.",
            _encoding('symbols = list("▁" + text.replace(" ", "▁"))'),
        ),
        WrongAnswer(
            "a low line for the space",
            "You wrote `_`, the low line of your keyboard. The pieces have `▁`, U+2581, which "
            "looks almost the same: take `bpe.SPACE`.",
            _encoding(
                'if not text:\n        return []\n    symbols = list("_" + text.replace(" ", "_"))'
            ),
        ),
        WrongAnswer(
            "spaces stay spaces",
            "The spaces in the text are not replaced, so no piece that begins with `▁` is found "
            "inside it. Every space becomes `▁`.",
            _encoding('if not text:\n        return []\n    symbols = list("▁" + text)'),
            also=(
                _encoding(
                    'if not text:\n        return []\n    symbols = ["▁"] + [c for c in text]'
                ),
            ),
        ),
        WrongAnswer(
            "spaces squeezed",
            "Several spaces become one, and spaces at the ends are lost. LLaMA keeps every one of "
            "them: code could not be written otherwise. `text.replace` does it; `split` throws "
            "them away.",
            _encoding(
                "if not text:\n        return []\n"
                '    symbols = list("".join("▁" + w for w in text.split()))'
            ),
        ),
        WrongAnswer(
            "spaces at the ends cut off",
            "`strip` takes away the spaces before and after the text. They are part of it and "
            "stay.",
            _encoding(_START.replace('"▁" + text', '"▁" + text.strip()')),
        ),
        WrongAnswer(
            "line breaks and tabs taken for spaces",
            "Every kind of whitespace becomes `▁`. Only the space does; a line break is a "
            "character of its own.",
            _encoding(
                "if not text:\n        return []\n"
                '    symbols = ["▁"] + ["▁" if c.isspace() else c for c in text]'
            ),
        ),
        WrongAnswer(
            "each word by itself",
            "You cut the text at its spaces and encode word after word, so no piece can hold two "
            "spaces. Pieces are looked for in the whole text.",
            "from llama_mini.tokenizer import bpe\n\n\n"
            "def bpe_encode(text, scores):\n"
            "    pieces = []\n"
            '    for word in text.split(" ") if text else []:\n'
            '        symbols = list("▁" + word)\n'
            + _JOIN.replace("BEST", _BEST)
            .replace("while True", "        while True")
            .replace("\n", "\n    ")
            + "\n        for symbol in symbols:\n"
            "            pieces += [symbol] if symbol in scores else bpe.byte_fallback(symbol)\n"
            "    return pieces\n",
        ),
        WrongAnswer(
            "leftmost first, whatever the score",
            "You join the first neighbours that can be joined. The pair with the best score comes "
            "first, wherever it stands; only among equals the leftmost.",
            _encoding(best="pairs[0]"),
        ),
        WrongAnswer(
            "the longest piece from the left",
            "You take the longest piece that fits, from left to right, as WordPiece does. BPE "
            "builds pieces by joining neighbours, the best score first, and may end with other "
            "pieces.",
            _encoding(
                join="rest, symbols = symbols, []\n    while rest:\n"
                "        n = max([k for k in range(1, len(rest) + 1) if ''.join(rest[:k]) in "
                "scores], default=1)\n        symbols.append(''.join(rest[:n]))\n"
                "        rest = rest[n:]"
            ),
        ),
        WrongAnswer(
            "the longest joint first",
            "You join the neighbours with the longest joint string. The score decides; the length "
            "does not.",
            _encoding(
                best="max(pairs, key=lambda i: (len(symbols[i] + symbols[i + 1]), "
                "scores[symbols[i] + symbols[i + 1]], -i))"
            ),
        ),
        WrongAnswer(
            "the lowest score first",
            "You join the pair with the lowest score. Scores are minus the rank: the highest, "
            "nearest to zero, was learned first and is joined first. With `heapq`, push −score.",
            _encoding(best="min(pairs, key=lambda i: (scores[symbols[i] + symbols[i + 1]], i))"),
        ),
        WrongAnswer(
            "the rightmost of equals",
            "Of neighbours with the same score you join the rightmost. The leftmost comes first; "
            "`max` with `>=`, or a key that grows with the place, prefers the right.",
            _encoding(best="max(pairs, key=lambda i: (scores[symbols[i] + symbols[i + 1]], i))"),
        ),
        WrongAnswer(
            "a score of 0 taken for none",
            "A score of 0 is a score, and in SentencePiece the best: test `in scores`.",
            _encoding(
                join=_JOIN.replace(_PAIRS, _PAIRS.replace(_IN_SCORES, f"scores.get({_JOINT})"))
            ),
            also=(
                "from llama_mini.tokenizer import bpe\n\n\n"
                "def bpe_encode(text, scores):\n    " + _START + "\n    while True:\n"
                "        best = None\n"
                "        for i, (a, b) in enumerate(zip(symbols, symbols[1:])):\n"
                "            score = scores.get(a + b)\n"
                "            if score and (best is None or score > best[0]):\n"
                "                best = score, i\n"
                "        if not best:\n            break\n"
                "        i = best[1]\n"
                "        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]\n    " + _END + "\n",
                _encoding(end=_END.replace("symbol in scores", "scores.get(symbol)")),
            ),
        ),
        WrongAnswer(
            "the merges replayed",
            "You go once through the pieces, from the best score to the worst. A joint may have a "
            "better partner than itself, whose turn is then over: after each joint all neighbours "
            "must be looked at again.",
            _encoding(
                join="for piece in sorted(scores, key=scores.get, reverse=True):\n"
                "        i = 0\n"
                "        while i < len(symbols) - 1:\n"
                "            if symbols[i] + symbols[i + 1] == piece:\n"
                "                symbols[i : i + 2] = [piece]\n"
                "            i += 1"
            ),
        ),
        WrongAnswer(
            "all places of a piece at once",
            "You join the best piece in all its places before you look again. After the first "
            "joint a new neighbour may be better: one joint at a time.",
            _encoding(
                join=_JOIN.replace(
                    "symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]",
                    "piece, i = symbols[i] + symbols[i + 1], 0\n"
                    "        while i < len(symbols) - 1:\n"
                    "            if symbols[i] + symbols[i + 1] == piece:\n"
                    "                symbols[i : i + 2] = [piece]\n"
                    "            i += 1",
                )
            ),
        ),
        WrongAnswer(
            "characters only, joined once",
            "You stop after one pass over the text, so nothing grows longer than one joint. Look "
            "again after each joint, until no two neighbours can be joined.",
            _encoding(
                join="i = 0\n"
                "    while i < len(symbols) - 1:\n"
                "        if symbols[i] + symbols[i + 1] in scores:\n"
                "            symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]\n"
                "        i += 1"
            ),
        ),
        WrongAnswer(
            "unknown characters kept",
            "A character that is not in the vocabulary stays as it is, and no id exists for it. "
            "Put its bytes there, by `bpe.byte_fallback`.",
            _encoding(end="return symbols"),
        ),
        WrongAnswer(
            "unknown characters as <unk>",
            "A character that is not in the vocabulary becomes `<unk>`, and the text is lost. "
            "LLaMA falls back to bytes, by `bpe.byte_fallback`.",
            _encoding(end=_ending('["<unk>"]')),
        ),
        WrongAnswer(
            "unknown characters dropped",
            "A character that is not in the vocabulary disappears. LLaMA falls back to bytes, by "
            "`bpe.byte_fallback`.",
            _encoding(end=_ending("[]")),
        ),
        WrongAnswer(
            "the bytes in a list of their own",
            "The bytes of a character are put into the result as one list. They are pieces like "
            "the others: `extend`, not `append`.",
            _encoding(end=_ending("[bpe.byte_fallback(symbol)]")),
        ),
        WrongAnswer(
            "digits forced apart",
            "You keep digits from being joined. SentencePiece splits digits when it *learns* a "
            "vocabulary; encoding takes the pieces as they are, and joins digits if there is a "
            "piece for it.",
            _encoding(
                join=_JOIN.replace(
                    "in scores]",
                    "in scores and not (symbols[i][-1].isdigit() and symbols[i + 1][0].isdigit())]",
                )
            ),
        ),
        WrongAnswer(
            "the text normalised",
            "You normalise the text first. LLaMA's tokenizer takes it as it is: `ﬁ` stays one "
            "character, and an `e` with an accent of its own stays two.",
            "import unicodedata\n"
            + _encoding(_START.replace('"▁" + text', '"▁" + unicodedata.normalize("NFKC", text)')),
        ),
        WrongAnswer(
            "small letters",
            "You turn capitals into small letters. LLaMA's tokenizer takes the text as it is.",
            _encoding(_START.replace('"▁" + text', '"▁" + text.lower()')),
            also=(_encoding(_START.replace('"▁" + text', '"▁" + text.casefold()')),),
        ),
        WrongAnswer(
            "<s> put in front",
            "You put `<s>` before the pieces. That token is added later, by `encode(..., "
            "bos=True)`; here the text alone is cut.",
            _encoding(end=_END.replace("pieces = []", 'pieces = ["<s>"]')),
        ),
    ),
    alternatives=(
        Alternative(
            "an explicit search",
            "from llama_mini.tokenizer import bpe\n\ndef bpe_encode(text, scores):\n"
            "    if text == '':\n        return []\n"
            "    symbols = [bpe.SPACE] + [bpe.SPACE if c == ' ' else c for c in text]\n"
            "    while True:\n        best, place = None, None\n"
            "        for i in range(len(symbols) - 1):\n"
            "            score = scores.get(symbols[i] + symbols[i + 1])\n"
            "            if score is not None and (best is None or score > best):\n"
            "                best, place = score, i\n        if place is None:\n"
            "            break\n        symbols[place] += symbols.pop(place + 1)\n"
            "    pieces = []\n    for symbol in symbols:\n        if symbol in scores:\n"
            "            pieces.append(symbol)\n        else:\n"
            "            pieces.extend(bpe.byte_fallback(symbol))\n    return pieces\n",
        ),
        Alternative(
            "max with a key",
            _encoding(best="max(pairs, key=lambda i: scores[symbols[i] + symbols[i + 1]])"),
        ),
        Alternative(
            "a heap of places and lengths",
            "import heapq\n\ndef bpe_encode(text, scores):\n    if not text:\n        return []\n"
            "    text = '▁' + text.replace(' ', '▁')\n"
            "    end = {i: i + 1 for i in range(len(text))}\n"
            "    start = {i + 1: i for i in range(len(text))}\n    heap = []\n"
            "    def push(a, b):\n"
            "        if a is not None and b in end and text[a:end[b]] in scores:\n"
            "            heapq.heappush(heap, (-scores[text[a:end[b]]], a, b, end[b]))\n"
            "    for i in range(len(text) - 1):\n        push(i, i + 1)\n    while heap:\n"
            "        _, a, b, stop = heapq.heappop(heap)\n"
            "        if end.get(a) != b or end.get(b) != stop:\n            continue\n"
            "        del end[b], start[b]\n        end[a], start[stop] = stop, a\n"
            "        push(start.get(a), a)\n        push(a, stop)\n    pieces = []\n"
            "    for a, b in sorted(end.items()):\n        piece = text[a:b]\n"
            "        pieces += [piece] if piece in scores else [f'<0x{x:02X}>' for x in "
            "piece.encode()]\n    return pieces\n",
        ),
        Alternative(
            "recursion",
            "from llama_mini.tokenizer import bpe\n\ndef _join(symbols, scores):\n"
            "    found = [(-scores[a + b], i) for i, (a, b) in enumerate(zip(symbols, "
            "symbols[1:])) if a + b in scores]\n    if not found:\n        return symbols\n"
            "    _, i = min(found)\n"
            "    return _join(symbols[:i] + (symbols[i] + symbols[i + 1],) + symbols[i + 2 :], "
            "scores)\n\ndef bpe_encode(text, scores):\n    if len(text) == 0:\n        return []\n"
            "    symbols = _join(tuple((' ' + text).replace(' ', bpe.SPACE)), scores)\n"
            "    return [p for s in symbols for p in ([s] if s in scores else "
            "bpe.byte_fallback(s))]\n",
        ),
        Alternative(
            "the best score level by level",
            "from llama_mini.tokenizer import bpe\n\ndef bpe_encode(text, scores):\n"
            "    symbols = list('▁' + text.replace(' ', '▁')) if text else []\n    joined = True\n"
            "    while joined:\n"
            "        levels = [scores.get(a + b, float('-inf')) for a, b in zip(symbols, "
            "symbols[1:])]\n        top = max(levels, default=float('-inf'))\n"
            "        joined = top > float('-inf')\n        if joined:\n"
            "            i = levels.index(top)\n"
            "            symbols = symbols[:i] + [symbols[i] + symbols[i + 1]] + symbols[i + 2 "
            ":]\n"
            "    return sum(([s] if s in scores else bpe.byte_fallback(s) for s in symbols), [])\n",
        ),
    ),
    hints=(
        "Begin with the list of characters. One joint is: look at every two neighbours, keep "
        "those whose joint string is in `scores`, choose one. When do you stop?",
        "`max(places, key=...)` returns the first of several that are equally good, so with "
        "places from left to right it takes the leftmost by itself. `symbols[i : i + 2] = "
        "[joint]` puts one symbol in the place of two.",
        "symbols = list(bpe.SPACE + text.replace(' ', bpe.SPACE)); while any place i has "
        "symbols[i] + symbols[i + 1] in scores, join at the place with the highest score; at the "
        "end put bpe.byte_fallback(symbol) for each symbol that is not in scores.",
    ),
)
