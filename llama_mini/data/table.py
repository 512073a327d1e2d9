"""What a mix is made of, one row a source."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_mini import slots
from llama_mini.data import shards
from llama_mini.data.documents import Document
from llama_mini.data.mixing.passes import Sampled
from llama_mini.data.sources import SourceTable


@dataclass(frozen=True)
class MixRow:
    """What one source gives to a mix.

    documents, megabytes: its text after cleaning, each document counted once, before sampling.
    tokens, share (percent), epochs: in the training split. validation_tokens: in the other.
    """

    source: str
    documents: int
    megabytes: float
    tokens: int
    share: float
    epochs: float
    validation_tokens: int
    licence: str


def rows_of(
    table: SourceTable,
    documents: list[Document],
    sizes: list[int],
    validation: list[int],
    sampled: dict[str, Sampled],
) -> list[MixRow]:
    """The table of a mix about to be written.

    sizes: tokens of each document. validation: the indices of those held out. sampled: what
    training takes of each source.
    """
    total = sum(taken.tokens for taken in sampled.values())
    rows = []
    for source in table.sources:
        own = [document for document in documents if document.source == source.key]
        taken = sampled[source.key]
        rows.append(
            MixRow(
                source=source.title,
                documents=len(own),
                megabytes=sum(len(document.text.encode("utf-8")) for document in own) / 1e6,
                tokens=taken.tokens,
                share=100 * taken.tokens / total,
                epochs=taken.epochs,
                validation_tokens=sum(
                    sizes[i] for i in validation if documents[i].source == source.key
                ),
                licence=table.licences(source.key),
            )
        )
    return rows


def mix_table(folder: str | Path | None = None) -> list[MixRow]:
    """The table of a finished mix, one row a source. Raises FileNotFoundError if there is none."""
    folder = shards.default_folder() if folder is None else folder
    rows = shards.read_index(folder)["about"].get("table", [])
    return [MixRow(**row) for row in rows]


def format_table(rows: list[MixRow]) -> str:
    """The table as text for a terminal, with a last line for the sums."""
    lines = [
        f"{'source':<14}{'documents':>10}{'MB':>7}{'tokens':>11}{'share':>8}{'epochs':>8}"
        f"{'validation':>12}  licence"
    ]
    lines.append("-" * len(lines[0]))
    for row in rows:
        lines.append(
            f"{row.source:<14}{row.documents:>10,}{row.megabytes:>7.2f}{row.tokens:>11,}"
            f"{row.share:>7.2f}%{row.epochs:>8.2f}{row.validation_tokens:>12,}  {row.licence}"
        )
    lines.append(
        f"{'all':<14}{sum(r.documents for r in rows):>10,}{sum(r.megabytes for r in rows):>7.2f}"
        f"{sum(r.tokens for r in rows):>11,}{sum(r.share for r in rows):>7.2f}%{'':>8}"
        f"{sum(r.validation_tokens for r in rows):>12,}"
    )
    return "\n".join(lines)


def format_accounts(accounts: list[dict[str, Any]]) -> str:
    """What each stage left out of each source and why, and what it remarked of the rest."""
    lines = [
        f"{'stage':<12}{'source':<15}{'kept':>8}{'left out':>10}  why, and remarks on the rest"
    ]
    lines.append("-" * len(lines[0]))
    for account in accounts:
        for source, counts in account["sources"].items():
            left, remarks = counts["left out"], counts["remarks"]
            if not left and not remarks:
                continue
            words = _listed(left) + (" | " if left and remarks else "") + _listed(remarks)
            lines.append(
                f"{account['stage']:<12}{source:<15}{counts['kept']:>8,}"
                f"{sum(left.values()):>10,}  {words}"
            )
    return "\n".join(lines)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {what}" for what, n in sorted(counts.items()))


def whose_code(about: Mapping[str, Any]) -> str:
    """Whose code made a mix, in words. about: the facts that its index keeps."""
    code = about.get("code")
    if code is None:
        return "unknown code: it was built before mixes remembered that"
    return slots.describe(code)


def differences(about: Mapping[str, Any]) -> list[str]:
    """What differs between the code that made a mix and today's, in words; a line a slot."""
    code = about.get("code")
    return [] if code is None else slots.changes(code, slots.fingerprint("llama_mini.data"))
