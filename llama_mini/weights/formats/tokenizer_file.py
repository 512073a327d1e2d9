"""The tokenizer that lies beside weights, and whether it is theirs."""

from pathlib import Path

TOKENIZER = "tokenizer.model"


def demand_vocabulary(path: Path, tokens: int, vocab_size: int) -> None:
    """Raise ValueError if the tokenizer in `path` has another number of tokens than the model."""
    if tokens != vocab_size:
        raise ValueError(
            f"{path} has {tokens:,} tokens and the model {vocab_size:,}: it is another model's "
            f"tokenizer. Put the one that came with these weights into {path.parent}."
        )
