"""Comments and macros as TeX reads them."""

import pytest

from llama_mini.data import latex


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a % b\nc", "a c"),
        ("a% b\n   c", "ac"),
        ("5\\% of it % rest", "5\\% of it "),
        ("line\\\\% comment\nnext", "line\\\\next"),
        ("\\\\\\% no comment", "\\\\\\% no comment"),
        ("a\n% whole line\nb", "a\nb"),
        ("end % of a paragraph\n\nnext", "end \n\nnext"),
        ("end% of a paragraph\n  \nnext", "end\n  \nnext"),
        ("% one\n% two\nthree", "three"),
        ("last % line", "last "),
        ("last % line\n", "last \n"),
        ("no comment", "no comment"),
    ],
)
def test_a_comment_takes_its_line_end_and_leaves_paragraphs(source, text):
    assert latex.strip_comments(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"\newcommand{\R}{\mathbb{R}}in \R and \Rest", r"in \mathbb{R} and \Rest"),
        (r"\newcommand\half{0.5}\half{}", "0.5{}"),
        (r"\newcommand{\v}[1]{\vec{#1}}\v{a} \v {b} \v c", r"\vec{a} \vec{b} \v c"),
        (r"\newcommand{\f}[2]{#2/#1}\f{a}{b{c}}", "b{c}/a"),
        (r"\newcommand{\f}[2]{(#1,#2)}\f{#2}{x}", "(#2,x)"),
        (r"\newcommand{\a}{A}\renewcommand*{\a}{B}\a", "B"),
        (r"\newcommand{\a}{x\b}\newcommand{\b}{y}\a", "xy"),
        (r"\newcommand{\a}[1]{<#1>}\newcommand{\b}{\a{z}}\a{\b}", "<<z>>"),
        (r"\newcommand{\name}{It}\name\ is", "It is"),
        (r"\newcommand{\a}{A}\newcommand{\ab}{B}\ab\a", "BA"),
        (r"\newcommand{\a}[1]{#1}\a{\}}", r"\}"),
        ("no macros", "no macros"),
    ],
)
def test_macros_are_written_out_and_their_definitions_go(source, text):
    assert latex.expand_macros(source) == text


@pytest.mark.parametrize(
    "source",
    [
        r"\newcommand{\me}{x\me}\me",
        r"\newcommand{\in@}{\@x}\in@",
        r"\newcommand{\it}{\@one}\it",
        r"\newcommand{\opt}[2][d]{#1#2}\opt{a}",
    ],
)
def test_macros_that_cannot_be_written_out_stay(source):
    assert latex.expand_macros(source) == source


def test_macros_that_call_each_other_without_end_do_not_hang():
    out = latex.expand_macros(r"\newcommand{\a}{x\b}\newcommand{\b}{y\a}\a")
    assert out == "xyxyxyxy" + r"\a"
