"""Counting words to tell ordinary text from odd text: Kneser–Ney, and perplexity."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping

Gram = tuple[Hashable, ...]


def kneser_ney(counts: Mapping[Gram, int], discount: float) -> Callable[[Gram, Hashable], float]:
    """The probability of a token after a context, by interpolated Kneser–Ney smoothing.

    counts: how often each n-gram occurs, n-grams being tuples of n ≥ 1 tokens, all of one length n.
    A token is anything hashable. discount: D, above 0 and at most 1.

    Returns a function `probability(context, token)`. context: a tuple of the tokens before, of
    which the last n − 1 count; it may be shorter. With h a context of k tokens and w a token:

        p(w | h) = max(c(h w) − D, 0) / c(h)  +  D · kinds(h) / c(h) · p(w | h without its first)

    c(h w) is the n-gram's count if k = n − 1. For every shorter context it is a *continuation
    count*: how many different tokens stand before h w, that is, how many different (k+2)-grams end
    with h w (those in `counts` for k = n − 2; their ends for shorter ones). c(h) is the sum of
    c(h w) over all w, and kinds(h) the number of different w with c(h w) > 0. A context that was
    never seen, c(h) = 0, gives p(w | h without its first). Below the empty context stands a uniform
    distribution, 1 / (V + 1): V different tokens end the n-grams of `counts`, and one place is kept
    for all others together. So every token has a probability above 0, and after any context those
    of the V tokens and of one unknown token add up to 1.

    `counts` stays as it is. Raises ValueError if `counts` is empty, has n-grams of several lengths,
    or counts below 1, or if the discount is out of its range.

    Source: Kneser & Ney 1995 in the interpolated form of Chen & Goodman 1998, §2.7, with the
    uniform distribution at the bottom as in KenLM (Heafield et al. 2013), which CCNet uses.
    """
    orders = {len(gram) for gram in counts}
    if len(orders) != 1 or min(orders) < 1 or min(counts.values()) < 1:
        raise ValueError(
            "counts holds n-grams of one length, 1 or more, each counted at least once; got "
            f"{len(counts)} n-grams of the lengths {sorted(orders)}."
        )
    if not 0 < discount <= 1:
        raise ValueError(f"The discount is above 0 and at most 1; got {discount}.")

    # For a context of k tokens: the counts c(h w), the sums c(h), and the kinds(h).
    levels: list[tuple[Mapping[Gram, int], Counter[Gram], Counter[Gram]]] = []
    grams = counts
    for _ in range(min(orders)):
        total: Counter[Gram] = Counter()
        for gram, count in grams.items():
            total[gram[:-1]] += count
        levels.insert(0, (grams, total, Counter(gram[:-1] for gram in grams)))
        grams = Counter(gram[1:] for gram in grams)
    unigrams, _, _ = levels[0]
    uniform = 1 / (len(unigrams) + 1)

    def probability(context: Gram, token: Hashable) -> float:
        p = uniform
        for k in range(min(len(context) + 1, len(levels))):
            grams, total, kinds = levels[k]
            past = context[len(context) - k :]
            if past not in total:
                break  # then no longer context was seen either
            direct = max(grams.get((*past, token), 0) - discount, 0)
            p = (direct + discount * kinds[past] * p) / total[past]
        return p

    return probability


def perplexity(log10_score: float, n_tokens: int) -> float:
    """How many equally likely tokens a language model seems to choose among: 10^(−score / n).

    log10_score: the sum of the base-10 logarithms of the probabilities of n_tokens tokens, so 0 or
    less. The perplexity is 1 for a text foreseen with certainty; a uniform distribution over V
    tokens gives V. A score of −infinity gives infinity. Raises ValueError if n_tokens is below 1.

    Source: CCNet's `pp`, for KenLM's scores, which are base-10 logarithms.
    """
    if n_tokens < 1:
        raise ValueError(f"Perplexity is an average over tokens, at least 1; got {n_tokens}.")
    return 10.0 ** (-log10_score / n_tokens)
