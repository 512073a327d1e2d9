"""The learner's copies of the exercise notebooks."""

import os
import subprocess
import sys
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


def test_a_test_has_a_workspace_of_its_own():
    assert list(paths.workspace().iterdir()) == []
    (paths.workspace() / "left.txt").write_text("by a test")


def test_no_test_touches_the_workspace_that_a_shell_has_set(tmp_path):
    probe = f"{__file__}::{test_a_test_has_a_workspace_of_its_own.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", probe],
        env=os.environ | {"LLAMA_MINI_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout
    assert list(tmp_path.iterdir()) == []
