"""Meta's `params.json`: the shape of a model in one line."""

import json
from pathlib import Path
from typing import Any

from llama_mini import feedforward
from llama_mini.config import ModelConfig
from llama_mini.weights.formats.json_file import parse_object
from llama_mini.weights.formats.quoting import listed, shown

# Meta's own six, in the order of the release; then what its later models add, and one of ours.
REQUIRED = ("dim", "multiple_of", "n_heads", "n_layers", "norm_eps", "vocab_size")
OPTIONAL = ("n_kv_heads", "ffn_dim_multiplier", "rope_theta", "max_seq_len")
_FRACTIONS = ("norm_eps", "ffn_dim_multiplier", "rope_theta")

# Larger than any model there is; a hostile file must not make us count to its numbers.
_LARGEST = 1 << 24
_DEFAULT_CONTEXT = 2048


def parse_params(data: bytes, path: Path, embeddings_rows: int | None = None) -> ModelConfig:
    """The config that the bytes of a params.json describe. `path` is for the messages.

    embeddings_rows: how many tokens the embeddings have, which stands in for a vocab_size of -1.
    norm_eps is read, never assumed: 65B's differs. Raises ValueError if a key is missing, unknown,
    of another type, or the numbers do not fit together.
    """
    values = parse_object(data, path)
    if missing := [key for key in REQUIRED if key not in values]:
        raise ValueError(f"{path} lacks {', '.join(missing)}. Download it again.")
    if unknown := sorted(set(values) - {*REQUIRED, *OPTIONAL}):
        raise ValueError(
            f"{path} has {listed(unknown)}, which this model does not know: it reads LLaMA, and "
            f"later models as far as {', '.join(OPTIONAL[:-1])} describe them."
        )
    for key, value in values.items():
        _demand_number(key, value, path)
    if values["vocab_size"] == -1:
        if embeddings_rows is None:
            raise ValueError(f"{path} leaves the vocab_size (-1) to the embeddings; none are here.")
        values["vocab_size"] = embeddings_rows
    try:
        return _config(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error} Download it again.") from error


def params_text(config: ModelConfig) -> str:
    """The params.json of a config as Meta writes it: one line, vocab_size -1, no newline.

    For the four sizes of LLaMA it is Meta's file, byte for byte. Keys of later models are added
    where the config differs from LLaMA's defaults.
    """
    hidden = feedforward.hidden_width(config)
    values: dict[str, Any] = {
        "dim": config.dim,
        "multiple_of": config.multiple_of,
        "n_heads": config.n_heads,
        "n_layers": config.n_layers,
        "norm_eps": config.norm_eps,
        "vocab_size": -1,
    }
    if hidden != feedforward.hidden_dim(config.dim, config.multiple_of):
        # Every width is its own multiple, once the width before rounding is not above it.
        values["multiple_of"] = hidden
        if hidden < (widened := int(8 * config.dim / 3)):
            values["ffn_dim_multiplier"] = hidden / widened
    if config.kv_heads != config.n_heads:
        values["n_kv_heads"] = config.kv_heads
    if config.rope_theta != 10_000.0:
        values["rope_theta"] = config.rope_theta
    if config.max_seq_len != _DEFAULT_CONTEXT:
        values["max_seq_len"] = config.max_seq_len
    return json.dumps(values)


def _config(values: dict[str, Any]) -> ModelConfig:
    values = dict(values)
    multiplier = values.pop("ffn_dim_multiplier", None)
    if multiplier is not None:
        # Meta's later code narrows or widens ⌊8 dim / 3⌋ before rounding up.
        width, step = int(multiplier * int(8 * values["dim"] / 3)), values["multiple_of"]
        values["hidden_dim"] = -(-width // step) * step
    return ModelConfig(**values)


def _demand_number(key: str, value: Any, path: Path) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if key in _FRACTIONS:
        if not (whole or isinstance(value, float)) or not 0 < value < 1e12:
            raise ValueError(
                f"{path}: {key} must be a number above 0; got {shown(value)}. Download it again."
            )
    elif not whole or not (1 <= value <= _LARGEST or (key == "vocab_size" and value == -1)):
        raise ValueError(
            f"{path}: {key} must be a whole number from 1 to {_LARGEST:,}; got {shown(value)}. "
            "Download it again."
        )
