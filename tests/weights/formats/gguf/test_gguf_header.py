"""A GGUF header is believed in nothing: a lie ends in one sentence, and nothing is read outside."""

import random
import struct

import gguf
import numpy as np
import pytest
from byte_level_vocabulary import train_vocabulary
from weights.micro_gguf import make_model, write

from llama_mini.weights.formats.gguf import header as gguf_header
from llama_mini.weights.formats.gguf.header import parse_header, read_header

U8, U32, I32, F32, BOOL, STRING, ARRAY, U64 = 0, 4, 5, 6, 7, 8, 9, 10
HUGE = 2**64 - 1


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name="t", shape=(4,), kind=0, offset=0, n_axes=None) -> bytes:
    axes = struct.pack(f"<{len(shape)}Q", *shape)
    count = len(shape) if n_axes is None else n_axes
    return text(name) + struct.pack("<I", count) + axes + struct.pack("<IQ", kind, offset)


def file(
    pairs=(), tensors=(), data=64, *, magic=b"GGUF", version=3, n_tensors=None, n_pairs=None
) -> bytes:
    """The bytes of a file, by hand; every part of it can lie."""
    head = magic + struct.pack(
        "<IQQ",
        version,
        len(tensors) if n_tensors is None else n_tensors,
        len(pairs) if n_pairs is None else n_pairs,
    )
    head += b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def test_a_header_says_what_the_gguf_library_reads_in_it(tmp_path):
    def more(writer):
        writer.add_bool("x.bool", True)
        writer.add_float64("x.f64", 0.1)
        writer.add_int64("x.i64", -5)
        writer.add_array("x.floats", [0.5, 1.5])
        writer.add_string("x.text", "naïve 🦙\n")

    path = write(
        tmp_path / "m.gguf", make_model(), "Q4_1", vocabulary=train_vocabulary(), change=more
    )
    header, reader = read_header(path), gguf.GGUFReader(path)
    assert list(header.tensors) == [tensor.name for tensor in reader.tensors]
    for tensor in reader.tensors:
        place = header.tensors[tensor.name]
        assert place.shape == tuple(int(axis) for axis in reversed(tensor.shape))
        assert (place.kind, place.start) == (tensor.tensor_type.name, tensor.data_offset)
        assert place.n_bytes == tensor.n_bytes
    fields = {k: f.contents() for k, f in reader.fields.items() if not k.startswith("GGUF.")}
    assert set(header.metadata) == set(fields)
    for key, expected in fields.items():
        found = header.metadata[key]
        assert (found.tolist() if isinstance(found, np.ndarray) else found) == expected, key


def test_version_2_and_a_large_alignment_are_read():
    raw = file([pair("general.alignment", U32, struct.pack("<I", 64))], [tensor()], version=2)
    place = parse_header(raw + bytes(64)).tensors["t"]
    assert place.start % 64 == 0
    assert (place.shape, place.kind, place.n_bytes) == ((4,), "F32", 16)


LIES = {
    "another magic": (file(magic=b"<!DO"), r"begins with b'<!DO'"),
    "version 1": (file(version=1), "its version is 1"),
    "big-endian": (file(version=3 << 24), "it is big-endian"),
    "too many keys": (file(n_pairs=1000), "metadata of 1,000 keys would take"),
    "all keys there can be": (file(n_pairs=HUGE), "metadata of 18,446"),
    "too many tensors": (file(n_tensors=1000), "a table of 1,000 tensors would take"),
    "all tensors there can be": (file(n_tensors=HUGE), "a table of 18,446"),
    "a key of 2^64 bytes": (file([struct.pack("<Q", HUGE) + b"k"]), "is 18,446"),
    "a key past the end": (file([struct.pack("<Q", 60_000) + b"k" * 20]), "would take 60,000"),
    "a key that is not UTF-8": (file([pair("k", STRING, text(b"\xff\xfe"))]), "not UTF-8"),
    "a key twice": (file([pair("k", U8, b"1")] * 2), "'k' is there twice"),
    "an unknown type": (file([pair("k", 13, bytes(8))]), "'k' has type 13"),
    "an array of arrays": (
        file([pair("k", ARRAY, struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQ", U8, 1) + b"1")]),
        "'k' has type 9",
    ),
    "an array past the end": (
        file([pair("k", ARRAY, struct.pack("<IQ", I32, 1 << 40))]),
        "would take 4,398,046,511,104 bytes",
    ),
    "an array of 2^64 strings": (
        file([pair("k", ARRAY, struct.pack("<IQ", STRING, HUGE))]),
        "18,446,744,073,709,551,615 strings",
    ),
    "an alignment of 0": (file([pair("general.alignment", U32, bytes(4))]), "power of two"),
    "an alignment of 48": (
        file([pair("general.alignment", U32, struct.pack("<I", 48))]),
        "is 48, and must be a power of two",
    ),
    "an alignment in words": (file([pair("general.alignment", STRING, text("x"))]), "is 'x'"),
    "an alignment that is true": (file([pair("general.alignment", BOOL, b"\1")]), "is True"),
    "no axes": (file(tensors=[tensor(shape=())]), "has 0 axes"),
    "five axes": (file(tensors=[tensor(shape=(1,) * 5)]), "has 5 axes"),
    "2^32 - 1 axes": (file(tensors=[tensor(n_axes=2**32 - 1)]), "axes, and may have 1 to 4"),
    "an axis of 0": (file(tensors=[tensor(shape=(0,))]), r"shape \(0,\)"),
    "axes whose product overflows": (
        file(tensors=[tensor(shape=(2**33, 2**33))]),
        "would end at",
    ),
    "an unknown type of tensor": (file(tensors=[tensor(kind=99)]), "has type 99"),
    "a type that is gone": (file(tensors=[tensor(kind=4)]), "has type 4, which no version"),
    "part of a block": (file(tensors=[tensor(shape=(33,), kind=8)]), "whole blocks of 32"),
    "a crooked offset": (file(tensors=[tensor(offset=8)]), "not a multiple of 32"),
    "an offset past the end": (file(tensors=[tensor(offset=1 << 20)]), "the file ends at"),
    "an offset of 2^64 - 32": (file(tensors=[tensor(offset=2**64 - 32)]), "the file ends at"),
    "a tensor past the end": (file(tensors=[tensor(shape=(17,))]), "would end at"),
    "a tensor twice": (file(tensors=[tensor()] * 2), "'t' is there twice"),
    "tensors that overlap": (
        file(tensors=[tensor("a", (16,)), tensor("b", offset=32)]),
        "'a' and 'b' overlap",
    ),
    "nothing but the magic": (b"GGUF", "the version would take 4 bytes"),
    "three bytes": (b"GGU", "the magic number would take 4 bytes"),
}


@pytest.mark.parametrize(("raw", "said"), LIES.values(), ids=LIES.keys())
def test_a_lie_is_named_in_one_sentence(raw, said, tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=said) as caught:
        read_header(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is no readable GGUF file: ")
    assert "\n" not in message and len(message) < 500 + len(str(path))


def test_an_empty_file_and_a_missing_one_are_said(tmp_path):
    (tmp_path / "m.gguf").touch()
    with pytest.raises(ValueError, match="it is empty"):
        read_header(tmp_path / "m.gguf")
    with pytest.raises(FileNotFoundError):
        read_header(tmp_path / "other.gguf")


def test_the_longest_name_does_not_make_a_long_message():
    with pytest.raises(ValueError) as caught:
        parse_header(file([pair("k" * 60_000, U8, b"1")] * 2))
    assert len(str(caught.value)) < 300


def test_a_header_that_goes_on_and_on_is_given_up(monkeypatch):
    monkeypatch.setattr(gguf_header, "_MAX_HEADER", 1 << 12)
    with pytest.raises(ValueError, match="header is longer than"):
        parse_header(file([pair("k", STRING, text("x" * 4096))]))


def test_every_header_cut_short_is_refused(tmp_path):
    path = write(tmp_path / "m.gguf", make_model(), vocabulary=train_vocabulary())
    raw = path.read_bytes()
    for length in random.Random(0).sample(range(len(raw)), 300):
        with pytest.raises(ValueError, match="no readable GGUF file"):
            parse_header(raw[:length])


def test_a_mutated_header_is_read_or_refused_and_never_points_outside(tmp_path):
    path = write(tmp_path / "m.gguf", make_model(), "Q8_0", vocabulary=train_vocabulary())
    raw = path.read_bytes()
    header_bytes = min(place.start for place in read_header(path).tensors.values())
    chance = random.Random(0)
    read = 0
    for _ in range(1500):
        mutated = bytearray(raw)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(header_bytes)
            new = chance.choice([b"\0", b"\xff", b"\x7f", bytes(8), b"\xff" * 8])
            mutated[at : at + len(new)] = new
        try:
            header = parse_header(bytes(mutated))
        except ValueError as error:
            assert "\n" not in str(error)
            continue
        read += 1
        ends = [place.start + place.n_bytes for place in header.tensors.values()]
        assert max(ends, default=0) <= len(mutated)
        assert all(place.start > 0 and place.n_bytes > 0 for place in header.tensors.values())
    # Most mutations hit the text of a vocabulary, which is as good as any other.
    assert 0 < read < 1500
