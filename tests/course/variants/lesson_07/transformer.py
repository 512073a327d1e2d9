"""The mistakes in Transformer, written a second time, at shapes the casebook lacks."""

import dataclasses

import torch

from llama_mini.config import ModelConfig
from llama_mini.course.casebook.lesson_07.transformer import chunk_case, first_case, whole_case

PLAIN = ModelConfig(
    16, 3, 2, vocab_size=37, max_seq_len=14, hidden_dim=24, norm_eps=0.1, rope_theta=300.0
)
TIED = ModelConfig(
    32, 2, 4, vocab_size=19, n_kv_heads=1, max_seq_len=10, hidden_dim=14, tied_embeddings=True
)
FIRST = ModelConfig(96, 5, 2, vocab_size=150, max_seq_len=10, hidden_dim=64)

CASES = (
    whole_case("batch", PLAIN, 1000, 5, gradients=True),
    whole_case("tied", TIED, 1050, 4, batch=3),
    chunk_case("chunks", PLAIN, 1100, 2, 1, 4),
    chunk_case("tied chunks", TIED, 1150, 3, 3),
    chunk_case("empty cache", PLAIN, 1200, 4),
    chunk_case("one block", dataclasses.replace(PLAIN, n_layers=1), 1250, 2, 3),
    whole_case("one token", PLAIN, 1300, 1, batch=2),
    whole_case("bf16", PLAIN, 1350, 5, dtype=torch.bfloat16, rtol=0.05),
    first_case("first", FIRST, 1400),
    first_case("first, tied", dataclasses.replace(FIRST, tied_embeddings=True), 1410),
)

PARTS = {
    "embed": "self.tok_embeddings = torch.nn.Embedding(c.vocab_size, c.dim)",
    "blocks": "self.layers = torch.nn.ModuleList([Block(c) for _ in range(c.n_layers)])",
    "norm": "self.norm = RMSNorm(c.dim, eps=c.norm_eps)",
    "head": "self.output = torch.nn.Linear(c.dim, c.vocab_size, False)",
    "tie": "if c.tied_embeddings: self.tok_embeddings.weight = self.output.weight",
    "begin": "initialize(self)",
    "past": "past = cache.length if cache else 0",
    "rows": "rows = self._rotations(ids.device)[past:past + ids.size(1)]",
    "mask": "mask = causal_mask(ids.size(1), past + ids.size(1))",
    "before": "pass",
    "stream": "h = self.tok_embeddings(ids)",
    "loop": "for i in range(len(self.layers)):",
    "share": "    share = cache.layer(i) if cache else None",
    "step": "    h = self.layers[i](h, rows, mask, share)",
    "inside": "    pass",
    "count": "if cache: cache.advance(ids.size(1))",
    "result": "return self.output(self.norm(h)).to(torch.float32)",
}
FIRST_PARTS = ("embed", "blocks", "norm", "head", "tie", "begin")


def model(**changes: str) -> str:
    """A model as someone else writes it: imported names, a numbered loop, one line a step."""
    lines = {name: changes.get(name, line).splitlines() for name, line in PARTS.items()}
    build = "".join(f"        {line}\n" for name in FIRST_PARTS for line in lines[name])
    run = "".join(
        f"        {l}\n" for name in lines if name not in FIRST_PARTS for l in lines[name]
    )
    return (
        "from llama_mini import rope\n"
        "from llama_mini.attention import causal_mask\n"
        "from llama_mini.model import TransformerBlock as Block, initialize\n"
        "from llama_mini.norm import RMSNorm\n\n"
        "class Transformer(torch.nn.Module):\n"
        "    _table = None\n\n"
        "    def __init__(self, c):\n        super().__init__()\n        self.config = c\n"
        f"{build}\n"
        "    def forward(self, ids, cache=None):\n"
        f"{run}\n"
        "    def _rotations(self, device):\n"
        "        c = self.config\n"
        "        return rope.rope_table(c.head_dim, c.max_seq_len, c.rope_theta).to(device)\n"
    )


VARIANTS = {
    "no last norm": [model(result="return self.output(h).float()")],
    "a norm after the embeddings": [
        model(
            stream="h = self.norm(self.tok_embeddings(ids))", result="return self.output(h).float()"
        ),
    ],
    "norm in every round": [
        model(inside="    h = self.norm(h)", result="return self.output(h).float()"),
        model(inside="    h = self.norm(h)"),
    ],
    "always tied": [model(tie="self.tok_embeddings.weight = self.output.weight")],
    "not tied": [
        model(tie="pass"),
        model(
            begin="initialize(self)\n"
            "if c.tied_embeddings:\n"
            "    self.output.weight = torch.nn.Parameter(self.tok_embeddings.weight.data.clone())"
        ),
    ],
    "no mask": [model(mask="mask = None")],
    "mask without the cache": [model(mask="mask = causal_mask(ids.size(1), ids.size(1))")],
    "mask from the corner": [
        model(
            mask="t = ids.size(1)\n"
            "mask = ~torch.triu(torch.ones(t, past + t, dtype=torch.bool), diagonal=1)"
        ),
    ],
    "no mask behind a cache": [
        model(mask="t = ids.size(1)\nmask = None if past > 0 else causal_mask(t, t)"),
    ],
    "rotations from row 0": [model(rows="rows = self._rotations(ids.device)[:ids.shape[1]]")],
    "the cache is not advanced": [model(count="pass")],
    "the cache is advanced in every block": [
        model(count="pass", inside="    if cache: cache.advance(ids.size(1))"),
    ],
    "the cache is advanced by one": [model(count="if cache: cache.advance(1)")],
    "the cache is advanced too early": [
        model(count="pass", before="if cache: cache.advance(ids.size(1))"),
    ],
    "one layer's cache for all": [model(share="    share = cache.layer(0) if cache else None")],
    "cache ignored": [
        model(share="    share = None", mask="mask = causal_mask(ids.size(1), ids.size(1))"),
        model(
            share="    share = None",
            past="past = 0",
            count="pass",
        ),
    ],
    "logits not in float32": [model(result="return self.output(self.norm(h))")],
    "probabilities": [
        model(result="return torch.softmax(self.output(self.norm(h)).float(), dim=2)"),
    ],
    "the same block n times": [
        model(
            blocks="b = Block(c)\nself.layers = torch.nn.ModuleList([b for _ in range(c.n_layers)])"
        ),
    ],
    "blocks in a plain list": [model(blocks="self.layers = [Block(c) for _ in range(c.n_layers)]")],
    "embeddings times √dim": [model(stream="h = self.tok_embeddings(ids) * self.config.dim**0.5")],
    "eps not handed on": [model(norm="self.norm = RMSNorm(c.dim)")],
    "last position only": [
        model(result="return self.output(self.norm(h))[:, -1:].float()"),
        model(result="return self.output(self.norm(h[:, -1])).float()"),
    ],
    "one block too few": [
        model(loop="for i in range(len(self.layers) - 1):"),
        model(blocks=PARTS["blocks"].replace("range(", "range(1, ")),
    ],
    "weights not initialized": [model(begin="pass")],
    "a bias in the output head": [
        model(head="self.output = torch.nn.Linear(c.dim, c.vocab_size)"),
    ],
}
