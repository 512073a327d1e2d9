"""The loss scale moves as torch's own kernel moves it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.training.scale import precision


def torchs(scale, found_inf, good_steps, growth_every):
    """What torch.amp.GradScaler does in `update`."""
    held, count = torch.tensor(scale), torch.tensor(good_steps, dtype=torch.int32)
    torch._amp_update_scale_(held, count, torch.tensor(float(found_inf)), 2.0, 0.5, growth_every)
    return held.item(), int(count)


@given(
    scale=st.integers(-20, 127).map(lambda power: 2.0**power),
    growth_every=st.integers(1, 5),
    overflows=st.lists(st.booleans(), max_size=60),
)
def test_any_run_of_good_and_bad_updates_moves_it_as_torchs_scaler(scale, growth_every, overflows):
    mine = theirs = scale, 0
    for found_inf in overflows:
        mine = precision.update_loss_scale(mine[0], found_inf, mine[1], growth_every)
        theirs = torchs(theirs[0], found_inf, theirs[1], growth_every)
        assert mine == theirs


def test_by_default_it_doubles_after_as_many_updates_as_gradscaler_waits():
    scaler = torch.amp.GradScaler("cpu")
    state, scale = (2.0**16, 0), scaler.get_scale()
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    for _ in range(2001):
        scaler.scale(weight.sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        state = precision.update_loss_scale(state[0], False, state[1])
        assert state[0] == scaler.get_scale()
    assert state == (2 * scale, 1)


def test_the_scale_does_not_grow_past_what_float32_holds():
    assert precision.update_loss_scale(precision.MAX_SCALE, False, 0, 1) == (2.0**127, 0)


@pytest.mark.parametrize(
    ("scale", "growth_every"), [(0.0, 1), (-1.0, 1), (float("nan"), 1), (1.0, 0)]
)
def test_what_cannot_be_meant_is_refused(scale, growth_every):
    with pytest.raises(ValueError, match="above 0"):
        precision.update_loss_scale(scale, False, 0, growth_every)
