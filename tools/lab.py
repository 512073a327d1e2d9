"""Start JupyterLab on the course: `make lab` runs this with .venv's Python.

The server listens on 127.0.0.1 only and asks for a token. Its settings, the kernel it offers and
all else that Jupyter or IPython would keep in the home folder live in the workspace, under
`.jupyter`, so that nothing on the machine changes and no setting made elsewhere breaks the course.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from llama_mini import paths, workspace

ROOT = Path(__file__).resolve().parent.parent
FIRST_PAGE = "notebooks/00_start_here.ipynb"
FIRST_PORT = 8888
PATIENCE = 120  # seconds a first start may take on a slow disk

# No questions about news and updates, which need the network and are none of the course's business.
DISABLED_EXTENSIONS = ("@jupyterlab/apputils-extension:announcements",)


def environment(home: Path, token: str) -> dict[str, str]:
    """The server's environment variables, with every folder it writes to below `home`."""
    variables = {**os.environ}
    variables.pop("PYTHONHOME", None)
    variables |= {
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PATH": os.pathsep.join(
            filter(None, [str(home / "share"), os.environ.get("JUPYTER_PATH")])
        ),
        "IPYTHONDIR": str(home / "ipython"),
    }
    return variables


def write_settings(home: Path) -> None:
    """Write the kernel the lab offers, and the settings that a learner may change afterwards."""
    kernel = home / "share" / "kernels" / "python3" / "kernel.json"
    spec = {
        "argv": [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            # Says which line is missing when a notebook's first cell was not run.
            "--IPKernelApp.extra_extensions=llama_mini.course.learner.kernel",
        ],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    kernel.parent.mkdir(parents=True, exist_ok=True)
    kernel.write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")

    page = home / "config" / "labconfig" / "page_config.json"
    if not page.exists():
        page.parent.mkdir(parents=True, exist_ok=True)
        disabled = {"disabledExtensions": dict.fromkeys(DISABLED_EXTENSIONS, True)}
        page.write_text(json.dumps(disabled, indent=1) + "\n", encoding="utf-8")


def command(root: Path, port: int, open_browser: bool, extra: Sequence[str] = ()) -> list[str]:
    """The command line of the server, which shows the folder `root`."""
    options = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.open_browser={open_browser}",
        f"--LabApp.default_url=/lab/tree/{FIRST_PAGE}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LanguageServerManager.autodetect=False",
        "--Application.log_level=WARN",
        "--ServerApp.answer_yes=True",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    return [sys.executable, "-m", "jupyterlab", *options, *extra]


def free_port(first: int = FIRST_PORT, tries: int = 100) -> int:
    """The first free port on 127.0.0.1 from `first` on. Raises OSError if there is none."""
    for port in range(first, first + tries):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if os.name != "nt":
                # As the server will: a port just given back may be taken again.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OSError(f"No free port from {first} to {first + tries - 1}; choose one with --port.")


def wait_until_it_answers(process: subprocess.Popen, url: str, token: str) -> bool:
    """Whether the server's own page came before it ended or patience did."""
    # Straight to 127.0.0.1: a proxy set for the outside has no business here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"})
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(request, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def has_browser() -> bool:
    """Whether there is a screen with a browser to open."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER")
    ):
        return False  # a text browser would take over the terminal
    with contextlib.suppress(webbrowser.Error):
        return webbrowser.get() is not None
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lab until it is stopped; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make.py lab", description=__doc__.partition("\n")[0])
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("--port", type=int, help=f"default: the first free one from {FIRST_PORT}")
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="the folder JupyterLab shows (default: this one)"
    )
    options, extra = parser.parse_known_args(arguments)
    root = options.root.resolve()

    for copy in workspace.prepare():
        print(f"Your copy to work in: {copy}")
    home = paths.workspace() / ".jupyter"
    write_settings(home)
    port = options.port or free_port()
    token = secrets.token_hex(24)
    browser = has_browser() and not options.no_browser
    server = command(root, port, browser, extra)
    process = subprocess.Popen(server, env=environment(home, token), cwd=ROOT)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        if wait_until_it_answers(process, f"http://127.0.0.1:{port}/api/status", token):
            _greet(root, port, token, browser)
        elif process.poll() is None:
            print(f"JupyterLab has not answered for {PATIENCE} seconds; still waiting.")
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        print("\nJupyterLab has stopped. `make lab` starts it again where you left off.")
        return 0


def _greet(root: Path, port: int, token: str, browser: bool) -> None:
    if not browser:
        print("No browser to open here. Open this address in one on this machine:")
    else:
        print("The course opens in your browser. If it does not, open this address:")
    print(f"\n    http://127.0.0.1:{port}/lab/tree/{FIRST_PAGE}?token={token}\n")
    if not browser:
        print(
            "On a remote machine, first run this on your own:\n"
            f"    ssh -L {port}:127.0.0.1:{port} <user>@<this machine>"
        )
    if root not in paths.workspace().parents:
        print(
            f"Your workspace, {paths.workspace()}, is outside the folder JupyterLab shows.\n"
            "Open the notebooks in exercises/ instead; code that passes is saved to the workspace."
        )
    print("Ctrl-C stops JupyterLab.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
