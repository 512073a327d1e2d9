"""Numbers that stand in sentences of the course are those of its code, its files and its results."""

import ast
import io
import json
import re
import sys
import tokenize
from pathlib import Path

import pytest

from llama_mini import CONFIGS
from llama_mini.data import build
from llama_mini.model import parameter_count
from llama_mini.weights import pretrained

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import ablations  # noqa: E402

ARCHITECTURE = ("norm", "rope", "attention", "feedforward", "model")
_NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


def said(file: str, pattern: str) -> tuple[float, ...]:
    """The numbers of the one sentence of a file that the pattern describes."""
    text = (ROOT / file).read_text(encoding="utf-8")
    prose = " ".join(re.sub(r"^# ?", "", text, flags=re.MULTILINE).split())
    (found,) = re.finditer(pattern, prose)
    return tuple(float(group.replace("−", "-").replace(",", "")) for group in found.groups())


def lines_of_code(path: Path) -> int:
    """Lines that are neither blank, nor comment, nor docstring."""
    source = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            docstrings |= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines |= {*range(token.start[0], token.end[0] + 1)}
    return len(lines - docstrings)


def test_the_first_lesson_says_how_many_lines_the_architecture_has():
    (about,) = said(
        "lessons/00_start_here.py", r"fits in about (\d+) lines, comments and docstrings"
    )
    counted = sum(lines_of_code(ROOT / "llama_mini" / f"{name}.py") for name in ARCHITECTURE)
    assert abs(counted - about) <= 0.05 * about


def test_the_readme_says_how_many_tokens_the_mix_has():
    (millions,) = said("README.md", r"seven public sources → (\S+) million tokens")
    assert millions * 1e6 == build.TOTAL_TOKENS


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("README.md", r"fetched once, (\S+) MB"),
        ("lessons/14_loading.py", r"under Apache-2.0 in a package of (\S+) MB"),
    ],
)
def test_the_megabytes_of_smollm2_are_those_of_the_pinned_file(file, pattern):
    (smollm2,) = (weights for weights in pretrained.PINNED if weights.key == "smollm2")
    assert said(file, pattern) == (round(smollm2.file.size / 1e6, 2),)


def test_the_readme_says_how_many_parameters_the_four_sizes_have():
    numbers = said("README.md", r"hence (\S+), (\S+), (\S+) and (\S+) billion parameters")
    assert numbers == tuple(
        round(parameter_count(CONFIGS[name]) / 1e9, 2) for name in ("7B", "13B", "30B", "65B")
    )


@pytest.mark.parametrize(
    ("file", "pattern", "variant"),
    [
        (
            "lessons/07_transformer.py",
            r"\*\*Learned positions\*\* lose (\S+) ± (\S+) nats",
            "learned positions",
        ),
        ("lessons/07_transformer.py", r"against RMSNorm: (\S+) ± (\S+), noise", "LayerNorm"),
        ("lessons/07_transformer.py", r"against SwiGLU: (\S+) ± (\S+), within", "GELU MLP"),
        ("lessons/06_swiglu.py", r"from a GELU layer: (\S+) ± (\S+) nats, within", "GELU MLP"),
    ],
)
def test_what_the_lessons_say_of_the_ablations_is_in_their_results(file, pattern, variant):
    _, mean, half = ablations.paired_differences(ablations.read_results())[variant]
    assert said(file, pattern) == (round(mean, 3), round(half, 3))


def test_the_seeds_agree_where_the_lesson_says_that_they_do():
    found = ablations.paired_differences(ablations.read_results())
    for variant in ("learned positions", "GELU MLP"):
        assert len(found[variant][0]) == 5 and min(found[variant][0]) > 0


def test_the_caches_that_outweigh_7b_are_as_many_as_the_lessons_say():
    config = CONFIGS["7B"]
    cache = 2 * 2 * config.n_layers * config.dim * 2048
    texts = 2 * parameter_count(config) / cache
    for file, pattern in (
        ("lessons/05_attention.py", r"from (\d+) such texts on, 7B's caches are the larger part"),
        ("lessons/08_decoding.py", r"From (\d+) texts of 2,048 positions on it outweighs"),
    ):
        (many,) = said(file, pattern)
        assert many - 1 < texts < many


def test_perplexities_and_nats_of_the_lesson_are_those_of_the_results():
    results = (ROOT / "benchmarks" / "results" / "quantization.jsonl").read_text(encoding="utf-8")
    records = {
        record["scheme"]: record
        for record in map(json.loads, results.splitlines())
        if record["kind"] == "perplexity" and record["model"] == "SmolLM2-135M"
    }
    whole, four_bits = records["fp32"], records["load int4"]
    assert said(
        "lessons/15_quantization.py", r"perplexity of (\S+) to (\S+), which is (\S+) nats"
    ) == (
        round(whole["perplexity"], 1),
        round(four_bits["perplexity"], 1),
        round(four_bits["difference"], 3),
    )


def test_both_lessons_say_the_same_of_exchanged_gates():
    one = said("lessons/06_swiglu.py", r"and from (\S+) to (\S+) after 4,000")
    other = said("lessons/14_loading.py", r"went from (\S+) to (\S+) nats with the two exchanged")
    assert one == other
    one = said(
        "lessons/06_swiglu.py", r"SmolLM2-135M-Instruct goes from (\S+) to (\S+) on a sentence"
    )
    other = said("lessons/14_loading.py", r"the end of this lesson, from (\S+) to (\d+\.\d)\.")
    assert one == other
