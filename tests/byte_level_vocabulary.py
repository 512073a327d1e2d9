"""A small byte-level vocabulary, trained by the `tokenizers` library."""

import json

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

LINES = [
    "The river crossed the old bridge in 1987, and nobody paid 25 coins again.",
    "Don't they say that we'll see llamas, naïve ones, on the other side?",
]


def train_vocabulary(size: int = 300):
    """Pieces, merges and special ids of a byte-level vocabulary."""
    backend = train_backend(size)
    pieces = [backend.id_to_token(number) for number in range(backend.get_vocab_size())]
    merges = [tuple(pair) for pair in json.loads(backend.to_str())["model"]["merges"]]
    return pieces, merges, [0, 1]


def train_backend(size: int = 300) -> tokenizers.Tokenizer:
    """A byte-level tokenizer as the library itself sets one up, with every digit apart."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(LINES * 4, trainer)
    return backend
