"""After the set-up and the data, nothing needs the network: the same work with the network cut off.

On Linux the work runs in a network namespace of its own, which has nothing but a loopback device.
Where the system does not allow that, a guard inside Python refuses every address but loopback.
"""

import errno
import os
import random
import shutil
import socket
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Brings the loopback device of a new namespace up (kernels talk over it), then runs the command.
LOOPBACK = textwrap.dedent(
    """
    import fcntl, os, socket, struct, sys
    SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        name, flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | IFF_UP))
    os.execv(sys.argv[1], sys.argv[1:])
    """
)

GUARD = textwrap.dedent(
    """
    import errno, ipaddress, socket

    _connect, _lookup = socket.socket.connect, socket.getaddrinfo

    def _is_number(host):
        try:
            return bool(ipaddress.ip_address(host))
        except ValueError:
            return False

    def _is_local(host):
        if _is_number(host):
            return ipaddress.ip_address(host).is_loopback
        return host in (None, "", "localhost")

    def connect(self, address):
        if isinstance(address, tuple) and not _is_local(address[0]):
            raise OSError(errno.ENETUNREACH, "the test has cut the network off")
        return _connect(self, address)

    def getaddrinfo(host, *arguments, **options):
        if not _is_local(host) and not _is_number(host):
            raise socket.gaierror(socket.EAI_AGAIN, "the test has cut the network off")
        return _lookup(host, *arguments, **options)

    socket.socket.connect = connect
    socket.getaddrinfo = getaddrinfo
    """
)

RUN_NOTEBOOK = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=None, kernel_name="python3").execute()
print("ran", sum(cell.cell_type == "code" for cell in notebook.cells), "cells")
"""

# TEST-NET-1 belongs to no machine (RFC 5737); without a route the answer comes at once.
REACH_OUT = """
import socket, sys
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(error.errno)
try:
    socket.getaddrinfo("example.invalid", 80)
except OSError:
    print("no names")
"""

KNOCK = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
"""


@dataclass(frozen=True)
class Offline:
    """Runs a command without a network; `namespace` says by which of the two ways."""

    prefix: tuple[str, ...]
    variables: dict[str, str]

    @property
    def namespace(self) -> bool:
        return bool(self.prefix)

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.prefix, sys.executable, *arguments],
            env=self.variables,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


NAMESPACES = (
    ("unshare", "--map-root-user", "--net"),
    ("bwrap", "--dev-bind", "/", "/", "--unshare-net"),
)


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The environment of a learner who has done the set-up, in folders of its own."""
    return {
        **os.environ,
        "LLAMA_MINI_HOME": str(tmp_path / "workspace"),
        "LLAMA_MINI_CACHE": str(tmp_path / "cache"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "LLAMA_MINI_QUICK": "1",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def guarded(tmp_path: Path, variables: dict[str, str]) -> Offline:
    """The way that works everywhere."""
    folder = tmp_path / "guard"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    return Offline((), {**variables, "PYTHONPATH": str(folder)})


@pytest.fixture
def offline(variables: dict[str, str], guarded: Offline) -> Offline:
    """The strictest way this machine allows."""
    for start in NAMESPACES:
        if shutil.which(start[0]):
            prefix = (*start, sys.executable, "-c", LOOPBACK)
            probe = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True)
            if probe.returncode == 0:
                return Offline(prefix, variables)
    return guarded


@pytest.mark.parametrize("way", ["offline", "guarded"])
def test_the_network_is_really_cut_off(way, request):
    said = request.getfixturevalue(way).run("-c", REACH_OUT)
    assert said.split("\n")[:2] == [str(errno.ENETUNREACH), "no names"]


def test_not_even_this_machines_own_servers_are_reached_from_the_namespace(offline):
    if not offline.namespace:
        pytest.skip("no network namespaces here: neither unshare nor bwrap may make one")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        knock = [sys.executable, "-c", KNOCK, port]
        assert subprocess.run(knock, capture_output=True, text=True).stdout == "open\n"
        assert offline.run("-c", KNOCK, port) == "refused\n"


@pytest.mark.parametrize("name", ["00_start_here", "03_rmsnorm"])
def test_lessons_and_solutions_run_without_a_network(offline, name):
    for folder in ("notebooks", "solutions"):
        said = offline.run("-c", RUN_NOTEBOOK, str(ROOT / folder / f"{name}.ipynb"))
        assert said.startswith("ran ")


def test_a_model_is_trained_and_writes_without_a_network(offline, tmp_path):
    mix = tmp_path / "mix"
    write_small_mix(mix)
    quick = ["--steps", "4", "--batch-size", "2", "--seq-len", "16", "--threads", "1"]
    train = ["train", "--config", "nano", "--data", str(mix), "--run", "offline", *quick]
    assert "offline" in offline.run("-m", "llama_mini", *train)
    generate = ["generate", "The", "--run", "offline", "--max-new-tokens", "8"]
    text = offline.run("-m", "llama_mini", *generate)
    assert text.startswith("The") and len(text.strip()) > len("The")


def write_small_mix(folder: Path) -> None:
    """A few made-up stories through the real tokenizer and the real writer of token shards."""
    from llama_mini.data.shards import write_shards
    from llama_mini.tokenizer.sentencepiece import train_tokenizer

    rng = random.Random(0)
    words = "the a river teacher ship council dog crossed painted followed bridge letter".split()
    stories = [" ".join(rng.choices(words, k=60)) + "." for _ in range(120)]
    tokenizer = train_tokenizer(stories, folder.with_suffix(".model"), vocab_size=300)
    documents = [("stories", tokenizer.encode(story, bos=False)) for story in stories]
    splits = {"train": documents[:100], "validation": documents[100:]}
    write_shards(folder, splits, tokenizer.path)
