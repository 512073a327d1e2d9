"""How many tokens each source gives to the mix, and how often its text is read for that."""

from collections.abc import Mapping
from fractions import Fraction


def tokens_per_source(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Divide `total` tokens among the sources in proportion to their shares, adding up exactly.

    shares: a number of 0 or more for each source. Only their proportions count: percents, fractions
    of 1, or any others. Each source gets its exact part, total · share / sum(shares), rounded down;
    the tokens that are left over go one each to the sources whose exact parts lost most by that
    (the method of largest remainders). Between equal losses the source that stands earlier in
    `shares` wins. Computed without rounding errors, so a source with share 0 gets 0. Returns the
    sources in the order of `shares`. Raises ValueError if a share is negative, all are 0, or
    `total` is negative.
    """
    if total < 0:
        raise ValueError(f"A mix has 0 tokens or more; got {total}.")
    whole = sum(Fraction(share) for share in shares.values())
    if whole <= 0 or any(share < 0 for share in shares.values()):
        raise ValueError(f"Shares are 0 or more and not all 0; got {dict(shares)}.")
    exact = {source: total * Fraction(share) / whole for source, share in shares.items()}
    tokens = {source: int(part) for source, part in exact.items()}
    left_over = total - sum(tokens.values())
    by_loss = sorted(exact, key=lambda source: tokens[source] - exact[source])
    for source in by_loss[:left_over]:
        tokens[source] += 1
    return tokens


def epochs_for_shares(
    available: Mapping[str, int], shares: Mapping[str, float], total: int
) -> dict[str, float]:
    """How often each source's text is read when a mix of `total` tokens takes it in these shares.

    available: tokens that each source of `shares` has, each counted once. shares: as in
    `tokens_per_source`, only their proportions count. The epochs of a source are
    total · share / sum(shares) / available: above 1 its text is repeated, below 1 some of it is
    never read. A source with share 0 is read 0 times, whatever it has. Returns the sources in the
    order of `shares`. Raises ValueError if a share is negative, all are 0, or a source with a share
    has no tokens.

    Source: LLaMA, arXiv 2302.13971, Table 1, whose columns are these.
    """
    whole = sum(shares.values())
    if whole <= 0 or any(share < 0 for share in shares.values()):
        raise ValueError(f"Shares are 0 or more and not all 0; got {dict(shares)}.")
    epochs = {}
    for source, share in shares.items():
        if share and available.get(source, 0) <= 0:
            raise ValueError(
                f"The source {source} has a share of {share} and no tokens. Give it text, or no "
                "share."
            )
        epochs[source] = total * share / whole / available[source] if share else 0.0
    return epochs
