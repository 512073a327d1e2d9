"""Training the mix's tokenizer on text in the proportions of the mix."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from llama_mini.data.chance import draw
from llama_mini.data.documents import Document
from llama_mini.tokenizer import sentencepiece


def train(
    documents: Sequence[Document],
    path: Path,
    shares: Mapping[str, float],
    n_bytes: int,
    vocab_size: int,
    seed: int,
) -> None:
    """Train a tokenizer on about `n_bytes` of the documents and write it to `path`.

    shares: percent of the bytes for each source; its documents are taken at random.
    """
    texts = []
    for source, share in shares.items():
        own = [document for document in documents if document.source == source]
        own.sort(key=lambda document: draw(seed, "tokenizer", document.id))
        room = n_bytes * share / 100
        for document in own:
            if room <= 0:
                break
            texts.append(document.text)
            room -= len(document.text.encode("utf-8"))
    sentencepiece.train_tokenizer(texts, path, vocab_size)
