"""How often each training document is read, and in which order."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llama_mini.data.chance import draw
from llama_mini.data.documents import Document
from llama_mini.data.files import DataError
from llama_mini.data.mixing import shares as mixing_shares

MAX_EPOCHS = 3


@dataclass(frozen=True)
class Sampled:
    """What sampling took from one source.

    tokens: in the training split, repetitions counted. available: tokens of its training documents,
    each counted once. epochs: tokens / available.
    """

    tokens: int
    available: int

    @property
    def epochs(self) -> float:
        """How often an average token of the source is read."""
        return self.tokens / self.available


def sample(
    documents: Sequence[Document],
    n_tokens: Sequence[int],
    shares: Mapping[str, float],
    total_tokens: int,
    seed: int,
    max_epochs: float = MAX_EPOCHS,
) -> tuple[list[int], dict[str, Sampled]]:
    """The training documents in reading order, repeated as often as their source's share asks.

    shares: of `total_tokens` for each source, in proportion. A source is read in passes; the
    last takes documents at random as long as they fit. Returns indices into `documents`, shuffled
    together, and what each source gave. Raises DataError if a source would be read more than
    `max_epochs` times.
    """
    own: dict[str, list[int]] = defaultdict(list)
    for index, document in enumerate(documents):
        own[document.source].append(index)
    available = {key: sum(n_tokens[i] for i in own[key]) for key in shares}
    if all(available.values()):
        epochs = mixing_shares.epochs_for_shares(available, shares, total_tokens)
    else:
        epochs = {key: 0.0 if tokens else math.inf for key, tokens in available.items()}
    tokens_for = mixing_shares.tokens_per_source(shares, total_tokens)
    scarcest = max(epochs, key=epochs.__getitem__)
    if epochs[scarcest] > max_epochs:
        raise DataError(
            f"A mix of {total_tokens:,} tokens needs {tokens_for[scarcest]:,} of the source "
            f"{scarcest}, which has {available[scarcest]:,}: more than {max_epochs} epochs. Ask "
            f"for at most {int(total_tokens * max_epochs / epochs[scarcest]):,} tokens, or add "
            "text to that source."
        )
    reading: list[tuple[bytes, int]] = []
    sampled = {}
    for key in shares:
        left = tokens_for[key]
        tokens = 0
        epoch = 0
        while True:
            order = sorted(own[key], key=lambda i: draw(seed, "pass", epoch, documents[i].id))
            fitting = []
            for index in order:
                if n_tokens[index] <= left:
                    fitting.append(index)
                    left -= n_tokens[index]
            for index in fitting:
                tokens += n_tokens[index]
                reading.append((draw(seed, "order", epoch, documents[index].id), index))
            if len(fitting) < len(order):
                break
            epoch += 1
        sampled[key] = Sampled(tokens, available[key])
    return [index for _, index in sorted(reading)], sampled
