"""Which documents are held out for validation: whole groups, so that no story is on both sides."""

from collections.abc import Mapping, Sequence


def choose_groups(group_sizes: Mapping[str, int], wanted: float, order: Sequence[str]) -> set[str]:
    """The groups of documents that go to validation, each of them whole.

    group_sizes: tokens of each group. wanted: tokens that validation should get. order: the names
    of the groups, in the order in which they are asked. A group is taken if validation has less
    than `wanted` so far and would have at most 1.5 · `wanted` with it; else it is passed over, and
    the next is asked. If none is taken so, the smallest group of all is, and of several such the
    one whose name comes first in the order of strings. The answer may be all the groups, which
    leaves nothing for training: the caller looks after that. Raises ValueError if there is no
    group.
    """
    if not group_sizes:
        raise ValueError("There are no groups to choose from.")
    chosen: set[str] = set()
    total = 0
    for group in order:
        if total < wanted and total + group_sizes[group] <= 1.5 * wanted:
            chosen.add(group)
            total += group_sizes[group]
    return chosen or {min(group_sizes, key=lambda group: (group_sizes[group], group))}
