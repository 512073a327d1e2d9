"""The tokenizer that a GGUF file carries in its metadata."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from llama_mini.tokenizer.byte_level import NONE, ByteLevelTokenizer, from_vocabulary

# GGUF's name of a way to cut text into words → whether every digit is a word of its own. The rest
# is GPT-2's pattern. Source: llama.cpp, src/llama-vocab.cpp.
_WORDS = {"smollm": True, "starcoder": True, "gpt-2": False}
_CONTROL = 3  # the type of a token that is no text


def build(metadata: Mapping[str, Any], file: str) -> ByteLevelTokenizer | None:
    """The tokenizer, or None if there is none or of a kind that `notes` says is not read.

    Raises ValueError if it contradicts itself.
    """
    if metadata.get("tokenizer.ggml.model") != "gpt2":
        return None
    pre = metadata.get("tokenizer.ggml.pre")
    if pre not in _WORDS:
        return None
    pieces = _strings(metadata, "tokenizer.ggml.tokens", file)
    merges = [_pair(merge, file) for merge in _strings(metadata, "tokenizer.ggml.merges", file)]
    starts = metadata.get("tokenizer.ggml.add_bos_token", True)
    template = metadata.get("tokenizer.chat_template")
    try:
        return from_vocabulary(
            pieces,
            merges,
            _special_ids(metadata, len(pieces), file),
            digits_apart=_WORDS[pre],
            bos_id=_id(metadata, "tokenizer.ggml.bos_token_id", file) if starts else NONE,
            eos_id=_id(metadata, "tokenizer.ggml.eos_token_id", file),
            chat_template=template if isinstance(template, str) else None,
        )
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def notes(metadata: Mapping[str, Any]) -> list[str]:
    """What the user should know of the tokenizer: that there is none, or why it is not read."""
    model = metadata.get("tokenizer.ggml.model")
    if model is None:
        return ["no tokenizer: the file carries none"]
    if model != "gpt2":
        return [f"no tokenizer: kind {str(model)[:40]!r} is not read from GGUF"]
    if (pre := metadata.get("tokenizer.ggml.pre")) not in _WORDS:
        return [
            f"no tokenizer: its way to cut words, {str(pre)[:40]!r}, is none of {', '.join(_WORDS)}"
        ]
    return []


def _strings(metadata: Mapping[str, Any], key: str, file: str) -> list[str]:
    value = metadata.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{file} has no list of strings {key}. Fetch it again.")
    return value


def _pair(merge: str, file: str) -> tuple[str, str]:
    left, space, right = merge.partition(" ")
    if not (left and space and right):
        raise ValueError(f"{file} has a merge {merge[:40]!r}, which is no pair. Fetch it again.")
    return left, right


def _special_ids(metadata: Mapping[str, Any], count: int, file: str) -> list[int]:
    kinds = metadata.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, np.ndarray) or len(kinds) != count:
        raise ValueError(f"{file} does not say the type of each of its {count} tokens.")
    return np.flatnonzero(kinds == _CONTROL).tolist()


def _id(metadata: Mapping[str, Any], key: str, file: str) -> int:
    value = metadata.get(key, NONE)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{file} has {key} = {str(value)[:40]}, where a token id is expected.")
    return value
