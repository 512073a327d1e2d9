"""What each kind of source loses on its way, and what it keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.data import cleaning, code, latex, news, restructuredtext, wikipedia
from llama_mini.data.ccnet import extraction, language


def test_tidy_leaves_plain_characters_and_plain_spacing():
    text = "a\u00a0b\u200b \r\n\r\n\r\n\r\nc\ufeff\x07 e\u0301  \n"
    assert cleaning.tidy(text) == "a b\n\nc \u00e9"


@given(st.text())
def test_tidying_twice_changes_nothing_more(text):
    once = cleaning.tidy(text)
    assert cleaning.tidy(once) == once
    assert "\n\n\n" not in once and "\r" not in once


def test_paragraphs_are_unwrapped_and_verse_is_not():
    prose = (
        "It was a long line that ended only where the page of the book did,\nnot where it meant to."
    )
    verse = "Tyger Tyger,\n  burning bright"
    assert cleaning.unwrap(f"{prose}\n\n{verse}") == prose.replace("\n", " ") + f"\n\n{verse}"


@pytest.mark.parametrize(
    ("damaged", "repaired"),
    [
        ('He said "yes,"?and left.', 'He said "yes," and left.'),
        ("MOSCOW, March 1. /TASS/. Rain fell.", "Rain fell."),
        ("(CNN)Rain fell.", "Rain fell."),
        ("They have-been told by the-minister.", "They have been told by the minister."),
        ("The army,-which won, left.", "The army, which won, left."),
        ("An anti-Trump march by day-to-day staff.", "An anti-Trump march by day-to-day staff."),
        ("Rain fell. dm/jm (Reuters, AP)", "Rain fell."),
        ("Rain fell. Source:-Al Jazeera and news agencies", "Rain fell."),
        ("It cost (2 euros; 1.4 million).", "It cost (2 euros; £1.4 million)."),
    ],
)
def test_news_is_repaired_where_there_is_no_doubt(damaged, repaired):
    assert news.repair_news(damaged) == repaired


@pytest.mark.parametrize("damaged", ["J\ufffd\ufffdrgen won.", 'the wall "?so', 'don"t', "K?ln"])
def test_news_that_is_damaged_otherwise_is_given_up(damaged):
    assert news.repair_news(damaged) is None


def test_hyphens_that_the_texts_themselves_write_as_spaces_are_undone():
    texts = ["polling stations open", "polling stations close", "polling-stations", "long-term"]
    assert news.false_hyphens(texts) == {("polling", "stations")}
    repaired = news.repair_news(
        "The polling-stations, a long-term plan.", {("polling", "stations")}
    )
    assert repaired == "The polling stations, a long-term plan."


def test_licence_headers_go_and_other_comments_stay():
    header = "#!/usr/bin/env python\n# Copyright 2020 A. Author\n# SPDX-License-Identifier: MIT\n\n"
    assert code.without_licence_header(header + "x = 1\n") == "x = 1\n"
    assert code.without_licence_header("# A remark.\nx = 1\n") == "# A remark.\nx = 1\n"


def test_leads_lose_the_holes_of_removed_pronunciations():
    assert wikipedia.clean_lead("Rome ( ; , or ) is old.") == "Rome is old."
    assert wikipedia.clean_lead("Rome (; Latin: Roma) is old .") == "Rome (Latin: Roma) is old."


PAPER = r"""\documentclass{article}
\newcommand{\jet}[1]{\emph{#1}\xspace}
\newcommand{\pT}{\ensuremath{p_T}}
\newcommand{\todo}[1]{{\color{red} #1}}
\begin{document}
\begin{abstract}Gone.\end{abstract}
\section{One \label{sec:one}}
A \jet{fat} jet has 5\% more \pT. % a remark
\begin{equation} \pT = 1 \end{equation}
\todo{ask Ann}
\begin{figure}\caption{Gone.}\end{figure}
\section{Two}
See \href{http://a.b}{this page} and {\small\texttt{code}}.
\begin{thebibliography}{9} \bibitem{a} Gone. \end{thebibliography}
\end{document}
"""


def test_papers_lose_preamble_comments_floats_and_bibliography_and_macros_are_expanded():
    sections = latex.paper_sections(PAPER)
    assert [title.strip() for title, _ in sections] == ["One", "Two"]
    first, second = (text for _, text in sections)
    assert "A fat jet has 5\\% more $p_T$." in first
    assert "\\begin{equation} p_T = 1 \\end{equation}" in first
    assert "See this page and code." in second
    for gone in ("Gone", "remark", "Ann", "\\label", "\\newcommand", "thebibliography"):
        assert gone not in first + second


def test_a_file_without_sections_is_no_paper():
    assert latex.paper_sections("\\begin{document}Text.\\end{document}") == []


FAQ = """
=====
 FAQ
=====

.. contents::
   :local:

.. _first:

Why is it `so`?
---------------

Because of :class:`~a.b.Thing`, see :ref:`that page <label>` and `the docs <http://x>`_.
Write **this**::

    x = 1  # kept

.. seealso:: other_ things

And how?
--------

.. code-block:: python

    y = 2
"""


def test_faqs_become_questions_with_plain_answers():
    pairs = restructuredtext.questions_and_answers(FAQ)
    assert [question for question, _ in pairs] == ["Why is it so?", "And how?"]
    first, second = (answer for _, answer in pairs)
    assert "Because of a.b.Thing, see that page and the docs." in first
    assert "Write this:\n\n    x = 1  # kept" in first
    assert "    y = 2" in second
    for markup in ("``", ":ref:", "::", ".. ", "`_"):
        assert markup not in first + second


def no_guess(page: bytes) -> str:
    raise AssertionError("Nothing was to be guessed.")


def test_pages_are_decoded_as_they_say_when_they_are_not_utf8():
    page = "<html><meta charset='iso-8859-2'><p>Příliš žluťoučký kůň</p>"
    assert "žluťoučký" in extraction.decode_page(page.encode("iso-8859-2"), no_guess)
    assert "žluťoučký" in extraction.decode_page(page.encode("utf-8"), no_guess)


def test_extraction_keeps_the_article_and_leaves_the_menu():
    body = (
        "<p>" + "The river runs under the bridge and into the sea, as it always did. " * 8 + "</p>"
    )
    page = f"<body><nav><ul><li>Home</li><li>Log in</li></ul></nav><main>{body}</main></body>"
    text = extraction.extract_text(page.encode())
    assert "into the sea" in text and "Log in" not in text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The quick brown fox jumps over the lazy dog and runs into the woods.", "en"),
        ("Le renard brun saute par-dessus le chien paresseux et court dans la forêt.", "fr"),
        ("El zorro marrón salta sobre el perro perezoso y corre hacia el bosque.", "es"),
    ],
)
def test_the_language_of_a_sentence_is_found(text, code):
    assert language.detect_language(text) == code


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        (
            'A title\n\nIt rained. "So it did." READ: More',
            'A title\n\nIt rained. "So it did."\n\nREAD: More',
        ),
        ("It rained. It stopped.", "It rained. It stopped."),
        ("A title alone", "A title alone"),
        ("It rained. (So it did.)", "It rained.\n\n(So it did.)"),
        ("It rained. And then...", "It rained.\n\nAnd then..."),
    ],
)
def test_what_follows_the_last_sentence_becomes_a_line(text, apart):
    assert news.closing_line_apart(text) == apart
