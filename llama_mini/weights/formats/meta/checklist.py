"""`checklist.chk`: the MD5 of every file of a folder, as `md5sum -c` reads it."""

import hashlib
import os
import re
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm.auto import tqdm

NAME = "checklist.chk"
_LINE = re.compile(r"([0-9a-f]{32}) [ *]([^/\\\x00]{1,255})", re.IGNORECASE)
_CHUNK = 1 << 22  # bytes


def parse_checklist(data: bytes, path: Path) -> dict[str, str]:
    """File name → MD5 in hex. `path` is for the messages.

    Raises ValueError if a line is not an MD5, two spaces and the name of a file in the folder, or a
    name comes twice.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in (".", ".."):
            raise ValueError(
                f"Line {number} of {path} is {line[:60]!r}, which is no MD5, two spaces and a file "
                "name. Download it again."
            )
        if match[2] in sums:
            raise ValueError(f"{path} lists {match[2]} twice. Download it again.")
        sums[match[2]] = match[1].lower()
    if not sums:
        raise ValueError(f"{path} is empty. Download it again.")
    return sums


def checklist_text(folder: Path, names: Iterable[str]) -> str:
    """The checklist of these files of a folder, in their order."""
    sums = _md5_of_files(folder, list(names))
    return "".join(f"{md5}  {name}\n" for name, md5 in sums.items())


def verify(path: Path, expected: Mapping[str, str]) -> str:
    """Read every file that the checklist at `path` lists; a sentence that says what was compared.

    expected: as `parse_checklist` gives it. A bar shows the progress in GB/s. Raises ValueError if
    files are missing or differ, and names them.
    """
    folder = path.parent
    if missing := [name for name in expected if not (folder / name).is_file()]:
        raise ValueError(
            f"{path.name} lists {', '.join(missing)}, which {folder} does not have. Download what "
            "is missing."
        )
    found = _md5_of_files(folder, list(expected))
    if differing := [name for name in expected if found[name] != expected[name]]:
        exchanged = sorted(found[name] for name in differing) == sorted(
            expected[name] for name in differing
        )
        raise ValueError(
            f"{', '.join(differing)} in {folder} "
            f"{'differs' if len(differing) == 1 else 'differ'} from the MD5 in {path.name}. "
            + (
                "They are each other's: exchange their names."
                if exchanged and len(differing) > 1
                else "Download again what differs."
            )
        )
    files = (
        f"{len(expected)} files agree" if len(expected) > 1 else f"{next(iter(expected))} agrees"
    )
    return f"{files} with {path.name}"


def _md5_of_files(folder: Path, names: list[str]) -> dict[str, str]:
    total = sum((folder / name).stat().st_size for name in names)
    stopped = threading.Event()
    # hashlib lets other threads run while it works.
    n_threads = max(1, min(len(names), os.cpu_count() or 1))
    with (
        tqdm(total=total, unit="B", unit_scale=True, desc="Checking MD5", leave=False) as bar,
        ThreadPoolExecutor(n_threads) as pool,
    ):

        def md5(name: str) -> str:
            digest = hashlib.md5(usedforsecurity=False)
            with (folder / name).open("rb") as file:
                while not stopped.is_set() and (chunk := file.read(_CHUNK)):
                    digest.update(chunk)
                    bar.update(len(chunk))
            return digest.hexdigest()

        try:
            return dict(zip(names, pool.map(md5, names), strict=True))
        except BaseException:
            stopped.set()  # or Ctrl-C would wait until every file is read
            raise
