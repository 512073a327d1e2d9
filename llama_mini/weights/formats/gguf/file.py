"""Reads GGUF files of architecture llama, the format of llama.cpp.

A GGUF file of this architecture keeps Meta's order of query and key rows: pairs (2i, 2i+1) are
rotated together, so nothing is reordered here.
"""

import math
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llama_mini.weights.formats.gguf import tokenizer as gguf_tokenizer
from llama_mini.weights.formats.gguf.blocks import DTYPES, expand
from llama_mini.weights.formats.gguf.config import Metadata, model_config
from llama_mini.weights.formats.gguf.header import Header, TensorPlace, read_header
from llama_mini.weights.formats.quoting import shown
from llama_mini.weights.stored import Entry, StoredWeights
from llama_mini.weights.transfer import to_device

_TOP = {
    "token_embd.weight": "tok_embeddings.weight",
    "output_norm.weight": "norm.weight",
    "output.weight": "output.weight",
}
_IN_BLOCK = {
    "attn_norm": "attention_norm",
    "attn_q": "attention.wq",
    "attn_k": "attention.wk",
    "attn_v": "attention.wv",
    "attn_output": "attention.wo",
    "ffn_norm": "ffn_norm",
    "ffn_gate": "feed_forward.w1",
    "ffn_down": "feed_forward.w2",
    "ffn_up": "feed_forward.w3",
}


def is_gguf(path: Path) -> bool:
    """Whether `path` is a file that begins as GGUF does, or is named so."""
    if not path.is_file():
        return False
    if path.suffix.lower() == ".gguf":
        return True
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


class Gguf(StoredWeights):
    """One GGUF file: tensors in F32, F16, BF16, Q8_0, Q4_0 or Q4_1.

    All tensors are read as one dtype, that of the matrices if they agree (llama.cpp keeps norms in
    F32 whatever they are) and float32 otherwise; blocks of 4 or 8 bits expand to float32, and are
    expanded on the device. Raises ValueError for other architectures and for what this model does
    not compute: scaled rotary positions, experts, biases.
    """

    def __init__(self, path: Path) -> None:
        _demand_package()
        self._path = path
        header = read_header(path)
        self._metadata = Metadata(header.metadata, path.name)
        self._places = {
            _meta_name(name, path.name): _supported(name, place, path.name)
            for name, place in header.tensors.items()
        }
        self.config = model_config(self._metadata, self._places)
        kinds = sorted({place.kind for place in self._places.values()})
        self.what = f"GGUF file {path.name} ({', '.join(kinds)})"
        dtype = _common_dtype(self._places)
        self.entries = {
            name: Entry(place.shape, dtype, place.n_bytes) for name, place in self._places.items()
        }
        self._dtype = dtype
        self.notes = tuple(_notes(header))
        self._bytes: Tensor | None = None

    def tensor(self, name: str, device: torch.device) -> Tensor:
        place = self._places[name]
        raw = self._mapped()[place.start : place.start + place.n_bytes]
        return expand(to_device(raw, device), place.kind, place.shape).to(self._dtype)

    def is_mapped(self, name: str) -> bool:
        entry = self.entries[name]
        return entry.bytes_on_disk == math.prod(entry.shape) * entry.dtype.itemsize

    def tokenizer(self) -> Any | None:
        built = gguf_tokenizer.build(self._metadata.values, self._path.name)
        if built is not None and built.vocab_size != self.config.vocab_size:
            raise ValueError(
                f"{self._path.name} has {built.vocab_size:,} tokens in its vocabulary, and its "
                f"embeddings {self.config.vocab_size:,} rows. Fetch it again from where it came."
            )
        return built

    def _mapped(self) -> Tensor:
        """The whole file as bytes, mapped at first use: what is not read is not in memory."""
        if self._bytes is None:
            self._bytes = torch.from_file(
                str(self._path), shared=False, size=self._path.stat().st_size, dtype=torch.uint8
            )
        return self._bytes


def _demand_package() -> None:
    try:
        import gguf  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package {error.name} is missing, which GGUF files need. Install it with "
            'pip install "llama-mini[weights]", or run `make setup`.'
        ) from error


def _meta_name(name: str, file: str) -> str:
    if name in _TOP:
        return _TOP[name]
    matched = re.fullmatch(r"blk\.(0|[1-9]\d{0,5})\.(\w+)\.weight", name)
    if matched and matched[2] in _IN_BLOCK:
        return f"layers.{matched[1]}.{_IN_BLOCK[matched[2]]}.weight"
    if name.startswith("rope_freqs"):
        because = "its rotary positions are scaled, which this model does not compute"
    else:
        because = "no layer of this model has such a parameter"
    raise ValueError(f"{file} has a tensor {shown(name)}: {because}.")


def _supported(name: str, place: TensorPlace, file: str) -> TensorPlace:
    if place.kind not in DTYPES:
        raise ValueError(
            f"{file} stores {name} as {place.kind}; what can be read is {', '.join(DTYPES)}. "
            "Take another file of the same model, such as its Q8_0 or F16."
        )
    return place


def _common_dtype(places: dict[str, TensorPlace]) -> torch.dtype:
    dtypes = {DTYPES[place.kind] for place in places.values() if len(place.shape) > 1}
    return dtypes.pop() if len(dtypes) == 1 else torch.float32


def _notes(header: Header) -> list[str]:
    licence = header.metadata.get("general.license")
    named = [f"licence by its own metadata: {licence[:80]}"] if isinstance(licence, str) else []
    return named + gguf_tokenizer.notes(header.metadata)
