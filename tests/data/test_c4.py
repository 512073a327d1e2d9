"""C4's heuristics against the paper's words and the authors' own examples."""

import pytest
from tiny_sources import prose

from llama_mini.data import c4

SENTENCE = "The old river runs under the bridge."
PAGE = "\n".join([SENTENCE] * 3)


@pytest.mark.parametrize(
    "line",
    [
        "Only five words are here.",
        'She said it "quite loudly"',
        "Did he ask “where to go?”",
        "  With space at both its ends!  ",
        f"A word of {'x' * 1000} is one.",
    ],
)
def test_sentences_of_five_words_stay(line):
    assert c4.keeps_line(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Four words are few.",
        "This one has no end of a sentence",
        "And this one trails off into nothing...",
        "And this one trails off into nothing…",
        "Please enable JavaScript to read this page.",
        "By reading on you accept our Cookie Policy.",
        "This site uses cookies to see you.",
        f"A word of {'x' * 1001} is no word.",
    ],
)
def test_other_lines_go_and_the_rest_of_the_page_stays(line):
    assert not c4.keeps_line(line)
    assert c4.clean_page(f"{PAGE}\n{line}", []) == "\n\n".join([SENTENCE] * 3)


@pytest.mark.parametrize(
    "page",
    [
        "\n".join([SENTENCE] * 2),
        f"{PAGE}\nvar x = {{}};",
        f"{PAGE}\nLorem ipsum",
        f"{PAGE}\nThat Heck, again.",
        "",
    ],
)
def test_pages_with_code_filler_bad_words_or_fewer_than_three_sentences_go(page):
    assert c4.clean_page(page, ["heck"]) is None


def test_a_bad_word_is_a_whole_word_and_may_be_two():
    page = f"{PAGE}\nCheck the heckler, not what a hell."
    assert c4.clean_page(page, ["heck", "a hel"]) is not None
    assert c4.clean_page(page, ["heckler"]) is None
    assert c4.clean_page(page, ["what a"]) is None
    assert c4.clean_page(page, ["h.ckler"]) is not None  # a word is no pattern


def test_marks_of_citations_go_before_lines_are_judged():
    cited = "The river[3] runs[edit] under[] the bridge.[citation needed]"
    page = "\n".join([cited, SENTENCE, SENTENCE])
    assert c4.clean_page(page, []).split("\n\n")[0] == "The river runs under the bridge."


def test_three_sentences_may_stand_in_one_line():
    line = 'It rained a lot. Nobody knew why! "Was it the clouds?" she asked'
    assert c4.clean_page(line + ".", []) == line + "."
    assert c4.clean_page("Version 2.1.9 of e.g.this came out on 1.1.2020.", []) is None


def test_running_text_stays_as_it_is():
    text = "\n\n".join(prose(seed, 4) for seed in range(3))
    assert c4.clean_page(text, []) == text
