"""Which part of an update's windows each process reads."""


def windows_of_rank(step: int, batch_size: int, rank: int, world_size: int) -> list[int]:
    """The numbers of the windows that process `rank` of `world_size` reads in update `step`.

    An update takes batch_size windows over all processes: update 0 the numbers 0 to batch_size − 1,
    update 1 the next, and so on. Each process takes batch_size / world_size in a row, in the order
    of the ranks, so that all together read what one process would have read, once each.
    Raises ValueError if batch_size does not divide by world_size (an average over processes would
    then not be the average over windows), if there is no such rank, or if step is below 0.
    """
    _demand_rank(rank, world_size)
    if step < 0:
        raise ValueError(f"Updates are counted from 0; got step {step}.")
    if batch_size < 1 or batch_size % world_size:
        raise ValueError(
            f"A batch of {batch_size} sequences does not divide over {world_size} processes. "
            f"Choose a multiple of {world_size}."
        )
    share = batch_size // world_size
    first = step * batch_size + rank * share
    return list(range(first, first + share))


def _demand_rank(rank: int, world_size: int) -> None:
    if not 0 <= rank < world_size:
        raise ValueError(
            f"{world_size} processes have the ranks 0 to {world_size - 1}; got {rank}."
        )
