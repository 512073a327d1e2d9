"""The overlay: the package runs on a learner's passed cells, and on nothing else of theirs."""

import json

import pytest
import torch

import llama_mini
from llama_mini import feedforward, norm, slots
from llama_mini.config import CONFIGS
from llama_mini.course import EXERCISES, overlay
from llama_mini.course.derive import solution_cell

SILU = "import torch\n\n\ndef silu(x):\n    # mine\n    return x / (1 + torch.exp(-x))\n"
NORM = solution_cell("llama_mini.norm:RMSNorm")


@pytest.fixture
def passed(home):
    overlay.save(EXERCISES["silu"], SILU)
    overlay.save(EXERCISES["rms_norm"], NORM)
    return home / "overlay"


def test_a_model_on_a_learners_norm_gives_the_references_logits(passed):
    from llama_mini import Transformer

    def logits():
        torch.manual_seed(3)
        model = Transformer(CONFIGS["nano"])
        return type(model.norm), model(torch.arange(8)[None])

    reference, expected = logits()
    overlay.apply("rms_norm")
    mine, found = logits()
    assert mine is not reference
    assert mine.__module__ == "my_llama_mini.rms_norm"
    assert torch.equal(found, expected)


def test_apply_fills_all_or_a_subset_and_gives_the_rest_back(passed):
    overlay.apply()
    assert slots.filled() == ["llama_mini.feedforward:silu", "llama_mini.norm:RMSNorm"]
    overlay.apply("silu")
    assert slots.filled() == ["llama_mini.feedforward:silu"]
    assert norm.RMSNorm is slots.reference("llama_mini.norm:RMSNorm")
    overlay.reset()
    assert slots.filled() == []
    assert sorted(path.name for path in passed.glob("*.py")) == ["rms_norm.py", "silu.py"]


def test_status_says_whose_code_runs(passed):
    table = overlay.apply("silu").plain()
    assert "your code in feedforward.silu; reference code elsewhere" in table
    rows = {line.split()[1]: line for line in table.splitlines() if "llama_mini." in line}
    assert rows["llama_mini.feedforward.silu"].endswith("your code")
    assert rows["llama_mini.norm.RMSNorm"].endswith("reference")


def test_an_answer_that_has_not_passed_cannot_be_applied(home):
    with pytest.raises(ValueError, match="rms_norm: no answer of yours has passed"):
        overlay.apply("rms_norm")


def test_a_living_model_refuses_a_change_and_allows_none(passed):
    from llama_mini import Transformer

    overlay.apply()
    model = Transformer(CONFIGS["nano"])
    overlay.apply()
    with pytest.raises(slots.LivingModelError, match="Restart the kernel"):
        overlay.reset()
    del model
    overlay.reset()


def change_header(path, **changes):
    lines = path.read_text().splitlines(keepends=True)
    header = json.loads(lines[1].removeprefix("# llama_mini: ")) | changes
    path.write_text(lines[0] + f"# llama_mini: {json.dumps(header)}\n" + "".join(lines[2:]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"version": "0.0.1"}, "llama_mini 0.0.1, now"), ({"signature": "0"}, "another signature")],
)
def test_after_an_upgrade_an_answer_is_checked_again_and_kept(passed, changes, said):
    change_header(passed / "silu.py", **changes)
    table = overlay.apply().plain()
    assert said in table and "it still passes" in table
    assert "llama_mini.feedforward:silu" in slots.filled()
    assert llama_mini.__version__ in (passed / "silu.py").read_text()
    assert "Checked again" not in overlay.apply().plain()


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda text: text.replace("torch.exp(-x)", "torch.exp(x)"), "the sign turned round"),
        (lambda text: text.replace("import torch\n", ""), "NameError"),
        (lambda text: text + "\nraise RuntimeError('no more')\n", "no more"),
        (lambda text: "def silu(x:", "SyntaxError"),
    ],
)
def test_an_edited_answer_that_fails_is_set_aside_and_said(passed, edit, why):
    path = passed / "silu.py"
    path.write_text(edit(path.read_text()))
    table = overlay.apply().plain()
    assert "passes no more" in table and why in table
    assert slots.filled() == ["llama_mini.norm:RMSNorm"]
    assert not path.exists()
    assert (passed / "set_aside" / "silu.py").exists()


def test_a_traceback_shows_the_file_and_line_of_the_learner(passed):
    overlay.apply()
    with pytest.raises(TypeError) as caught:
        feedforward.silu("text")
    entry = caught.traceback[-1]
    assert entry.path == passed / "silu.py"
    assert "torch.exp(-x)" in str(entry.statement)
