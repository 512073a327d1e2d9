"""A run given minutes must end, however quick or slow its updates are."""

import pytest

from llama_mini.training.run.pace import Pace


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.19, 0.5, 3.0])
@pytest.mark.parametrize("minutes", [0.1, 0.4, 6.0, 600.0])
def test_the_pace_is_known_after_twenty_seconds_or_a_twentieth_of_the_budget(seconds, minutes):
    pace, budget, spent, updates = Pace(), 60 * minutes, 0.0, 0
    while not pace.known(budget):
        pace.note(seconds)
        updates += 1
        spent += seconds
        assert spent <= min(20.0, budget / 20) + 13 * seconds, "the end is never fixed"
    assert updates > 8
    assert pace.seconds_per_update == pytest.approx(seconds)
    assert pace.updates_in(100 * seconds + seconds / 2) == 100


def test_the_first_updates_do_not_count():
    pace = Pace()
    for seconds in [30.0, 30.0, 30.0, *[0.1] * 20]:
        pace.note(seconds)
    assert not pace.known(360.0)
    assert pace.seconds_per_update < 2
