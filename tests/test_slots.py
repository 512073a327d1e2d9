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


def twice(x):
    return x + x


LAW = "llama_mini.scaling:training_flops"


def test_a_fingerprint_names_the_filled_slots_and_hashes_their_text():
    assert slots.fingerprint() == {}
    slots.fill(SILU, mine)
    first = slots.fingerprint()
    assert list(first) == [SILU]
    slots.fill(SILU, twice)
    assert slots.fingerprint() != first
    slots.fill(SILU, mine)
    assert slots.fingerprint() == first
    slots.restore_all()
    assert slots.fingerprint() == {}


def test_a_fingerprint_can_be_of_some_homes_alone():
    slots.replace_all({SILU: mine, LAW: mine})
    assert list(slots.fingerprint("llama_mini.scaling")) == [LAW]
    assert list(slots.fingerprint(*slots.ARCHITECTURE)) == [SILU]
    assert slots.fingerprint("llama_mini.scal") == {}


def test_the_text_that_is_handed_in_counts_rather_than_what_can_be_looked_up():
    slots.fill(SILU, mine, "a table, then def silu")
    first = slots.fingerprint()
    slots.restore_all()
    slots.fill(SILU, mine, "another table, then def silu")
    assert slots.fingerprint() != first


def test_code_whose_text_is_nowhere_is_like_no_other():
    namespace: dict = {}
    exec("def silu(x):\n    return x", namespace)
    slots.fill(SILU, namespace["silu"])
    first = slots.fingerprint()
    assert slots.fingerprint() == first
    slots.restore_all()
    slots.fill(SILU, namespace["silu"])
    assert slots.fingerprint() != first


def test_a_slot_that_no_model_is_built_from_may_change_while_one_lives():
    model = Transformer(CONFIGS["nano"])
    slots.fill(LAW, mine)
    with pytest.raises(slots.LivingModelError, match="feedforward:silu"):
        slots.fill(SILU, mine)
    assert slots.filled() == [LAW]
    del model


def test_what_differs_between_two_fingerprints_is_said_slot_by_slot():
    before = {SILU: "1", NORM: "1", LAW: "1"}
    after = {NORM: "2", LAW: "1", "llama_mini.rope:rope_table": "1"}
    assert slots.changes(before, after) == [
        "feedforward.silu was yours and is the reference now",
        "norm.RMSNorm is yours, in another version",
        "rope.rope_table was the reference and is yours now",
    ]
    assert slots.changes(after, after) == []


def test_a_stored_fingerprint_can_be_put_into_words():
    assert slots.describe({}) == "reference code in every slot"
    assert slots.describe({NORM: "1"}) == "your code in norm.RMSNorm; reference code elsewhere"


def failing(x):
    raise ArithmeticError("no")


class Layer:
    @staticmethod
    def named(x):
        return failing(x)

    def forward(self, x):
        return x / 0


@pytest.mark.parametrize(
    ("symbol", "call", "text"),
    [
        (failing, lambda: failing(1), "raise ArithmeticError"),
        (Layer, lambda: Layer().forward(1), "return x / 0"),
    ],
)
def test_the_innermost_line_of_a_learners_code_is_found_in_an_error(symbol, call, text):
    slots.fill(LAW, symbol)
    with pytest.raises(ArithmeticError) as caught:
        call()
    place = slots.place_in_learners_code(caught.value)
    assert place.slot == LAW and place.file == __file__
    with open(__file__, encoding="utf-8") as file:
        assert text in file.readlines()[place.line - 1]


def test_an_error_that_met_no_learners_code_has_no_place_in_it():
    assert slots.place_in_learners_code(ValueError("b")) is None
    slots.fill(LAW, twice)
    with pytest.raises(ValueError) as caught:
        int("b")
    slots.restore_all()
    assert slots.place_in_learners_code(caught.value) is None
