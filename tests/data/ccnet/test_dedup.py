"""Normal forms, keys and repeated paragraphs, against a published hash and Unicode's own data."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from llama_mini.data.ccnet import dedup
from llama_mini.data.documents import Document


def documents(*texts: str) -> list[Document]:
    return [Document("web", str(number), "g", text) for number, text in enumerate(texts)]


def test_the_normal_form_has_lower_case_zeros_and_single_spaces():
    assert (
        dedup.normalize_paragraph("  On 12 May,\tÉlan — was: No.1!  ") == "on 00 may élan was no0"
    )
    assert dedup.normalize_paragraph("snake_case ١٢") == "snake_case 00"


@given(st.text())
def test_every_character_is_what_unicode_says_of_it(text):
    def seen(c: str) -> str:
        if c.isspace():
            return " "
        if unicodedata.category(c) == "Nd":
            return "0"
        return c if c.isalnum() or c == "_" else ""

    expected = " ".join("".join(map(seen, text.lower())).split())
    assert dedup.normalize_paragraph(text) == expected


def test_the_key_is_the_beginning_of_the_sha1_of_the_standards_own_example():
    # FIPS 180: SHA-1("abc").
    assert dedup.paragraph_key("A.B,C!") == bytes.fromhex("a9993e364706816aba3e25717850c26c")[:8]


def test_a_paragraph_stays_where_it_came_first_whatever_its_digits_and_case():
    seen: set[bytes] = set()
    first, second, third = dedup.without_repeated_paragraphs(
        documents("Page 1 of 9.\n\nUnique.\n\nunique", "PAGE 2 OF 7\n\nOther.", "other!"), seen
    )
    assert (first.text, second.text, third.text) == ("Page 1 of 9.\n\nUnique.", "Other.", "")
    assert seen == {dedup.paragraph_key(p) for p in ("page 0 of 0", "unique", "other")}
    (later,) = dedup.without_repeated_paragraphs(documents("Unique\n\nNew"), seen)
    assert later.text == "New"


@given(st.lists(st.lists(st.sampled_from(["a", "A.", "b", "b 1", "b 2", "", "c"]), max_size=6)))
def test_what_stays_is_what_a_list_of_all_earlier_paragraphs_says(pages):
    kept = list(
        dedup.without_repeated_paragraphs(documents(*("\n\n".join(p) for p in pages)), set())
    )
    earlier: list[str] = []
    for page, document in zip(pages, kept, strict=True):
        expected = []
        for paragraph in page or [""]:
            form = dedup.normalize_paragraph(paragraph)
            if form not in earlier:
                expected.append(paragraph)
            earlier.append(form)
        assert document.text == "\n\n".join(expected)


def test_one_document_is_read_at_a_time():
    taken = []

    def endless():
        for document in documents(*"abc"):
            taken.append(document.id)
            yield document

    next(dedup.without_repeated_paragraphs(endless(), set()))
    assert taken == ["0"]
