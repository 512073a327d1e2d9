"""Text as it is drawn: tokens come one by one, and some are only part of a character."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

_REPLACEMENT = "\ufffd"  # what decoding shows for a character whose bytes are not complete yet


class Decoder(Protocol):
    """What streaming needs of a tokenizer."""

    def decode(self, ids: list[int]) -> str: ...


def text_pieces(
    tokenizer: Decoder, ids: Iterable[int], before: Sequence[int] = ()
) -> Iterator[str]:
    """The text of `ids` in pieces, each as soon as its characters are complete.

    before: the tokens that the text continues. Joined, the pieces are what decoding everything
    gives, without the text of `before`.
    """
    known = list(before)
    shown = tokenizer.decode(known)
    for token in ids:
        known.append(token)
        text = tokenizer.decode(known)
        if not text.endswith(_REPLACEMENT):
            yield text[len(shown) :]
            shown = text
    # A last character whose bytes never became complete.
    yield tokenizer.decode(known)[len(shown) :]
