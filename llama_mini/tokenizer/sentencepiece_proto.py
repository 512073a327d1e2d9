"""A SentencePiece model as bytes, from the vocabulary that another format kept of one.

SentencePiece stores its model as a protocol buffer. The few fields that decide how a text is cut
are written here directly. Source of their numbers: sentencepiece_model.proto.
"""

import struct
from collections.abc import Sequence

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # types of a piece
_BPE = 2


def model_proto(
    pieces: Sequence[str],
    scores: Sequence[float],
    kinds: Sequence[int],
    *,
    unk_id: int,
    bos_id: int,
    eos_id: int,
    add_dummy_prefix: bool = True,
) -> bytes:
    """The bytes of a BPE model, with byte fallback if it has bytes; pieces in order of their ids.

    scores: higher is merged earlier. kinds: NORMAL … BYTE, as SentencePiece numbers them.
    add_dummy_prefix: a text is read as if a space stood before it, as LLaMA's is. Raises ValueError
    if the lists differ in length or an id is not in them.
    """
    if not len(pieces) == len(scores) == len(kinds):
        raise ValueError(
            f"There are {len(pieces)} pieces, {len(scores)} scores and {len(kinds)} types; each "
            "piece has one of each."
        )
    for name, token in (("unk_id", unk_id), ("bos_id", bos_id), ("eos_id", eos_id)):
        if not 0 <= token < len(pieces):
            raise ValueError(f"{name} is {token}, and the vocabulary has {len(pieces)} pieces.")
    trainer = b"".join(
        [
            _number(3, _BPE),
            _number(4, len(pieces)),
            _number(35, BYTE in kinds),  # byte_fallback
            *(_number(field, token) for field, token in ((40, unk_id), (41, bos_id), (42, eos_id))),
            _number(43, -1),  # pad_id: none
            *(
                _text(field, pieces[token].encode())
                for field, token in ((45, unk_id), (46, bos_id), (47, eos_id))
            ),
        ]
    )
    normalizer = b"".join(
        [
            _text(1, b"identity"),
            _number(3, add_dummy_prefix),
            _number(4, False),  # remove_extra_whitespaces
            _number(5, True),  # escape_whitespaces
        ]
    )
    vocabulary = (
        _text(1, _text(1, piece.encode()) + _float(2, score) + _number(3, kind))
        for piece, score, kind in zip(pieces, scores, kinds, strict=True)
    )
    return b"".join([*vocabulary, _text(2, trainer), _text(3, normalizer)])


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    value &= (1 << 64) - 1  # negative numbers are written as 64 bits
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(int(value))


def _text(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)
