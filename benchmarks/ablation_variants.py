"""LLaMA with one choice undone: four small Transformers that differ from ours in one part each."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from llama_mini import ModelConfig, norm
from llama_mini import model as architecture
from llama_mini.cache import LayerCache


class Unrotated(nn.Module):
    """Attention that is given no positions: every rotation is by an angle of zero."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention

    def forward(
        self, x: Tensor, table: Tensor, mask: Tensor | None, cache: LayerCache | None
    ) -> Tensor:
        return self.attention(x, torch.ones_like(table), mask, cache)


class LearnedPositions(nn.Module):
    """Token embeddings plus one learned vector a position, as in GPT-2 and GPT-3.

    tokens (batch, seq) → (batch, seq, dim). It counts positions from 0, so it knows no cache.
    """

    def __init__(self, tok_embeddings: nn.Embedding, max_seq_len: int) -> None:
        super().__init__()
        self.tok_embeddings = tok_embeddings
        self.positions = nn.Embedding(max_seq_len, tok_embeddings.embedding_dim)
        nn.init.normal_(self.positions.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.tok_embeddings(tokens) + self.positions.weight[: tokens.shape[1]]


class GeluMlp(nn.Module):
    """w2( gelu(w1 x) ): two matrices, no gate. x (batch, seq, dim) → the same."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(nn.functional.gelu(self.w1(x)))


class PostNormBlock(nn.Module):
    """A block that normalises the stream itself after each addition (Vaswani et al. 2017)."""

    def __init__(self, block: architecture.TransformerBlock) -> None:
        super().__init__()
        self.block = block

    def forward(
        self, x: Tensor, table: Tensor, mask: Tensor | None, cache: LayerCache | None
    ) -> Tensor:
        block = self.block
        x = block.attention_norm(x + block.attention(x, table, mask, cache))
        return block.ffn_norm(x + block.feed_forward(x))


def _layernorm(model: architecture.Transformer) -> None:
    for name, module in list(model.named_modules()):
        if isinstance(module, norm.RMSNorm):
            # GPT-2's and GPT-3's: the mean is subtracted, and there is a learned bias.
            model.set_submodule(name, nn.LayerNorm(model.config.dim, eps=1e-5))


def _learned_positions(model: architecture.Transformer) -> None:
    model.tok_embeddings = LearnedPositions(model.tok_embeddings, model.config.max_seq_len)
    for layer in model.layers:
        layer.attention = Unrotated(layer.attention)


def _gelu(model: architecture.Transformer) -> None:
    for layer in model.layers:
        gated = layer.feed_forward.w1.out_features
        # Two matrices half as wide again have exactly the parameters of three.
        plain = GeluMlp(model.config.dim, 3 * gated // 2)
        nn.init.normal_(plain.w1.weight, std=0.02)
        nn.init.normal_(plain.w2.weight, std=0.02 / (2 * model.config.n_layers) ** 0.5)
        layer.feed_forward = plain


def _post_norm(model: architecture.Transformer) -> None:
    model.layers = nn.ModuleList(PostNormBlock(layer) for layer in model.layers)
    model.norm = nn.Identity()  # the last block has normalised already


VARIANTS: dict[str, Callable[[architecture.Transformer], None]] = {
    "LLaMA": lambda model: None,
    "LayerNorm": _layernorm,
    "learned positions": _learned_positions,
    "GELU MLP": _gelu,
    "post-norm": _post_norm,
}


def build(variant: str, config: ModelConfig, seed: int) -> architecture.Transformer:
    """A new model of this variant; parts that two variants share start from the same numbers.

    Raises ValueError if there is no such variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f"There is no variant {variant!r}; there are {', '.join(VARIANTS)}.")
    torch.manual_seed(seed)
    model = architecture.Transformer(config)
    VARIANTS[variant](model)
    return model
