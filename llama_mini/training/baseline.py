"""A bigram model with Kneser-Ney smoothing: the bar that a Transformer has to clear.

It looks at one token to predict the next. A network that does worse has learned nothing that
counting pairs would not have told it.
"""

import numpy as np

from llama_mini.training.batches import Tokens

_MAX_TOKENS = 50_000_000  # what a laptop sorts in seconds; the course's mix is far smaller


class Bigram:
    """p(next | previous) from counts, interpolated with how many contexts each token follows.

    p(w | v) = max(c(v, w) − D, 0) / c(v)  +  D · n(v) / c(v) · q(w)
    with c the counts, n(v) the number of different tokens seen after v, D = n₁ / (n₁ + 2 n₂) from
    the number of pairs seen once and twice, and q(w) = (different tokens seen before w + 1) /
    (different pairs + vocab), which leaves no token without probability.

    tokens: a one-dimensional array of at least 2 ids below vocab_size.
    Source: Kneser & Ney 1995 in the interpolated form of Chen & Goodman 1998, §2.7.
    """

    def __init__(self, tokens: np.ndarray, vocab_size: int) -> None:
        if len(tokens) < 2:
            raise ValueError(f"A bigram model needs at least 2 tokens; got {len(tokens)}.")
        self.vocab_size = vocab_size
        self._pairs, self._counts = np.unique(
            _codes(tokens[:-1], tokens[1:], vocab_size), return_counts=True
        )
        previous, following = np.divmod(self._pairs, vocab_size)
        self._context = np.bincount(previous, weights=self._counts, minlength=vocab_size)
        self._n_after = np.bincount(previous, minlength=vocab_size)
        n_before = np.bincount(following, minlength=vocab_size)
        self._backoff = (n_before + 1) / (len(self._pairs) + vocab_size)
        once, twice = (int((self._counts == n).sum()) for n in (1, 2))
        self.discount = once / (once + 2 * twice) if once else 0.5

    @classmethod
    def fit(cls, tokens: Tokens) -> "Bigram":
        """Count the pairs of a split, its first 50 million tokens at most."""
        return cls(tokens.read(0, min(len(tokens), _MAX_TOKENS)), tokens.vocab_size)

    def surprise(self, previous: np.ndarray, following: np.ndarray) -> np.ndarray:
        """−log p(following | previous) in nats, for each pair of two arrays of token ids."""
        codes = _codes(previous, following, self.vocab_size)
        found = np.searchsorted(self._pairs, codes).clip(max=len(self._pairs) - 1)
        counts = np.where(self._pairs[found] == codes, self._counts[found], 0)

        context = self._context[previous]
        seen = context > 0
        context = np.where(seen, context, 1)
        direct = np.maximum(counts - self.discount, 0) / context
        left_over = np.where(seen, self.discount * self._n_after[previous] / context, 1.0)
        return -np.log(direct + left_over * self._backoff[following])


def _codes(previous: np.ndarray, following: np.ndarray, vocab_size: int) -> np.ndarray:
    return previous.astype(np.int64) * vocab_size + following
