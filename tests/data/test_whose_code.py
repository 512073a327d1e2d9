"""Whose code made a mix: every slot is called, and what a learner's made is kept apart."""

import functools
import json
from itertools import pairwise

import pytest
from data_slots import CALLED_ELSEWHERE, SLOTS
from tiny_sources import TINY_SIZES, files_of
from typer.testing import CliRunner

from llama_mini import paths, slots
from llama_mini.cli import app
from llama_mini.data import build, shards
from llama_mini.data.files import DataError
from llama_mini.data.show import random_documents


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def make(tiny, home):
    def run(out=None, **options):
        return build.build_mix(out, table=tiny.table, progress=False, **(TINY_SIZES | options))

    return run


def shouting(text, bad_words):
    cleaned = slots.reference("llama_mini.data.c4:clean_page")(text, bad_words)
    return cleaned and cleaned.upper()


SHOUTING = ("llama_mini.data.c4:clean_page", shouting, "def clean_page(text): shout")


def test_building_the_mix_calls_every_slot_of_the_data(make):
    called = set()

    def spied(slot):
        symbol = slots.reference(slot)

        @functools.wraps(symbol)
        def spy(*arguments, **options):
            called.add(slot)
            return symbol(*arguments, **options)

        return spy

    for slot in SLOTS:
        slots.fill(slot, spied(slot), f"a spy on {slot}")
    report = make()
    assert set(SLOTS) - called == set(CALLED_ELSEWHERE)
    assert report.about["code"] == slots.fingerprint()
    assert set(report.about["code"]) == set(SLOTS)


def test_what_a_learners_code_made_lies_in_the_workspace_and_never_in_the_cache(make, home):
    reference = make()
    assert reference.folder == paths.mix_dir()
    cache = {path: path.read_bytes() for path in paths.cache_dir().rglob("*") if path.is_file()}

    slots.fill(*SHOUTING)
    mine = make()
    assert mine.folder == paths.own_mix_dir() == home / "mix" == shards.default_folder()
    assert mine.digest != reference.digest
    texts = [text for _, text in random_documents(100, "commoncrawl", folder=mine.folder)]
    assert any(text.isupper() for text in texts)
    assert cache == {p: p.read_bytes() for p in paths.cache_dir().rglob("*") if p.is_file()}

    slots.restore_all()
    again = make()
    assert (again.folder, again.digest) == (paths.mix_dir(), reference.digest)
    assert not any(
        text.isupper() for _, text in random_documents(100, "commoncrawl", folder=again.folder)
    )


def test_a_finished_mix_of_other_code_is_not_taken_for_todays(make, tmp_path):
    out = tmp_path / "mix"
    first = make(out)
    slots.fill(*SHOUTING)
    second = make(out)
    assert second.seconds and second.digest != first.digest
    assert make(out).seconds == {}
    slots.fill(SHOUTING[0], functools.partial(shouting), "the same, in other words")
    third = make(out)
    assert third.seconds and third.digest == second.digest
    slots.restore_all()
    assert make(out).digest == first.digest


def test_a_learners_mix_is_refused_a_place_in_the_cache(make):
    slots.fill(*SHOUTING)
    with pytest.raises(DataError, match=r"your code in data\.c4\.clean_page.*name another"):
        make(paths.mix_dir())


def test_what_the_reference_made_before_the_learners_stage_is_used_again(make):
    make()
    slots.fill("llama_mini.data.mixing.packing:pack_documents", mine_packs, "my packing")
    assert "read and clean" not in make().seconds


def mine_packs(documents, bos, eos):
    return slots.reference("llama_mini.data.mixing.packing:pack_documents")(documents, bos, eos)


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["data", "show", "--no-overlay", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_show_says_whose_code_made_a_mix_and_what_differs_today(make, home):
    make()
    assert "Made by reference code in every slot." in shown()
    slots.fill(*SHOUTING)
    make()
    assert "Made by your code in data.c4.clean_page; reference code elsewhere." in shown()
    assert "Since then" not in shown()
    slots.fill("llama_mini.data.code:rejection", lambda code: None, "def rejection(code): None")
    text = shown()
    assert "Made by your code in data.c4.clean_page; reference code elsewhere." in text
    assert "data.code.rejection was the reference and is yours now" in text
    assert "llama-mini data build" in text
    slots.restore_all()
    text = shown("--data", str(home / "mix"))
    assert "data.c4.clean_page was yours and is the reference now" in text


def test_show_counts_what_each_stage_left_out_of_each_source_and_why(make):
    make()
    text = shown()
    assert any(
        line.startswith("read") and "github" in line and "1 a test or a copy" in line
        for line in text.splitlines()
    )
    assert any(line.startswith("perplexity") and "head" in line for line in text.splitlines())


def test_a_mix_from_before_this_was_remembered_says_so(make):
    folder = make().folder
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    del index["about"]["code"], index["about"]["stages"]
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    assert "Made by unknown code" in shown()


def test_a_missing_mix_of_ones_own_says_how_to_make_it_or_do_without(make):
    make()
    slots.fill(*SHOUTING)
    result = CliRunner().invoke(app, ["data", "show", "--no-overlay"])
    assert result.exit_code == 1
    assert "llama-mini data build" in result.output and "--no-overlay" in result.output


def test_stages_account_for_every_document(make):
    report = make()
    stages = report.about["stages"]
    assert [stage["stage"] for stage in stages] == [
        "read", "form_lines", "c4_pages", "paragraphs", "rules", "language", "perplexity",
        "classifier", "passages",
    ]  # fmt: skip
    together = [stage["sources"] for stage in stages[2:]]
    for before, after in pairwise(together[1:]):
        for source, counts in after.items():
            entered = counts["kept"] + sum(counts["left out"].values())
            assert entered == before[source]["kept"]
    assert {s: c["kept"] for s, c in together[-1].items()} == {
        row.source.lower(): row.documents for row in report.rows
    }


def test_files_of_a_mix_are_the_same_whoever_asks(make, tmp_path):
    make(tmp_path / "one")
    make(tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
