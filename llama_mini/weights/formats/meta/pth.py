"""PyTorch's `.pth` files, opened without running what may be hidden in them.

Such a file is a zip archive of stored, uncompressed records: a pickle that says which tensor lies
in which record, and one record of raw numbers for each.
"""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how files of torch before 1.6 begin
_MAX_PICKLE_BYTES = 1 << 26


def open_pth(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, still lying in it: the file is mapped, nothing is read.

    Raises ValueError if the file is cut short, is no archive of tensors, or its pickle asks for
    code to be run, which is named and not run.
    """
    _demand_archive(path)
    try:
        tensors = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"asks to run {code[1]}" if code else "holds more than tensors"
        raise ValueError(
            f"{path} {what}, which weights never need, so it was not opened. Do not use this file; "
            "get the weights from where they were published."
        ) from error
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"{path} cannot be read ({str(error).splitlines()[0]}). Download it again."
        ) from error
    return _demand_tensors(tensors, path)


def _demand_archive(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4096)
    again = "Download it again, or check it with md5sum -c checklist.chk."
    if start.startswith(_LEGACY):
        raise ValueError(
            f"{path} was written by a PyTorch before 1.6, in a form that cannot be mapped. Rewrite "
            f"it once: torch.save(torch.load({path.name!r}, weights_only=True), {path.name!r})."
        )
    if start.lstrip().startswith(b"<"):
        raise ValueError(
            f"{path} is a web page: a download without a login saves the login page under the "
            "file's name. Log in, and download it again."
        )
    if not start.startswith(b"PK"):
        raise ValueError(f"{path} ({path.stat().st_size:,} bytes) is no PyTorch file. " + again)
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise ValueError(
            f"{path} is cut short: it has {path.stat().st_size:,} bytes, and the list of contents "
            f"at its end is missing. {again}"
        ) from error
    for record in records:
        if record.compress_type != zipfile.ZIP_STORED:
            raise ValueError(
                f"{path} holds {record.filename} compressed; weights never are. {again}"
            )
        if record.filename.endswith("data.pkl") and record.file_size > _MAX_PICKLE_BYTES:
            raise ValueError(f"{path} has a list of tensors of {record.file_size:,} bytes. {again}")


def _demand_tensors(tensors: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(tensors, dict):
        raise ValueError(
            f"{path} holds a {type(tensors).__name__} where a dictionary of tensors is expected."
        )
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(
                f"{path} should hold tensors by name; under {name!r} it has a "
                f"{type(tensor).__name__}. Is it a training state? Save its model's part alone."
            )
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not plain or not tensor.dtype.is_floating_point:
            raise ValueError(f"{path}: {name} is {tensor.dtype}, where weights are floating point.")
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise ValueError(f"{path}: {name} claims more numbers than the file has for it.")
    return tensors
