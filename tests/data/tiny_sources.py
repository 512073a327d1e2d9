"""A tiny table of sources in the real formats, served from a folder as a user's own index."""

import csv
import hashlib
import io
import json
import random
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from dataclasses import dataclass
from pathlib import Path

from llama_mini.data.sources import SourceTable, load_table

WORDS = (
    "the of and to in a is that it for with as on be by this are from or not river stone window "
    "garden letter morning winter summer people city water light music paper story teacher king "
    "soldier merchant mountain forest bridge market silver copper wooden little great quiet long "
    "walked carried opened closed found wanted thought remembered answered whispered travelled"
).split()


def prose(seed: int, n_sentences: int) -> str:
    """Sentences of common English words; other seeds share no run of eight words."""
    rng = random.Random(seed)
    sentences = [" ".join(rng.choices(WORDS, k=rng.randint(8, 16))) for _ in range(n_sentences)]
    return " ".join(sentence.capitalize() + "." for sentence in sentences)


def wheel(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return path


def sdist(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def html_page(seed: int) -> bytes:
    paragraphs = "".join(f"<p>{prose(seed * 100 + i, 6)}</p>" for i in range(5))
    return (
        "<html><head><meta charset='utf-8'><title>t</title></head><body><nav><a href='/'>Home</a>"
        f"</nav><article><h1>A page</h1>{paragraphs}</article><footer>Menu</footer></body></html>"
    ).encode()


def news_zip(n: int) -> bytes:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(
        ["article_id", "publish_date", "article_source_link", "title", "subtitle", "text"]
    )
    for i in range(n):
        outlet = "www.cnn.com" if i % 2 else "tass.com"
        writer.writerow(
            [i, "2017/2/7", f"http://{outlet}/{i}", f"Title {i}", "", prose(5000 + i, 14)]
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(zipfile.ZipInfo("news.csv"), table.getvalue())
    return packed.getvalue()


def code(seed: int) -> bytes:
    rng = random.Random(seed)
    lines = ["# Copyright 2020 the authors. All rights reserved.", "", '"""A module."""', ""]
    for _ in range(4):
        a, b, c = rng.sample(WORDS, 3)
        lines += [
            f"def {a}_{b}_{c}({a}, {b}):",
            f"    return {a} + {b} * {rng.randint(2, 99)}",
            "",
            "",
        ]
    return "\n".join(lines).encode()


def book(seed: int) -> bytes:
    parts = []
    for number in range(1, 4):
        body = "\n\n".join(
            textwrap.fill(prose(seed * 50 + number * 10 + i, 5), 70) for i in range(4)
        )
        parts.append(f"CHAPTER {'I' * number}\n\n\n{body}")
    return "\n\n\n".join(parts).replace("\n", "\r\n").encode()


def paper(seed: int) -> bytes:
    sections = "".join(
        f"\\section{{Part {i}}}\n{prose(seed * 70 + i, 12)} % a remark\n" for i in range(3)
    )
    return (
        "\\documentclass{article}\n\\newcommand{\\name}{Result}\n\\begin{document}\nAbstract.\n"
        f"{sections}\\begin{{thebibliography}}\\end{{thebibliography}}\n\\end{{document}}\n"
    ).encode()


def faq(seed: int) -> bytes:
    parts = ["FAQ\n===\n"]
    for i in range(12):
        question = f"Why is question {seed} {i} asked?"
        parts.append(f"{question}\n{'-' * len(question)}\n\n{prose(seed * 90 + i, 8)}\n")
    return "\n".join(parts).encode()


METADATA = b"Metadata-Version: 2.1\nName: tinycode\nVersion: 1.0\nLicense: MIT\n\nText.\n"


@dataclass(frozen=True)
class TinyIndex:
    """A folder of package files, the table that pins them, and the environment that finds them."""

    links: Path
    table_file: Path
    table: SourceTable
    env: dict[str, str]


def write_files(folder: Path) -> Path:
    """The package files of the tiny index."""
    wheel(
        folder / "tinyweb-1.0-py3-none-any.whl", {f"web/{i}.html": html_page(i) for i in range(30)}
    )
    wheel(folder / "tinynews-1.0-py3-none-any.whl", {"news/articles.zip": news_zip(60)})
    wheel(
        folder / "tinycode-1.0-py3-none-any.whl",
        {f"code/m{i}.py": code(i) for i in range(20)}
        | {"code/tests/test_m.py": code(99), "tinycode-1.0.dist-info/METADATA": METADATA},
    )
    leads = {f"Subject {i}": {"extract": prose(7000 + i, 4)} for i in range(60)}
    wheel(folder / "tinywiki-1.0-py3-none-any.whl", {"wiki/en.json": json.dumps(leads).encode()})
    wheel(
        folder / "tinybooks-1.0-py3-none-any.whl",
        {f"books/Book {i}.txt": book(i + 100) for i in range(5)},
    )
    sdist(folder / "tinypapers-1.0.tar.gz", {f"tinypapers-1.0/{i}.tex": paper(i) for i in range(4)})
    sdist(folder / "tinyfaq-1.0.tar.gz", {f"tinyfaq-1.0/{i}.rst": faq(i) for i in range(3)})
    return folder


PARTS = [
    ("commoncrawl", "tinyweb", "web_pages", "web/*.html", 'stages = ["form_lines", "c4_pages"]'),
    ("commoncrawl", "tinynews", "news", "news/*.zip", 'outlets = ["tass.com"]'),
    ("c4", "tinynews", "news", "news/*.zip", 'outlets = ["www.cnn.com"]'),
    ("github", "tinycode", "python_sources", "*.py", ""),
    ("wikipedia", "tinywiki", "wikipedia_leads", "wiki/*.json", ""),
    ("books", "tinybooks", "books", "books/*.txt", ""),
    ("arxiv", "tinypapers", "papers", "*.tex", ""),
    ("stackexchange", "tinyfaq", "faqs", "*.rst", ""),
]


def write_table(path: Path, links: Path) -> Path:
    real = load_table()
    text = "".join(
        f'[sources.{s.key}]\ntitle = "{s.title}"\nshare = {s.share}\nstand_in = "x"\ncaveat = "y"\n'
        f'kind = "{s.kind}"\nmin_characters = {s.min_characters}\nmin_words = {s.min_words}\n'
        f'language = "{s.language}"\ncrawled = {str(s.crawled).lower()}\n'
        for s in real.sources
    )
    text += (
        '[grading]\nreference = "wikipedia"\nkeep_buckets = ["head", "middle", "tail"]\n'
        "min_reference_probability = 0.0\n"
    )
    for file in sorted(links.iterdir()):
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        text += (
            f'[[files]]\npackage = "{file.name.split("-")[0]}"\nversion = "1.0"\n'
            f'filename = "{file.name}"\nsha256 = "{sha256}"\nsize = {file.stat().st_size}\n'
            'licence = "CC0-1.0"\n'
        )
    for source, package, reader, include, more in PARTS:
        text += (
            f'[[parts]]\nsource = "{source}"\npackage = "{package}"\nreader = "{reader}"\n'
            f'include = ["{include}"]\n{more}\n'
        )
    path.write_text(text, encoding="utf-8")
    return path


TINY_SIZES = {"vocab_size": 420, "total_tokens": 60_000, "validation_fraction": 0.1}

BUILD_TINY = """
import sys
from pathlib import Path
from llama_mini.data.build import build_mix
from llama_mini.data.sources import load_table
build_mix(Path(sys.argv[1]), table=load_table(Path(sys.argv[2])), progress={progress}, **{sizes})
""".replace("{sizes}", repr(TINY_SIZES))


def start_tiny_build(
    tiny: TinyIndex, out: Path, before: str = "", progress: bool = False
) -> subprocess.Popen:
    """The same build in a process of its own."""
    script = BUILD_TINY.replace("{progress}", str(progress))
    return subprocess.Popen(
        [sys.executable, "-c", before + script, str(out), str(tiny.table_file)],
        env=tiny.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
