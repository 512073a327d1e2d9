"""Where the windows of a pass over the data begin: a pure function of the seed and the pass."""

import numpy as np


def window_starts(epoch: int, n_windows: int, seq_len: int, seed: int) -> np.ndarray:
    """The first token of each window of one pass, in the order in which they are read.

    The data are cut into n_windows windows of seq_len tokens, side by side from an offset on, and
    dealt out like cards: each once. epoch: the number of the pass, from 0. A generator made of both
    numbers, `np.random.default_rng([seed, epoch])`, draws first the offset, `integers(seq_len)`, so
    that no two passes cut at the same places, and then the order, `permutation(n_windows)`: window
    number w begins at offset + w · seq_len. → (n_windows,) int64. The same arguments give the same
    starts in every process, so a run that stopped knows its place from its update's number alone.
    Raises ValueError if n_windows or seq_len is below 1, epoch or seed below 0.
    """
    if min(n_windows, seq_len) < 1 or min(epoch, seed) < 0:
        raise ValueError(
            "A pass has 1 window of 1 token at least, and epoch and seed count from 0; got "
            f"epoch {epoch}, n_windows {n_windows}, seq_len {seq_len}, seed {seed}."
        )
    rng = np.random.default_rng([seed, epoch])
    offset = int(rng.integers(seq_len))
    return offset + seq_len * rng.permutation(n_windows)
