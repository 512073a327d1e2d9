"""The table of sources, and reading archives as data alone."""

import re

import pytest
from tiny_sources import METADATA, code, sdist, wheel

from llama_mini.data import readers
from llama_mini.data.files import DataError
from llama_mini.data.readers import archives
from llama_mini.data.sources import Part, load_table
from llama_mini.pinned.files import PinnedFile


def part(reader: str, include: str, source: str = "github") -> Part:
    return Part(source, "pkg", reader, (include,))


FILE = PinnedFile("pkg", "1.0", "pkg-1.0.whl", "0" * 64, 1, "MIT")


def test_the_shares_are_those_of_the_paper():
    # LLaMA paper, Table 1.
    assert {source.title: source.share for source in load_table().sources} == {
        "CommonCrawl": 67.0,
        "C4": 15.0,
        "GitHub": 4.5,
        "Wikipedia": 4.5,
        "Books": 4.5,
        "ArXiv": 2.5,
        "StackExchange": 2.0,
    }


def test_every_file_is_pinned_and_every_part_has_a_reader():
    table = load_table()
    for file in table.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) and file.size > 0 and file.licence
        assert file.version in file.filename
    assert len({file.package for file in table.files}) == len(table.files)
    assert {part.reader for part in table.parts} <= set(readers.names())
    for source in table.sources:
        assert source.stand_in and source.caveat and table.licences(source.key)


def test_an_unknown_source_is_named(tmp_path):
    with pytest.raises(KeyError, match="no source 'poems'"):
        load_table().source("poems")


@pytest.mark.parametrize("make", [wheel, sdist])
def test_members_are_read_in_order_whatever_their_place_in_the_archive(tmp_path, make):
    suffix = ".whl" if make is wheel else ".tar.gz"
    path = make(tmp_path / f"pkg{suffix}", {"b.txt": b"2", "a.txt": b"1", "c.md": b"3"})
    assert list(archives.members(path, part("x", "*.txt"))) == [("a.txt", b"1"), ("b.txt", b"2")]


@pytest.mark.parametrize("make", [wheel, sdist])
def test_names_that_point_outside_are_only_names(tmp_path, make):
    suffix = ".whl" if make is wheel else ".tar.gz"
    folder = tmp_path / "inner"
    folder.mkdir()
    path = make(folder / f"pkg{suffix}", {"../escaped.py": b"x = 1", "ok.py": b"y = 2"})
    assert len(list(archives.members(path, part("x", "*.py")))) == 2
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", f"pkg{suffix}"]


def test_a_missing_member_and_a_broken_archive_name_the_package_and_the_file(tmp_path):
    path = wheel(tmp_path / "pkg.whl", {"a.txt": b""})
    with pytest.raises(DataError, match=r"pkg: pkg\.whl has no member like \*\.md"):
        list(archives.members(path, part("x", "*.md")))
    path.write_bytes(b"PK broken")
    with pytest.raises(DataError, match=r"pkg: .*pkg\.whl is not a readable archive"):
        list(archives.members(path, part("x", "*.md")))


def test_code_under_another_licence_is_refused(tmp_path):
    for licence, allowed in ((b"MIT", True), (b"GPL-3.0", False)):
        metadata = METADATA.replace(b"License: MIT", b"License: " + licence)
        members = {"m.py": code(1), "pkg-1.0.dist-info/METADATA": metadata}
        path = wheel(tmp_path / "pkg.whl", members)
        if allowed:
            assert len(list(readers.read_part(path, part("python_sources", "*.py"), FILE))) == 1
        else:
            with pytest.raises(DataError, match="names no Apache, BSD or MIT licence"):
                list(readers.read_part(path, part("python_sources", "*.py"), FILE))


def test_books_are_cut_at_chapters_that_stay_one_group(tmp_path):
    text = "CHAPTER I\r\n\r\nFirst text.\r\n\r\nMore.\r\n\r\nCHAPTER II\r\n\r\nSecond text.\r\n"
    members = {
        "Novel.txt": b"\xef\xbb\xbf" + text.encode(),
        "Tales.txt": b"THE CAT\n\nA.\n\nTHE DOG\n\nB.",
    }
    path = wheel(tmp_path / "pkg.whl", members)
    documents = [d for d, _ in readers.read_part(path, part("books", "*.txt", "books"), FILE)]
    assert [d.text for d in documents] == [
        "CHAPTER I\n\nFirst text.\n\nMore.",
        "CHAPTER II\n\nSecond text.",
        "THE CAT\n\nA.",
        "THE DOG\n\nB.",
    ]
    assert documents[0].group == documents[1].group
    assert documents[2].group != documents[3].group
