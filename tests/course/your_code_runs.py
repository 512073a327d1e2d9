"""A learner's whole road in a process of its own: exercises solved in other words than ours.

Run as `python your_code_runs.py SEED`, with LLAMA_MINI_HOME set to an empty folder. Each answer is
an alternative from a casebook, saved as `check` saves it and brought in by `overlay.apply()`. Then
a model must give the reference's logits, train ten steps like it, and decode with a cache like it.
Prints the subsets as JSON; an AssertionError says what did not hold.
"""

import gc
import json
import random
import sys

import torch
from torch.nn import functional as F

from llama_mini import KVCache, ModelConfig, generation, slots
from llama_mini import model as architecture
from llama_mini.course import EXERCISES, overlay

# What a casebook's source text may take for granted, as a learner's cell imports it.
IMPORTS = """import math

import einops
import torch
from torch import Tensor, nn
from torch.nn import functional as F
"""
ROOMS = ("norm", "rope", "attention", "feedforward", "model", "generation")
CONFIG = ModelConfig(
    dim=32, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=61, max_seq_len=40, multiple_of=8
)


def behaviour() -> dict[str, torch.Tensor]:
    """What a model made of the slots does: its logits, its losses in training, what it decodes."""
    torch.manual_seed(0)
    built = architecture.Transformer(CONFIG)
    generator = torch.Generator().manual_seed(1)
    # The same weights whatever the answers drew at the start.
    with torch.no_grad():
        for _, parameter in sorted(built.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.1 * noise if parameter.ndim == 1 else 0.15 * noise)
    tokens = torch.randint(CONFIG.vocab_size, (4, 24), generator=generator)
    with torch.no_grad():
        logits = built(tokens)
        cache = KVCache(CONFIG, 4, 24)
        chunks = torch.cat([built(part, cache=cache) for part in tokens.split([9, 1, 14], 1)], 1)
    decoded = generation.generate(built, tokens[:, :6], 12)
    drawn = generation.generate(
        built, tokens[:, :6], 6, 0.8, 0.9, 20, generator=torch.Generator().manual_seed(2)
    )
    # Plain descent: AdamW divides by the gradient's size, which would blow up its last bit.
    optimizer = torch.optim.SGD(built.parameters(), lr=0.3)
    losses = []
    for _ in range(10):
        loss = F.cross_entropy(built(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    return {
        "logits": logits,
        "cached logits": chunks,
        "decoded": decoded,
        "drawn": drawn,
        "losses": torch.stack(losses),
    }


def main(seed: int, subsets: int = 6) -> None:
    """Compare random subsets of other people's answers with the reference."""
    torch.set_num_threads(1)
    expected = behaviour()
    assert expected["losses"][-1] < expected["losses"][0] - 0.1, "ten steps must teach something"
    in_model = [
        exercise
        for exercise in EXERCISES.values()
        if exercise.symbol.split(":")[0].removeprefix("llama_mini.") in ROOMS
    ]
    choice = random.Random(seed)
    seen = []
    for _ in range(subsets):
        chosen = choice.sample(in_model, choice.randint(1, len(in_model)))
        answers = {exercise: choice.choice(exercise.alternatives) for exercise in chosen}
        for exercise, answer in answers.items():
            overlay.save(exercise, f"{IMPORTS}\n{answer.code}")
        gc.collect()
        status = overlay.apply(*(exercise.name for exercise in chosen))
        assert slots.filled() == sorted(e.symbol for e in chosen), status
        named = {exercise.name: answer.name for exercise, answer in answers.items()}
        got = behaviour()
        for what, value in expected.items():
            # Float32 rounding, carried through two layers and ten steps.
            torch.testing.assert_close(
                got[what],
                value,
                atol=2e-4,
                rtol=2e-4,
                msg=lambda m, w=what, n=named: f"{w}: {n}\n{m}",
            )
        seen.append(named)
    gc.collect()
    overlay.reset()
    assert not slots.filled()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]))
