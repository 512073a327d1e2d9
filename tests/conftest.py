"""What every test relies on: one thread, a fixed seed, and a workspace of its own."""

import os

import pytest
import torch


@pytest.fixture(autouse=True)
def _reproducible():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path_factory, monkeypatch):
    """No test reads or writes the learner's own folder."""
    if "LLAMA_MINI_HOME" not in os.environ:
        monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path_factory.mktemp("workspace")))
