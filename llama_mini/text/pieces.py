"""Text as it is drawn: tokens come one by one, and some are only part of a character."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

_REPLACEMENT = "\ufffd"  # what decoding shows for a character whose bytes are not complete yet
_UNFINISHED = 3  # a character has four bytes at most, so three of them may wait for the last
_KEPT = 8  # tokens with text that the next one is decoded with; more than a character can take


class Decoder(Protocol):
    """What streaming needs of a tokenizer."""

    def decode(self, ids: list[int]) -> str: ...


def text_pieces(
    tokenizer: Decoder, ids: Iterable[int], before: Sequence[int] = ()
) -> Iterator[str]:
    """The text of `ids` in pieces, each as soon as its characters are complete.

    before: the tokens that the text continues. Joined, the pieces are what decoding everything
    gives, without the text of `before`; if that ends within a character, it is told whole. The
    time is linear: each token is decoded with a few before it, however long the text is.
    """
    tail = _Tail(tokenizer, before)
    for token in ids:
        if piece := tail.add(token):
            yield piece
    if rest := tail.rest():  # a last character whose bytes never became complete
        yield rest


class _Tail:
    """The last tokens of a text: enough of them to know what one more adds to it.

    A token cannot be decoded alone. It may end a character that others began, and a tokenizer may
    drop the space before what it takes for the first word.
    """

    def __init__(self, tokenizer: Decoder, before: Sequence[int]) -> None:
        self._decode = tokenizer.decode
        self._tokens = list(before)
        self._text = self._told = self._decode(self._tokens)
        self._silent: dict[int, bool] = {}
        self._idle: set[int] = set()  # silent tokens since the last one with text
        self._longest = 4 * _KEPT
        self._shorten()

    def add(self, token: int) -> str:
        """What can be told now that was not told before."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if not self._is_silent(token):
            self._idle.clear()
        elif text == self._text:
            # It may matter that there was one, as between two bytes; a second changes nothing.
            if token in self._idle:
                self._tokens.pop()
            self._idle.add(token)
        self._text = text
        if text.endswith(_REPLACEMENT) and not text.startswith(self._told):
            # Some libraries show a whole row of bytes as marks until its last character is there.
            return ""
        complete = max(len(text.rstrip(_REPLACEMENT)), len(text) - _UNFINISHED)
        piece = text[_shared(self._told, text) : complete]
        if piece:
            self._told = text[:complete]
        self._shorten()
        return piece

    def rest(self) -> str:
        """What was not told, because more could have come."""
        return self._text[_shared(self._told, self._text) :]

    def _shorten(self) -> None:
        """Keep the last tokens alone, once there are many."""
        if len(self._tokens) < self._longest:
            return
        enough = [i for i, token in enumerate(self._tokens) if not self._is_silent(token)][-_KEPT:]
        first = enough[0] if enough else 0
        # A part that begins within a character shows its bytes as something else.
        for start in range(first, max(first - _UNFINISHED, 0) - 1, -1):
            part = self._decode(self._tokens[start:])
            if self._text.endswith(part):
                self._tokens = self._tokens[start:]
                self._told = self._told[len(self._text) - len(part) :]
                self._text = part
                break
        self._longest = 4 * _KEPT + len(self._tokens)

    def _is_silent(self, token: int) -> bool:
        """Whether a token has no text when it comes first."""
        if token not in self._silent:
            self._silent[token] = not self._decode([token])
        return self._silent[token]


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    differing = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))
