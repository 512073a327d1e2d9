"""How much is free, by what the system says: its own table, and a container's limits."""

import ctypes
import os
import sys

import pytest
import torch

from llama_mini.machine import free_memory
from llama_mini.machine.free_memory import free_bytes


def test_this_machine_has_memory_and_not_more_than_is_built_in():
    free = free_bytes()
    assert 10e6 < free
    if hasattr(os, "sysconf"):
        assert free <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def group(folder, names, limit, used, cached):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    key = "inactive_file" if names[0] == "memory.max" else "total_inactive_file"
    (folder / "memory.stat").write_text(f"anon 7\n{key} {cached}\nother 9\n")


SECOND = ("memory.max", "memory.current")
FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def test_a_container_may_use_what_its_limit_leaves_and_files_give_way(tmp_path):
    group(tmp_path / "a" / "b", SECOND, 1000, 900, 300)
    group(tmp_path / "a", SECOND, "max", 5000, 0)
    member = tmp_path / "cgroup"
    member.write_text("0::/a/b\n")
    assert list(free_memory._left_in_containers(member, tmp_path)) == [400]


def test_the_group_around_a_group_has_its_say(tmp_path):
    group(tmp_path / "a" / "b", SECOND, 1000, 100, 0)
    group(tmp_path / "a", SECOND, 2000, 1500, 100)
    member = tmp_path / "cgroup"
    member.write_text("0::/a/b\n")
    assert sorted(free_memory._left_in_containers(member, tmp_path)) == [600, 900]


def test_the_first_version_of_control_groups_counts_too(tmp_path):
    group(tmp_path / "memory" / "job", FIRST, 800, 300, 50)
    member = tmp_path / "cgroup"
    member.write_text("9:name=systemd:/\n4:cpu,memory:/job\n0::/\n")
    assert list(free_memory._left_in_containers(member, tmp_path)) == [550]


def test_a_path_of_the_host_leads_to_the_limit_at_the_top(tmp_path):
    group(tmp_path, SECOND, 700, 100, 0)
    member = tmp_path / "cgroup"
    member.write_text("0::/docker/0123abcd\n")
    assert list(free_memory._left_in_containers(member, tmp_path)) == [600]


def test_a_limit_that_is_overdrawn_leaves_nothing(tmp_path):
    group(tmp_path, SECOND, 100, 900, 0)
    member = tmp_path / "cgroup"
    member.write_text("0::/\n")
    assert list(free_memory._left_in_containers(member, tmp_path)) == [0]


def test_windows_answers_through_its_own_call(monkeypatch):
    def fill(pointer):
        status = pointer._obj
        assert status.length == ctypes.sizeof(status) == 64
        status.available = 123_456_789
        return 1

    kernel = type("kernel32", (), {"GlobalMemoryStatusEx": staticmethod(fill)})
    windows = type("windll", (), {"kernel32": kernel})
    monkeypatch.setattr(ctypes, "windll", windows, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(free_memory, "_left_in_containers", lambda: iter(()))
    assert free_bytes() == 123_456_789


def test_a_device_that_nobody_can_ask_is_unknown():
    assert free_bytes("meta") is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_torch_keeps_for_itself_is_free():
    before = free_bytes("cuda")
    tensor = torch.empty(100_000_000, dtype=torch.uint8, device="cuda")
    during = free_bytes("cuda")
    del tensor  # now in torch's own pool
    assert during <= before - 100_000_000
    assert free_bytes("cuda") > during
