"""The bytes of a text that is there in tokens only."""

from typing import Protocol

import numpy as np

from llama_mini.tokenizer.sentencepiece import Tokenizer

_TOKENS_AT_ONCE = 1 << 20


class Tokens(Protocol):
    """Documents in a row, each between `<s>` and `</s>`, as token shards offer them."""

    def __len__(self) -> int: ...

    def read(self, start: int, count: int) -> np.ndarray: ...


def text_bytes(tokens: Tokens, tokenizer: Tokenizer) -> int:
    """The UTF-8 bytes of the documents that `tokenizer` made these tokens of, exactly.

    Summed over the pieces, for decoding is lossy where a document was cut inside a character. The
    space that the tokenizer adds before each document is not counted. A document's own `▁` counts
    as the space that SentencePiece takes it for. Raises ValueError for `<unk>`, whose text nobody
    knows.
    """
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    added, before = 0, -1
    for start in range(0, len(tokens), _TOKENS_AT_ONCE):
        piece = tokens.read(start, min(_TOKENS_AT_ONCE, len(tokens) - start)).astype(np.int64)
        counts += np.bincount(piece, minlength=tokenizer.vocab_size)
        previous = np.concatenate(([before], piece[:-1]))
        # An empty document is `<s></s>`: no space was added to it.
        added += int(((previous == tokenizer.bos_id) & (piece != tokenizer.eos_id)).sum())
        before = int(piece[-1])
    sizes = tokenizer.bytes_of_pieces
    if unknown := int(counts[sizes < 0].sum()):
        raise ValueError(
            f"{unknown} of these tokens are <unk>, and nobody can tell the bytes of their text. "
            "A tokenizer with byte fallback makes none."
        )
    return int(counts @ sizes) - (added if tokenizer.adds_a_space else 0)
