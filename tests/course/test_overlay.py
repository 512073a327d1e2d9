"""The overlay: the package runs on a learner's passed cells, and on nothing else of theirs."""

import dataclasses
import json

import pytest
import torch

import llama_mini
from llama_mini import feedforward, norm, slots
from llama_mini.config import CONFIGS
from llama_mini.course import EXERCISES, overlay
from llama_mini.course.derive import solution_cell

SILU = "import torch\n\n\ndef silu(x):\n    # mine\n    return x / (1 + torch.exp(-x))\n"
NORM = solution_cell("llama_mini.norm:RMSNorm")


@pytest.fixture
def passed(home):
    overlay.save(EXERCISES["silu"], SILU)
    overlay.save(EXERCISES["rms_norm"], NORM)
    return home / "overlay"


def test_a_model_on_a_learners_norm_gives_the_references_logits(passed):
    from llama_mini import Transformer

    def logits():
        torch.manual_seed(3)
        model = Transformer(CONFIGS["nano"])
        return type(model.norm), model(torch.arange(8)[None])

    reference, expected = logits()
    overlay.apply("rms_norm")
    mine, found = logits()
    assert mine is not reference
    assert mine.__module__ == "my_llama_mini.rms_norm"
    assert torch.equal(found, expected)


def test_apply_fills_all_or_a_subset_and_gives_the_rest_back(passed):
    overlay.apply()
    assert slots.filled() == ["llama_mini.feedforward:silu", "llama_mini.norm:RMSNorm"]
    overlay.apply("silu")
    assert slots.filled() == ["llama_mini.feedforward:silu"]
    assert norm.RMSNorm is slots.reference("llama_mini.norm:RMSNorm")
    overlay.reset()
    assert slots.filled() == []
    assert sorted(path.name for path in passed.glob("*.py")) == ["rms_norm.py", "silu.py"]


def test_status_says_whose_code_runs(passed):
    table = overlay.apply("silu").plain()
    assert "your code in feedforward.silu; reference code elsewhere" in table
    rows = {line.split()[1]: line for line in table.splitlines() if "llama_mini." in line}
    assert rows["llama_mini.feedforward.silu"].endswith("your code")
    assert rows["llama_mini.norm.RMSNorm"].endswith("reference")


def test_an_answer_that_has_not_passed_cannot_be_applied(home):
    with pytest.raises(ValueError, match="rms_norm: no answer of yours has passed"):
        overlay.apply("rms_norm")


def test_a_living_model_refuses_a_change_and_allows_none(passed):
    from llama_mini import Transformer

    overlay.apply()
    model = Transformer(CONFIGS["nano"])
    overlay.apply()
    with pytest.raises(slots.LivingModelError, match="Restart the kernel"):
        overlay.reset()
    del model
    overlay.reset()


def change_header(path, **changes):
    lines = path.read_text().splitlines(keepends=True)
    header = json.loads(lines[1].removeprefix("# llama_mini: ")) | changes
    path.write_text(lines[0] + f"# llama_mini: {json.dumps(header)}\n" + "".join(lines[2:]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"version": "0.0.1"}, "llama_mini 0.0.1, now"), ({"signature": "0"}, "another signature")],
)
def test_after_an_upgrade_an_answer_is_checked_again_and_kept(passed, changes, said):
    change_header(passed / "silu.py", **changes)
    table = overlay.apply().plain()
    assert said in table and "it still passes" in table
    assert "llama_mini.feedforward:silu" in slots.filled()
    assert llama_mini.__version__ in (passed / "silu.py").read_text()
    assert "Checked again" not in overlay.apply().plain()


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda text: text.replace("torch.exp(-x)", "torch.exp(x)"), "the sign turned round"),
        (lambda text: text.replace("import torch\n", ""), "NameError"),
        (lambda text: text + "\nraise RuntimeError('no more')\n", "no more"),
        (lambda text: "def silu(x:", "SyntaxError"),
    ],
)
def test_an_edited_answer_that_fails_is_set_aside_and_said(passed, edit, why):
    path = passed / "silu.py"
    path.write_text(edit(path.read_text()))
    table = overlay.apply().plain()
    assert "passes no more" in table and why in table
    assert slots.filled() == ["llama_mini.norm:RMSNorm"]
    assert not path.exists()
    assert (passed / "set_aside" / "silu.py").exists()


AS_KEPT_BEFORE = """\
# silu, as it passed its check. The package runs on it after overlay.apply().
# llama_mini: {"symbol": "llama_mini.feedforward:silu", "version": "VERSION", \
"signature": "bd0204780d797a76", \
"sha256": "40f7d577c5bd2db6b2cbc1c4b1bc5662817ce6fe116b7332115452a2618522be"}

import torch


def silu(x):
    # mine
    return x / (1 + torch.exp(-x))
"""


@pytest.fixture
def silu_kept_before(home):
    path = home / "overlay" / "silu.py"
    path.parent.mkdir(parents=True)
    path.write_text(AS_KEPT_BEFORE.replace("VERSION", llama_mini.__version__))
    return path


def test_what_an_older_release_kept_is_still_as_it_passed(silu_kept_before):
    before = silu_kept_before.read_text()
    assert "Checked again" not in overlay.apply().plain()
    assert slots.filled() == ["llama_mini.feedforward:silu"]
    assert silu_kept_before.read_text() == before


@pytest.mark.parametrize(
    "above",
    ["int = float\n", "# a comment\nint = float\n", "# a comment\n\nint = float; "],
)
def test_code_above_the_mark_is_noticed(silu_kept_before, above):
    path = silu_kept_before
    path.write_text(above + path.read_text().partition("\n")[2])
    table = overlay.apply().plain()
    assert "the file was edited" in table or "its first lines are missing" in table
    assert "int = float" in path.read_text()
    assert "Checked again" not in overlay.apply().plain()


def test_the_source_that_counts_for_the_fingerprint_is_all_that_runs(silu_kept_before):
    path = silu_kept_before
    overlay.apply()
    before = slots.fingerprint()
    path.write_text("int = float\n" + path.read_text())
    overlay.apply()
    assert slots.fingerprint() != before


@pytest.mark.parametrize("mark", ["[1, 2]", "7", "null", "{", "[" * 10_000, '{"sha256": ["a"]}'])
def test_a_mark_line_that_holds_anything_else_has_the_answer_checked_again(silu_kept_before, mark):
    path = silu_kept_before
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], f"# llama_mini: {mark}\n", *lines[2:]]))
    assert "Checked again, it still passes" in overlay.apply().plain()
    assert slots.filled() == ["llama_mini.feedforward:silu"]
    assert "Checked again" not in overlay.apply().plain()


def a_folder(path):
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def a_dangling_link(path):
    path.symlink_to(path.parent / "nowhere")


def a_link_to_itself(path):
    path.symlink_to(path)


@pytest.mark.parametrize("make", [a_folder, a_dangling_link, a_link_to_itself])
def test_what_is_no_file_is_set_aside_and_the_others_are_applied(passed, make):
    make(passed / "top_k.py")
    assert "not a file to read" in overlay.status().plain()
    table = overlay.apply()
    assert slots.filled() == ["llama_mini.feedforward:silu", "llama_mini.norm:RMSNorm"]
    (note,) = table.notes
    assert "top_k is not applied: top_k.py cannot be read" in note
    aside = passed / "set_aside" / "top_k.py"
    assert str(aside) in note
    assert aside.is_symlink() or (aside / "notes.txt").read_text() == "mine"
    assert overlay.apply().notes == []


def test_what_cannot_be_moved_is_said_and_the_others_are_applied(passed):
    (passed / "top_k.py").mkdir()
    (passed / "set_aside").write_text("a file where a folder should be")
    for _ in range(2):
        (note,) = overlay.apply().notes
        assert f"It stays in {passed / 'top_k.py'}" in note
        assert slots.filled() == ["llama_mini.feedforward:silu", "llama_mini.norm:RMSNorm"]


def test_an_answer_that_passes_takes_the_place_of_a_folder(home):
    a_folder_there = home / "overlay" / "silu.py"
    a_folder_there.mkdir(parents=True)
    overlay.save(EXERCISES["silu"], SILU)
    overlay.apply()
    assert slots.filled() == ["llama_mini.feedforward:silu"]
    assert (home / "overlay" / "set_aside" / "silu.py").is_dir()


def test_what_was_set_aside_before_stays(passed):
    for power in range(3):
        overlay.save(EXERCISES["silu"], f"def silu(x):\n    return x**{power}\n")
        change_header(passed / "silu.py", version="0.0.1")
        overlay.apply()
    aside = passed / "set_aside"
    kept = [(aside / name).read_text() for name in ("silu.py", "silu-2.py", "silu-3.py")]
    assert [text[-2] for text in kept] == ["0", "1", "2"]


FOREVER = "import itertools\n\n\ndef silu(x):\n    for _ in itertools.count():\n        pass\n"


@pytest.mark.parametrize("version", ["0.0.1", llama_mini.__version__])
@pytest.mark.parametrize("source", [FOREVER, "while True:\n    pass\n" + SILU])
def test_an_answer_is_never_set_aside_for_time(passed, monkeypatch, version, source):
    overlay.apply()  # so that the other answer, which is in time, is loaded already
    exercise = EXERCISES["silu"]
    hurried = tuple(dataclasses.replace(case, seconds=0.1) for case in exercise.cases)
    monkeypatch.setitem(EXERCISES._loaded, "silu", dataclasses.replace(exercise, cases=hurried))
    monkeypatch.setattr(overlay, "_LOAD_SECONDS", 0.3)
    path = overlay.save(EXERCISES["silu"], source)
    change_header(path, version=version)
    before = path.read_text()
    if source is FOREVER and version == llama_mini.__version__:
        # It is the very text that passed, so it is not called at all.
        assert overlay.apply().notes == []
        return
    (note,) = overlay.apply().notes
    assert "silu was still running after" in note and "not applied this time" in note
    assert slots.filled() == ["llama_mini.norm:RMSNorm"]
    assert path.read_text() == before
    assert not (passed / "set_aside").exists()


def test_a_traceback_shows_the_file_and_line_of_the_learner(passed):
    overlay.apply()
    with pytest.raises(TypeError) as caught:
        feedforward.silu("text")
    entry = caught.traceback[-1]
    assert entry.path == passed / "silu.py"
    assert "torch.exp(-x)" in str(entry.statement)
