"""The promise of lesson 14: passing answers, whoever wrote them, load real folders."""

import pytest
import torch

from llama_mini import ModelConfig, Transformer, load, slots
from llama_mini.course import EXERCISES
from llama_mini.course.judge.grading import symbol_from
from llama_mini.weights.formats.huggingface.writer import write_huggingface
from llama_mini.weights.formats.meta.writer import write_meta

# Eleven layers, so that a layer's number may have two digits.
CONFIG = ModelConfig(dim=32, n_layers=11, n_heads=4, vocab_size=40, max_seq_len=16, multiple_of=8)
TOKENS = torch.arange(24).view(2, 12)
WRITE = {
    "four of Meta's shards": lambda folder, state: write_meta(
        folder, CONFIG, state.items(), 4, torch.float32
    ),
    "Hugging Face's folder": lambda folder, state: write_huggingface(
        folder, CONFIG, state.items(), torch.float32, n_shards=2
    ),
}
READS = {
    "shard_axis": "four of Meta's shards",
    "merge_shards": "four of Meta's shards",
    "meta_name": "Hugging Face's folder",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folders, written by the reference, and the logits that must come out of them."""
    torch.manual_seed(0)
    model = Transformer(CONFIG).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        expected = model(TOKENS)
    place = tmp_path_factory.mktemp("weights")
    return {
        kind: write(place / str(number), model.state_dict())
        for number, (kind, write) in enumerate(WRITE.items())
    }, expected


@pytest.fixture
def filled():
    """Fills the slot of an exercise with an answer, and gives it back after the test."""

    def fill(name, code, label):
        exercise = EXERCISES[name]
        slots.fill(exercise.symbol, symbol_from(code, exercise, label))

    yield fill
    slots.restore_all()


def logits_of(folder):
    model, _ = load(folder)
    with torch.no_grad():
        return model.eval()(TOKENS)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param(name, alternative, id=f"{name}: {alternative.name}")
        for name in READS
        for alternative in EXERCISES[name].alternatives
    ],
)
def test_a_folder_loaded_by_another_right_answer_gives_the_same_logits(
    name, answer, folders, filled
):
    places, expected = folders
    filled(name, answer.code, answer.name)
    assert torch.equal(logits_of(places[READS[name]]), expected)


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("merge_shards", "the last shard first"),
        ("merge_shards", "reshaped to fit"),
        ("meta_name", "w2 and w3 in order"),
        ("meta_name", "the two norms exchanged"),
    ],
)
def test_a_wrong_answer_is_heard_of_so_the_answer_is_what_loads(name, mistake, folders, filled):
    places, expected = folders
    (wrong,) = (w for w in EXERCISES[name].wrong_answers if w.name == mistake)
    filled(name, wrong.code, mistake)
    try:
        logits = logits_of(places[READS[name]])
    except ValueError as error:
        assert "your code" in str(error) or "shape" in str(error)
    else:
        assert not torch.allclose(logits, expected, atol=1e-3)
