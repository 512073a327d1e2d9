"""What every test relies on: one thread, a fixed seed, Ctrl-C, and a workspace of its own."""

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


@pytest.fixture(scope="session", autouse=True)
def _nobodys_workspace(tmp_path_factory):
    """What fixtures that outlive a test see in place of the learner's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLAMA_MINI_HOME", str(tmp_path_factory.mktemp("nobodys_workspace")))
        yield


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path_factory, monkeypatch):
    """No test reads or writes the learner's own folder, wherever a shell says that it is."""
    monkeypatch.setenv("LLAMA_MINI_HOME", str(tmp_path_factory.mktemp("workspace")))
