"""Head, middle, tail: how much a web document reads like the text of a reference."""

from collections.abc import Sequence

import numpy as np

PERCENTILES = (30, 60)  # the columns of CCNet's table of cut-offs that its code reads


def head_middle_tail(perplexity: float, cutoffs: tuple[float, float]) -> str:
    """The bucket of a document: `"head"` reads most like the reference, `"tail"` least.

    perplexity: of the document under a language model of the reference, so lower is closer.
    cutoffs: (low, high) with low ≤ high. Below low is the head; from low on, low itself included,
    and below high is the middle; from high on, high itself and infinity included, is the tail.
    Raises ValueError if the perplexity is not a number, or low is above high.

    Source: Wenzek et al. 2019, arXiv 1911.00359, §4.2, and CCNet's `PerplexityBucket`.
    """
    low, high = cutoffs
    if not low <= high:
        raise ValueError(f"The cut-offs are (low, high) with low ≤ high; got ({low}, {high}).")
    if perplexity != perplexity:
        raise ValueError("The perplexity is not a number. Was the document empty?")
    if perplexity < low:
        return "head"
    if perplexity < high:
        return "middle"
    return "tail"


def cutoffs_of(
    perplexities: Sequence[float], percentiles: tuple[float, float] = PERCENTILES
) -> tuple[float, float]:
    """The perplexities below which the given percents of the documents lie: (low, high).

    CCNet takes the 30th and the 60th percentile of a language, so the buckets hold about 30, 30
    and 40 percent. Raises ValueError if there is no perplexity.
    """
    if not len(perplexities):
        raise ValueError("Cut-offs follow from the perplexities of documents; got none.")
    low, high = np.percentile(np.asarray(perplexities, dtype=np.float64), percentiles)
    return float(low), float(high)
