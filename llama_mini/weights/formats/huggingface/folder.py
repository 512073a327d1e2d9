"""Reads Hugging Face's folders: config.json, and safetensors in one file or in indexed shards."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llama_mini import slots
from llama_mini.config import ModelConfig
from llama_mini.weights import huggingface
from llama_mini.weights.formats.huggingface.config import parse_config
from llama_mini.weights.formats.huggingface.safetensors_file import SafetensorsFile
from llama_mini.weights.formats.huggingface.safetensors_index import INDEX, SINGLE, open_files
from llama_mini.weights.formats.huggingface.tokenizer import read_tokenizer, tokenizer_notes
from llama_mini.weights.formats.json_file import read_small
from llama_mini.weights.formats.quoting import shown
from llama_mini.weights.shapes import parameter_shapes
from llama_mini.weights.stored import Entry, StoredWeights
from llama_mini.weights.transfer import to_device

CONFIG = "config.json"

_Place = tuple[SafetensorsFile, str]  # the file that holds a parameter, and its name there
_EMBEDDINGS, _HEAD = "tok_embeddings.weight", "output.weight"


def is_huggingface_folder(path: Path) -> bool:
    """Whether `path` is a folder as transformers writes it, whole or not, or the weights in one."""
    if path.is_file():
        return path.name in (SINGLE, INDEX)
    return (
        (path / CONFIG).is_file()
        or any(path.glob("*.safetensors*"))
        or any(path.glob("pytorch_model*.bin*"))
    )


class HuggingFaceFolder(StoredWeights):
    """Weights as transformers saves them, seen under Meta's names and in Meta's order of rows.

    path: the folder, or model.safetensors or its index in it. Opening it reads config.json, the
    index and the headers, and compares them with one another. Raises FileNotFoundError if a file is
    missing, ValueError if they do not belong together or hold something else than a LLaMA.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else path.parent
        self.config = _read_config(self.folder)
        files = open_files(self.folder)
        self._places = _places(files, self.config)
        self.entries = _entries(self._places, self.config, self.folder)
        self.what = (
            f"a Hugging Face folder of {len(files)} safetensors file{'s' * (len(files) > 1)}"
        )
        self.notes = (*self._mixed_dtypes(), *tokenizer_notes(self.folder))

    def tensor(self, name: str, device: torch.device) -> Tensor:
        file, theirs = self._places[name]
        return huggingface.to_meta(name, to_device(file.view(theirs), device), self.config)

    def is_mapped(self, name: str) -> bool:
        return not huggingface.is_moved(name)

    def tokenizer(self) -> Any | None:
        return read_tokenizer(self.folder, self.config.vocab_size)

    def _mixed_dtypes(self) -> tuple[str, ...]:
        dtypes = {str(entry.dtype).removeprefix("torch.") for entry in self.entries.values()}
        if len(dtypes) == 1:
            return ()
        return (f"stored as {', '.join(sorted(dtypes))}: name one precision to compute in",)


def _read_config(folder: Path) -> ModelConfig:
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, and the weights do not say what it says. Download it too."
        )
    return parse_config(read_small(path), path)


def _places(files: list[SafetensorsFile], config: ModelConfig) -> dict[str, _Place]:
    """Where each parameter lies, by Meta's name."""
    places: dict[str, _Place] = {}
    for file in files:
        for theirs in file.names:
            # Old conversions store the rotary frequencies; they are rebuilt in float32.
            if theirs.endswith(".rotary_emb.inv_freq"):
                continue
            try:
                places[huggingface.meta_name(theirs)] = file, theirs
            except ValueError as error:
                raise ValueError(
                    f"{file.path} has a tensor {shown(theirs)}, and no part of a LLaMA has that "
                    "name. Is it another model's, or an adapter?"
                ) from error
    if config.tied_embeddings and _HEAD in places:
        (file, head), (other, embeddings) = places.pop(_HEAD), places[_EMBEDDINGS]
        if not torch.equal(file.view(head), other.view(embeddings)):
            raise ValueError(
                f"{file.path} has an output head that differs from the embeddings, and {CONFIG} "
                "says that they are one (tie_word_embeddings). Set that to false."
            )
    return places


def _entries(places: dict[str, _Place], config: ModelConfig, folder: Path) -> dict[str, Entry]:
    """Every parameter as it is stored, compared with what config.json says."""
    entries: dict[str, Entry] = {}
    for name, expected in parameter_shapes(config):
        if name not in places:
            raise ValueError(
                f"{folder / CONFIG} asks for {huggingface.huggingface_name(name)}, which the "
                "weights do not have. Do they belong together? Download both again."
            )
        file, theirs = places[name]
        entries[name] = file.entry(theirs)
        if entries[name].shape != expected:
            raise ValueError(
                f"{folder / CONFIG} asks for {theirs} of shape {expected}; {file.path.name} has "
                f"{entries[name].shape} (with {slots.describe()}). Do they belong together? "
                "Download both again."
            )
    if unknown := sorted(set(places) - set(entries)):
        raise ValueError(
            f"The weights in {folder} have {huggingface.huggingface_name(unknown[0])}, which a "
            f"model of {config.n_layers} layers does not. Is {CONFIG} of another size?"
        )
    return entries
