"""Which source files stay, and that their licence headers go."""

import string

import pytest

from llama_mini.data import code


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", None),
        ("value = function(argument)\n" * 20, None),
        # The longest line and the mean, each at its limit and one beyond it.
        ("a" * 1000 + "\n" * 99, None),
        ("a" * 1001 + "\n" * 99, "long lines"),
        ("a" * 100, None),
        ("a" * 101, "long lines"),
        ("\n".join(["a" * 99] * 3) + "\n" + "a" * 100, None),
        # A quarter of the characters, line ends counted, and one less.
        ("ab" + "(" * 6, None),
        ("ab" + "(" * 7, "too few letters"),
        ("é1" + " " * 6, None),
        ("(" * 500, "long lines"),
    ],
)
def test_a_file_is_left_out_for_its_lines_or_its_letters(source, reason):
    assert code.rejection(source) == reason


def test_the_share_is_that_of_ascii_letters_and_digits_in_ascii_code():
    alphanumeric = set(string.ascii_letters + string.digits)
    for n_letters in range(30):
        source = "x" * n_letters + "+\n" * 30
        share = sum(c in alphanumeric for c in source) / len(source)
        assert (code.rejection(source) is None) == (share >= 0.25)
