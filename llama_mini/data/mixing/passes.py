"""Who is in the mix: the validation split, and how often each training document is read."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llama_mini.data.documents import Document
from llama_mini.data.files import DataError

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


def draw(seed: int, *names: object) -> bytes:
    """Bytes that order things at random: the same on every machine, Python and NumPy version."""
    return hashlib.sha256(repr((seed, *names)).encode("utf-8")).digest()


def split_validation(
    documents: Sequence[Document],
    n_tokens: Sequence[int],
    shares: Mapping[str, float],
    validation_tokens: int,
    seed: int,
) -> tuple[list[int], list[int]]:
    """Indices of the training and of the validation documents.

    Whole groups go to validation, in random order, until a source has its share (percent) of
    `validation_tokens`; a group that would overshoot by half is passed over, and if all would, the
    smallest goes. Raises DataError if a source has one group only, for it cannot be in both splits.
    """
    groups: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    # A group may hold documents of several sources (related news): it belongs to its first one's.
    home: dict[str, str] = {}
    for index, document in enumerate(documents):
        source = home.setdefault(document.group, document.source)
        groups[source][document.group].append(index)
    validation: list[int] = []
    for source, share in shares.items():
        own = groups.get(source, {})
        if len(own) < 2:
            raise DataError(
                f"The source {source} has {len(own)} group(s) of documents; training and "
                "validation need one each. Give it more text in sources.toml."
            )
        sizes = {group: sum(n_tokens[i] for i in members) for group, members in own.items()}
        wanted = validation_tokens * share / 100
        chosen, total = [], 0
        for group in sorted(own, key=lambda name: draw(seed, "validation", name)):
            if total < wanted and total + sizes[group] <= 1.5 * wanted:
                chosen.append(group)
                total += sizes[group]
        if not chosen:
            chosen = [min(own, key=lambda name: (sizes[name], name))]
        validation += [index for group in chosen for index in own[group]]
    held_out = set(validation)
    return [i for i in range(len(documents)) if i not in held_out], sorted(held_out)


def sample(
    documents: Sequence[Document],
    n_tokens: Sequence[int],
    shares: Mapping[str, float],
    total_tokens: int,
    seed: int,
    max_epochs: float = MAX_EPOCHS,
) -> tuple[list[int], dict[str, Sampled]]:
    """The training documents in reading order, repeated as often as their source's share asks.

    shares: percent of `total_tokens` for each source. A source is read in passes; the last pass
    takes documents at random as long as they fit. Returns indices into `documents`, shuffled
    together, and what each source gave. Raises DataError if a source would be read more than
    `max_epochs` times.
    """
    own: dict[str, list[int]] = defaultdict(list)
    for index, document in enumerate(documents):
        own[document.source].append(index)
    available = {key: sum(n_tokens[i] for i in own[key]) for key in shares}
    possible = min(max_epochs * available[key] / share * 100 for key, share in shares.items())
    if total_tokens > possible:
        scarcest = min(shares, key=lambda key: available[key] / shares[key])
        raise DataError(
            f"A mix of {total_tokens:,} tokens needs "
            f"{total_tokens * shares[scarcest] / 100:,.0f} of the source {scarcest}, which has "
            f"{available[scarcest]:,}: more than {max_epochs} epochs. Ask for at most "
            f"{int(possible):,} tokens, or add text to that source."
        )
    reading: list[tuple[bytes, int]] = []
    sampled = {}
    for key, share in shares.items():
        left = round(total_tokens * share / 100)
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
