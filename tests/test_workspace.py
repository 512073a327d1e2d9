"""The learner's copies of the exercise notebooks."""

from pathlib import Path

import pytest

from llama_mini import paths, workspace

ORIGINALS = sorted((Path(__file__).resolve().parents[1] / "exercises").glob("*.ipynb"))


def test_every_exercise_notebook_is_copied_into_the_workspace():
    copied = workspace.prepare()
    assert [copy.name for copy in copied] == [original.name for original in ORIGINALS]
    assert ORIGINALS
    for copy, original in zip(copied, ORIGINALS, strict=True):
        assert copy.parent == paths.workspace() / "exercises"
        assert copy.read_bytes() == original.read_bytes()
    left = workspace.exercises_dir()
    assert not [*left.glob("*.tmp"), *left.glob("*.partial")]


def test_a_learners_copy_is_never_written_again():
    first, *_ = workspace.prepare()
    first.write_text("my work")
    assert workspace.prepare() == []
    assert first.read_text() == "my work"


def test_a_copy_that_the_learner_deleted_comes_back():
    first, *_ = workspace.prepare()
    first.unlink()
    assert workspace.prepare() == [first]


def test_without_a_checkout_it_says_where_the_notebooks_are(monkeypatch):
    monkeypatch.setattr(paths, "project_root", lambda: None)
    with pytest.raises(FileNotFoundError, match="make lab"):
        workspace.prepare()
