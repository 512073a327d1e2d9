"""Two processes that make runs in one workspace, and what kills leave there."""

import subprocess
import sys
import textwrap
import time

import pytest

from llama_mini import files
from llama_mini.training import Trainer
from llama_mini.training.run import folder
from llama_mini.training.run.checkpoint import load

CREATE = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from llama_mini.training.run import checkpoint, folder
    first, name, slow = checkpoint.load(Path(sys.argv[1])), sys.argv[2], float(sys.argv[3])
    whole = checkpoint.save

    def slowly(path, state):
        print("writing", flush=True)
        time.sleep(slow)
        whole(path, state)

    checkpoint.save = slowly
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        folder.create(name, first, Path(sys.argv[4]))
        print("made", flush=True)
    except FileExistsError as error:
        print("refused", error, flush=True)
    """
)


@pytest.fixture
def start(settings):
    """Starts processes that wait for a line, then make a run."""
    model = Trainer(settings(run="pattern")).run
    processes = []

    def begin(name, slow=0.3):
        arguments = [str(model.last), name, str(slow), str(model.tokenizer_file)]
        process = subprocess.Popen(
            [sys.executable, "-c", CREATE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_of_two_that_want_one_name_one_gets_it_and_neither_is_harmed(start, runs_folder):
    both = [start("mine"), start("mine")]
    for process in both:
        go(process)
    said = sorted(process.communicate()[0].splitlines()[-1].split()[0] for process in both)
    assert said == ["made", "refused"]
    assert load(runs_folder / "mine" / "last.pt").step == 0
    assert not list(runs_folder.glob(".*"))


def test_two_names_are_both_made(start, runs_folder):
    both = [start("one"), start("two")]
    for process in both:
        go(process)
    assert [process.communicate()[0].splitlines()[-1] for process in both] == ["made"] * 2
    assert {run.name for run in folder.all_runs()} == {"one", "two", "pattern"}


def test_what_a_killed_one_left_goes_when_the_next_is_made_and_bars_nobody(start, runs_folder):
    killed = start("mine", slow=60)
    go(killed)
    assert killed.stdout.readline() == "writing\n"
    killed.kill()
    killed.wait()
    assert list(runs_folder.glob(".*"))
    other = start("other", slow=0)
    go(other)
    assert other.communicate()[0].splitlines()[-1] == "made"
    assert not list(runs_folder.glob(".*"))


def test_a_living_ones_beginning_is_left_alone(start, runs_folder):
    living = start("mine", slow=1.0)
    go(living)
    assert living.stdout.readline() == "writing\n"
    with pytest.raises(BlockingIOError), files.lock(runs_folder, wait=False):
        pass
    other = start("other", slow=0)
    go(other)  # and waits
    time.sleep(0.1)
    assert (runs_folder / ".mine.partial").is_dir() or (runs_folder / "mine").is_dir()
    assert living.communicate()[0].splitlines()[-1] == "made"
    assert other.communicate()[0].splitlines()[-1] == "made"
    assert load(runs_folder / "mine" / "last.pt").step == 0
