"""Which safetensors files of a folder hold its weights: one, or shards that an index lists."""

import re
from pathlib import Path

from llama_mini.weights.formats.huggingface.safetensors_file import SafetensorsFile
from llama_mini.weights.formats.json_file import parse_object, read_small
from llama_mini.weights.formats.quoting import shown

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

_INDEX_BYTES = 1 << 24  # more than 100,000 tensors take
# A file of the folder itself, on every system: nothing that could lead out of it.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}\.safetensors")


def open_files(folder: Path) -> list[SafetensorsFile]:
    """The files that hold a folder's weights, each with just the tensors that the index gives it.

    Raises FileNotFoundError if a file is missing, ValueError if one is damaged, the index is not
    true, or the weights come in a format that is not read.
    """
    if (folder / SINGLE).is_file():
        return [SafetensorsFile(folder / SINGLE)]
    if not (folder / INDEX).is_file():
        raise _no_weights(folder)
    home = read_index(folder / INDEX)
    files = [SafetensorsFile(folder / name) for name in sorted(set(home.values()))]
    for file in files:
        listed = {name for name, place in home.items() if place == file.path.name}
        if differing := sorted(listed ^ set(file.names)):
            first = differing[0]
            there = "does not have it" if first in listed else "has it, too"
            place = (
                f"puts {shown(first)} into {home[first]}"
                if first in home
                else f"lacks {shown(first)}"
            )
            raise ValueError(
                f"{folder / INDEX} {place}; {file.path.name} {there}. Do they belong together? "
                "Download them again."
            )
    return files


def read_index(path: Path) -> dict[str, str]:
    """Which file of the folder each tensor is in: the weight_map of model.safetensors.index.json.

    Raises ValueError unless every file is named as one in the folder itself.
    """
    home = parse_object(read_small(path, _INDEX_BYTES), path).get("weight_map")
    if not isinstance(home, dict) or not home:
        raise ValueError(f"{path} has no weight_map of tensors to files. Download it again.")
    for tensor, name in home.items():
        if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
            raise ValueError(
                f"{path} puts {shown(tensor)} into {shown(name)}, which is not the name of a "
                "safetensors file in the folder. Do not trust it: download it from where the model "
                "comes from."
            )
    return home


def _no_weights(folder: Path) -> Exception:
    names = sorted(path.name for path in folder.iterdir())
    if pickles := [name for name in names if re.fullmatch(r"pytorch_model.*\.bin", name)]:
        return ValueError(
            f"{folder} has its weights in {pickles[0]}, a pickle, which is not read here. Take the "
            "model's safetensors, or convert it: in transformers, "
            "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(other_folder)."
        )
    if "adapter_model.safetensors" in names:
        return ValueError(
            f"{folder} holds an adapter, a change to another model's weights. Merge the two with "
            "peft (merge_and_unload), save the model, and name that folder."
        )
    if shards := [name for name in names if name.endswith(".safetensors")]:
        return FileNotFoundError(
            f"{folder} has {shards[0]} and no {INDEX}, which says what is where. Download it too."
        )
    return FileNotFoundError(
        f"{folder} has no weights: neither {SINGLE} nor {INDEX}. Download them."
    )
