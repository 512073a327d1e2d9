"""Hugging Face's `config.json`: the shape of a model, and much that LLaMA leaves at its default."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from llama_mini import feedforward
from llama_mini.config import ModelConfig
from llama_mini.weights.formats.json_file import parse_object
from llama_mini.weights.formats.quoting import shown

# Our field → its key and, where files may leave it out, the default of transformers' LlamaConfig.
_WHOLE_NUMBERS = {
    "dim": ("hidden_size", None),
    "n_layers": ("num_hidden_layers", None),
    "n_heads": ("num_attention_heads", None),
    "vocab_size": ("vocab_size", None),
    "hidden_dim": ("intermediate_size", None),
    "max_seq_len": ("max_position_embeddings", 2048),
}
# What a LLaMA has; anything else would need other code than ours, so other numbers would come out.
_FIXED: dict[str, Any] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "quantization_config": None,
}
# Larger than any model there is; a hostile file must not make us count to its numbers.
_LARGEST = 1 << 24


def parse_config(data: bytes, path: Path) -> ModelConfig:
    """The config that the bytes of a config.json describe. `path` is for the messages.

    Raises ValueError if a key is missing, its number makes no sense, or it asks for something that
    LLaMA does not have: another model type or activation, biases, scaled rotary positions.
    """
    values = parse_object(data, path)
    if (kind := values.get("model_type")) != "llama":
        raise ValueError(
            f"{path} describes a model of type {shown(kind)}; only 'llama' is read here. If it is "
            "a LLaMA saved under another name, set model_type."
        )
    for key, expected in _FIXED.items():
        if (value := values.get(key, expected)) not in (expected, None):
            raise ValueError(
                f"{path} has {key} {shown(value)}; this model computes with {expected!r} alone. "
                "Load it with transformers instead."
            )
    whole = {
        field: _whole_number(values, key, default, path)
        for field, (key, default) in _WHOLE_NUMBERS.items()
    }
    kv_heads = _whole_number(values, "num_key_value_heads", whole["n_heads"], path)
    if whole["hidden_dim"] == feedforward.hidden_dim(whole["dim"]):
        del whole["hidden_dim"]  # the width rule gives it, as in all of LLaMA 1
    try:
        config = ModelConfig(
            **whole,
            n_kv_heads=None if kv_heads == whole["n_heads"] else kv_heads,
            norm_eps=_fraction(values, "rms_norm_eps", 1e-6, path),
            rope_theta=_rope_theta(values, path),
            tied_embeddings=_flag(values, "tie_word_embeddings", path),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    head_dim = _whole_number(values, "head_dim", config.head_dim, path)
    if head_dim != config.head_dim:
        raise ValueError(
            f"{path} has heads of {head_dim} dimensions, and hidden_size {config.dim} / "
            f"{config.n_heads} heads is {config.head_dim}; this model computes only the latter."
        )
    return config


def config_values(
    config: ModelConfig, dtype: torch.dtype, tokenizer: Any | None = None
) -> dict[str, Any]:
    """What config.json says of a config, for transformers before and since version 5.

    dtype: of the stored weights. tokenizer: tells which tokens begin and end a text; without one it
    is 1 and 2, as in LLaMA.
    """
    precision = str(dtype).removeprefix("torch.")
    begin, end = (1, 2) if tokenizer is None else (tokenizer.bos_id, tokenizer.eos_id)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": config.dim,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": feedforward.hidden_width(config),
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.max_seq_len,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,  # before version 5
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},  # since
        "tie_word_embeddings": config.tied_embeddings,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": None if begin < 0 else begin,
        "eos_token_id": None if end < 0 else end,
        "torch_dtype": precision,  # before version 5
        "dtype": precision,  # since
    }


def _rope_theta(values: Mapping[str, Any], path: Path) -> float:
    """The base of the frequencies, which version 5 of transformers moved to a table of its own."""
    theta = _fraction(values, "rope_theta", 10_000.0, path)
    for table in ("rope_scaling", "rope_parameters"):
        rope = values.get(table)
        if rope is None:
            continue
        if not isinstance(rope, dict):
            raise ValueError(f"{path}: {table} must be an object {{…}} or null; got {shown(rope)}.")
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default" or rope.get("partial_rotary_factor", 1) != 1:
            raise ValueError(
                f"{path} asks for rotary positions of another kind ({table}: {shown(rope)}); "
                "this model computes LLaMA's plain ones. Load it with transformers instead."
            )
        theta = _fraction(rope, "rope_theta", theta, path)
    return theta


def _whole_number(values: Mapping[str, Any], key: str, default: int | None, path: Path) -> int:
    value = values.get(key)
    if value is None and default is not None:
        return default
    if value is None:
        raise ValueError(f"{path} lacks {key}. Download it again.")
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST:
        raise ValueError(
            f"{path}: {key} must be a whole number from 1 to {_LARGEST:,}; got {shown(value)}."
        )
    return value


def _fraction(values: Mapping[str, Any], key: str, default: float, path: Path) -> float:
    value = values.get(key)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e12:
        raise ValueError(f"{path}: {key} must be a number above 0; got {shown(value)}.")
    return float(value)


def _flag(values: Mapping[str, Any], key: str, path: Path) -> bool:
    value = values.get(key)
    if not isinstance(value, bool | None):
        raise ValueError(f"{path}: {key} must be true or false; got {shown(value)}.")
    return bool(value)
