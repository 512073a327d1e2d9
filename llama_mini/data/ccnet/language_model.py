"""The language model that grades web pages: trigrams of a reference's words, as CCNet's 5-grams."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from llama_mini.data.ccnet import ngram

_START = ""  # no word is empty, so this stands before the first words of a text and nowhere else
_CHARACTERS_PER_WORD = 12  # more than any text of the mix needs, so that a cut costs no word


class LanguageModel:
    """How surprising a text is to somebody who has read the reference.

    texts: the reference, such as Wikipedia's articles. words: cuts a text into words, and brings
    them into one form (lower case, digits to 0, no punctuation). The model keeps it and uses it
    for what it scores too, so both sides are always treated alike: without that, perplexities of
    a million say nothing of the text. order: words in an n-gram. discount: D of `kneser_ney`.
    max_words: a text is scored by that many of its first words, so a book costs what a page costs.
    Raises ValueError if the reference has no words.
    """

    def __init__(
        self,
        texts: Iterable[str],
        words: Callable[[str], list[str]],
        order: int = 3,
        discount: float = 0.75,
        max_words: int = 200,
    ) -> None:
        self._words, self._order, self._max_words = words, order, max_words
        counts: Counter[ngram.Gram] = Counter()
        for text in texts:
            counts.update(self._grams(words(text)))
        if not counts:
            raise ValueError("The reference has no words. Give the language model text to read.")
        self._probability = ngram.kneser_ney(counts, discount)

    def perplexity(self, text: str) -> float:
        """The perplexity of a text's first words; infinity for a text without words."""
        words = self._words(text[: _CHARACTERS_PER_WORD * self._max_words])[: self._max_words]
        if not words:
            return math.inf
        log10, probability = math.log10, self._probability
        score = sum(log10(probability(gram[:-1], gram[-1])) for gram in self._grams(words))
        return ngram.perplexity(score, len(words))

    def _grams(self, words: list[str]) -> Iterator[ngram.Gram]:
        """One n-gram for every word, which is its last; the first words follow marks of a start."""
        line = [_START] * (self._order - 1) + words
        return zip(*(line[k:] for k in range(self._order)), strict=False)
