"""The four readers as a user meets them: folders and files on disk, opened and read to the end."""

import json
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1] / "weights"))

from byte_level_vocabulary import train_vocabulary
from weights.micro_gguf import write as write_gguf

from fuzzing.mutations import damage
from llama_mini.config import ModelConfig
from llama_mini.model import Transformer
from llama_mini.weights.formats.huggingface.writer import write_huggingface
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.loading import open_checkpoint

CONFIG = ModelConfig(
    dim=32, n_layers=1, n_heads=2, vocab_size=96, hidden_dim=64, multiple_of=32, max_seq_len=64
)
PAGE = 4096
_MOST_CHARACTERS = 1000  # of a message; more is no sentence


@dataclass(frozen=True)
class Target:
    """A file to damage, the kind of file it is, and what to open then (a folder or the file)."""

    file: str
    kind: str
    opened: str


READERS: Mapping[str, tuple[Target, ...]] = {
    "params": (Target("meta/params.json", "json", "meta"),),
    "checklist": (Target("meta/checklist.chk", "lines", "meta"),),
    "safetensors": (
        Target("one/model.safetensors", "safetensors", "one"),
        Target("one/model.safetensors", "safetensors", "one"),
        Target("three/model-00002-of-00003.safetensors", "safetensors", "three"),
        Target("three/model.safetensors.index.json", "json", "three"),
        Target("three/config.json", "json", "three"),
    ),
    "gguf": tuple(Target(f"{kind}.gguf", "gguf", f"{kind}.gguf") for kind in ("F32", "Q4_1")),
}


def write_seeds(folder: Path) -> None:
    """A small model in each format, written as the real ones are.

    Mapped files end where a page of memory ends, so a read behind them is a bus error.
    """
    torch.manual_seed(0)
    model = Transformer(CONFIG)
    tensors = model.state_dict()
    write_meta(folder / "meta", CONFIG, tensors.items(), n_shards=2)
    write_huggingface(folder / "one", CONFIG, tensors.items())
    write_huggingface(folder / "three", CONFIG, tensors.items(), n_shards=3)
    for path in folder.glob("*/*.safetensors"):
        _fill_last_page_of_safetensors(path)
    vocabulary = train_vocabulary()
    model = Transformer(_with_vocabulary(len(vocabulary[0])))
    for kind in ("F32", "Q4_1"):
        path = folder / f"{kind}.gguf"
        _write_gguf_to_the_end_of_a_page(path, model, kind, vocabulary)


def attempt(folder: Path, reader: str, seed: str) -> str:
    """Open and read one damaged file: "read", or "refused" with a sentence.

    Raises what the reader raised if that is no named error, and AssertionError if it is not told in
    one sentence or a tensor is not what its entry says.
    """
    rng = random.Random(seed)
    target = rng.choice(READERS[reader])
    path = folder / target.file
    original = path.read_bytes()
    others = [(folder / other.file).read_bytes() for other in READERS[reader]]
    path.write_bytes(damage(original, target.kind, rng, others))
    try:
        _read_everything(folder / target.opened, verify=reader == "checklist")
    except (ValueError, FileNotFoundError) as error:
        # Their subclasses, such as UnicodeDecodeError, are accidents and no sentences.
        if type(error) not in (ValueError, FileNotFoundError):
            raise
        _demand_sentence(error)
        return "refused"
    finally:
        path.write_bytes(original)
    return "read"


def _read_everything(path: Path, verify: bool) -> None:
    checkpoint = open_checkpoint(path)
    for name, entry in checkpoint.entries.items():
        tensor = checkpoint.tensor(name, torch.device("cpu"))
        assert tuple(tensor.shape) == entry.shape, f"{name} is not as its entry says"
        tensor.double().sum().item()  # touches every byte
    checkpoint.tokenizer()
    if verify:
        checkpoint.verify()


def _demand_sentence(error: Exception) -> None:
    message = str(error.args[0]) if error.args else ""
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror
    assert message.strip(), "an error without a word"
    assert len(message) <= _MOST_CHARACTERS, f"a wall of {len(message)} characters: {message[:200]}"
    assert "\n" not in message, f"more than one line: {message[:300]!r}"
    assert message.rstrip(")`").endswith((".", "?", "!")), f"not a sentence: {message[-200:]!r}"


def _fill_last_page_of_safetensors(path: Path) -> None:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    missing = -len(data) % PAGE
    header = data[8 : 8 + length] + b" " * missing
    path.write_bytes((length + missing).to_bytes(8, "little") + header + data[8 + length :])
    assert path.stat().st_size % PAGE == 0 and json.loads(header)


def _write_gguf_to_the_end_of_a_page(path: Path, model: Transformer, kind: str, vocabulary) -> None:
    def describe(n_characters: int):
        return lambda writer: writer.add_description("x" * n_characters)

    write_gguf(path, model, kind, vocabulary=vocabulary, change=describe(64))
    missing = -path.stat().st_size % PAGE
    write_gguf(path, model, kind, vocabulary=vocabulary, change=describe(64 + missing))
    assert path.stat().st_size % PAGE == 0


def _with_vocabulary(size: int) -> ModelConfig:
    return ModelConfig(**{**CONFIG.to_dict(), "vocab_size": size})
