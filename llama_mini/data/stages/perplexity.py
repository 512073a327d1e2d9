"""CCNet's buckets: how much a crawled page reads like the reference, by a model of its words."""

from collections.abc import Iterator, Sequence

from llama_mini.data.ccnet import buckets, dedup
from llama_mini.data.ccnet.language_model import LanguageModel
from llama_mini.data.chance import draw
from llama_mini.data.documents import Document
from llama_mini.data.stages import Answer

_REFERENCES = 4000  # texts that the model reads: more cost time, and grade alike


def answers(
    documents: Sequence[Document], sources: list[str], reference: str, keep: list[str]
) -> Iterator[Answer]:
    """Documents of `sources` in the buckets to keep, and all others.

    reference: the source that the model reads first. The cut-offs are percentiles of these pages,
    as CCNet's are of a language's.
    """
    if not any(document.source in sources for document in documents):
        yield from ((document, None) for document in documents)
        return
    known = [document for document in documents if document.source == reference]
    known.sort(key=lambda document: draw(0, "reference", document.id))
    texts = [document.text for document in known[:_REFERENCES]]
    model = LanguageModel(texts, lambda text: dedup.normalize_paragraph(text).split())
    graded = {d.id: model.perplexity(d.text) for d in documents if d.source in sources}
    cutoffs = buckets.cutoffs_of(list(graded.values()))
    for document in documents:
        if document.id not in graded:
            yield document, None
            continue
        bucket = buckets.head_middle_tail(graded[document.id], cutoffs)
        yield document if bucket in keep else None, bucket
