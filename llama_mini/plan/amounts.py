"""Bytes in the words of data sheets: decimal kB, MB, GB and TB."""


def in_words(n_bytes: float) -> str:
    """1_340_000_000 → "1.34 GB"; at least three digits."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            value = n_bytes / size
            digits = 2 if value < 10 else 1
            return f"{value:,.{digits}f} {unit}"
    return f"{n_bytes:.0f} bytes"
