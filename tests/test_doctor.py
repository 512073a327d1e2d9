"""The doctor finds what is wrong, and says what to do."""

import os
import subprocess
import sys

import pytest

from llama_mini import doctor


def finding(subject: str) -> doctor.Finding:
    return next(f for f in doctor.examine() if f.subject == subject)


def test_this_machine_is_ready(monkeypatch, tmp_path):
    monkeypatch.setenv("LLAMA_MINI_CACHE", str(tmp_path))
    report = doctor.examine()
    assert report.ready and "Ready" in str(report) and "llama-mini data build" in str(report)
    assert report._repr_html_().count("<tr>") == len(report)


def test_a_workspace_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path / "file" / "home"))
    found = finding("your folder")
    assert found.state == "problem" and "LLAMA_MINI_HOME" in found.advice
    assert "mend your folder first" in doctor.examine().verdict


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "COURSE_PACKAGES", ("torch", "no-such-package-anywhere"))
    assert finding("missing").seen == "no-such-package-anywhere"


def test_a_full_disk_is_a_problem_only_before_the_data_are_built(monkeypatch, tmp_path):
    monkeypatch.setenv("LLAMA_MINI_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor, "BUILD_BYTES", 10**18)
    assert finding("disk").state == "problem"
    (tmp_path / "mix").mkdir()
    (tmp_path / "mix" / "index.json").write_text("{}")
    assert finding("disk").state == "ok" and finding("data").state == "ok"


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"], ["data", "--help"]])
def test_every_command_explains_itself_without_loading_torch(arguments):
    code = (
        "import sys; sys.argv[0] = 'llama-mini'\n"
        "from llama_mini.cli import app\n"
        f"try: app({arguments!r})\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "Usage" in done.stdout, done.stderr


def test_the_command_line_reports_and_exits(tmp_path):
    environment = os.environ | {"LLAMA_MINI_HOME": str(tmp_path), "LLAMA_MINI_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "llama_mini", "doctor"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0 and "Ready" in done.stdout
