"""The whole pipeline on a tiny table in the real formats: shares, bytes, kills, full disks."""

import hashlib
import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from tiny_sources import TINY_SIZES, files_of, prose, start_tiny_build, wheel

from llama_mini.data import cleaning
from llama_mini.data.build import build_mix, format_table, mix_table
from llama_mini.data.files import DataError
from llama_mini.data.shards import TokenShards
from llama_mini.data.show import random_documents
from llama_mini.data.sources import load_table


@pytest.fixture
def build(tiny):
    def run(out, **options):
        return build_mix(out, **({"table": tiny.table, "progress": False} | TINY_SIZES | options))

    return run


def test_every_source_has_its_share_and_is_in_the_validation_split(build, tmp_path, tiny):
    report = build(tmp_path / "mix")
    assert [row.source for row in report.rows] == [s.title for s in tiny.table.sources]
    for row, source in zip(report.rows, tiny.table.sources, strict=True):
        assert abs(row.share - source.share) < 1
        assert row.epochs <= 3
        assert row.validation_tokens > 0
    assert mix_table(tmp_path / "mix") == report.rows
    assert "CC0-1.0" in format_table(report.rows)


def test_the_table_counts_what_the_shards_hold(build, tmp_path):
    report = build(tmp_path / "mix")
    for split, counted in (("train", "tokens"), ("validation", "validation_tokens")):
        shards = TokenShards(tmp_path / "mix", split)
        assert len(shards) == sum(getattr(row, counted) for row in report.rows)
        starts = [*shards.documents["start"].tolist(), len(shards)]
        held = dict.fromkeys(range(7), 0)
        for number, source in enumerate(shards.documents["source"].tolist()):
            held[source] += starts[number + 1] - starts[number]
        by_title = {row.source.lower(): getattr(row, counted) for row in report.rows}
        assert {shards.sources[k]: v for k, v in held.items()} == by_title


def test_no_document_is_in_both_splits_and_validation_has_each_once(build, tmp_path):
    build(tmp_path / "mix")
    texts = {}
    for split in ("train", "validation"):
        shards = TokenShards(tmp_path / "mix", split)
        documents = [shards.document(i).tobytes() for i in range(len(shards.documents))]
        texts[split] = documents
    assert not set(texts["train"]) & set(texts["validation"])
    assert len(texts["validation"]) == len(set(texts["validation"]))


def test_the_same_inputs_give_the_same_bytes_and_another_seed_others(build, tmp_path, monkeypatch):
    first = build(tmp_path / "one")
    monkeypatch.setenv("LLAMA_MINI_CACHE", str(tmp_path / "another cache"))
    assert build(tmp_path / "two").digest == first.digest
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert build(tmp_path / "three", seed=1).digest != first.digest


def test_a_finished_mix_is_left_alone_and_a_damaged_one_made_again(build, tmp_path):
    out = tmp_path / "mix"
    build(out)
    before = files_of(out)
    assert build(out).seconds == {}
    shard = out / "train-00000.bin"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    assert build(out).seconds
    assert files_of(out) == before


def test_everything_works_offline_once_the_files_are_there(build, tmp_path, monkeypatch):
    build(tmp_path / "mix")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert build(tmp_path / "again").digest


@pytest.mark.parametrize("seed", range(3))
def test_a_build_killed_at_any_moment_goes_on_to_the_same_bytes(build, tmp_path, tiny, seed):
    start = time.perf_counter()
    assert start_tiny_build(tiny, tmp_path / "whole").wait() == 0
    whole = time.perf_counter() - start
    # Kill twice at random moments within the time a build takes, then let it finish.
    tiny.env["LLAMA_MINI_CACHE"] = str(tmp_path / "cache of the killed")
    rng = random.Random(seed)
    out = tmp_path / "killed"
    for _ in range(2):
        process = start_tiny_build(tiny, out)
        time.sleep(rng.uniform(0.3, 1.0) * whole)
        process.kill()
        process.communicate()
    process = start_tiny_build(tiny, out)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert files_of(out) == files_of(tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is Unix's")
def test_a_full_disk_is_said_and_leaves_nothing_that_is_trusted(build, tmp_path, tiny):
    limit = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
    )
    process = start_tiny_build(tiny, tmp_path / "mix", before=limit)
    _, errors = process.communicate()
    assert process.returncode != 0
    assert "No room left for" in errors and "LLAMA_MINI_CACHE" in errors
    assert not list(tmp_path.rglob("*.partial"))
    with pytest.raises(FileNotFoundError, match="llama-mini data build"):
        TokenShards(tmp_path / "mix", "train")
    assert build(tmp_path / "mix").rows


def test_too_many_tokens_name_the_scarce_source_and_what_is_possible(build, tmp_path):
    with pytest.raises(DataError, match=r"more than 3 epochs. Ask for at most [\d,]+ tokens"):
        build(tmp_path / "mix", total_tokens=10_000_000)


def test_random_documents_are_the_texts_that_went_in(build, tmp_path):
    build(tmp_path / "mix")
    shown = random_documents(3, "Wikipedia", folder=tmp_path / "mix")
    assert [kind for kind, _ in shown] == ["wikipedia"] * 3
    assert all(text.startswith("Subject ") and text.endswith(".") for _, text in shown)
    with pytest.raises(ValueError, match="no source 'poems'"):
        random_documents(1, "poems", folder=tmp_path / "mix")


def test_licence_headers_and_tests_do_not_reach_the_mix(build, tmp_path):
    build(tmp_path / "mix")
    for _, text in random_documents(100, "github", folder=tmp_path / "mix"):
        assert text.startswith('"""A module."""')
        assert "\n\n\ndef " in text


def test_a_second_build_waits_for_the_first_and_says_so(build, tmp_path, tiny):
    """Two real processes: one holds the cache, the other waits, and both end well."""
    hold = (
        "from llama_mini import files, paths\n"
        "import sys\n"
        "with files.lock(paths.cache_dir() / 'build'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold],
        env=tiny.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    first = start_tiny_build(tiny, tmp_path / "one", progress=True)
    second = start_tiny_build(tiny, tmp_path / "two", progress=True)
    try:
        for process in (first, second):
            assert "Another build is at work in" in process.stderr.readline()
            assert process.poll() is None
        assert not (tmp_path / "cache" / "stages").exists()
    finally:
        holder.communicate("go on\n")
    for process in (first, second):
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_killed_build_leaves_no_lock_behind(build, tmp_path, tiny):
    hold = (
        "from llama_mini import files, paths\n"
        "import time\n"
        "with files.lock(paths.cache_dir() / 'build'):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], env=tiny.env, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    assert build(tmp_path / "mix").digest


def test_two_parts_of_one_package_in_one_source_both_reach_the_mix(build, tmp_path, tiny):
    whole = next(part for part in tiny.table.parts if part.source == "github")
    halves = [replace(whole, include=(pattern,)) for pattern in ("code/m?.py", "code/m1?.py")]
    parts = [part for part in tiny.table.parts if part is not whole]
    build(tmp_path / "mix", table=replace(tiny.table, parts=(*parts, *halves)))
    build(tmp_path / "whole")
    in_halves, as_one = (
        {text for _, text in random_documents(100, "github", split, folder=tmp_path / name)}
        | {text for _, text in random_documents(100, "github", "train", folder=tmp_path / name)}
        for name, split in (("mix", "validation"), ("whole", "validation"))
    )
    assert in_halves == as_one and len(as_one) > 10


def test_another_source_is_one_entry_of_the_table_and_one_reader(
    build, tmp_path, tiny, monkeypatch
):
    """Poems, by a reader of one's own, beside the seven."""
    links = tmp_path / "more_links"
    links.mkdir()
    poems = {f"poems/{i}.txt": prose(9000 + i, 30).encode() for i in range(40)}
    path = wheel(links / "tinypoems-1.0-py3-none-any.whl", poems)
    (tmp_path / "poetry").mkdir()
    (tmp_path / "poetry" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "poetry" / "verse.py").write_text(
        "from llama_mini.data import cleaning\n"
        "from llama_mini.data.readers.archives import Read, members\n\n\n"
        "def read(archive, part):\n"
        "    for name, raw in members(archive, part):\n"
        "        yield Read(name, name, cleaning.tidy(raw.decode('utf-8')))\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tiny.links} {links}")
    text = tiny.table_file.read_text(encoding="utf-8").replace("share = 67.0", "share = 57.0")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    text += (
        '[sources.poems]\ntitle = "Poems"\nshare = 10.0\nstand_in = "x"\ncaveat = "y"\n'
        f'[[files]]\npackage = "tinypoems"\nversion = "1.0"\nfilename = "{path.name}"\n'
        f'sha256 = "{sha256}"\nsize = {path.stat().st_size}\nlicence = "CC0-1.0"\n'
        '[[parts]]\nsource = "poems"\npackage = "tinypoems"\nreader = "poetry.verse"\n'
        'include = ["poems/*.txt"]\n'
    )
    (tmp_path / "with poems.toml").write_text(text, encoding="utf-8")
    table = load_table(tmp_path / "with poems.toml")
    report = build(tmp_path / "mix", table=table)
    row = next(row for row in report.rows if row.source == "Poems")
    assert (row.documents, round(row.share)) == (40, 10)
    shown = random_documents(2, "poems", folder=tmp_path / "mix")
    assert all(text.encode() in poems.values() for _, text in shown)


def test_text_is_tidied_once(build, tmp_path, tiny, monkeypatch):
    texts = []

    def counting(text, *options, tidy=cleaning.tidy, **named):
        texts.append(text)
        return tidy(text, *options, **named)

    monkeypatch.setattr(cleaning, "tidy", counting)
    report = build(tmp_path / "mix")
    read = report.about["stages"][0]["sources"]
    found = sum(counts["kept"] for source, counts in read.items() if source != "books")
    assert len(texts) == found + 5  # five books, each before it is cut
    assert len(set(texts)) == len(texts)
