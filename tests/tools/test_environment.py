"""The set-up: what it installs agrees everywhere, and what can go wrong is said in plain words."""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import chromium  # noqa: E402
import environment  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}
THE_SIX = {"jupyterlab", "torch", "einops", "matplotlib", "ipywidgets", "sentencepiece"}


def conda() -> tuple[dict[str, SpecifierSet], list[str]]:
    """The packages of environment.yml under their pip names, and the lines of its pip part."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    packages = {}
    for entry in (e for e in entries if isinstance(e, str)):
        name, bounds = re.fullmatch(r"([a-z0-9-]+)(.*)", entry).groups()
        packages[CONDA_NAMES.get(name, name)] = SpecifierSet(bounds)
    (pip,) = (e["pip"] for e in entries if isinstance(e, dict))
    return packages, pip


def test_conda_brings_the_six_packages_in_the_ranges_of_pyproject():
    wanted = {r.name: r.specifier for r in map(Requirement, PROJECT["dependencies"])}
    packages, _ = conda()
    assert set(packages) == THE_SIX | {"python", "pip"}
    for name in THE_SIX:
        assert packages[name] == wanted[name], name
    assert packages["python"] == SpecifierSet(PROJECT["requires-python"])


def test_condas_pip_part_is_the_project_itself_with_the_same_extras():
    _, pip = conda()
    assert pip == [f"--editable .[{environment.EXTRAS}]"]
    assert set(environment.EXTRAS.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_python_versions_of_the_set_up_are_those_of_pyproject():
    accepted = SpecifierSet(PROJECT["requires-python"])
    for minor in range(8, 20):
        assert environment._fits(f"3.{minor}.0") == (f"3.{minor}.0" in accepted), minor


def test_exact_pins_are_in_one_place_and_lie_in_the_ranges():
    pins = [
        Requirement(line)
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    ranges = [Requirement(line) for line in PROJECT["dependencies"]]
    extras = PROJECT["optional-dependencies"].values()
    ranges += [Requirement(line) for group in extras for line in group]
    assert not any(str(r.specifier).startswith("==") for r in ranges)
    for pin in pins:
        (version,) = (s.version for s in pin.specifier)
        assert str(pin.specifier) == f"=={version}"
        assert any(r.name == pin.name and version in r.specifier for r in ranges), pin


@pytest.mark.parametrize("script", ["make.py", "environment.py", "chromium.py"])
def test_what_runs_before_the_set_up_needs_only_the_standard_library(script):
    source = (ROOT / "tools" / script).read_text(encoding="utf-8")
    # An older Python must get as far as saying that it is too old.
    tree = ast.parse(source, feature_version=(3, 8))
    own = {"environment", "chromium"}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names | own


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the two files that decide what is installed."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    return tmp_path


def finished(root: Path, torch_index_url: str | None = None) -> Path:
    """A real virtual environment, made without pip, with the stamp of a finished set-up."""
    venv = root / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = environment._version_of(str(environment.venv_python(venv)))
    stamp = {
        "wanted": environment._wanted(root, python, torch_index_url),
        "python": python,
        "torch_index_url": torch_index_url,
    }
    environment._write_stamp(venv, stamp)
    return venv


def contents(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_a_finished_set_up_is_used_as_it_is(checkout):
    venv = finished(checkout)
    before = contents(venv)
    assert environment.ready(checkout) == environment.venv_python(venv)
    assert contents(venv) == before


def test_a_choice_of_torch_is_remembered(checkout):
    finished(checkout, "https://index.example/cpu")
    assert environment.ready(checkout).exists()


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_requirements_needs_a_new_set_up(checkout, monkeypatch, changed):
    finished(checkout)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    # Without a network, so that the attempt to install is seen to be made.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(environment.SetupError):
        environment.ready(checkout)


def test_a_half_made_environment_is_made_again_and_a_failed_install_leaves_no_stamp(
    checkout, monkeypatch, capsys
):
    venv = checkout / ".venv"
    venv.mkdir()
    (venv / "pyvenv.cfg").write_text("home = /nowhere\n")
    (venv / "leftover").write_text("from a set-up that was cut short")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(environment.SetupError, match=r"pip's last words"):
        environment.ready(checkout)
    assert "making it again" in capsys.readouterr().out
    assert not (venv / "leftover").exists()
    assert environment._usable(venv)
    assert environment._read_stamp(venv) == {}


def test_a_folder_that_is_no_environment_is_never_cleared(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "thesis.txt").write_text("precious")
    with pytest.raises(environment.SetupError, match="no virtual environment"):
        environment.ready(checkout)
    assert (checkout / ".venv" / "thesis.txt").read_text() == "precious"


def test_a_damaged_stamp_counts_as_none(checkout):
    venv = finished(checkout)
    for text in ("", "{", "[]", json.dumps({"wanted": "x"})):
        (venv / environment.STAMP).write_text(text)
        stamp = environment._read_stamp(venv)
        assert stamp.get("wanted") != environment._wanted(checkout, stamp.get("python", ""), None)


def test_an_index_that_does_not_answer_is_explained_and_the_log_is_named(checkout, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(environment.SetupError) as told:
        environment.ready(checkout)
    assert "could not be reached" in str(told.value)
    assert environment.LOG in str(told.value)


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "damaged"),
        (
            "ERROR: No matching distribution found for torch==2.13.0",
            "did not answer, or",
        ),
        ("error: [Errno 13] Permission denied: '/x'", "another user"),
        ("something new", "pip did not succeed"),
    ],
)
def test_pips_errors_are_told_in_plain_words(output, cause):
    explained = environment._explain(output, Path("log"))
    assert cause in explained and output in explained


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  Downloading torch-2.13.0-cp311-cp311-manylinux.whl (190.2 MB)", "torch, 190.2 MB"),
        ("Downloading https://index.example/a/b/scipy-1.0-x.whl (35.1 MB)", "scipy, 35.1 MB"),
        ("Downloading tiny-1.0-py3-none-any.whl (7.4 kB)", None),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("Requirement already satisfied: pip", None),
    ],
)
def test_only_what_a_reader_wants_to_know_is_shown(line, said):
    shown = environment._in_plain_words(line.strip())
    assert (said in shown) if said else shown == ""


def test_a_browser_can_be_named_and_its_absence_says_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setenv("LLAMA_MINI_CHROMIUM", sys.executable)
    assert chromium.find() == sys.executable
    monkeypatch.setenv("LLAMA_MINI_CHROMIUM", str(tmp_path / "none"))
    assert chromium.find() is None
    assert "Chromium" in chromium.missing() and "install" in chromium.missing()


def test_the_files_name_no_package_registry():
    registry = re.compile(r"https?://(?!127\.0\.0\.1)", re.IGNORECASE)
    names = ["Makefile", ".ci/run", "environment.yml", "constraints.txt"]
    names += [f"tools/{path.name}" for path in (ROOT / "tools").glob("*.py")]
    for name in names:
        assert not registry.search((ROOT / name).read_text(encoding="utf-8")), name
