"""The mistakes of the casebook `bpe_encode`, written a second time by another hand."""

from llama_mini.course.judge.exercise import Case, args


def _several(answer, scores, *texts):
    return [answer(text, scores) for text in texts]


_LETTERS = {letter: -50.0 - place for place, letter in enumerate("▁mnopqrsxyz789,à_ﬂ<>")}
_WORDS = (
    "on",
    "▁s",
    "so",
    "▁m",
    "▁so",
    "mo",
    "▁no",
    "▁n",
    "▁mo",
    "▁on",
    "som",
    "▁som",
    "▁▁",
    "rro",
)
_SCORES = _LETTERS | {piece: -1.5 * place - 0.5 for place, piece in enumerate(_WORDS)}
_RUNS = _LETTERS | {"▁x": -3.0, "▁y": -2.0} | {"▁" * length: -1e6 for length in range(2, 9)}

CASES = (
    Case("words", given=args("soon no moon on som morrow", _SCORES)),
    Case(
        "score against place and length",
        given=args(
            _LETTERS | {"xy": -7.0, "yz": -4.0, "zm": -2.0, "yzm": -8.0, "xyz": -5.0},
            "xyzm",
            "xyz",
            "yzm",
            "zmxyzxyzm",
        ),
        use=_several,
    ),
    Case(
        "equal scores",
        given=args(_LETTERS | {"oo": -1.0, "no": -1.0, "on": -1.0}, "ooooo", "noon", "nonon"),
        use=_several,
    ),
    Case(
        "better later",
        given=args(
            _LETTERS | {"mn": -6.0, "mnm": -1.0, "op": -4.0, "mnop": -3.0}, "mnmnm", "mnopmnm"
        ),
        use=_several,
    ),
    Case("spaces", given=args(_SCORES, "  so", "on   no ", "    ", " m o "), use=_several),
    Case("runs of spaces", given=args("x     y  x", _RUNS)),
    Case("breaks", given=args(_SCORES, "no\r\nso", "\n\n", "on\tmo\t"), use=_several),
    Case("unknown", given=args("no 🧶, so ≈ on", _SCORES)),
    Case(
        "digits", given=args(_LETTERS | {"78": -1.0, "89": -2.0}, "789", "9878 789"), use=_several
    ),
    Case("as it is", given=args(_SCORES, "à a\u0300", "ﬂ", "NO", "<s>", "_no"), use=_several),
    Case("nothing, and one space", given=args(_SCORES, "", " "), use=_several),
    Case("nought", given=args("mono", _LETTERS | {"mo": -3.0, "on": 0.0, "no": -1.0})),
)


def _searching(
    start="text = bpe.SPACE + text.replace(' ', bpe.SPACE)",
    better="score > best",
    unknown="out.extend(bpe.byte_fallback(part))",
    allowed="True",
    missing="score is None",
    empty="return []",
    first="out = []",
):
    """An encoder by explicit search, in which one line is another."""
    return f"""
from llama_mini.tokenizer import bpe

def bpe_encode(text, scores):
    if len(text) == 0:
        {empty}
    {start}
    parts = [letter for letter in text]
    while True:
        best, where = None, -1
        for i in range(1, len(parts)):
            left, right = parts[i - 1], parts[i]
            score = scores.get(left + right)
            if {missing} or not ({allowed}):
                continue
            if best is None or {better}:
                best, where = score, i
        if where < 0:
            break
        parts[where - 1] += parts[where]
        del parts[where]
    {first}
    for part in parts:
        if part in scores:
            out.append(part)
        else:
            {unknown}
    return out
"""


VARIANTS = {
    "a score of 0 taken for none": [
        _searching(missing="not score"),
        _searching(missing="(score or float('-inf')) == float('-inf')"),
    ],
    "no space before the text": [_searching("text = text.replace(' ', bpe.SPACE)")],
    "a space only where there is none": [
        _searching("text = (text if text.startswith(' ') else ' ' + text).replace(' ', bpe.SPACE)")
    ],
    "a space before the empty text": [_searching(empty="pass")],
    "a low line for the space": [_searching("text = (' ' + text).replace(' ', '_')")],
    "spaces stay spaces": [_searching("text = bpe.SPACE + text")],
    "spaces squeezed": [
        _searching("text = bpe.SPACE + bpe.SPACE.join(text.split()) if text.split() else ''")
    ],
    "spaces at the ends cut off": [
        _searching("text = (' ' + text.lstrip().rstrip()).replace(' ', bpe.SPACE)")
    ],
    "line breaks and tabs taken for spaces": [
        _searching("import re\n    text = re.sub(r'\\s', bpe.SPACE, ' ' + text)")
    ],
    "each word by itself": [
        """
from llama_mini.tokenizer import bpe

def bpe_encode(text, scores):
    out = []
    if text == "":
        return out
    for chunk in (" " + text).split(" ")[1:]:
        parts = [bpe.SPACE, *chunk]
        while True:
            joints = [a + b for a, b in zip(parts, parts[1:])]
            options = [(-scores[joint], i) for i, joint in enumerate(joints) if joint in scores]
            if not options:
                break
            i = min(options)[1]
            parts = parts[:i] + [parts[i] + parts[i + 1]] + parts[i + 2 :]
        for part in parts:
            out += [part] if part in scores else bpe.byte_fallback(part)
    return out
"""
    ],
    "leftmost first, whatever the score": [
        """
from llama_mini.tokenizer import bpe

def bpe_encode(text, scores):
    if not text:
        return []
    parts, i = [bpe.SPACE if c == " " else c for c in " " + text], 0
    while i < len(parts) - 1:
        if parts[i] + parts[i + 1] in scores:
            parts[i] += parts.pop(i + 1)
            i = 0
        else:
            i += 1
    return [p for part in parts for p in ([part] if part in scores else bpe.byte_fallback(part))]
"""
    ],
    "the longest piece from the left": [
        """
from llama_mini.tokenizer import bpe

def bpe_encode(text, scores):
    if not text:
        return []
    text, out, i = (" " + text).replace(" ", bpe.SPACE), [], 0
    while i < len(text):
        for end in range(len(text), i, -1):
            if text[i:end] in scores:
                out.append(text[i:end])
                i = end
                break
        else:
            out += bpe.byte_fallback(text[i])
            i += 1
    return out
"""
    ],
    "the longest joint first": [
        """
from llama_mini.tokenizer import bpe

def bpe_encode(text, scores):
    if not text:
        return []
    parts = list((" " + text).replace(" ", bpe.SPACE))
    while True:
        joints = [a + b for a, b in zip(parts, parts[1:])]
        options = [(-len(j), -scores[j], i) for i, j in enumerate(joints) if j in scores]
        if not options:
            break
        i = sorted(options)[0][2]
        parts[i : i + 2] = ["".join(parts[i : i + 2])]
    return [p for part in parts for p in ([part] if part in scores else bpe.byte_fallback(part))]
"""
    ],
    "the lowest score first": [_searching(better="score < best")],
    "the rightmost of equals": [_searching(better="score >= best")],
    "the merges replayed": [
        """
from llama_mini.tokenizer import bpe

def bpe_encode(text, scores):
    if not text:
        return []
    parts = list(bpe.SPACE + text.replace(" ", bpe.SPACE))
    for piece, _ in sorted(scores.items(), key=lambda item: -item[1]):
        out = []
        for part in parts:
            if out and out[-1] + part == piece:
                out[-1] = piece
            else:
                out.append(part)
        parts = out
    return [p for part in parts for p in ([part] if part in scores else bpe.byte_fallback(part))]
"""
    ],
    "all places of a piece at once": [
        """
from llama_mini.tokenizer import bpe

def bpe_encode(text, scores):
    if not text:
        return []
    parts = tuple(bpe.SPACE + text.replace(" ", bpe.SPACE))
    while True:
        pairs = [pair for pair in zip(parts, parts[1:]) if pair[0] + pair[1] in scores]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: scores[pair[0] + pair[1]])
        parts = bpe.merge_pair(parts, best)
    return [p for part in parts for p in ([part] if part in scores else bpe.byte_fallback(part))]
"""
    ],
    "characters only, joined once": [
        """
from llama_mini.tokenizer import bpe

def bpe_encode(text, scores):
    if not text:
        return []
    letters, parts, i = (" " + text).replace(" ", bpe.SPACE), [], 0
    while i < len(letters):
        if i + 1 < len(letters) and letters[i] + letters[i + 1] in scores:
            parts.append(letters[i] + letters[i + 1])
            i += 2
        else:
            parts.append(letters[i])
            i += 1
    return [p for part in parts for p in ([part] if part in scores else bpe.byte_fallback(part))]
"""
    ],
    "unknown characters kept": [_searching(unknown="out.append(part)")],
    "unknown characters as <unk>": [_searching(unknown="out += ['<unk>']")],
    "unknown characters dropped": [_searching(unknown="continue")],
    "the bytes in a list of their own": [_searching(unknown="out.append(bpe.byte_fallback(part))")],
    "digits forced apart": [_searching(allowed="sum(c.isdigit() for c in left + right) < 2")],
    "the text normalised": [
        _searching(
            "import unicodedata\n"
            "    text = bpe.SPACE + unicodedata.normalize('NFKC', text).replace(' ', bpe.SPACE)"
        )
    ],
    "small letters": [
        _searching("text = bpe.SPACE + ''.join(c.lower() for c in text).replace(' ', bpe.SPACE)"),
        _searching("text = (' ' + text.casefold()).replace(' ', bpe.SPACE)"),
    ],
    "<s> put in front": [_searching(first="out = ['<s>']")],
}
