"""Small text files from anywhere, read without trust: bounded in size, strict in form."""

import json
import math
from pathlib import Path
from typing import Any

from llama_mini.weights.formats.quoting import cut, shown


def read_small(path: Path, max_bytes: int = 1 << 16) -> bytes:
    """A small file's bytes. Raises ValueError if it is larger than such a file can be, or if it is
    a web page, which is what a download without a login leaves under the file's name."""
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise ValueError(
            f"{path} is a web page and not {path.name}: a download without a login saves the login "
            "page under the file's name. Delete it, log in, and download it again."
        )
    if len(data) > max_bytes:
        raise ValueError(
            f"{path} has more than {max_bytes:,} bytes, which no {path.name} has. "
            "Download it again."
        )
    return data


def parse_object(data: bytes, path: Path) -> dict[str, Any]:
    """A JSON object as plain values. `path` is for the message.

    Raises ValueError unless the bytes are one object in UTF-8, in which no key comes twice and
    every number is finite.
    """
    try:
        values = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_doubles,
            parse_constant=_not_finite,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not the JSON it should be ({cut(error)}). Download it again."
        ) from error
    if not isinstance(values, dict):
        raise ValueError(
            f"{path} should hold a JSON object, {{…}}; it holds a {type(values).__name__}. "
            "Download it again."
        )
    return values


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(double)} comes twice")
    return values


def _not_finite(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON's")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{cut(digits)} is too large for a number")
    return value
