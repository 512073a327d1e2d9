"""With document_mask, a document is read as if it stood alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from llama_mini import slots
from llama_mini.config import ModelConfig
from llama_mini.data.shards import TokenShards
from llama_mini.model import Transformer
from llama_mini.training import Trainer, train
from llama_mini.training.run.forward import Forward, MaskedWindows
from llama_mini.training.run.validation import Validation
from llama_mini.training.run.windows import Batches, masked, read_windows

EPS = torch.finfo(torch.float32).eps


@pytest.fixture
def model(mix):
    torch.manual_seed(1)
    vocab_size = TokenShards(mix, "train").vocab_size
    config = ModelConfig(dim=16, n_layers=2, n_heads=2, vocab_size=vocab_size, max_seq_len=512)
    model = Transformer(config)
    for weight in model.parameters():  # large weights, so that a leak of attention shows
        torch.nn.init.normal_(weight, std=0.3)
    return model


def documents_of(tokens, start, length):
    """(begin, end) in the window of each piece of a document, by looking for every `<s>`."""
    row = tokens.read(start, length)
    bos = tokens.document(0)[0]
    edges = sorted({0, *np.flatnonzero(row == bos).tolist(), length})
    return list(pairwise(edges))


@pytest.mark.parametrize("seq", [48, 200])
def test_logits_are_those_of_each_document_alone(model, mix, seq):
    tokens = TokenShards(mix, "train")
    starts = [0, *(int(begin) - 20 for begin in tokens.documents["start"][[5, 70, 120]])]
    inputs, _ = read_windows(tokens, starts, seq)
    together = Forward(model)(masked(tokens, starts, inputs))
    assert together.shape == (4, seq, tokens.vocab_size)
    n_pieces = 0
    for row, start in enumerate(starts):
        for begin, end in documents_of(tokens, start, seq):
            alone = model(inputs[row : row + 1, begin:end])
            # Rotations of other positions round differently: some hundred roundings of logits ≈ 10.
            torch.testing.assert_close(
                together[row : row + 1, begin:end], alone, rtol=0, atol=1e4 * EPS
            )
            n_pieces += 1
    assert n_pieces > 6
    assert (together - model(inputs)).abs().max() > 0.1  # and without masks they would leak


def test_without_masks_tokens_go_through_the_model_as_they_are(model):
    tokens = torch.randint(300, (2, 9))
    assert torch.equal(Forward(model)(tokens), model(tokens))


def test_a_window_within_one_document_is_read_as_ever(model, mix):
    tokens = TokenShards(mix, "train")
    inputs, _ = read_windows(tokens, [3], 16)
    windows = masked(tokens, [3], inputs)
    assert torch.equal(windows.masks[0], torch.ones(16, 16).tril().bool())
    torch.testing.assert_close(Forward(model)(windows), model(inputs), rtol=0, atol=1e3 * EPS)


def test_validation_sees_documents_as_training_does(model, mix):
    tokens = TokenShards(mix, "validation")
    seq = 64
    surprises = []
    for start in range(0, len(tokens) - 1, seq):
        length = min(seq, len(tokens) - 1 - start)
        (inputs,), (targets,) = read_windows(tokens, [start], length)
        for begin, end in documents_of(tokens, start, length):
            with torch.no_grad():
                p = model(inputs[None, begin:end])[0].double().softmax(-1)
            surprises += (-p.log()).gather(1, targets[begin:end, None]).flatten().tolist()
    expected = np.mean(surprises)
    got = Validation(tokens, seq, document_mask=True).model_loss(model)
    assert got == pytest.approx(expected, rel=1e3 * EPS)
    assert abs(got - Validation(tokens, seq).model_loss(model)) > 1e-3


@pytest.mark.parametrize(("batch_size", "pieces"), [(4, 1), (5, 2), (5, 3), (4, 4)])
@pytest.mark.parametrize("document_mask", [False, True])
def test_pieces_are_the_batch_in_its_order(mix, batch_size, pieces, document_mask):
    batches = Batches(TokenShards(mix, "train"), batch_size, 16, seed=3)
    parts = batches.micro_batches(7, pieces, document_mask)
    sizes = [len(targets) for _, targets in parts]
    assert len(parts) == pieces and max(sizes) - min(sizes) <= 1
    inputs, targets = batches.batch(7)
    read = [part.tokens if document_mask else part for part, _ in parts]
    assert torch.equal(torch.cat(read), inputs)
    assert torch.equal(torch.cat([wanted for _, wanted in parts]), targets)
    if document_mask:
        assert all(isinstance(part, MaskedWindows) for part, _ in parts)
        whole = masked(TokenShards(mix, "train"), batches.starts(7), inputs)
        assert torch.equal(torch.cat([part.masks for part, _ in parts]), whole.masks)


@pytest.mark.parametrize("document_mask", [False, True])
def test_pieces_train_what_the_whole_batch_trains(settings, document_mask):
    same = {"batch_size": 5, "steps": 5, "document_mask": document_mask}
    whole = train(settings(**same))
    pieces = train(settings(**same, micro_batches=3))
    for name, weight in whole.model.state_dict().items():
        other = pieces.model.state_dict()[name]
        # Sums in another order; where a gradient is all rounding, AdamW may move by lr either way.
        far = (weight - other).abs() > 1e3 * EPS
        assert far.float().mean() < 0.01, name
        assert (weight - other).abs().max() < 5 * 2 * 3e-3, name


def test_masks_change_the_training_and_are_off_by_default(settings):
    plain, masks = train(settings(seq_len=64)), train(settings(seq_len=64, document_mask=True))
    assert not plain.settings.document_mask
    assert not torch.equal(plain.model.output.weight, masks.model.output.weight)


def test_a_masked_run_in_pieces_goes_on_as_it_began(settings):
    same = {"document_mask": True, "micro_batches": 2, "seq_len": 40}
    straight = train(settings(run="straight", **same))
    for update in Trainer(settings(run="stopped", **same)).steps():
        if update.step == 4:
            break
    resumed = Trainer.resume("stopped")
    for _ in resumed.steps():
        pass
    for name, weight in straight.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_a_learners_mask_is_part_of_a_masked_runs_code_alone(settings):
    slot = "llama_mini.data.mixing.packing:document_mask"
    reference = slots.reference(slot)
    slots.fill(slot, lambda starts, seq: reference(starts, seq), source="mine")
    try:
        assert train(settings(steps=1)).code == {}
        assert list(train(settings(steps=1, document_mask=True)).code) == [slot]
    finally:
        slots.restore_all()


@pytest.mark.parametrize(
    "wrong", [{"micro_batches": 0}, {"micro_batches": 9}, {"document_mask": 1}]
)
def test_pieces_and_masks_that_cannot_be_meant_are_refused(settings, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(batch_size=8, **wrong)
