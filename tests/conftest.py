"""What every test relies on: one thread, a fixed seed, Ctrl-C, and a workspace of its own."""

import os
import signal

import pytest
import torch


@pytest.fixture(autouse=True)
def _reproducible():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard():
    """What a shell starts in the background ignores Ctrl-C, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path_factory, monkeypatch):
    """No test reads or writes the learner's own folder."""
    if "LLAMA_MINI_HOME" not in os.environ:
        monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path_factory.mktemp("workspace")))
