"""The mistakes in TransformerBlock, written a second time, at shapes the casebook lacks."""

import torch

from llama_mini.config import ModelConfig
from llama_mini.course.casebook.lesson_07.transformer_block import block_case, chunk_case

PLAIN = ModelConfig(32, 1, 2, vocab_size=8, max_seq_len=12, multiple_of=6, norm_eps=0.2)
STATED = ModelConfig(24, 1, 6, n_kv_heads=2, vocab_size=8, max_seq_len=12, hidden_dim=31)

CASES = (
    block_case("mask", PLAIN, 90, 500, 6, gradients=True),
    block_case("stated", STATED, 31, 530, 3),
    chunk_case("chunks", PLAIN, 90, 560, 2, 3, 1),
    block_case("bf16", PLAIN, 90, 590, 4, dtype=torch.bfloat16, ulps=16),
)

WIDTH = "config.hidden_dim or feedforward.hidden_dim(config.dim, config.multiple_of)"


def block(*forward: str, width: str = WIDTH, eps: str = "eps=config.norm_eps", **more: str) -> str:
    """A block as someone else writes it: imported classes, a and f for the two answers."""
    second = more.get("second", f"RMSNorm(config.dim, {eps})")
    names = more.get("names", "attention_norm ffn_norm attention feed_forward").split()
    lines = "".join(f"        {line}\n" for line in forward or ("h = x + a(x)", "return h + f(h)"))
    first_norm, second_norm, attend, think = (f"self.{name}" for name in names)
    return (
        "from llama_mini import feedforward\n"
        "from llama_mini.attention import Attention\n"
        "from llama_mini.norm import RMSNorm\n\n"
        "class TransformerBlock(torch.nn.Module):\n"
        "    def __init__(self, config):\n        super().__init__()\n"
        f"        {attend} = Attention(config)\n"
        f"        {think} = feedforward.FeedForward(config.dim, {width})\n"
        f"        {first_norm} = RMSNorm(config.dim, {eps})\n"
        f"        {second_norm} = {second}\n\n"
        "    def forward(self, x, table, mask=None, cache=None):\n"
        f"        n1, n2 = {first_norm}, {second_norm}\n"
        f"        A = lambda y: {attend}(y, table, {more.get('rest', 'mask, cache')})\n"
        f"        F_ = {think}\n"
        "        a, f = (lambda y: A(n1(y))), (lambda y: F_(n2(y)))\n"
        f"{lines}"
    )


VARIANTS = {
    "post-norm": [block("y = n1(A(x) + x)", "return n2(F_(y) + y)")],
    "norm after the layer": [block("y = n1(A(x)) + x", "return n2(F_(y)) + y")],
    "no norms": [block("y = A(x) + x", "return F_(y) + y")],
    "the copy is added to": [block("y = n1(x)", "y = n2(y + A(y))", "return F_(y) + y")],
    "nothing is added": [block("return f(a(x))")],
    "attention not added": [block("y = a(x)", "return f(y) + y")],
    "feed-forward not added": [block("return f(torch.add(a(x), x))")],
    "parallel": [block("return torch.stack([x, a(x), f(x)]).sum(0)")],
    "added to x, not h": [block("skip = x", "x = x + a(x)", "return skip + f(x)")],
    "x added twice": [block("y = x + a(x)", "return 2 * x + (y - x) + f(y)")],
    "feed-forward first": [block("y = f(x) + x", "return a(y) + y")],
    "norms exchanged": [block("n1, n2 = n2, n1", "y = x + A(n1(x))", "return y + F_(n2(y))")],
    "one norm used twice": [
        block("y = x + A(n1(x))", "return y + F_(n1(y))"),
        block(second="self.attention_norm"),
    ],
    "eps not handed on": [block(eps="1e-6")],
    "mask not handed on": [block(rest="cache=cache")],
    "cache not handed on": [block(rest="mask=mask")],
    "a stated width ignored": [
        block(width="feedforward.hidden_dim(config.dim, config.multiple_of)"),
    ],
    "always multiples of 256": [
        block(width="config.hidden_dim or feedforward.hidden_dim(config.dim, 256)"),
    ],
    "width of 4·dim": [
        block(width="config.hidden_dim or config.dim * 4"),
        block(width="config.dim * 4"),
    ],
    "other names": [block(names="norm_1 norm_2 attention feed_forward")],
}
