"""The commands `train` and `generate`, as a user types them."""

import pytest
from typer.testing import CliRunner

from llama_mini.cli import app

QUICK = ["--config", "nano", "--steps", "4", "--batch-size", "2", "--seq-len", "16"]


@pytest.fixture
def command(mix):
    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def test_train_then_generate(command, mix):
    trained = command("train", *QUICK, "--data", mix, "--threads", 1)
    assert trained.exit_code == 0, trained.output
    for said in ("Validation loss", "smoothed bigram", "tokens/s", "reference code", "Next: "):
        assert said in trained.output

    first = command("generate", "the old ship", "--max-new-tokens", 8, "--seed", 1)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("the old ship") and len(first.stdout) > len("the old ship") + 2
    again = command("generate", "the old ship", "--max-new-tokens", 8, "--seed", 1)
    assert again.stdout == first.stdout


def test_resume_of_a_finished_run_shows_its_result_again(command, mix):
    command("train", *QUICK, "--data", mix, "--run", "mine")
    again = command("train", "--resume", "--run", "mine")
    assert again.exit_code == 0, again.output
    assert "4 updates" in again.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--config", "huge", "--steps", "1"], "There is no config 'huge'"),
        (["train", "--steps", "1", "--minutes", "1"], "--steps or --minutes"),
        (["train", "--resume"], "There is no run"),
        (["train", "--resume", "--run", "lost"], "There is no run 'lost'"),
        (["train", "--lr", "0", "--steps", "1"], "lr must be above 0"),
        (["train", "--steps", "1", "--device", "abacus"], "device must be"),
        (["generate"], "Train one: llama-mini train"),
    ],
)
def test_a_mistake_is_explained_in_one_line_without_a_trace(command, mix, arguments, said):
    data = ["--data", mix] if arguments[0] == "train" and "--resume" not in arguments else []
    result = command(*arguments, *data)
    assert result.exit_code == 1
    assert said in result.stderr and "Traceback" not in result.output
    assert result.stderr.strip().splitlines()[-1].startswith("Error: ")


def test_without_a_mix_the_command_that_builds_one_is_named(command, tmp_path):
    result = command("train", *QUICK, "--data", tmp_path)
    assert result.exit_code == 1 and "llama-mini data build" in result.stderr


def test_an_existing_run_and_other_settings_are_refused(command, mix):
    command("train", *QUICK, "--data", mix, "--run", "mine")
    taken = command("train", *QUICK, "--data", mix, "--run", "mine")
    assert taken.exit_code == 1 and "--resume --run mine" in taken.stderr
    changed = command("train", "--resume", "--run", "mine", "--lr", "0.5")
    assert changed.exit_code == 1 and "lr 0.003 (now 0.5)" in changed.stderr


def test_help_needs_no_torch():
    import subprocess
    import sys

    code = (
        "import sys\nfrom llama_mini.cli import app\n"
        "try: app(['train', '--help'])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
