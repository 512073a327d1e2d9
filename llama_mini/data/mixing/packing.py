"""Documents end to end, as a model reads them, and who may look at whom in such a stretch.

Arrays are NumPy's: text and its tokens know no model. `torch.from_numpy` takes them over as they
are.
"""

from collections.abc import Iterable, Sequence

import numpy as np


def pack_documents(
    documents: Iterable[Sequence[int]], bos: int, eos: int
) -> tuple[np.ndarray, np.ndarray]:
    """Write documents one after the other, each between `bos` and `eos`, with nothing in between.

    documents: the token ids of each, without `bos` and `eos`. An empty document still gives the two
    tokens. Returns (tokens, starts), both one-dimensional int64 (16 bits would overflow where a
    vocabulary has more than 65,536 tokens, or 32,768 if they are signed): starts[i] is where the
    `bos` of document i stands in tokens. Without documents both are empty.
    """
    pieces: list[int] = []
    starts = []
    for document in documents:
        starts.append(len(pieces))
        pieces += [bos, *document, eos]
    return np.array(pieces, dtype=np.int64), np.array(starts, dtype=np.int64)


def document_mask(starts: Sequence[int] | np.ndarray, seq: int) -> np.ndarray:
    """Who may look at whom in a window of packed documents: bool (seq, seq), True = may look.

    Row = the position that looks (query), column = the position looked at (key). A position sees
    itself and the earlier positions of its own document, and nothing of other documents.

    starts: the positions in the window, 0 ≤ position < seq, where documents begin, in any order.
    What stands before the first of them belongs to one document that began before the window; so 0
    may be in `starts` or not, and without starts the whole window is one document. seq: tokens in
    the window. Raises ValueError if a start lies outside the window.

    Positions inside a document are not this mask's business: RoPE scores depend on distances alone.
    """
    begins = np.zeros(seq, dtype=bool)
    starts = np.asarray(starts, dtype=np.int64)
    if len(starts) and not 0 <= starts.min() <= starts.max() < seq:
        raise ValueError(
            f"Documents begin inside a window of {seq} tokens, at 0 to {seq - 1}; got starts from "
            f"{starts.min()} to {starts.max()}. Subtract the window's own start first."
        )
    begins[starts] = True
    document = np.cumsum(begins)  # (seq,)
    position = np.arange(seq)
    same = document[:, None] == document[None, :]  # (seq, seq)
    return same & (position[None, :] <= position[:, None])
