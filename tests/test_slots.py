"""Slots: one assignment on a home module, remembered and given back."""

import gc

import pytest

from llama_mini import CONFIGS, Transformer, feedforward, norm, slots

SILU, NORM = "llama_mini.feedforward:silu", "llama_mini.norm:RMSNorm"


@pytest.fixture(autouse=True)
def _given_back():
    gc.collect()
    yield
    slots.restore_all()


def mine(x):
    return x


def test_filling_a_slot_is_seen_by_the_package_and_can_be_undone():
    reference = feedforward.silu
    slots.fill(SILU, mine)
    assert feedforward.silu is mine
    assert (slots.current(SILU), slots.reference(SILU)) == (mine, reference)
    assert (slots.owner(SILU), slots.owner(NORM)) == ("learner", "reference")
    slots.restore_all()
    assert feedforward.silu is reference
    assert slots.filled() == []


def test_filling_with_the_reference_gives_the_slot_back():
    slots.fill(SILU, mine)
    slots.fill(SILU, slots.reference(SILU))
    assert slots.filled() == []


def test_replacing_all_fills_exactly_the_named_slots():
    class RMSNorm(norm.RMSNorm):
        pass

    slots.fill(SILU, mine)
    slots.replace_all({NORM: RMSNorm})
    assert slots.filled() == [NORM]
    assert slots.describe() == "your code in norm.RMSNorm; reference code elsewhere"


def test_a_living_model_refuses_a_change_and_the_slot_stays():
    model = Transformer(CONFIGS["nano"])
    with pytest.raises(slots.LivingModelError, match="1 Transformer is still in memory"):
        slots.fill(SILU, mine)
    assert slots.filled() == []
    slots.restore_all()  # nothing would change
    del model
    slots.fill(SILU, mine)
    assert slots.filled() == [SILU]


def test_a_model_built_on_the_overlay_refuses_to_lose_it():
    slots.fill(SILU, mine)
    model = Transformer(CONFIGS["nano"])
    with pytest.raises(slots.LivingModelError):
        slots.restore_all()
    del model


@pytest.mark.parametrize("name", ["silu", "llama_mini.norm", ":silu", "llama_mini.norm:", ""])
def test_a_name_that_is_no_slot_is_refused(name):
    with pytest.raises(ValueError, match="module:symbol"):
        slots.split(name)


def test_a_symbol_that_is_not_there_is_refused():
    with pytest.raises(AttributeError):
        slots.fill("llama_mini.norm:LayerNorm", mine)
