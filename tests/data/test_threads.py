"""A thread as one text."""

from hypothesis import given
from hypothesis import strategies as st

from llama_mini.data import threads


def test_the_best_answer_comes_first_and_equals_keep_their_order():
    answers = [(1, "one"), (5, "five"), (-3, "bad"), (1, "another"), (5, "also five")]
    assert threads.thread_text("Why?", answers) == (
        "Why?\n\nfive\n\nalso five\n\none\n\nanother\n\nbad"
    )


def test_one_answer_follows_the_question_after_a_blank_line_and_none_leaves_it_alone():
    assert threads.thread_text("How? ", [(0, " So.\n")]) == "How? \n\n So.\n"
    assert threads.thread_text("How?", []) == "How?"


@given(st.lists(st.integers(-3, 3), max_size=30))
def test_places_are_those_of_an_insertion_that_never_passes_an_equal(scores):
    ranked: list[tuple[int, str]] = []
    for number, score in enumerate(scores):
        place = len(ranked)
        while place and ranked[place - 1][0] < score:
            place -= 1
        ranked.insert(place, (score, str(number)))
    answers = [(score, str(number)) for number, score in enumerate(scores)]
    expected = "\n\n".join(["?", *(text for _, text in ranked)])
    assert threads.thread_text("?", iter(answers)) == expected
    assert answers == [(score, str(number)) for number, score in enumerate(scores)]
