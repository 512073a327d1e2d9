"""A real JupyterLab, started by the course's own script, and a real browser in front of it."""

import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import chromium  # noqa: E402
from jupyter_page import JupyterPage  # noqa: E402
from lab import free_port  # noqa: E402

ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/lab/tree/(\S+)\?token=([0-9a-f]+)")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-screenshot", action="store_true", help="write docs/screenshot.png anew"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Lab:
    """A running server: its address, its token, the folder it shows and the learner's workspace."""

    address: str
    token: str
    first_page: str
    root: Path

    @property
    def workspace(self) -> Path:
        return self.root / "my_llama_mini"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`tools/lab.py` on a copy of the notebooks, so that nothing a test does is kept."""
    root = tmp_path_factory.mktemp("lab")
    for folder in ("notebooks", "exercises", "solutions"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, root / folder)
    command = [
        sys.executable,
        str(ROOT / "tools" / "lab.py"),
        "--no-browser",
        f"--port={free_port(18_888)}",
        f"--root={root}",
        "--LabApp.expose_app_in_browser=True",
    ]
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={
            **os.environ,
            "LLAMA_MINI_HOME": str(root / "my_llama_mini"),
            "LLAMA_MINI_QUICK": "1",
            "BROWSER": "",
        },
    )
    try:
        yield _printed_address(server, root)
    finally:
        server.terminate()
        server.wait(timeout=60)


def _printed_address(server: subprocess.Popen, root: Path) -> Lab:
    """Read what the script says until it says where the server is."""
    said: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in server.stdout:
            said.put(line)
        said.put("")

    # Reads on to the end of the server's life, so that a full pipe never stops it.
    threading.Thread(target=read, daemon=True).start()
    lines = []
    while line := said.get(timeout=120):
        lines.append(line)
        if found := ADDRESS.search(line):
            return Lab(found[1], found[3], found[2], root)
    raise AssertionError("JupyterLab did not start:\n" + "".join(lines))


@pytest.fixture(scope="session")
def browser():
    """Chromium; without one the tests fail in CI and are skipped elsewhere, with what to run."""
    executable = chromium.find()
    if executable is None:
        (pytest.fail if chromium.in_ci() else pytest.skip)(chromium.missing())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",  # a sandbox cannot be set up inside most containers
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def jupyter(browser, lab: Lab) -> Iterator[JupyterPage]:
    """A fresh tab; its kernel ends with the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    driver = JupyterPage(page, lab.address, lab.token)
    yield driver
    driver.close_notebook()
    context.close()
