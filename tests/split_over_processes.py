"""Run by torchrun: each model alone and split over these processes; prints a line of JSON for each.

torchrun --nproc-per-node 2 split_over_processes.py FOLDER
"""

import gc
import json
import sys
from pathlib import Path

import torch
from course.your_code_runs import IMPORTS
from torch import distributed

from llama_mini import KVCache, generate, parallel, slots
from llama_mini import model as architecture
from llama_mini.config import ModelConfig
from llama_mini.course import EXERCISES
from llama_mini.empty import empty_model
from llama_mini.weights.filling import fill
from llama_mini.weights.share import Share
from llama_mini.weights.stored import Entry, StoredWeights

PLAIN = ModelConfig(dim=48, n_layers=3, n_heads=4, vocab_size=96, max_seq_len=64, multiple_of=16)
GROUPED = ModelConfig(
    dim=48,
    n_layers=2,
    n_heads=6,
    n_kv_heads=2,
    vocab_size=97,
    max_seq_len=64,
    hidden_dim=80,
    tied_embeddings=True,
)
CONFIGS = {"llama1": PLAIN, "grouped and tied": GROUPED}


class Held(StoredWeights):
    """The weights of a living model."""

    what = "a model in memory"

    def __init__(self, config: ModelConfig, weights: dict[str, torch.Tensor]) -> None:
        self.config, self._weights = config, weights
        self.entries = {
            name: Entry(tuple(tensor.shape), tensor.dtype, tensor.nbytes)
            for name, tensor in weights.items()
        }

    def tensor(self, name, device):
        return self._weights[name].to(device)

    def tokenizer(self):
        return None


def split(checkpoint: StoredWeights, mesh) -> architecture.Transformer:
    """What `load` does with a mesh, for weights that lie in no file."""
    model = empty_model(checkpoint.config)
    parallel.narrow(model, mesh)
    fill(model, Share(checkpoint, mesh), torch.device("cpu"), None)
    parallel.connect(model, mesh)
    return model


def logits(alone: architecture.Transformer, shared: architecture.Transformer) -> dict:
    """What both make of the same tokens, and what a cache of the split model holds."""
    tokens = torch.randint(alone.config.vocab_size, (2, 9))
    cache = KVCache(shared.config, 2, 16)
    with torch.no_grad():
        expected = alone(tokens)
        chunks = [shared(part, cache=cache) for part in tokens.split([5, 1, 3], dim=1)]
    return {
        "largest_logit": expected.abs().max().item(),
        "difference": (torch.cat(chunks, dim=1) - expected).abs().max().item(),
        "cached_heads": cache.keys.shape[3],
    }


def decoding(alone: architecture.Transformer, shared: architecture.Transformer, mesh) -> dict:
    """Whether they decode alike, on every rank, and how much of the matrices a rank holds."""
    tokens = torch.randint(alone.config.vocab_size, (2, 9))
    greedy = generate(shared, tokens, 12)
    everyone = [torch.empty_like(greedy) for _ in range(mesh.size())]
    distributed.all_gather(everyone, greedy)
    drawn = [
        generate(model, tokens, 12, 0.8, 0.9, generator=torch.Generator().manual_seed(3))
        for model in (alone, shared)
    ]
    mine, whole = (
        sum(p.numel() for p in model.parameters() if p.ndim > 1) for model in (shared, alone)
    )
    return {
        "greedy_equal": torch.equal(greedy, generate(alone, tokens, 12)),
        "drawn_equal": torch.equal(*drawn),
        "equal_on_every_rank": all(torch.equal(greedy, other) for other in everyone),
        "share_of_the_matrices": mine / whole,
    }


def casebook_layers() -> dict[str, tuple[str, type]]:
    """Every correct way to write a layer that the casebooks know: name → slot, class."""
    found = {}
    for exercise in ("attention", "feed_forward", "transformer_block", "transformer"):
        slot = EXERCISES[exercise].symbol
        for alternative in EXERCISES[exercise].alternatives:
            namespace: dict = {}
            exec(IMPORTS + alternative.code, namespace)
            found[f"{exercise}: {alternative.name}"] = slot, namespace[slot.partition(":")[2]]
    return found


def both(config: ModelConfig, mesh) -> tuple[architecture.Transformer, architecture.Transformer]:
    """A model alone, and the same one split."""
    torch.manual_seed(0)
    alone = architecture.Transformer(config)
    with torch.no_grad():
        for parameter in alone.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
    weights = {name: tensor.detach() for name, tensor in alone.named_parameters()}
    return alone, split(Held(config, weights), mesh)


def main() -> None:
    torch.set_num_threads(1)
    gc.freeze()  # swapping a slot looks for living models; what was imported is none
    results = {}
    with parallel.processes() as mesh:
        for name, config in CONFIGS.items():
            if config.kv_heads % mesh.size() == 0:
                models = both(config, mesh)
                results[name] = logits(*models) | decoding(*models, mesh)
                del models
        for name, (slot, layer) in casebook_layers().items() if mesh.size() == 2 else ():
            slots.replace_all({slot: layer})
            try:
                results[name] = logits(*both(PLAIN, mesh))
            except ValueError as error:
                results[name] = str(error)
        slots.restore_all()
        if mesh.get_rank() == 0:
            Path(sys.argv[1], "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
