"""How fast a run goes, and how many updates fit into its minutes."""

import statistics
from collections import deque

_WARM_UP = 3  # the first updates allocate memory and choose kernels
_ENOUGH_UPDATES = 8
_ENOUGH_SECONDS = 20.0
_REMEMBERED = 50


class Pace:
    """The seconds of the latest updates, the very first left out."""

    def __init__(self) -> None:
        self._noted = 0
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        # Of all updates, remembered or not: fifty quick ones may never add up to enough.
        self._watched = 0.0

    def note(self, seconds: float) -> None:
        """Remember how long an update took."""
        if self._noted <= _WARM_UP:  # only the latest, until the first that counts
            self._seconds.clear()
            self._watched = 0.0
        self._noted += 1
        self._seconds.append(seconds)
        self._watched += seconds

    @property
    def seconds_per_update(self) -> float:
        """The mean of the latest updates."""
        return statistics.mean(self._seconds)

    def known(self, budget_seconds: float) -> bool:
        """Whether enough was seen to plan by: some updates, and a twentieth of a short budget."""
        enough = min(_ENOUGH_SECONDS, budget_seconds / 20)
        return len(self._seconds) > _ENOUGH_UPDATES and self._watched >= enough

    def updates_in(self, seconds: float) -> int:
        """How many updates fit into that time, at least one."""
        return max(1, int(seconds / self.seconds_per_update))
