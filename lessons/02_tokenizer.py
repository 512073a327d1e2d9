# %% [markdown]
# # 02 · Tokenizer
#
# **45 minutes, and 75 for the exercises · under 1 GB of memory · comes after 00**
#
# > *LLaMA knows 32,000 tokens, and no other. How does it write a llama emoji that is not among them? Why does it read
# > the number 12345 digit by digit? And why does the same sentence cost more in one language than in another?*

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## What happens without it
#
# A model reads numbers, so text must be cut into pieces from a fixed list. Two lists come to mind:
# all words, or all bytes. Try both on a text that every Python carries with it, its own reference
# manual. (Your Python's edition may differ from ours, and so will the numbers, a little.)

# %%
import re
from pydoc_data.topics import topics

manual = "\n".join(topics[name] for name in sorted(topics))
cut = len(manual) * 9 // 10
seen, held_out = manual[:cut], manual[cut:]
print(f"{len(manual):,} characters; the last tenth is held out\n")

vocabulary = set(re.findall(r"\w+", seen))
words = re.findall(r"\w+", held_out)
unknown = [word for word in words if word not in vocabulary]
print(
    f"words: {len(vocabulary):,} entries; of the new words {len(unknown) / len(words):.1%} are unknown,"
)
print("       such as " + ", ".join(sorted(set(unknown), key=lambda word: (len(word), word))[-8:]))

bytes_per_word = len(held_out.encode()) / len(words)
print(
    f"bytes: 256 entries, and nothing is unknown, but there are {bytes_per_word:.1f} of them for each word"
)

# %% [markdown]
# With words, the list is long and still something is always missing. With bytes nothing is missing,
# but the text is several times as long (the spaces and signs between the words are counted in), and
# attention compares every token with every earlier one.
#
# ## The idea in plain words
#
# Start from characters. Find the two neighbours that stand beside each other most often, and make
# them one symbol. Do it again, thousands of times. Frequent words grow together into one symbol;
# rare words stay in parts. Nothing is ever unknown, because the parts are still there.
#
# This is *byte-pair encoding*, BPE. Sennrich, Haddow and Birch brought it to language in 2016 (arXiv
# 1508.07909). The name comes from an older compression method that joined bytes; here characters are
# joined.
#
# ## The mathematics
#
# Let $n_w$ be how often the word $w = w_1 w_2 \dots$ occurs. A pair of neighbours $(a, b)$ counts
#
# $$c(a, b) = \sum_w n_w \cdot \#\{\, i : w_i = a,\ w_{i+1} = b \,\}$$
#
# Each step takes the pair with the largest $c$, adds $ab$ to the vocabulary, and replaces $a\,b$ by
# $ab$ in every word. The counts are then taken again, because the words have changed.
#
# ## The naive code
#
# One word, written with spaces between its symbols. Python's strings can do the rest:


# %%
def one_step(word):
    symbols = word.split(" ")
    neighbours = [(symbols[i], symbols[i + 1]) for i in range(len(symbols) - 1)]
    a, b = max(neighbours, key=neighbours.count)
    return word.replace(f"{a} {b}", f"{a}{b}"), (a, b)


word = "b a n a n a b a n d a n a"
print(word)
for _ in range(4):
    word, joined = one_step(word)
    print(f"{word:28}joined {joined[0]} and {joined[1]}")

# %% [markdown]
# Of pairs that occur equally often it takes the one that comes first in the word. Any rule will do,
# as long as it is always the same one; the exercise takes the smallest pair, as Python sorts them.
#
# The code is short, and it is wrong in one place. Give it the symbols `ca b` and the pair `a b`:

# %%
"ca b".replace("a b", "ab")

# %% [markdown]
# The *end* of `ca` was taken for the symbol `a`. Symbols must match as a whole, which is why your
# version works on tuples: `("ca", "b")`.
#
# There is a second trap, in counting. In `a a a` the pair `(a, a)` has two places, but joining from
# the left uses up the middle one and gives `aa a`. Count places, join without overlap.
#
# ## A picture you can move
#
# Now with a whole text. `train_bpe` learns merges from the words of the manual. A space belongs to
# the word *after* it, and is made visible as `▁`: so `▁the` in the middle of a sentence and `the`
# inside *other* are different symbols.
#
# The picture replays the first merges on a sentence. Move the slider and watch the words grow.

# %%
from collections import Counter

import ipywidgets as widgets

from llama_mini.tokenizer import bpe
from llama_mini.visualization import figures
from llama_mini.visualization.explore import Explorer

counted = Counter(re.findall(r"\w+", seen[:200_000]))
words = {tuple(bpe.SPACE + word): times for word, times in counted.items() if times > 1}
merges = bpe.train_bpe(words, 300)

print(f"{len(words):,} different words; the first ten merges:")
print("  ".join(f"{a}+{b}" for a, b in merges[:10]))

# %%
from matplotlib import font_manager, ft2font
from matplotlib.collections import LineCollection, PolyCollection

MONO = "DejaVu Sans Mono"
_font = ft2font.FT2Font(font_manager.findfont(MONO))


def label(piece):
    """The piece, with the code point in place of a letter that the font of the pictures lacks."""
    return "".join(c if _font.get_char_index(ord(c)) else f"U+{ord(c):X}" for c in piece)


def draw_pieces(pieces, title, columns=78):
    """Pieces as coloured boxes in rows, like text, under a title."""
    rows, column = [[]], 0
    for piece in pieces:
        width = len(label(piece)) + 1
        if column + width > columns and rows[-1]:
            rows.append([])
            column = 0
        rows[-1].append((column, width, label(piece)))
        column += width
    figure, axes = figures.subplots(height=0.34 * (len(rows) + 1))
    # Filling the whole figure spares the search for room, most of the time such a picture takes.
    figure.set_layout_engine("none")
    axes.set(position=(0, 0, 1, 1), xlim=(0, columns), ylim=(len(rows), -1))
    axes.axis("off")
    axes.text(0.3, -0.5, title, va="center")
    boxes = [(x, y, width) for y, row in enumerate(rows) for x, width, _ in row]
    corners = [
        [(x + 0.1, y + 0.1), (x + w - 0.1, y + 0.1), (x + w - 0.1, y + 0.9), (x + 0.1, y + 0.9)]
        for x, y, w in boxes
    ]
    colors = [figures.COLORS[number % 5] for number in range(len(boxes))]
    axes.add_collection(PolyCollection(corners, facecolors=colors, alpha=0.22), autolim=False)
    lower_edges = [corner[2:] for corner in corners]
    axes.add_collection(LineCollection(lower_edges, colors=colors, linewidths=1.5), autolim=False)
    for y, row in enumerate(rows):
        for x, width, text in row:
            axes.text(x + width / 2, y + 0.5, text, family=MONO, size=9.5, ha="center", va="center")
    return figure


def cut_with(sentence, some_merges):
    """The pieces of a sentence after these merges, one after the other, in every word."""
    pieces = []
    for word in sentence.split():
        symbols = tuple(bpe.SPACE + word)
        for pair in some_merges:
            symbols = bpe.merge_pair(symbols, pair)
        pieces.extend(symbols)
    return pieces


def draw_merges(text, merges_made):
    pieces = cut_with(text, merges[:merges_made])
    last = " + ".join(merges[merges_made - 1]) if merges_made else "none yet"
    said = (
        f"merges: {merges_made}, the last: {last}; {len(text)} characters in {len(pieces)} pieces"
    )
    return draw_pieces(pieces, said), f"{said}: {' | '.join(pieces)}"


SENTENCES = [
    "the other theory is that the mother gathers feathers",
    "return the value of the function or raise an exception",
    "a banana, a bandana and 2023 llamas",
    "la fonction donne une valeur",
]
Explorer(
    draw_merges,
    text=widgets.Dropdown(options=SENTENCES),
    merges_made=widgets.IntSlider(0, min=0, max=len(merges)),
)

# %% [markdown]
# Three things to see. Words of the manual become one piece. In French, which the manual does not
# have, only the fragments that both languages share grow together. And a piece is not a syllable or
# a root: BPE knows counts, not grammar.
#
# ## From here to LLaMA's tokenizer
#
# LLaMA uses this algorithm as *SentencePiece* implements it (arXiv 1808.06226), with settings that
# can be read from its tokenizer file. Each is one line here:

# %%
import io

import sentencepiece

LLAMA_SETTINGS = dict(
    model_type="bpe",
    byte_fallback=True,  # a character that is not in the vocabulary becomes its bytes
    split_digits=True,  # no piece has more than one digit
    normalization_rule_name="identity",  # the text is taken as it is
    add_dummy_prefix=True,  # a space before the text, so its first word looks like any other
    remove_extra_whitespaces=False,  # four spaces stay four: code needs them
    allow_whitespace_only_pieces=True,  # and may become one piece
    character_coverage=0.99995,  # characters that make up the last 0.005 % of the text: bytes
)


def train_sentencepiece(text, vocab_size=2000, **changes):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for line in text.split("\n") if line]),
        model_writer=model,
        vocab_size=vocab_size,
        num_threads=1,
        minloglevel=2,
        **(LLAMA_SETTINGS | changes),
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


processor = train_sentencepiece(seen)
for text in ["Hello world", " hello", "a    b", "12345", "\n", "naïve 🦙", ""]:
    print(f"{text!r:16} {processor.encode(text, out_type=str)}")

# %% [markdown]
# Read the lines one by one.
#
# - **The dummy prefix.** `Hello` comes out as if a space stood before it. A space of your own comes
#   on top. The empty text has no pieces, not even that space.
# - **Whitespace** is a character like any other. A space becomes `▁`; a line break or a tab does not,
#   and if the vocabulary lacks it, it becomes a byte. Runs of spaces may be pieces too. Ours were
#   learned early, since the manual is full of indented code, so they take spaces away from the words
#   that follow. In LLaMA's file they have the lowest of all scores: words take their space first.
# - **Digits** come out one by one. `encode` does nothing for that: `split_digits` works in *training*,
#   where it keeps pieces with two digits out of the vocabulary.
# - **Bytes.** `ï` and `🦙` are not in the manual, so they are written in UTF-8, byte by byte.
#
# ## Encoding: the best score first
#
# You might expect SentencePiece to replay its merges, as the picture did. It keeps no list of merges.
# The file holds each piece with a *score*, which is minus its rank: the earlier a piece was learned,
# the higher its score. To encode,
#
# 1. split the text into characters;
# 2. look at all neighbours whose joint string is *some* piece, however it was learned;
# 3. join those whose piece has the best score, the leftmost if there are several; look again;
# 4. stop when nothing can be joined. Characters without a piece become bytes.
#
# Take a toy vocabulary and do it by hand, first with your eyes:

# %%
toy = {"▁": -9, "a": -9, "b": -9, "c": -9, "ab": -2, "bc": -1, "abc": -3, "cc": -2}
for text in ["abc", "abcc", "ccc", "abd"]:
    print(f"{text:5} {bpe.bpe_encode(text, toy)}")

# %% [markdown]
# In `abc` the pair `bc` wins over `ab`, although `ab` stands further left; then `a` and `bc` make
# `abc`. In `abcc` three pairs compete, and `bc` wins again. In `ccc` two pairs have equal scores and
# the left one wins. `d` is not in the vocabulary.
#
# Greedy is not optimal. Here `ab` and `cd` would do, but `bc` has the better score, and once it is
# joined nothing else fits:

# %%
bpe.bpe_encode("abcd", {"▁": -9, "a": -9, "b": -9, "c": -9, "d": -9, "bc": -1, "ab": -2, "cd": -3})

# %% [markdown]
# Every tokenizer of this kind lives with that, and the model was trained on exactly these cuts.
#
# Now the proof. Take the scores of SentencePiece's own model, and compare on the held-out text, on
# strings of random characters, and on some that were chosen to be nasty. (When your own `bpe_encode`
# has passed, run `overlay.apply()` and this cell again: then it is your code against SentencePiece.)

# %%
import random

scores = bpe.scores_of(processor)
generator = random.Random(0)
ANY = [chr(c) for c in [*range(0xD800), *range(0xE000, 0x11000), *range(0x1F300, 0x1FA00)]]
NASTY = [
    "",
    " ",
    "    ",
    "<s>",
    "<0x41>",
    "▁",
    " ▁ ",
    "e\u0301 é",
    "a\tb\r\n",
    "\0",
    "ﬁ ½ 👩‍🚀",
    "祝你好运",
]
kinds = {
    "lines held out": [line for line in held_out.split("\n") if line][:1500],
    "random characters": ["".join(generator.choices(ANY, k=20)) for _ in range(500)],
    "letters and spaces": ["".join(generator.choices("aeinrst  ", k=40)) for _ in range(500)],
    "nasty": NASTY,
}
for kind, texts in kinds.items():
    equal = sum(bpe.bpe_encode(t, scores) == processor.encode(t, out_type=str) for t in texts)
    print(f"{kind:20} {equal:5} of {len(texts):5} equal")

# %% [markdown]
# ## Bytes, so that nothing is unknown
#
# UTF-8 writes a character as one to four bytes. The first says by its leading ones how many there
# are; the others begin with `10`. The remaining bits are the character's number in Unicode. Choose a
# character and see where its bits go:

# %%
CHARACTERS = {
    "A, Latin": "A", "line break": "\n", "é, with accent": "é", "я, Cyrillic": "я",
    "▁, SentencePiece's space": "▁", "llama emoji": "🦙", "祝, Chinese": "祝",
}  # fmt: skip
PREFIX = {
    1: (1,),
    2: (3, 2),
    3: (4, 2, 2),
    4: (5, 2, 2, 2),
}  # leading bits that only give the length


def draw_bytes(character):
    encoded = CHARACTERS[character].encode()
    figure, axes = figures.subplots(height=2.2)
    said = []
    for row, (byte, n_prefix) in enumerate(zip(encoded, PREFIX[len(encoded)], strict=True)):
        for column, bit in enumerate(f"{byte:08b}"):
            color = figures.COLORS[1] if column < n_prefix else figures.COLORS[0]
            axes.text(column, row, bit, family=MONO, size=14, ha="center", va="center", color=color)
        axes.text(8.6, row, f"<0x{byte:02X}>", family=MONO, size=12, va="center")
        axes.text(11.6, row, f"LLaMA's id {3 + byte}", size=11, va="center")
        bits = f"{byte:08b}"
        said.append(
            f"{bits[:n_prefix]}-{bits[n_prefix:]} is the piece <0x{byte:02X}>, LLaMA's id {3 + byte}"
        )
    axes.set(xlim=(-0.7, 15), ylim=(3.6, -0.9))
    axes.axis("off")
    axes.set_title(f"U+{ord(CHARACTERS[character]):04X}: length in orange, number in blue")
    return figure, (
        f"UTF-8 of U+{ord(CHARACTERS[character]):04X} in {len(encoded)} bytes, each with the bits "
        f"that tell its length before the dash: {'; '.join(said)}."
    )


Explorer(
    draw_bytes, character=widgets.SelectionSlider(options=list(CHARACTERS), value="llama emoji")
)

# %% [markdown]
# What if there were no bytes? Then every character without a piece would become `<unk>`, and the text
# would be lost:

# %%
without = train_sentencepiece(seen, byte_fallback=False)
for name, one in {"with bytes": processor, "without": without}.items():
    print(f"{name:11} {one.decode(one.encode('naïve 🦙 祝你'))!r}")

# %% [markdown]
# ## Digits
#
# Without `split_digits`, frequent numbers become pieces of their own, and a number is cut wherever
# its pieces happen to end:

# %%
unsplit = train_sentencepiece(seen, split_digits=False, vocab_size=4000)
for number in ["100", "1000", "1024", "1025", "2023", "12345"]:
    print(
        f"{number:6} {processor.encode(number, out_type=str)!s:40} {unsplit.encode(number, out_type=str)}"
    )

# %% [markdown]
# On the right, the cuts fall where the numbers of the training text put them, and the same digit
# stands now alone, now inside a larger piece. On the left, every number is its digits, from the first
# to the last.
#
# ## What a token costs
#
# A model is paid for by the token, in training and in use, so it matters how much text goes into one.
# Two measures are common: *bytes per token* (more is better), and *fertility*, tokens per word (fewer
# is better; 1 would be a token for each word).
#
# First over seven kinds of text, one for each of LLaMA's seven sources. We wrote the samples for this
# page. If you have built the course's mix (`llama-mini data build`), its tokenizer is measured too.

# %%
SOURCES = {
    "CommonCrawl": "Welcome back! Our shop is open again from Monday to Saturday. Parking behind the "
    "house is free; dogs are welcome. Read more about our bread, our bakers and our prices below.",
    "C4": "The council voted on Tuesday to keep the old swimming pool open for another year. Repairs "
    "will cost about 80,000 pounds, a spokeswoman said, and are expected to begin in spring.",
    "GitHub": "def mean(values: list[float]) -> float:\n    if not values:\n        raise ValueError("
    "'mean of nothing')\n    total = 0.0\n    for value in values:\n        total += value\n"
    "    return total / len(values)\n",
    "Wikipedia": "The llama (Lama glama) is a domesticated South American camelid, kept as a pack and "
    "meat animal by Andean cultures since pre-Columbian times. Adults stand 1.7 to 1.8 m tall.",
    "Books": "She closed the door behind her and stood listening. Somewhere above, a floorboard creaked; "
    "then nothing. “If that is you, Thomas,” she said to the dark, “you are too late for supper.”",
    "ArXiv": "Let $f:\\mathbb{R}^d\\to\\mathbb{R}$ be convex with $\\nabla f$ Lipschitz. Then "
    "\\begin{equation} f(x_{k+1})-f^\\star \\le \\frac{L\\|x_0-x^\\star\\|^2}{2k} \\end{equation} holds.",
    "StackExchange": "Q: Why does my loop skip every second item? A: You remove items from the list "
    "while you iterate over it. Iterate over a copy, `for x in items[:]`, or build a new list.",
}  # fmt: skip

from llama_mini import paths

tokenizers = {"trained on Python's manual": processor}
if (paths.mix_dir() / "tokenizer.model").is_file():
    tokenizers["trained on the course's mix"] = sentencepiece.SentencePieceProcessor(
        model_file=str(paths.mix_dir() / "tokenizer.model")
    )


def bytes_per_token(tokenizer, text):
    return len(text.encode()) / len(tokenizer.encode(text))


def tokens_per_word(tokenizer, text):
    return len(tokenizer.encode(text)) / len(text.split())


figure, axes = figures.subplots(height=3.8)
thickness = 0.8 / len(tokenizers)
for n, (name, one) in enumerate(tokenizers.items()):
    places = [row + n * thickness for row in range(len(SOURCES))]
    heights = [bytes_per_token(one, text) for text in SOURCES.values()]
    bars = axes.barh(places, heights, thickness, color=figures.COLORS[n], label=name)
    notes = [f"{tokens_per_word(one, text):.1f} tokens a word" for text in SOURCES.values()]
    axes.bar_label(bars, notes, padding=4, size=9)
axes.set_yticks([row + 0.4 - thickness / 2 for row in range(len(SOURCES))], list(SOURCES))
axes.invert_yaxis()
axes.set_xlim(0, 5)
axes.set_xlabel("bytes per token")
figure.legend(loc="outside upper center", ncols=2)
figures.show(
    figure,
    alt="Bytes per token and tokens per word: "
    + "; ".join(
        f"tokenizer {name}: "
        + ", ".join(
            f"{source} {bytes_per_token(one, text):.2f} and {tokens_per_word(one, text):.1f}"
            for source, text in SOURCES.items()
        )
        for name, one in tokenizers.items()
    )
    + ".",
)

# %% [markdown]
# The tokenizer is good at what it was trained on. For formulas it has to spell.
#
# Then over five languages. The same five sentences, once each. One tokenizer has seen the English
# manual only. For the other we put a little of every language into the training text: the first
# three sentences, 30 times over. Both have 2,000 pieces, and both are measured on the *last two*.

# %%
LANGUAGES = {
    "English": [
        "The river rose in the night, and in the morning the bridge was gone.",
        "Nobody in the village had ever seen the water so high.",
        "We carried the books upstairs and waited for the boats.",
        "An old teacher said that every flood leaves something behind.",
        "In the evening we found a blue chair in our garden, and nobody knew whose it was.",
    ],
    "German": [
        "In der Nacht stieg der Fluss, und am Morgen war die Brücke fort.",
        "Niemand im Dorf hatte das Wasser je so hoch gesehen.",
        "Wir trugen die Bücher nach oben und warteten auf die Boote.",
        "Ein alter Lehrer sagte, dass jede Flut etwas zurücklässt.",
        "Am Abend fanden wir einen blauen Stuhl im Garten, und niemand wusste, wem er gehörte.",
    ],
    "French": [
        "Pendant la nuit, la rivière est montée, et au matin le pont avait disparu.",
        "Personne au village n'avait jamais vu l'eau aussi haute.",
        "Nous avons monté les livres à l'étage et attendu les bateaux.",
        "Un vieux professeur disait que chaque crue laisse quelque chose derrière elle.",
        "Le soir, nous avons trouvé une chaise bleue dans le jardin, et personne ne savait à qui elle était.",
    ],
    "Russian": [
        "Ночью река поднялась, а утром моста уже не было.",
        "Никто в деревне никогда не видел такой высокой воды.",
        "Мы отнесли книги наверх и стали ждать лодок.",
        "Старый учитель говорил, что каждое наводнение что-нибудь оставляет.",
        "Вечером мы нашли в саду синий стул, и никто не знал, чей он.",
    ],
    "Chinese": [
        "夜里河水涨了，早上桥已经不见了。",
        "村里没有人见过这么高的水。",
        "我们把书搬到楼上，等着船来。",
        "一位老教师说，每次洪水都会留下一些东西。",
        "晚上我们在花园里发现一把蓝色的椅子，没有人知道它是谁的。",
    ],
}
a_little_of_each = "\n".join(line for lines in LANGUAGES.values() for line in lines[:3])
many = train_sentencepiece(seen + "\n" + (a_little_of_each + "\n") * 30)
TOKENIZERS = {"English manual only": processor, "and a little of each": many}


def draw_languages(language, tokenizer):
    text = LANGUAGES[language][3]
    pieces = TOKENIZERS[tokenizer].encode(text, out_type=str)
    of_bytes = sum(piece.startswith("<0x") for piece in pieces)
    english = len(TOKENIZERS[tokenizer].encode(LANGUAGES["English"][3]))
    said = f"{len(pieces)} pieces, {of_bytes} of them bytes; in English {english} pieces"
    return draw_pieces(pieces, said), f"{language}, {tokenizer}: {said}. {' | '.join(pieces)}"


Explorer(
    draw_languages,
    language=widgets.SelectionSlider(options=list(LANGUAGES), value="Russian"),
    tokenizer=widgets.ToggleButtons(options=list(TOKENIZERS)),
)

# %% [markdown]
# (Where the font of these pictures lacks a letter, its number in Unicode stands in its place.)
#
# All of it in one picture, the two sentences in each language:

# %%
figure, axes = figures.subplots(height=3.2)
lengths = {}
for n, (name, one) in enumerate(TOKENIZERS.items()):
    lengths[name] = [len(one.encode(" ".join(lines[3:]))) for lines in LANGUAGES.values()]
    places = [column + n * 0.4 for column in range(len(LANGUAGES))]
    bars = axes.bar(places, lengths[name], 0.38, color=figures.COLORS[n], label=name)
    axes.bar_label(bars)
axes.set_xticks([column + 0.2 for column in range(len(LANGUAGES))], list(LANGUAGES))
axes.set_ylabel("tokens for the same two sentences")
axes.legend(loc="upper left")
axes.grid(False)
figures.show(
    figure,
    alt="Tokens for the same two sentences in English, German, French, Russian and Chinese. "
    + "; ".join(f"{name}: {', '.join(map(str, numbers))}" for name, numbers in lengths.items())
    + ".",
)

# %% [markdown]
# Three sentences were enough to make Russian less than half as long. Chinese gains less: it has
# thousands of characters, and three sentences show a few dozen. What still divides them from English
# is half a megabyte of training text. Whoever writes a language that was rare in training pays more
# for each sentence, and fits less of it into the context. LLaMA's vocabulary has 2,951 pieces with
# Cyrillic letters and 700 single Chinese characters, and no piece of two. (Counted in Meta's
# `tokenizer.model`, the file whose SHA-256 is `9e556afd…d347`. The course does not ship it.)
#
# And how large should a vocabulary be? Train some more and look at the text they have not seen:

# %%
sizes = [400, 600, 1000, 2000, 4000, 8000]
growing = [train_sentencepiece(seen, vocab_size=size) for size in sizes]
texts = {
    "the manual, held out": held_out,
    "Books sample": SOURCES["Books"],
    "German": " ".join(LANGUAGES["German"]),
}
curves = {name: [bytes_per_token(one, text) for one in growing] for name, text in texts.items()}
figure, axes = figures.subplots()
for name, curve in curves.items():
    axes.semilogx(sizes, curve, marker="o", label=name)
axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
axes.minorticks_off()
axes.set_xlabel("pieces in the vocabulary")
axes.set_ylabel("bytes per token")
axes.legend()
figures.show(
    figure,
    alt="Bytes per token for vocabularies of 400 to 8,000 pieces. "
    + "; ".join(f"{name}: {curve[0]:.2f} to {curve[-1]:.2f}" for name, curve in curves.items())
    + ".",
)

# %% [markdown]
# Each doubling buys less than the one before, and buys it where the training text is like the text to
# come. It also costs: every piece is a row in the embedding and a row in the output. For 7B with
# 32,000 pieces that is 2 × 32,000 × 4,096 parameters, 262 million of 6.7 billion.
#
# ## Speed
#
# Ours is Python, SentencePiece is C++. Both keep the possible joints in a heap, so the time grows far
# slower than the square of the text, by which 16 times the text would take 256 times as long. Medians
# of nine, alternating, one thread; they jump if your machine has other things to do:

# %%
from statistics import median
from time import perf_counter


def seconds(function, *arguments):
    start = perf_counter()
    function(*arguments)
    return perf_counter() - start


print(f"{'characters':>10} {'ours':>10} {'SentencePiece':>15} {'ratio':>7}")
for length in [1_000, 4_000, 16_000]:
    text = held_out[:length]
    runs = [
        (seconds(bpe.bpe_encode, text, scores), seconds(processor.encode, text)) for _ in range(9)
    ]
    ours, theirs = (median(column) for column in zip(*runs, strict=True))
    print(f"{length:10,} {ours * 1e3:7.1f} ms {theirs * 1e3:12.2f} ms {ours / theirs:6.0f}×")

# %% [markdown]
# For training on millions of documents, the package uses SentencePiece. Yours is what it is checked
# against.
#
# ## What breaks if you get it wrong
#
# **Encoding in parts.** Pieces do not know where your strings end. Cut a text in two, encode the
# parts, and you have two dummy prefixes, and a word torn where no training text tore it:

# %%
prompt, answer = "The function retu", "rns a value."
print("in one: ", processor.encode(prompt + answer, out_type=str))
print(
    "in parts:", processor.encode(prompt, out_type=str), "+", processor.encode(answer, out_type=str)
)

# %% [markdown]
# **A space at the end of a prompt.** In training text the space belongs to the next word. After
# `value ` a lone `▁` stands at the end, and the model must go on with a word that does not begin with
# a space, which it has seldom seen:

# %%
for prompt in ["return a value", "return a value "]:
    print(f"{prompt!r:18} {processor.encode(prompt, out_type=str)}")

# %% [markdown]
# **Decoding token by token.** A byte alone is not a character. Whoever streams text must hold bytes
# back until a character is complete:

# %%
ids = processor.encode("a 🦙")
print("one by one:", [processor.decode([token]) for token in ids])
print("together:  ", repr(processor.decode(ids)))

# %% [markdown]
# A space was lost as well. Decoding takes away the dummy prefix, one space at the beginning, and here
# every token is the beginning of its own text: the lone `▁` before the emoji comes out as nothing.

# %% [markdown]
# **Another form of the same letter.** `é` can be one character, or an `e` and an accent. They look the
# same and are not: LLaMA's normalisation is *identity*, so what you see does not say which tokens the
# model gets. In Meta's file the first is the token 904, the second the tokens 321 and 30103.
#
# **Special tokens in the text.** The characters `<s>` in a web page are not the token that begins a
# document, and `</s>` are not the one that ends it. SentencePiece spells them; with a tokenizer that
# looks for special tokens in *text*, any page could end the document.

# %%
for name, token in (("<s>", processor.bos_id()), ("</s>", processor.eos_id())):
    print(f"{name:4} is token {token}; as text it is {processor.encode(name, out_type=str)}")

# %% [markdown]
# ## Meta's own numbers
#
# LLaMA's tokenizer is a file of 499,723 bytes that is Meta's and not part of this course. What it
# does has been seen, though, and you can hold your understanding against it. It has 3 special tokens
# (`<unk>` 0, `<s>` 1, `</s>` 2), then the 256 bytes, then 31,741 pieces: 29,612 that are merges or
# runs of spaces, and after them 2,129 single characters.
#
# | text | ids | what to see |
# |---|---|---|
# | `Hello world` | 15043 3186 | two words, two tokens |
# | ` hello` | 29871 22172 | two spaces with the prefix: `▁` alone, and `▁hello` |
# | `12345` | 29871 29896 29906 29941 29946 29945 | `▁`, then each digit |
# | a line break | 29871 13 | `▁`, then the byte 0x0A |
# | a tab | 29871 12 | `▁`, then the byte 0x09 |
# | `a    b` | 263 1678 289 | `▁a`, three spaces, `▁b` |
# | 🦙 | 29871 243 162 169 156 | four bytes |
# | 祝你 | 29871 234 168 160 30919 | three bytes; the second character has a piece |
# | ﬁ (one character) | 29871 31017 | the ligature stays: no normalisation |
# | é, composed / decomposed | 904 / 321 30103 | two different texts |
# | the empty text | | nothing |
#
# Several of these can be recomputed without the file. The sizes must add up. The ids of bytes follow
# from UTF-8: the byte $b$ has the id $3 + b$. And `a    b` follows from a few scores. A piece with the
# id $k$ from 260 on has the score $-(k - 259)$: `▁a` (263) has −4, `▁b` (289) −30. Pieces of spaces
# alone are the exception: each has −10⁹, so that runs are joined last, from the left.

# %%
print("vocabulary:", 3 + 256 + 29_612 + 2_129)

for character, published in {
    "\n": [13],
    "\t": [12],
    "🦙": [243, 162, 169, 156],
    "祝": [234, 168, 160],
}.items():
    ids = [3 + int(piece[3:5], 16) for piece in bpe.byte_fallback(character)]
    print(f"{character!r:5} {bpe.byte_fallback(character)} → {ids}, published {published}")

runs_of_spaces = {bpe.SPACE * length: -1e9 for length in range(2, 17)}
characters = {bpe.SPACE: -1e9, "a": -29_615.0, "b": -29_631.0}
print("a    b", bpe.bpe_encode("a    b", characters | runs_of_spaces | {"▁a": -4.0, "▁b": -30.0}))

# %% [markdown]
# ## In three lines
#
# - BPE joins the most frequent neighbours again and again; the order of learning becomes the score.
# - To encode, join the neighbours whose piece has the best score, the leftmost of equals, until
#   nothing can be joined; what has no piece becomes bytes.
# - A space is a character (`▁`), one stands before every text, digits stay apart, nothing is
#   normalised.

# %% [markdown] tags=["exercise-text"]
# ## Count the pairs
#
# Write `count_pairs(words)`. `words` is a text as a dict: each word, a tuple of symbols, and how
# often it occurs.
#
# ```python
# count_pairs({("l", "o", "w"): 5, ("l", "o"): 2})   # {("l", "o"): 7, ("o", "w"): 5}
# ```
#
# - Every place counts, also where two overlap: `{("a", "a", "a"): 5}` has `("a", "a")` 10 times.
# - A symbol may be longer than one character. A word of one symbol, or of none, has no pair.
# - The result is a dict from pair to count, without pairs that do not occur. Leave `words` as it is.

# %% tags=["exercise"] symbol="llama_mini.tokenizer.bpe:count_pairs" part="The mathematics"

# %% [markdown] tags=["exercise-text"]
# ## Join a pair
#
# Write `merge_pair(symbols, pair)`. `symbols` is a tuple of strings; return a new tuple in which
# every occurrence of the pair is one symbol.
#
# ```python
# merge_pair(("b", "a", "n", "a", "n", "a"), ("a", "n"))   # ("b", "an", "an", "a")
# ```
#
# - Read from left to right; a symbol is used once: `("a", "a", "a")` with `("a", "a")` is
#   `("aa", "a")`.
# - Only whole symbols match: `("ca", "b")` with `("a", "b")` stays as it is. So do not join the
#   symbols to a string first.

# %% tags=["exercise"] symbol="llama_mini.tokenizer.bpe:merge_pair" part="The naive code"

# %% [markdown] tags=["exercise-text"]
# ## Train
#
# Write `train_bpe(words, n_merges)`: count the pairs, take the best one, join it in every word, and
# again. Use `bpe.count_pairs` and `bpe.merge_pair`, which are ours until yours have passed and you
# have called `overlay.apply()`.
#
# ```python
# train_bpe({("l", "o", "w"): 5, ("l", "o"): 2}, 2)   # [("l", "o"), ("lo", "w")]
# ```
#
# - Return the list of pairs in the order in which they were joined.
# - The best pair has the highest count. Of several with the same count take the smallest, as Python
#   compares tuples of strings: `("a", "z") < ("b", "a")`.
# - Stop after `n_merges` steps, or earlier when no word has a pair left. A pair that occurs once is
#   still a pair.
# - Leave `words` as it is: the caller may need it.

# %% tags=["exercise"] symbol="llama_mini.tokenizer.bpe:train_bpe" part="The naive code"

# %% [markdown] tags=["exercise-text"]
# ## Fall back to bytes
#
# Write `byte_fallback(character)`: a list with one piece for each byte of the character's UTF-8,
# written as `<0x`, two capital hexadecimal digits, and `>`.
#
# ```python
# byte_fallback("é")    # ["<0xC3>", "<0xA9>"]
# byte_fallback("\n")   # ["<0x0A>"]
# ```
#
# ASCII is no exception: this function is only called when a character has no piece. The check that
# `character` is one character is up to you; `check` does not look for it.

# %% tags=["exercise"] symbol="llama_mini.tokenizer.bpe:byte_fallback" part="Bytes, so that nothing is unknown"

# %% [markdown] tags=["exercise-text"]
# ## Encode
#
# Write `bpe_encode(text, scores)`, which gives the pieces that SentencePiece gives. `scores` holds
# the normal pieces and their scores, single characters and `▁` among them, and no byte pieces.
#
# 1. The empty text gives an empty list. Before any other text put one space, even if it begins with
#    one. Then every space becomes `▁` (`bpe.SPACE`, U+2581); nothing else changes.
# 2. Split into characters.
# 3. Among all neighbours whose joint string is in `scores`, join the two with the highest score, the
#    leftmost of equals. One joint at a time, then look at *all* neighbours again, the new ones too.
#    Stop when none is left.
# 4. What is then not in `scores` is a single character; put `byte_fallback` of it in its place.
#
# Scores may be any numbers, not only 0, −1, −2. Start with a version that looks at everything again
# after each joint: it is short and right, and `check` accepts it. If you like, make it fast
# afterwards, with `heapq`: then a joint costs a few steps, however long the text.

# %% tags=["exercise"] symbol="llama_mini.tokenizer.bpe:bpe_encode" part="Encoding: the best score first"

# %% [markdown]
# ## What comes next
#
# First the exercises above. Then [03 · RMSNorm](03_rmsnorm.ipynb): the first and smallest piece of the model itself.
