"""The shape of a model from the metadata of a GGUF file, and what is refused in them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from llama_mini.config import ModelConfig
from llama_mini.weights.formats.gguf.header import TensorPlace
from llama_mini.weights.formats.quoting import shown

_MAX_CONTEXT = 1 << 20  # the rotations of more positions would be a table of gigabytes


class Metadata:
    """The header's keys, each asked for with the type that it must have.

    values: the keys as the header has them. file: the name of the file, for the errors.
    """

    def __init__(self, values: Mapping[str, Any], file: str) -> None:
        self.values, self.file = values, file

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number of at least 1. Raises ValueError if it is another thing or missing."""
        value = self._get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 31:
            raise self._wrong(key, value, "a whole number of at least 1")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number above 0. Raises ValueError if it is another thing or missing."""
        value = self._get(key, default)
        if isinstance(value, float):
            # Written as float32: the shortest decimal that is the same float32 is what was meant.
            with np.errstate(over="ignore"):
                meant = float(str(np.float32(value)))
            if math.isfinite(meant) and meant > 0:
                return meant
        raise self._wrong(key, value, "a number above 0")

    def refuse(self, key: str, harmless: tuple[Any, ...], because: str) -> None:
        """Raise if the key is there with a value that changes what the model computes."""
        value = self.values.get(key)
        if value is not None and not any(value is plain or value == plain for plain in harmless):
            raise ValueError(f"{self.file} has {key} = {shown(value)}: {because}.")

    def _get(self, key: str, default: Any) -> Any:
        value = self.values.get(key, default)
        if value is None:
            raise ValueError(f"{self.file} does not say {key}. Fetch it again, or another file.")
        return value

    def _wrong(self, key: str, value: Any, expected: str) -> ValueError:
        return ValueError(f"{self.file} has {key} = {shown(value)}, where {expected} is expected.")


def model_config(metadata: Metadata, places: Mapping[str, TensorPlace]) -> ModelConfig:
    """The shape of the model, from its keys and its tensors (by Meta's names).

    Raises ValueError if it is of another architecture, asks for what this model does not compute,
    or contradicts itself.
    """
    _demand_plain_llama(metadata)
    n_heads = metadata.whole("llama.attention.head_count")
    dim = metadata.whole("llama.embedding_length")
    config = ModelConfig(
        dim=dim,
        n_layers=metadata.whole("llama.block_count"),
        n_heads=n_heads,
        n_kv_heads=metadata.whole("llama.attention.head_count_kv", n_heads),
        vocab_size=_rows(places, "tok_embeddings.weight"),
        hidden_dim=metadata.whole("llama.feed_forward_length"),
        max_seq_len=metadata.whole("llama.context_length"),
        norm_eps=metadata.number("llama.attention.layer_norm_rms_epsilon"),
        rope_theta=metadata.number("llama.rope.freq_base", 10_000.0),
        tied_embeddings="output.weight" not in places,
    )
    _demand_consistent(metadata, config, places)
    return config


def _demand_plain_llama(metadata: Metadata) -> None:
    architecture = metadata.values.get("general.architecture")
    if architecture != "llama":
        raise ValueError(
            f"{metadata.file} holds a model of architecture {shown(architecture)}; this course's "
            "model is that of architecture 'llama', and reads no other."
        )
    scaled = "its rotary positions are scaled, which this model does not compute"
    metadata.refuse("llama.rope.scaling.type", ("none",), scaled)
    metadata.refuse("llama.rope.scaling.factor", (0.0, 1.0), scaled)
    metadata.refuse("llama.rope.scale_linear", (0.0, 1.0), scaled)
    experts = "it is a mixture of experts, which this model is not"
    metadata.refuse("llama.expert_count", (0,), experts)


def _demand_consistent(
    metadata: Metadata, config: ModelConfig, places: Mapping[str, TensorPlace]
) -> None:
    """Numbers that the tensors' shapes cannot contradict later, or only after much work."""
    blocks = {name.split(".")[1] for name in places if name.startswith("layers.")}
    for key, found, where in (
        ("llama.block_count", len(blocks), "its tensors are of"),
        ("llama.rope.dimension_count", config.head_dim, "a head has"),
        ("llama.attention.key_length", config.head_dim, "a head has"),
        ("llama.attention.value_length", config.head_dim, "a head has"),
        ("llama.vocab_size", config.vocab_size, "its embeddings have"),
    ):
        stated = metadata.whole(key, found)
        if stated != found:
            raise ValueError(
                f"{metadata.file} says {key} = {stated}, and {where} {found}. That is not a LLaMA "
                "that this model computes, or the file is damaged."
            )
    if config.max_seq_len > _MAX_CONTEXT:
        raise ValueError(
            f"{metadata.file} says llama.context_length = {config.max_seq_len}; positions up to "
            f"{_MAX_CONTEXT:,} are read."
        )


def _rows(places: Mapping[str, TensorPlace], name: str) -> int:
    if name not in places:
        raise ValueError(f"The file has no tensor {name}; it is not a whole language model.")
    return places[name].shape[0]
