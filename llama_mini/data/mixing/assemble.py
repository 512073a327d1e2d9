"""Who is in the mix: the validation split, and the order in which a model reads."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from llama_mini.data.chance import draw
from llama_mini.data.documents import Document
from llama_mini.data.files import DataError
from llama_mini.data.mixing import shares as mixing_shares
from llama_mini.data.mixing import split
from llama_mini.data.mixing.passes import Sampled, sample


def reading_orders(
    documents: Sequence[Document],
    n_tokens: Sequence[int],
    shares: Mapping[str, float],
    total_tokens: int,
    validation_fraction: float,
    seed: int,
) -> tuple[list[int], list[int], dict[str, Sampled]]:
    """Indices of the training and of the validation documents in reading order, and the sampling.

    n_tokens: of each document. Training has about `total_tokens`, validation that fraction of them
    besides. Raises DataError if a source has too little text.
    """
    train, validation = split_validation(
        documents, n_tokens, shares, round(total_tokens * validation_fraction), seed
    )
    order, sampled = sample(
        [documents[i] for i in train], [n_tokens[i] for i in train], shares, total_tokens, seed
    )
    validation.sort(key=lambda i: draw(seed, "order", documents[i].id))
    return [train[i] for i in order], validation, sampled


def split_validation(
    documents: Sequence[Document],
    n_tokens: Sequence[int],
    shares: Mapping[str, float],
    validation_tokens: int,
    seed: int,
) -> tuple[list[int], list[int]]:
    """Indices of the training and of the validation documents.

    Whole groups go to validation, in random order, until a source has its share of
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
    wanted = mixing_shares.tokens_per_source(shares, validation_tokens)
    for source in shares:
        own = groups.get(source, {})
        if len(own) < 2:
            raise DataError(
                f"The source {source} has {len(own)} group(s) of documents; training and "
                "validation need one each. Give it more text in sources.toml."
            )
        sizes = {group: sum(n_tokens[i] for i in members) for group, members in own.items()}
        order = sorted(own, key=lambda name: draw(seed, "validation", name))
        chosen = split.choose_groups(sizes, wanted[source], order)
        # By name: a set has another order in every process.
        validation += [index for group in sorted(chosen) for index in own[group]]
    held_out = set(validation)
    return [i for i in range(len(documents)) if i not in held_out], sorted(held_out)
