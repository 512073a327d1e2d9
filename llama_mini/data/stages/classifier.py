"""Reference or random: LLaMA's linear classifier of crawled pages."""

from collections.abc import Iterator, Sequence

import numpy as np

from llama_mini.data.ccnet import quality
from llama_mini.data.chance import draw
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer

_EXAMPLES = 400  # of each kind
_BUCKETS = 1024
_CHARACTERS = 1000  # of a page: the references are leads, and length should not give them away


def answers(
    documents: Sequence[Document], sources: list[str], reference: str, at_least: float
) -> Iterator[Answer]:
    """Documents of `sources` that the classifier takes for a reference, and all others.

    reference: the source of the references; the pages taken at random are of `sources`. at_least:
    the probability of being a reference that a page needs; 0 keeps all.
    """
    if not any(document.source in sources for document in documents):
        yield from ((document, None) for document in documents)
        return
    pages = {d.id: _features(d) for d in documents if d.source in sources}
    chosen = sorted(pages, key=lambda name: draw(0, "random page", name))[:_EXAMPLES]
    known = sorted(
        (d for d in documents if d.source == reference), key=lambda d: draw(0, "reference", d.id)
    )[:_EXAMPLES]
    features = np.stack([*map(_features, known), *(pages[name] for name in chosen)])
    weights, bias = quality.train_classifier(features, [1] * len(known) + [0] * len(chosen))
    for document in documents:
        if document.id not in pages:
            yield document, None
            continue
        page = pages[document.id][None]
        p = float(quality.reference_probability(page, weights, bias)[0])
        kind = "like a reference" if p >= 0.5 else "like a random page"
        yield document if p >= at_least else None, kind


def _features(document: Document) -> np.ndarray:
    return quality.hashed_ngrams(document.text[:_CHARACTERS], _BUCKETS)
