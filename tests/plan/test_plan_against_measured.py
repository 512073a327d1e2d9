"""What is planned is what torch's allocator gives out when the model runs, as its profiler sees it.

The plan runs one block of the model on tensors without memory. The profiler knows nothing of that:
it logs what the real run takes from the allocator and gives back, temporary copies included.
"""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from llama_mini import CONFIGS, ModelConfig, Transformer, generate, precisions
from llama_mini.empty import empty_model
from llama_mini.plan.plans import plan_decoding, plan_training
from llama_mini.training.recipe.loss import next_token_loss
from llama_mini.training.recipe.optimizer import adamw
from llama_mini.weights.filling import place
from llama_mini.weights.shapes import parameter_shapes

WIDE = ModelConfig(dim=384, n_layers=3, n_heads=6, vocab_size=2000, max_seq_len=800)
GROUPED = ModelConfig(dim=384, n_layers=3, n_heads=6, n_kv_heads=2, vocab_size=2000)
TIED = ModelConfig(
    dim=192, n_layers=2, n_heads=3, n_kv_heads=1, vocab_size=4096, tied_embeddings=True
)


def drawn(config, precision):
    """A model at a precision, as `load` makes it."""
    model = empty_model(config)
    for name, shape in parameter_shapes(config):
        place(model, name, 0.02 * torch.randn(shape), precision)
    if config.tied_embeddings:
        model.output.weight = model.tok_embeddings.weight
    return model


def peak_bytes(build, run):
    """The most that is allocated at any time of `run(build())`, what was built included."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        built = build()
        with record_function("run"):
            run(built)
    events = profiled.profiler.kineto_results.events()
    begins = min(event.start_ns() for event in events if event.name() == "run")
    allocations = sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns())
    now = most = 0
    for event in allocations:
        now += event.nbytes()
        if event.start_ns() >= begins:
            most = max(most, now)
    return most


@pytest.mark.parametrize(
    ("config", "precision", "batch", "prompt", "new"),
    [
        (CONFIGS["nano"], "fp32", 1, 16, 9),
        (CONFIGS["mini"], "fp32", 4, 100, 3),
        (CONFIGS["mini"], "bf16", 4, 100, 3),
        (CONFIGS["mini"], "fp16", 4, 100, 3),
        (CONFIGS["mini"], "int8", 4, 100, 3),
        (CONFIGS["mini"], "int4", 4, 100, 3),
        (CONFIGS["mini"], "int4", 1, 8, 5),
        (GROUPED, "bf16", 3, 700, 5),
        (GROUPED, "int8", 2, 1, 9),
        (TIED, "int4", 2, 300, 5),
        (WIDE, "fp32", 8, 1, 9),
        (WIDE, "int4", 8, 1, 9),
        (WIDE, "int4", 1, 600, 5),
    ],
)
def test_decoding_takes_what_was_planned(config, precision, batch, prompt, new, record_property):
    tokens = torch.zeros(batch, prompt, dtype=torch.int64)
    measured = peak_bytes(lambda: drawn(config, precision), lambda m: generate(m, tokens, new))
    plan = plan_decoding(config, precision, prompt + new, batch, prompt=prompt)
    record_property("planned_over_measured", plan.total / measured)
    assert plan.total == pytest.approx(measured, rel=0.01)


def test_a_shorter_prompt_takes_less_and_a_step_least():
    plans = [plan_decoding(WIDE, "bf16", 800, prompt=prompt) for prompt in (800, 200, 1)]
    activations = [plan.parts["activations"] for plan in plans]
    assert activations[0] > activations[1] > activations[2] == plans[0].step_bytes
    assert len({plan.parts["KV cache"] for plan in plans}) == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("config", "batch", "seq"),
    [(CONFIGS["mini"], 4, 128), (GROUPED, 2, 200), (CONFIGS["nano"], 1, 9)],
)
def test_training_takes_what_was_planned(config, batch, seq, precision):
    tokens = torch.randint(config.vocab_size, (batch, seq))

    def build():
        model = Transformer(config)
        return model, adamw(model, lr=1e-3)

    def two_steps(built):
        model, optimizer = built
        for _ in range(2):  # the moments are made by the first
            with precisions.autocast(tokens.device, precisions.UNQUANTIZED[precision]):
                loss = next_token_loss(model(tokens), tokens)
            loss.backward()
            optimizer.step()

    measured = peak_bytes(build, two_steps)
    plan = plan_training(config, precision, seq, batch)
    assert plan.total == pytest.approx(measured, rel=0.05)
