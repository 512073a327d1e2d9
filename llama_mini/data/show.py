"""Looking into a finished mix: random documents, as a model will read them."""

from pathlib import Path

from llama_mini.data.chance import draw
from llama_mini.data.shards import TOKENIZER_FILE, TokenShards, default_folder
from llama_mini.tokenizer.sentencepiece import Tokenizer


def random_documents(
    count: int,
    source: str | None = None,
    split: str = "train",
    seed: int = 0,
    folder: str | Path | None = None,
) -> list[tuple[str, str]]:
    """`count` different random documents of a mix as (source, text), decoded from its tokens.

    source: one of the seven, in capitals or not; any by default. Each document is as likely as any
    other, so most are short. Raises FileNotFoundError without a mix, ValueError for an unknown
    source.
    """
    folder = default_folder() if folder is None else Path(folder)
    shards = TokenShards(folder, split)
    if source is not None and source.lower() not in shards.sources:
        raise ValueError(f"There is no source {source!r}; there are {', '.join(shards.sources)}.")
    tokenizer = Tokenizer(folder / TOKENIZER_FILE)
    numbers = [
        number
        for number, kind in enumerate(shards.documents["source"])
        if source is None or shards.sources[kind] == source.lower()
    ]
    numbers.sort(key=lambda number: draw(seed, "show", number))
    found: dict[str, str] = {}
    for number in numbers:
        if len(found) == count:
            break
        kind = shards.sources[shards.documents["source"][number]]
        found.setdefault(tokenizer.decode(shards.document(number)), kind)
    return [(kind, text) for text, kind in found.items()]
