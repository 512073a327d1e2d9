"""LLaMA's tokenizer: SentencePiece BPE with byte fallback and split digits."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import sentencepiece

from llama_mini.files import atomic_write

UNK_ID, BOS_ID, EOS_ID, PAD_ID = 0, 1, 2, -1


class Tokenizer:
    """A SentencePiece model, used as Meta's code uses it.

    path: a `tokenizer.model` file, Meta's own or one that `train_tokenizer` made. Text that looks
    like a special token (`<s>`) is text: only `bos` and `eos` put special tokens in. Raises
    FileNotFoundError if the file is missing, ValueError if it holds no SentencePiece model.
    """

    def __init__(self, path: str | Path) -> None:
        self.path: Path | None = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(
                f"There is no tokenizer at {self.path}. `llama-mini data build` makes the course's "
                "own; Meta's comes with the weights as tokenizer.model."
            )
        self._processor = _processor(self.path.read_bytes(), str(self.path))

    @classmethod
    def from_proto(cls, proto: bytes, what: str) -> "Tokenizer":
        """A tokenizer from the bytes of a model that is no file; its path is None.

        what: where the bytes are from, for the error. Raises ValueError if they are no model.
        """
        built = cls.__new__(cls)
        built.path, built._processor = None, _processor(proto, what)
        return built

    def save(self, path: Path) -> None:
        """Write the model as a `tokenizer.model` file, whole or not at all."""
        with atomic_write(path) as file:
            file.write(self._processor.serialized_model_proto())

    @property
    def vocab_size(self) -> int:
        """Number of tokens: 32,000 for Meta's, 4,096 for the course's."""
        return self._processor.vocab_size()

    @property
    def bos_id(self) -> int:
        """Beginning of a document, `<s>`."""
        return self._processor.bos_id()

    @property
    def eos_id(self) -> int:
        """End of a document, `</s>`."""
        return self._processor.eos_id()

    @property
    def pad_id(self) -> int:
        """Padding: -1, for LLaMA has no token for it."""
        return self._processor.pad_id()

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]:
        """Token ids of a text, with `<s>` before and `</s>` after it if asked for."""
        ids = self._processor.encode(text)
        return [self.bos_id] * bos + ids + [self.eos_id] * eos

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of many texts at once, without special tokens, on all cores."""
        return self._processor.encode(list(texts), num_threads=-1)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids. Special tokens and padding have no text.

        Raises IndexError if an id is not in the vocabulary.
        """
        ids = [int(token) for token in ids if int(token) != self.pad_id]
        for token in ids:
            self._check(token)
        return self._processor.decode(ids)

    def id_to_piece(self, token: int) -> str:
        """The piece of a token id: `▁the`, `<0x0A>`. `▁` stands for a space.

        Raises IndexError if the id is not in the vocabulary.
        """
        self._check(int(token))
        return self._processor.id_to_piece(int(token))

    @cached_property
    def bytes_of_pieces(self) -> np.ndarray:
        """How many UTF-8 bytes of text each token stands for, (vocab,) int64.

        A byte piece is one byte, which decoding it alone would not give back; `<s>` and `</s>` are
        none; −1 is `<unk>`, which stands for any text.
        """
        sizes = np.empty(self.vocab_size, dtype=np.int64)
        for token in range(self.vocab_size):
            if self._processor.is_unknown(token):
                sizes[token] = -1
            elif self._processor.is_control(token):
                sizes[token] = 0
            elif self._processor.is_byte(token):
                sizes[token] = 1
            else:
                piece = self._processor.id_to_piece(token).replace("▁", " ")
                sizes[token] = len(piece.encode("utf-8"))
        return sizes

    @cached_property
    def adds_a_space(self) -> bool:
        """Whether `encode` puts a space before a text that has none there, as Meta's does."""
        return self._processor.encode("a", out_type=str)[0].startswith("▁")

    def _check(self, token: int) -> None:
        if not 0 <= token < self.vocab_size:
            raise IndexError(
                f"Token {token} is not in the vocabulary of {self.vocab_size} tokens, "
                f"0 to {self.vocab_size - 1}. Do model and tokenizer belong together?"
            )


def _processor(proto: bytes, what: str) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=proto)
    except RuntimeError as error:
        raise ValueError(
            f"{what} is not a SentencePiece model ({error}). Expected a tokenizer.model "
            "file; fetch or build it again."
        ) from error


# SentencePiece leaves out longer lines. A news article without line breaks is one line.
_MAX_LINE_BYTES = 1 << 20


def train_tokenizer(texts: Iterable[str], path: str | Path, vocab_size: int = 4096) -> Tokenizer:
    """Train a tokenizer with the flags of LLaMA's and write it to `path`.

    texts: any strings; each line is a sentence to SentencePiece, which counts pairs within words
    alone. The same texts in the same order give the same bytes on any number of cores. Flags as in
    the trainer specification stored in Meta's tokenizer.model. Raises ValueError if the texts are
    too few for the vocabulary.
    """
    path = Path(path)
    lines = (line for text in texts for line in text.split("\n") if line)
    with atomic_write(path) as file:
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=file,
                vocab_size=vocab_size,
                model_type="bpe",
                byte_fallback=True,
                split_digits=True,
                character_coverage=0.99995,
                normalization_rule_name="identity",
                add_dummy_prefix=True,
                remove_extra_whitespaces=False,
                allow_whitespace_only_pieces=True,
                split_by_unicode_script=True,
                split_by_whitespace=True,
                split_by_number=True,
                max_sentencepiece_length=16,
                max_sentence_length=_MAX_LINE_BYTES,
                unk_id=UNK_ID,
                bos_id=BOS_ID,
                eos_id=EOS_ID,
                pad_id=PAD_ID,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ValueError(
                f"No tokenizer of {vocab_size} tokens could be trained: {error}. A vocabulary "
                "holds 3 special tokens, 256 bytes and every character; give more text or ask for "
                "fewer (or more) tokens."
            ) from error
    return Tokenizer(path)
