"""Byte-level BPE: GPT-2's way to turn text into tokens, and that of LLaMA-shaped models such as
SmolLM2.

Text becomes bytes, each written as a visible character (`Ġ` is a space), and pairs are merged
within words. Any text can be encoded, so there is no unknown token.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tokenizers

NONE = -1  # the id of a token that there is none of, as sentencepiece has it


class ByteLevelTokenizer:
    """A byte-level BPE vocabulary, with the methods of `tokenizer.sentencepiece.Tokenizer`.

    backend: what the `tokenizers` library made of the vocabulary. special_tokens: piece → id of
    those that are no text. bos_id: what a text begins with, -1 if the model was trained without.
    chat_template: the form of a conversation, if one came along. Text that looks like a special
    token (`<|im_start|>`) is text.
    """

    pad_id = NONE

    def __init__(
        self,
        backend: "tokenizers.Tokenizer",
        special_tokens: Mapping[str, int],
        *,
        bos_id: int = NONE,
        eos_id: int = NONE,
        chat_template: str | None = None,
    ) -> None:
        self._backend = backend
        self.special_tokens = dict(special_tokens)
        self.bos_id, self.eos_id, self.chat_template = bos_id, eos_id, chat_template
        self._no_text = {NONE, *self.special_tokens.values()}
        for name, token in {**self.special_tokens, "bos_id": bos_id, "eos_id": eos_id}.items():
            if token != NONE and not 0 <= token < self.vocab_size:
                raise ValueError(
                    f"{name} is token {token}, and the vocabulary has {self.vocab_size} tokens. "
                    "The tokenizer is damaged; fetch it again."
                )

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]:
        """Token ids of a text, with the tokens for its beginning and end if asked for.

        A model that was trained without a beginning token gets none.
        """
        ids = self._backend.encode(text, add_special_tokens=False).ids
        before = [self.bos_id] if bos and self.bos_id != NONE else []
        after = [self.eos_id] if eos and self.eos_id != NONE else []
        return before + ids + after

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of many texts at once, without special tokens, on all cores."""
        encoded = self._backend.encode_batch(list(texts), add_special_tokens=False)
        return [one.ids for one in encoded]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids. Special tokens have no text; bytes that are no UTF-8 become `�`.

        Raises IndexError if an id is not in the vocabulary.
        """
        ids = [int(token) for token in ids if int(token) not in self._no_text]
        for token in ids:
            self._check(token)
        return self._backend.decode(ids, skip_special_tokens=False)

    def id_to_piece(self, token: int) -> str:
        """The piece of a token id: `Ġthe`, `<|im_end|>`. `Ġ` stands for a space.

        Raises IndexError if the id is not in the vocabulary.
        """
        self._check(int(token))
        return self._backend.id_to_token(int(token))

    def save(self, path: Path) -> None:
        """Write it as the `tokenizer.json` of a Hugging Face folder."""
        # There, special tokens are found in text, unless the reader asks for something else.
        backend = type(self._backend).from_str(self._backend.to_str())
        backend.add_special_tokens(list(self.special_tokens))
        backend.save(str(path))

    def _check(self, token: int) -> None:
        if not 0 <= token < self.vocab_size:
            raise IndexError(
                f"Token {token} is not in the vocabulary of {self.vocab_size} tokens, "
                f"0 to {self.vocab_size - 1}. Do model and tokenizer belong together?"
            )


def from_vocabulary(
    pieces: Sequence[str],
    merges: Sequence[tuple[str, str]],
    special_ids: Iterable[int],
    *,
    digits_apart: bool,
    **options,
) -> ByteLevelTokenizer:
    """A tokenizer from its pieces in the order of their ids, and its merges, the earliest first.

    digits_apart: every digit is a word of its own, as in LLaMA's tokenizer; everything else is cut
    into words by GPT-2's pattern. options: as for ByteLevelTokenizer. Raises ValueError if a piece
    is there twice or a merge makes none of the pieces. Source of the pattern: Radford et al. 2019.
    """
    tokenizers = _library()
    from tokenizers import decoders, models, pre_tokenizers

    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    if len(vocabulary) != len(pieces):
        raise ValueError(
            f"{len(pieces) - len(vocabulary)} of the tokenizer's {len(pieces)} pieces are there "
            "twice. Fetch it again."
        )
    try:
        backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    except Exception as error:  # the library has no narrower class
        raise ValueError(
            f"The merges do not fit the vocabulary: {error}. Fetch it again."
        ) from None
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Digits(individual_digits=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, words]) if digits_apart else words
    backend.decoder = decoders.ByteLevel()
    specials = {pieces[number]: number for number in special_ids}
    return ByteLevelTokenizer(backend, specials, **options)


def from_json(
    path: Path,
    *,
    bos: str | None = None,
    eos: str | None = None,
    begins: bool | None = None,
    chat_template: str | None = None,
) -> ByteLevelTokenizer:
    """A tokenizer from the `tokenizer.json` of a Hugging Face folder.

    bos, eos: the pieces a text begins and ends with, None for neither. begins: whether texts do
    begin with bos; None: if the file's own template has it so. Raises FileNotFoundError if the file
    is missing, ValueError if it is not such a file or lacks these pieces.
    """
    tokenizers = _library()
    if not path.is_file():
        raise FileNotFoundError(f"There is no tokenizer at {path}.")
    try:
        backend = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library has no narrower class
        raise ValueError(
            f"{path} is not a tokenizer of the tokenizers library ({error}). Fetch it again."
        ) from None
    # What is typed stays text, and nobody's settings for batches cut or lengthen it.
    backend.encode_special_tokens = True
    backend.no_truncation()
    backend.no_padding()
    specials = {
        token.content: number
        for number, token in backend.get_added_tokens_decoder().items()
        if token.special
    }
    bos_id = _id(backend, bos, path)
    if begins is None:
        begins = backend.encode("", add_special_tokens=True).ids[:1] == [bos_id]
    return ByteLevelTokenizer(
        backend,
        specials,
        bos_id=bos_id if begins else NONE,
        eos_id=_id(backend, eos, path),
        chat_template=chat_template,
    )


def _id(backend: "tokenizers.Tokenizer", piece: str | None, path: Path) -> int:
    if piece is None:
        return NONE
    found = backend.token_to_id(piece)
    if found is None:
        raise ValueError(f"{path} has no piece {piece!r}, which its settings name. Fetch it again.")
    return found


def _library():
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package {error.name} is missing, which byte-level tokenizers need. Install it "
            'with pip install "llama-mini[weights]", or run `make setup`.'
        ) from error
    return tokenizers
