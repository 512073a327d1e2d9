"""A lock between processes, and names that are free."""

import errno
import os
import subprocess
import sys

import pytest

from llama_mini import files

HOLD = """
import sys
from pathlib import Path
from llama_mini import files
with files.lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

ADD = """
import sys
from pathlib import Path
from llama_mini import files
count = Path(sys.argv[1])
for _ in range(200):
    with files.lock(count):
        files.write_text(count, str(int(count.read_text()) + 1))
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path/thing` until its input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "thing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_that_another_process_holds_is_said_at_once(holder, tmp_path):
    with (
        pytest.raises(BlockingIOError, match="Another process"),
        files.lock(tmp_path / "thing", wait=False),
    ):
        pass
    with files.lock(tmp_path / "other thing", wait=False):
        pass


def test_a_killed_holder_leaves_no_lock_behind(holder, tmp_path):
    holder.kill()
    holder.wait()
    with files.lock(tmp_path / "thing", wait=False):
        pass


def test_a_lock_is_given_back_when_its_block_raises(tmp_path):
    with pytest.raises(ZeroDivisionError), files.lock(tmp_path / "thing"):
        raise ZeroDivisionError
    with (
        files.lock(tmp_path / "thing", wait=False),
        pytest.raises(BlockingIOError),
        files.lock(tmp_path / "thing", wait=False),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has locks on every file system")
def test_where_a_file_system_has_no_locks_the_work_goes_on(tmp_path, monkeypatch):
    import fcntl

    def no_locks(handle, flags):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with files.lock(tmp_path / "thing"):
        (tmp_path / "thing").write_text("written")
    assert (tmp_path / "thing").read_text() == "written"


def test_processes_that_wait_for_the_lock_lose_no_count(tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", ADD, count]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert count.read_text() == "600"


def test_a_free_name_is_under_nothing_at_all(tmp_path):
    path = tmp_path / "top_k.py"
    assert files.free_name(path) == path
    path.write_text("")
    (tmp_path / "top_k-2.py").mkdir()
    os.symlink(tmp_path / "nowhere", tmp_path / "top_k-3.py")
    assert files.free_name(path) == tmp_path / "top_k-4.py"
