"""Bytes in the words of data sheets: decimal kB, MB, GB and TB."""


def in_words(n_bytes: float) -> str:
    """1_340_000_000 → "1.34 GB", 130_571_321_344 → "130.6 GB"."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            value = n_bytes / size
            return f"{value:,.{1 if value >= 10 else 2}f} {unit}"
    return f"{n_bytes:.0f} bytes"


def three_digits(value: float) -> str:
    """35.123 → "35.1", 1340.2 → "1,340"."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
