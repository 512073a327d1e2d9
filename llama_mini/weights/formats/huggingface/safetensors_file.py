"""One `.safetensors` file, opened without trust and read without copying."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from llama_mini.weights.formats.quoting import cut, shown
from llama_mini.weights.stored import Entry

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class SafetensorsFile:
    """The tensors of a file by name; opening it reads and checks its header alone.

    Raises FileNotFoundError if there is no such file, and ValueError if the header does not say
    where each byte of the file belongs (safetensors checks that no tensor lies outside the file,
    overlaps another or leaves a gap), or a tensor has a dtype other than float32, 16 or bfloat16.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}. Download it again.")
        try:
            self._file = safe_open(path, framework="pt", device="cpu")
            self._slices = {name: self._file.get_slice(name) for name in self._file.keys()}
        except SafetensorError as error:
            raise ValueError(f"{path} {_what_is_wrong(path, error)}") from error

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tensors."""
        return tuple(self._slices)

    def entry(self, name: str) -> Entry:
        """What the header says of a tensor."""
        shape, code = tuple(self._slices[name].get_shape()), self._slices[name].get_dtype()
        if code not in DTYPES:
            raise ValueError(
                f"{self.path} stores {shown(name)} as {code}; {', '.join(DTYPES)} can be read. "
                "Is it a quantised copy? Take the original."
            )
        bytes_on_disk = DTYPES[code].itemsize
        for length in shape:
            bytes_on_disk *= length
        return Entry(shape, DTYPES[code], bytes_on_disk)

    def view(self, name: str) -> Tensor:
        """A tensor that lies in the mapped file; its pages are read when they are first used."""
        return self._file.get_tensor(name)


def _what_is_wrong(path: Path, error: SafetensorError) -> str:
    with path.open("rb") as file:
        beginning = file.read(64)
    if beginning.lstrip().startswith(b"<"):
        return (
            "is a web page and not weights: a download without a login saves the login page under "
            "the file's name. Delete it, log in, and download it again."
        )
    if beginning.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS and not the weights. Fetch them with `git lfs pull`."
    return (
        f"has {path.stat().st_size:,} bytes that are no whole safetensors file ({cut(error)}). "
        "Download it again."
    )
