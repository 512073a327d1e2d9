"""From a lesson to its three notebooks, on lessons written for the purpose."""

import dataclasses
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import build_notebooks  # noqa: E402
from lesson import SETUP  # noqa: E402

from llama_mini.course import EXERCISES  # noqa: E402

LESSON = f"""\
# %% [markdown]
# # 98 · Gates
#
# A question first.

# %%
{SETUP}

# %%
1 + 1

# %%
1 + 1

# %% tags=["shared", "hide-input"]
import math

# %% [markdown] tags=["exercise-text"]
# Write the gate.

# %% tags=["exercise"] symbol="llama_mini.feedforward:silu"

# %% [markdown]
# The end.
"""


@pytest.fixture
def course(tmp_path: Path):
    """Write lessons into a root of their own."""

    def write(**lessons: str) -> Path:
        for name, text in lessons.items():
            path = tmp_path / "lessons" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return tmp_path

    return write


def build(root: Path) -> list[Path]:
    """Build and write every lesson; return the files that changed."""
    built, errors = build_notebooks.build(root)
    assert errors == {}
    return build_notebooks.write(root, built)


def differences(root: Path) -> list[str]:
    built, errors = build_notebooks.build(root)
    assert errors == {}
    return build_notebooks.differences(root, built)


def read(root: Path, path: str):
    return nbformat.read(root / path, as_version=nbformat.NO_CONVERT)


def sources(notebook, kind: str) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def test_a_lesson_becomes_three_valid_notebooks_without_outputs(course):
    root = course(L98_gates=LESSON)
    build(root)
    written = sorted(str(p.relative_to(root).as_posix()) for p in root.rglob("*.ipynb"))
    assert written == [f"{f}/L98_gates.ipynb" for f in ("exercises", "notebooks", "solutions")]
    for path in written:
        notebook = read(root, path)
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert notebook.metadata.kernelspec.name == "python3"
        assert sources(notebook, "code")[0] == SETUP
        for cell in notebook.cells:
            if cell.cell_type == "code":
                assert cell.outputs == [] and cell.execution_count is None


def test_the_lesson_points_to_its_exercise_instead_of_holding_it(course):
    root = course(L98_gates=LESSON)
    build(root)
    lesson = read(root, "notebooks/L98_gates.ipynb")
    text = "\n".join(sources(lesson, "markdown"))
    assert "Write the gate" not in text
    assert "../my_llama_mini/exercises/L98_gates.ipynb" in text
    assert "The end." in text
    assert not any("NotImplementedError" in code for code in sources(lesson, "code"))


def test_an_exercise_leads_back_to_the_part_of_the_lesson_that_it_names(course):
    lesson = LESSON.replace("# A question first.", "# ## What a gate is for").replace(
        'feedforward:silu"', 'feedforward:silu" part="What a gate is for"'
    )
    root = course(L98_gates=lesson)
    build(root)
    first = read(root, "notebooks/L98_gates.ipynb").cells[0]
    assert "## What a gate is for" in first.source
    for folder, up in (("exercises", "../../notebooks"), ("solutions", "../notebooks")):
        link = f"[What a gate is for]({up}/L98_gates.ipynb#cell-id={first.id})"
        assert link in sources(read(root, f"{folder}/L98_gates.ipynb"), "markdown")[1]


@pytest.mark.parametrize("part", ["What a gate is", "Gates", "silu"])
def test_an_exercise_cannot_lead_back_to_a_part_that_is_not_there(course, part):
    lesson = LESSON.replace("# A question first.", "# ## What a gate is for").replace(
        'feedforward:silu"', f'feedforward:silu" part="{part}"'
    )
    built, errors = build_notebooks.build(course(L98_gates=lesson))
    assert not built
    assert part in errors["L98_gates"] and "What a gate is for" in errors["L98_gates"]


def test_an_exercise_notebook_has_text_stub_check_and_hints(course):
    root = course(L98_gates=LESSON)
    build(root)
    notebook = read(root, "exercises/L98_gates.ipynb")
    _, shared, stub, check, hints = sources(notebook, "code")
    assert shared == "import math"
    assert "def silu(x: Tensor)" in stub and "NotImplementedError" in stub
    assert "sigmoid(x)" not in stub
    assert check == "check(silu)"
    assert '# hint("silu")' in hints
    header = sources(notebook, "markdown")[1]
    assert header.startswith("## `silu`") and "Write the gate." in header
    assert "minutes" in header and "difficulty" in header

    solved = read(root, "solutions/L98_gates.ipynb")
    assert "return x * torch.sigmoid(x)" in sources(solved, "code")[2]
    assert sources(solved, "code")[3].endswith('check_answer("silu", silu)')
    assert not any("check(" in code for code in sources(solved, "code"))


def test_a_lesson_without_exercises_has_one_notebook(course):
    root = course(L99_plain=f"# %% [markdown]\n# # Plain\n\n# %%\n{SETUP}\n")
    assert build(root) == [Path("notebooks/L99_plain.ipynb")]


def test_readers_tags_stay_and_the_builders_own_do_not(course):
    root = course(L98_gates=LESSON)
    build(root)
    tags = [cell.metadata.get("tags") for cell in read(root, "notebooks/L98_gates.ipynb").cells]
    assert [t for t in tags if t] == [["hide-input"]]


def test_ids_are_unique_and_a_change_to_one_cell_changes_one_id(course):
    def ids(text: str) -> list[str]:
        root = course(L98_gates=text)
        build(root)
        return [cell.id for cell in read(root, "notebooks/L98_gates.ipynb").cells]

    before, after = ids(LESSON), ids(LESSON.replace("The end.", "The very end."))
    assert len(set(before)) == len(before), "two equal cells have ids of their own"
    assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1
    assert ids(LESSON) == before


def test_check_passes_after_building_and_names_what_differs_is_missing_or_stray(course, capsys):
    root = course(L98_gates=LESSON)
    arguments = ["--root", str(root)]
    assert build_notebooks.main(arguments) == 0
    assert build_notebooks.main([*arguments, "--check"]) == 0
    capsys.readouterr()

    lesson = root / "notebooks" / "L98_gates.ipynb"
    lesson.write_bytes(lesson.read_bytes() + b" ")
    (root / "exercises" / "L98_gates.ipynb").unlink()
    (root / "solutions" / "old.ipynb").write_text("{}")
    before = lesson.read_bytes()
    assert build_notebooks.main([*arguments, "--check"]) == 1
    said = capsys.readouterr().err
    assert "differs: notebooks/L98_gates.ipynb" in said
    assert "missing: exercises/L98_gates.ipynb" in said
    assert "stray:   solutions/old.ipynb" in said
    assert lesson.read_bytes() == before, "--check writes nothing"


def test_building_twice_writes_nothing_the_second_time(course):
    root = course(L98_gates=LESSON)
    assert len(build(root)) == 3
    assert build(root) == []
    assert not [*root.rglob("*.tmp"), *root.rglob("*.partial")]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("silu", "nothing_like_it", "no casebook|defines no function"),
        ('tags=["exercise"] symbol=', "symbol=", "go together"),
        ("symbol=", "simbol=", "unknown cell option simbol"),
        ("# Write the gate.", "", "empty"),
        (' tags=["exercise-text"]', "", "right before it"),
        (SETUP, "import llama_mini", "first code cell"),
        ("# # 98", "# 98", "title"),
        (':silu"\n', ':silu"\nprint(1)\n', "empty code cell"),
    ],
)
def test_a_lesson_that_breaks_the_markup_is_refused_by_name(course, capsys, old, new, message):
    assert old in LESSON
    root = course(L98_gates=LESSON.replace(old, new))
    built, errors = build_notebooks.build(root)
    assert built == {}
    assert re.search(message, errors["L98_gates"])
    assert "L98_gates.py" in errors["L98_gates"]
    assert build_notebooks.main(["--root", str(root)]) == 1
    assert capsys.readouterr().err.strip()


def test_a_stub_that_would_import_a_private_name_fails_the_build(
    course, tmp_path, monkeypatch, capsys
):
    (tmp_path / "gates.py").write_text("_HALF = 0.5\n\n\ndef silu(x):\n    return x * _HALF\n")
    monkeypatch.syspath_prepend(tmp_path)
    exercise = dataclasses.replace(EXERCISES["silu"], symbol="gates:silu")
    monkeypatch.setitem(EXERCISES._loaded, "silu", exercise)
    root = course(L98_gates=LESSON.replace("llama_mini.feedforward:silu", "gates:silu"))
    assert build_notebooks.main(["--root", str(root)]) == 1
    assert "gates:silu needs _HALF" in capsys.readouterr().err
    assert not (root / "exercises").exists()


def test_one_broken_lesson_stops_no_other_and_its_notebooks_are_no_strays(course, capsys):
    root = course(L97_gates=LESSON, L98_gates=LESSON)
    build(root)
    course(L97_gates="# %%\nnothing", L98_gates=LESSON.replace("The end.", "The very end."))
    assert build_notebooks.main(["--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert "L97_gates.py" in said and "stray" not in said
    assert "The very end." in (root / "notebooks" / "L98_gates.ipynb").read_text(encoding="utf-8")


def test_the_command_explains_itself_without_the_grader(tmp_path):
    script = ROOT / "tools" / "build_notebooks.py"
    done = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0
    assert 'tags=["exercise-text"]' in done.stdout


def test_the_committed_notebooks_are_what_the_lessons_say():
    assert differences(ROOT) == []


def test_checkpoints_that_jupyter_leaves_are_no_strays(course):
    root = course(L98_gates=LESSON)
    build(root)
    shutil.copytree(root / "exercises", root / "notebooks" / ".ipynb_checkpoints")
    assert differences(root) == []


def test_a_lesson_that_was_run_and_saved_is_not_different(course):
    root = course(L99_plain=f"# %% [markdown]\n# # Plain\n\n# %%\n{SETUP}\n\n# %%\n1 + 1\n")
    (path,) = build(root)
    notebook = nbformat.read(root / path, as_version=4)
    notebook.cells[2].execution_count = 2
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="2")]
    notebook.metadata.language_info["version"] = "3.11"
    nbformat.write(notebook, root / path)
    assert build_notebooks.main(["--check", "--root", str(root)]) == 0
    notebook.cells[2].source = "1 + 2"
    nbformat.write(notebook, root / path)
    assert build_notebooks.main(["--check", "--root", str(root)]) == 1
