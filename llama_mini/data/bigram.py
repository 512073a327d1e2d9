"""A bigram model with Kneser-Ney smoothing: the bar that a Transformer has to clear.

It looks at one token to predict the next. A network that does worse has learned nothing that
counting pairs would not have told it.
"""

import numpy as np

from llama_mini.data.tokens import Tokens

_DISCOUNTS = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0)
_MAX_TOKENS = 50_000_000  # what a laptop sorts in seconds; the course's mix is far smaller


class Bigram:
    """p(next | previous) from counts, interpolated with how many contexts each token follows.

    p(w | v) = max(c(v, w) − D, 0) / c(v)  +  left(v) / c(v) · q(w)
    with c the counts, D the discount, left(v) what the discount took from the pairs that begin
    with v, and q(w) = (different tokens seen before w + 1) / (different pairs + vocab), which
    leaves no token without probability.

    tokens: a one-dimensional array of at least 2 ids below vocab_size. discount: D, above 0; None
    is Kneser and Ney's estimate n₁ / (n₁ + 2 n₂) from the pairs seen once and twice.
    Source: Kneser & Ney 1995 in the interpolated form of Chen & Goodman 1998, §2.7.
    """

    def __init__(self, tokens: np.ndarray, vocab_size: int, discount: float | None = None) -> None:
        if len(tokens) < 2:
            raise ValueError(f"A bigram model needs at least 2 tokens; got {len(tokens)}.")
        self.vocab_size = vocab_size
        self._pairs, self._counts = np.unique(
            _codes(tokens[:-1], tokens[1:], vocab_size), return_counts=True
        )
        self._previous, following = np.divmod(self._pairs, vocab_size)
        self._context = np.bincount(self._previous, weights=self._counts, minlength=vocab_size)
        n_before = np.bincount(following, minlength=vocab_size)
        self._backoff = (n_before + 1) / (len(self._pairs) + vocab_size)
        once, twice = (int((self._counts == n).sum()) for n in (1, 2))
        estimate = once / (once + 2 * twice) if once else 0.5
        self.discount = estimate if discount is None else discount

    @classmethod
    def fit(cls, tokens: Tokens, held_out: Tokens) -> "Bigram":
        """Count the pairs of a split, its first 50 million tokens at most.

        The usual estimate of D supposes that no text occurs twice, and a mix repeats its small
        sources. So D is the one that suits the held-out split best: where there is doubt, the bar
        is set higher.
        """
        bigram = cls(tokens.read(0, min(len(tokens), _MAX_TOKENS)), tokens.vocab_size)
        sample = held_out.read(0, min(len(held_out), _MAX_TOKENS))
        losses = {}
        for discount in (bigram.discount, *_DISCOUNTS):
            bigram.discount = discount
            losses[discount] = bigram.surprise(sample[:-1], sample[1:]).mean()
        bigram.discount = min(losses, key=losses.__getitem__)
        return bigram

    @property
    def discount(self) -> float:
        """D, what is taken from every count and shared among the pairs that were never seen."""
        return self._discount

    @discount.setter
    def discount(self, discount: float) -> None:
        if not discount > 0:
            raise ValueError(f"The discount must be above 0; got {discount}.")
        self._discount = discount
        taken = np.minimum(self._counts, discount)
        self._left = np.bincount(self._previous, weights=taken, minlength=self.vocab_size)

    def surprise(self, previous: np.ndarray, following: np.ndarray) -> np.ndarray:
        """−log p(following | previous) in nats, for each pair of two arrays of token ids."""
        codes = _codes(previous, following, self.vocab_size)
        found = np.searchsorted(self._pairs, codes).clip(max=len(self._pairs) - 1)
        counts = np.where(self._pairs[found] == codes, self._counts[found], 0)

        context = self._context[previous]
        seen = context > 0
        context = np.where(seen, context, 1)
        direct = np.maximum(counts - self.discount, 0) / context
        left_over = np.where(seen, self._left[previous] / context, 1.0)
        return -np.log(direct + left_over * self._backoff[following])


def _codes(previous: np.ndarray, following: np.ndarray, vocab_size: int) -> np.ndarray:
    return previous.astype(np.int64) * vocab_size + following
