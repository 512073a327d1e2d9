"""Byte-pair encoding from scratch: how a vocabulary is learned, and how text is cut with it.

Gage's compression of 1994, which Sennrich, Haddow and Birch (arXiv 1508.07909) turned to words:
start from characters and keep joining the pair of neighbours that occurs most often. LLaMA's
vocabulary is SentencePiece's version of it, and `bpe_encode` gives what SentencePiece gives.
"""

import heapq
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

Pair = tuple[str, str]
Word = tuple[str, ...]

# U+2581, which looks like a low line and is none: SentencePiece's visible stand-in for a space.
SPACE = "▁"


def count_pairs(words: dict[Word, int]) -> dict[Pair, int]:
    """How often each pair of neighbouring symbols occurs in a text.

    words: the text as a dict from each word, a tuple of its symbols, to how often it occurs. A
    pair inside a word counts as often as the word does, and each of its places counts, also where
    two overlap: `{("a", "a", "a"): 5}` gives `{("a", "a"): 10}`. No pair reaches from one word to
    the next. Pairs that do not occur are not in the result, and `words` stays as it is.

    Source: Sennrich et al. 2016, arXiv 1508.07909, Algorithm 1.
    """
    counts: dict[Pair, int] = {}
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + times
    return counts


def merge_pair(symbols: Word, pair: Pair) -> Word:
    """The same word with every occurrence of `pair` joined into one symbol.

    Reads from left to right, and a symbol goes into one joint only: `("a", "a", "a")` with
    `("a", "a")` gives `("aa", "a")`. Two symbols match only as a whole: `("a", "b")` is not in
    `("ca", "b")`. Returns a new tuple.

    Source: Sennrich et al. 2016, arXiv 1508.07909, Algorithm 1.
    """
    left, right = pair
    merged = []
    position = 0
    while position < len(symbols):
        if tuple(symbols[position : position + 2]) == (left, right):
            merged.append(left + right)
            position += 2
        else:
            merged.append(symbols[position])
            position += 1
    return tuple(merged)


def train_bpe(words: dict[Word, int], n_merges: int) -> list[Pair]:
    """Learn a vocabulary: the pairs to join, in the order in which they were learned.

    words: as in `count_pairs`, each word split into its characters. Each step counts the pairs,
    takes the one with the highest count, and joins it in every word before the next count. Among
    pairs with the same count the smaller one in string order wins: `("a", "z")` before
    `("b", "a")`. Ends after `n_merges` steps, or earlier when no pair is left. `words` stays as it
    is. Raises ValueError if `n_merges` is negative.

    Source: Sennrich et al. 2016, arXiv 1508.07909, Algorithm 1.
    """
    if n_merges < 0:
        raise ValueError(f"n_merges is a number of steps, 0 or more; got {n_merges}.")
    merges: list[Pair] = []
    while len(merges) < n_merges and (counts := count_pairs(words)):
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        words = {merge_pair(word, best): times for word, times in words.items()}
        merges.append(best)
    return merges


def byte_fallback(character: str) -> list[str]:
    """The pieces for a character that is not in the vocabulary: one for each byte of its UTF-8.

    A byte is written as two capital hexadecimal digits: `"é"` gives `["<0xC3>", "<0xA9>"]`. Every
    text can be written this way, with 256 pieces. Raises ValueError unless `character` is exactly
    one character that UTF-8 can encode (half of a surrogate pair is none).

    Source: SentencePiece's option `byte_fallback`, which LLaMA's tokenizer uses.
    """
    if len(character) != 1:
        raise ValueError(f"byte_fallback takes one character; got {len(character)}: {character!r}.")
    return [f"<0x{byte:02X}>" for byte in character.encode("utf-8")]


def bpe_encode(text: str, scores: dict[str, float]) -> list[str]:
    """Cut a text into the pieces that SentencePiece's BPE gives with LLaMA's settings.

    scores: each normal piece of the vocabulary, single characters included, and its score; higher
    is better. Byte pieces and `<unk>`, `<s>`, `</s>` are not among them. In this order:

    1. One space is put before the text and every space becomes `▁` (U+2581). Nothing else is
       changed or removed. The empty text gives no pieces at all.
    2. The text is split into its characters.
    3. Two neighbours may be joined if their joint string is in `scores`, whichever merge it was
       learned by. The pair whose joint string has the highest score is joined first, the leftmost
       of equals; then one looks again, since the joint may have a partner. It ends when no two
       neighbours can be joined.
    4. A character that is left over and not in `scores` becomes its bytes, by `byte_fallback`.

    Digits need no step of their own: LLaMA's vocabulary has no piece with two of them. Raises
    ValueError for a character that UTF-8 cannot encode.

    Source: LLaMA paper §2.1; SentencePiece (arXiv 1808.06226).
    """
    if not text:
        return []
    symbols = list((" " + text).replace(" ", SPACE))
    # The symbols are a chain, each knowing its neighbours' positions, so a joint moves nothing.
    before = list(range(-1, len(symbols) - 1))
    after = list(range(1, len(symbols) + 1))
    candidates: list[tuple[float, int, int, str]] = []

    def consider(left: int, right: int) -> None:
        if left < 0 or right >= len(symbols):
            return
        joint = symbols[left] + symbols[right]
        if joint in scores:
            heapq.heappush(candidates, (-scores[joint], left, right, joint))

    for left in range(len(symbols) - 1):
        consider(left, left + 1)
    while candidates:
        _, left, right, joint = heapq.heappop(candidates)
        if after[left] != right or symbols[left] + symbols[right] != joint:
            continue  # one of the two has been joined with another since
        symbols[left], symbols[right] = joint, ""
        after[left] = after[right]
        if after[left] < len(symbols):
            before[after[left]] = left
        consider(before[left], left)
        consider(left, after[left])

    pieces: list[str] = []
    for symbol in filter(None, symbols):
        pieces.extend([symbol] if symbol in scores else byte_fallback(symbol))
    return pieces


def scores_of(processor: "SentencePieceProcessor") -> dict[str, float]:
    """What `bpe_encode` needs of a trained SentencePiece BPE: the score of each normal piece.

    Leaves out `<unk>`, the control pieces and the byte pieces, which no text is matched with.
    User-defined and unused pieces, which SentencePiece treats in ways of their own, are taken for
    normal ones; LLaMA's tokenizer has neither.
    """
    return {
        processor.id_to_piece(index): processor.get_score(index)
        for index in range(processor.get_piece_size())
        if not (
            processor.is_unknown(index) or processor.is_control(index) or processor.is_byte(index)
        )
    }
