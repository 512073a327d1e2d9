"""A page's characters: valid UTF-8 first, then what it declares, then a guess."""

import codecs

import pytest

from llama_mini.data.ccnet import extraction

TEXT = "Příliš žluťoučký kůň"


def declared(encoding: str) -> str:
    return f"<html><META content='text/html; charset={encoding}'><p>{TEXT}</p>"


def no_guess(page: bytes) -> str:
    raise AssertionError("Nothing was to be guessed.")


def test_valid_utf8_is_that_whatever_the_page_says():
    page = declared("windows-1252")
    assert extraction.decode_page(page.encode("utf-8"), no_guess) == page


@pytest.mark.parametrize("encoding", ["iso-8859-2", "windows-1250", "CP852"])
def test_other_bytes_are_read_as_declared(encoding):
    page = declared(encoding)
    bytes_of_page = codecs.encode(page, encoding)
    assert extraction.decode_page(bytes_of_page, no_guess) == page


@pytest.mark.parametrize(
    "page",
    [
        TEXT.encode("iso-8859-2"),
        declared("no-such-code").encode("iso-8859-2"),
        declared("ascii").encode("iso-8859-2"),
        b" " * 4096 + declared("iso-8859-2").encode("iso-8859-2"),
    ],
    ids=["nothing declared", "unknown", "not valid in it", "declared too late"],
)
def test_the_guess_is_asked_last_and_gets_the_bytes(page):
    asked = []

    def guess(given: bytes) -> str:
        asked.append(given)
        return "guessed"

    assert extraction.decode_page(page, guess) == "guessed"
    assert asked == [page]


def test_without_a_guess_the_page_is_read_as_browsers_do():
    assert extraction.decode_page("café “x”".encode("cp1252")) == "café “x”"
    assert extraction.decode_page(b"\xe9\x81") == "é\ufffd"
    assert extraction.decode_page("é".encode()) == "é"
