"""The tokenizer of a Hugging Face folder: SentencePiece's own file, or `tokenizer.json`."""

from pathlib import Path
from typing import Any

from llama_mini import files
from llama_mini.tokenizer import byte_level
from llama_mini.tokenizer.byte_level import ByteLevelTokenizer
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.weights.formats.json_file import parse_object, read_small
from llama_mini.weights.formats.tokenizer_file import TOKENIZER, demand_vocabulary

JSON, SETTINGS, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
_ADDED = "added_tokens.json"  # tokens that somebody added to a SentencePiece vocabulary
_SMALL = 1 << 24  # bytes; a table of added tokens takes some


def read_tokenizer(folder: Path, vocab_size: int) -> Tokenizer | ByteLevelTokenizer | None:
    """The tokenizer of a folder, tokenizer.model before tokenizer.json; None if it has neither.

    Raises ValueError if it is damaged or has another number of tokens than the model.
    """
    if (path := folder / TOKENIZER).is_file():
        tokenizer = Tokenizer(path)
        added = folder / _ADDED
        extra = len(parse_object(read_small(added, _SMALL), added)) if added.is_file() else 0
        demand_vocabulary(path, tokenizer.vocab_size + extra, vocab_size)
        return tokenizer
    if (path := folder / JSON).is_file():
        settings = _settings(folder)
        tokenizer = byte_level.from_json(
            path,
            bos=_piece(settings, "bos_token"),
            begins=_flag(settings, "add_bos_token"),
            eos=_piece(settings, "eos_token"),
            chat_template=_chat_template(folder, settings),
        )
        demand_vocabulary(path, tokenizer.vocab_size, vocab_size)
        return tokenizer
    return None


def tokenizer_notes(folder: Path) -> tuple[str, ...]:
    """What the user should know of a folder's tokenizer: that there is none."""
    if (folder / TOKENIZER).is_file() or (folder / JSON).is_file():
        return ()
    return (f"no tokenizer: {folder} has neither {TOKENIZER} nor {JSON}",)


def write_tokenizer(folder: Path, tokenizer: Tokenizer | ByteLevelTokenizer) -> None:
    """Write a tokenizer as transformers reads it."""
    settings: dict[str, Any] = {"clean_up_tokenization_spaces": False}
    if isinstance(tokenizer, Tokenizer):
        tokenizer.save(folder / TOKENIZER)
        settings |= {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False}
        settings["unk_token"] = tokenizer.id_to_piece(0)
    else:
        tokenizer.save(folder / JSON)
        settings |= {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_bos_token": tokenizer.bos_id >= 0,
        }
        if tokenizer.chat_template is not None:
            settings["chat_template"] = tokenizer.chat_template
    for key, token in (("bos_token", tokenizer.bos_id), ("eos_token", tokenizer.eos_id)):
        if token >= 0:
            settings[key] = tokenizer.id_to_piece(token)
    files.write_json(folder / SETTINGS, settings)


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    return parse_object(read_small(path, _SMALL), path) if path.is_file() else {}


def _piece(settings: dict[str, Any], key: str) -> str | None:
    value = settings.get(key)
    if isinstance(value, dict):  # a piece with flags
        value = value.get("content")
    return value if isinstance(value, str) else None


def _flag(settings: dict[str, Any], key: str) -> bool | None:
    value = settings.get(key)
    return value if isinstance(value, bool) else None


def _chat_template(folder: Path, settings: dict[str, Any]) -> str | None:
    path = folder / TEMPLATE
    if path.is_file():
        return path.read_text(encoding="utf-8")
    value = settings.get("chat_template")
    return value if isinstance(value, str) else None
