"""The tokenizer that a GGUF file carries in its metadata."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from llama_mini.tokenizer.byte_level import NONE, ByteLevelTokenizer, from_vocabulary
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.tokenizer.sentencepiece_proto import BYTE, CONTROL, NORMAL, model_proto

# GGUF's name of a way to cut text into words → whether every digit is a word of its own. The rest
# is GPT-2's pattern. Source: llama.cpp, src/llama-vocab.cpp.
_WORDS = {"smollm": True, "starcoder": True, "gpt-2": False}


def build(metadata: Mapping[str, Any], file: str) -> ByteLevelTokenizer | Tokenizer | None:
    """The tokenizer, or None if there is none or of a kind that `notes` says is not read.

    Raises ValueError if it contradicts itself.
    """
    if notes(metadata):
        return None
    try:
        if metadata["tokenizer.ggml.model"] == "llama":
            return _sentencepiece(metadata, file)
        return _byte_level(metadata, file)
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(file) else f"{file}: {message}") from None


def _sentencepiece(metadata: Mapping[str, Any], file: str) -> Tokenizer:
    """LLaMA's own kind: the vocabulary of a SentencePiece model, with the score of each piece."""
    pieces = _strings(metadata, "tokenizer.ggml.tokens", file)
    kinds = _numbers(metadata, "tokenizer.ggml.token_type", len(pieces), file)
    if set(kinds) - set(range(NORMAL, BYTE + 1)):
        raise ValueError(f"{file} has pieces of types that SentencePiece has not. Fetch it again.")
    proto = model_proto(
        pieces,
        _numbers(metadata, "tokenizer.ggml.scores", len(pieces), file),
        kinds,
        unk_id=_id(metadata, "tokenizer.ggml.unknown_token_id", file, default=0),
        bos_id=_id(metadata, "tokenizer.ggml.bos_token_id", file, default=1),
        eos_id=_id(metadata, "tokenizer.ggml.eos_token_id", file, default=2),
        add_dummy_prefix=metadata.get("tokenizer.ggml.add_space_prefix") is not False,
    )
    return Tokenizer.from_proto(proto, f"{file}: its vocabulary")


def _byte_level(metadata: Mapping[str, Any], file: str) -> ByteLevelTokenizer:
    pieces = _strings(metadata, "tokenizer.ggml.tokens", file)
    kinds = _numbers(metadata, "tokenizer.ggml.token_type", len(pieces), file)
    merges = [_pair(merge, file) for merge in _strings(metadata, "tokenizer.ggml.merges", file)]
    starts = metadata.get("tokenizer.ggml.add_bos_token", False)
    template = metadata.get("tokenizer.chat_template")
    return from_vocabulary(
        pieces,
        merges,
        [token for token, kind in enumerate(kinds) if kind == CONTROL],
        digits_apart=_WORDS[metadata["tokenizer.ggml.pre"]],
        bos_id=_id(metadata, "tokenizer.ggml.bos_token_id", file) if starts else NONE,
        eos_id=_id(metadata, "tokenizer.ggml.eos_token_id", file),
        chat_template=template if isinstance(template, str) else None,
    )


def notes(metadata: Mapping[str, Any]) -> list[str]:
    """What the user should know of the tokenizer: that there is none, or why it is not read."""
    model = metadata.get("tokenizer.ggml.model")
    if model is None:
        return ["no tokenizer: the file carries none"]
    if model == "llama":
        return []
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


def _numbers(metadata: Mapping[str, Any], key: str, count: int, file: str) -> list:
    """One number for each token."""
    value = metadata.get(key)
    if not isinstance(value, np.ndarray) or len(value) != count:
        raise ValueError(f"{file} does not have {key} for each of its {count} tokens.")
    return value.tolist()


def _id(metadata: Mapping[str, Any], key: str, file: str, default: int = NONE) -> int:
    value = metadata.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{file} has {key} = {str(value)[:40]}, where a token id is expected.")
    return value
