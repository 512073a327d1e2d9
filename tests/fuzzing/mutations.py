"""Ways to damage a file: bytes at random, values in JSON, lines of text, numbers in a GGUF header.

Everything is drawn from the `random.Random` that is passed in, so an input comes back from its
seed. Each kind of file is damaged as such half of the time, so that most of it stays right and the
reader gets far; the other half of the time it is just bytes.
"""

import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

_EXTREMES = (0, 1, 2, 7, 127, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**64 - 1)
_WORDS = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\xf0\x9f",  # the beginning of a character
    b"<!DOCTYPE html>\n<html>",
    b"version https://git-lfs.github.com/spec/v1\n",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"[" * 3000,
    b'{"a":' * 3000,
    b'"',
    b"\\ud800",
    b"../../etc/passwd",
    b"/",
    b"\r\n",
    b"__metadata__",
)


def damage(data: bytes, kind: str, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """The data with one to three kinds of damage. kind: "json", "lines", "safetensors", "gguf".

    others: more files, from which pieces may be spliced in.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if rng.random() < 0.5:
            data = BY_KIND[kind](data, rng)
        else:
            data = rng.choice(_BYTES)(data, rng, others)
    return data


# Bytes


def _flip(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(data), rng.choice((1, 1, 2, 8)))):
        changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    return data[: _place(data, rng)]


def _cut(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    start = _place(data, rng)
    return data[:start] + data[start + rng.choice((1, 4, 8, 100)) :]


def _repeat(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    start = _place(data, rng)
    end = start + rng.choice((1, 8, 32, 200))
    return data[:end] + data[start:end] * rng.choice((1, 2, 20)) + data[end:]


def _insert(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    start = _place(data, rng)
    return data[:start] + rng.choice(_WORDS) + data[start:]


def _overwrite(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    start, word = _place(data, rng), rng.choice(_WORDS)[:64]
    return data[:start] + word + data[start + len(word) :]


def _number(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    start = _place(data, rng) // 4 * 4
    packed = _packed(rng.choice(_EXTREMES), rng.choice((4, 8)))
    return data[:start] + packed + data[start + len(packed) :]


def _splice(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    other = rng.choice([data, *others])
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _place(data: bytes, rng: random.Random) -> int:
    """Anywhere, but more often near the beginning, where headers are."""
    if not data:
        return 0
    return rng.randrange(min(len(data), rng.choice((16, 256, 4096, len(data)))))


def _packed(value: int, size: int) -> bytes:
    return (value % 256**size).to_bytes(size, "little")


_BYTES: tuple[Callable[..., bytes], ...] = (
    _flip,
    _truncate,
    _cut,
    _repeat,
    _insert,
    _overwrite,
    _number,
    _splice,
)

# JSON


class _Doubled(str):
    """A key that is written like another one, and is not equal to it."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _json(data: bytes, rng: random.Random) -> bytes:
    """The JSON with a value exchanged, or a key removed, added, doubled or renamed."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(values, dict | list) or not values:
        return json.dumps(_strange(rng)).encode("utf-8", "surrogatepass")
    places = list(_containers(values))
    container = rng.choice(places) if rng.random() < 0.7 else values
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    key, action = rng.choice(keys), rng.randrange(6)
    if isinstance(container, list):
        container[key] = _like(container[key], rng)
    elif action == 0:
        del container[key]
    elif action == 1:
        container[_Doubled(key)] = _like(container[key], rng)
    elif action == 2:
        container[rng.choice((key + "x", "", "\ud800", "../" + key, "x" * 3000))] = container.pop(
            key
        )
    else:
        container[key] = _like(container[key], rng)
    try:
        return json.dumps(values).encode("utf-8", "surrogatepass")
    except RecursionError:  # deep inside deep
        return data


def _containers(value: Any) -> Any:
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _like(value: Any, rng: random.Random) -> Any:
    """A neighbour of a number or a text, or something strange in its place."""
    if isinstance(value, bool) or rng.random() < 0.5:
        return _strange(rng)
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, -value, value * 2, value // 2, value * 2**40))
    if isinstance(value, float):
        return rng.choice((-value, value * 1e300, value / 1e300, 0.0, repr(value)))
    if isinstance(value, str):
        return rng.choice((value + " ", value[:-1], value.upper(), "../" + value, "/" + value))
    return _strange(rng)


def _strange(rng: random.Random) -> Any:
    deep: Any = []
    for _ in range(rng.choice((1, 50, 900))):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    choices = (*_EXTREMES, -1, 10**30, 10**400, 0.5, 1e308, float("nan"), float("inf"))
    return rng.choice((*choices, True, None, "", "x" * 3000, "\ud800", "12", [], {}, deep))


# Lines of text


def _lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    index = rng.randrange(len(lines))
    line = lines[index]
    changes = (
        [*lines, line],
        [*lines[:index], *lines[index + 1 :]],
        lines[::-1],
        [*lines[:index], line.upper(), *lines[index + 1 :]],
        [*lines[:index], line.replace(b"  ", rng.choice((b" *", b" ", b"\t"))), *lines[index:]],
        [*lines[:index], line[:34] + rng.choice((b"../x", b"..", b"/etc/passwd", b"C:\\x", b""))],
        [*lines[:index], line[::-1], *lines[index + 1 :]],
        [*lines[:index], bytes(rng.choices(b"0123456789abcdef", k=32)) + line[32:]],
        lines * rng.choice((2, 50)),
    )
    return rng.choice((b"\n", b"\n", b"\r\n", b"\x0b")).join(rng.choice(changes))


# Safetensors: eight bytes that say how long the JSON header is, the header, the data


def _safetensors(data: bytes, rng: random.Random) -> bytes:
    if len(data) < 8:
        return data
    length = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + length], data[8 + length :]
    if rng.random() < 0.2:
        wrong = rng.choice((*_EXTREMES, length + 1, length - 1, length + 4096, len(data)))
        return _packed(wrong, 8) + data[8:]
    padded = _json(header, rng)
    if rng.random() < 0.7:  # keep the size of the file, where the change allows it
        padded = padded.ljust(len(header))
    return _packed(len(padded), 8) + padded + rest


# GGUF: numbers and lengths in known places


def _gguf(data: bytes, rng: random.Random) -> bytes:
    try:
        offset, size = rng.choice(gguf_numbers(data))
    except (struct.error, IndexError, KeyError):
        return _number(data, rng, ())
    value = int.from_bytes(data[offset : offset + size], "little")
    near = (
        value + 1,
        value - 1,
        value * 2,
        value + 32,
        value // 2,
        value ^ (1 << rng.randrange(64)),
    )
    changed = _packed(rng.choice((*_EXTREMES, *near)), size)
    return data[:offset] + changed + data[offset + size :]


def gguf_numbers(data: bytes) -> list[tuple[int, int]]:
    """Offset and size of every count, length, type and offset in a GGUF header, and of its values.

    Raises struct.error or KeyError if the header is damaged already.
    """
    found = [(4, 4), (8, 8), (16, 8)]
    position = 24

    def number(size: int) -> int:
        nonlocal position
        if position + size > len(data):
            raise struct.error("past the end")
        found.append((position, size))
        position += size
        return int.from_bytes(data[position - size : position], "little")

    def string() -> None:
        nonlocal position
        length = number(8)
        position += length

    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    n_tensors, n_keys = struct.unpack_from("<QQ", data, 8)
    for _ in range(min(n_keys, 1000)):
        string()
        kind = number(4)
        if kind == 8:
            string()
        elif kind == 9:
            inner, count = number(4), number(8)
            for _ in range(min(count, 1000)):
                string() if inner == 8 else number(sizes[inner])
        else:
            number(sizes[kind])
    for _ in range(min(n_tensors, 1000)):
        string()
        for _ in range(min(number(4), 8)):
            number(8)
        number(4)
        number(8)
    return found


BY_KIND: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "json": _json,
    "lines": _lines,
    "safetensors": _safetensors,
    "gguf": _gguf,
}
