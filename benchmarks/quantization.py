"""What rounding does to real weights, and to what the model says: error and perplexity at 2–8 bits.

  python benchmarks/quantization.py smollm2          SmolLM2-135M-Instruct, fetched once (98 MB)
  python benchmarks/quantization.py my_llama_mini/runs/mini-1      a run of your own
  python benchmarks/quantization.py --summary        only print what the results say

Every measurement appends a line to benchmarks/results/quantization.jsonl, and what is there already
is left out; so an interrupted benchmark goes on where it stopped.
Every scheme is scored on the same tokens, documents of the mix's validation split, so compare them
in pairs: `difference` is the mean of (this − fp32) over tokens, with its standard error. Weights
are rounded and then computed with in fp32, so that only the grid differs; "load int8" and "load
int4" are the real thing, in bf16 and through the kernels. Needs the data mix (`llama-mini data
build`).
"""

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from llama_mini import load, paths, slots
from llama_mini.data.shards import TokenShards
from llama_mini.evaluation.perplexity import token_log_likelihoods
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.weights import pretrained
from llama_mini.weights.filling import is_projection
from llama_mini.weights.quantized.grids import relative_error, round_trip
from llama_mini.weights.quantized.linear import group_size_for

RESULTS = Path(__file__).parent / "results" / "quantization.jsonl"
CONTEXT = 256
DOCUMENTS = 8
LAYER_STEP = 5  # the sweep over all bits takes every fifth layer


@dataclass(frozen=True)
class Scheme:
    """A grid: its bits, how many columns share one (None: a row), and whether it is asymmetric."""

    bits: int
    group_size: int | None
    asymmetric: bool

    @property
    def name(self) -> str:
        """Such as "int4 min-max 64"."""
        kind = "min-max" if self.asymmetric else "absmax"
        return f"int{self.bits} {kind} {self.group_size or 'row'}"

    def __call__(self, weight: Tensor) -> Tensor:
        """The weight rounded to this grid; a group that does not divide it is made smaller."""
        group_size = self.group_size and group_size_for(weight.shape[1], self.group_size)
        return round_trip(weight, self.bits, group_size, self.asymmetric)


FOR_ERROR = [Scheme(b, g, a) for b in range(2, 9) for g in (None, 64) for a in (False, True)]
PER_TENSOR = (Scheme(8, None, False), Scheme(4, None, False), Scheme(4, 64, True))
FOR_PERPLEXITY = [
    Scheme(8, None, False),
    *(Scheme(4, g, a) for g in (None, 128, 64, 32) for a in (False, True)),
    *(Scheme(3, 32, a) for a in (False, True)),
]


def projections(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The weights that int8 and int4 quantise, by name; a head tied to the embeddings stays."""
    for name, weight in model.named_parameters():
        if is_projection(name, weight.ndim):
            yield name, weight


@torch.no_grad()
def errors(model: nn.Module) -> dict[str, Any]:
    """Relative error of each scheme over every LAYER_STEP-th layer; of three, tensor by tensor.

    peak: the largest |weight| of a row as a multiple of the row's root mean square, the median over
    the rows and the largest.
    """
    weights = dict(projections(model))
    chosen = [
        weight
        for name, weight in weights.items()
        if name.startswith("layers.") and int(name.split(".")[1]) % LAYER_STEP == 0
    ]
    total = sum(weight.pow(2).sum() for weight in chosen)
    overall = {}
    for scheme in FOR_ERROR:
        lost = sum((scheme(weight) - weight).pow(2).sum() for weight in chosen)
        overall[scheme.name] = round((lost / total).sqrt().item(), 6)
    by_tensor = {}
    for name, weight in weights.items():
        peak = weight.abs().amax(1) / weight.pow(2).mean(1).sqrt()
        row = {s.name: round(relative_error(weight, s(weight)), 5) for s in PER_TENSOR}
        by_tensor[name] = row | {
            "median peak": round(peak.median().item(), 2),
            "largest peak": round(peak.max().item(), 2),
        }
    return {"overall": overall, "by tensor": by_tensor}


def held_out(encode: Callable[[str], list[int]]) -> list[Tensor]:
    """Documents spread over the validation split, each cut after CONTEXT tokens to predict."""
    mix = TokenShards(paths.mix_dir(), "validation")
    tokenizer = Tokenizer(paths.mix_dir() / "tokenizer.model")
    chosen = torch.linspace(0, len(mix.documents) - 1, DOCUMENTS).long().tolist()
    texts = (tokenizer.decode(mix.document(number).tolist()) for number in chosen)
    encoded = (torch.tensor(encode(text)[: CONTEXT + 1]) for text in texts)
    return [tokens for tokens in encoded if len(tokens) > 1]


def scores(model: nn.Module, documents: list[Tensor]) -> Tensor:
    """Nats of every token predicted, all documents one after another."""
    return -torch.cat([token_log_likelihoods(model, d, CONTEXT) for d in documents]).double()


@torch.no_grad()
def perplexities(path: Path, done: set[str]) -> Iterator[dict[str, Any]]:
    """A record for fp32, bf16, the two precisions of `load`, and each scheme, but those done."""
    model, tokenizer = load(path, precision="fp32")
    documents = held_out(tokenizer.encode)
    exact = scores(model, documents)

    def record(name: str, nats: Tensor) -> dict[str, Any]:
        difference = nats - exact
        return {
            "scheme": name,
            "perplexity": round(nats.mean().exp().item(), 4),
            "nats": round(nats.mean().item(), 5),
            "difference": round(difference.mean().item(), 5),
            "standard_error": round((difference.std() / len(nats) ** 0.5).item(), 5),
            "tokens": len(nats),
        }

    if "fp32" not in done:
        yield record("fp32", exact)
    for name in ("bf16", "load int8", "load int4"):
        if name in done:
            continue
        loaded = load(path, precision=name.removeprefix("load "))[0]
        yield record(name, scores(loaded, documents))
    originals = {name: weight.data for name, weight in projections(model)}
    for scheme in FOR_PERPLEXITY:
        if scheme.name not in done:
            for name, weight in projections(model):
                weight.data = scheme(originals[name])
            yield record(scheme.name, scores(model, documents))


def read_results(path: Path = RESULTS) -> list[dict[str, Any]]:
    """The records of a results file; none if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(path: Path, model_name: str) -> Iterator[dict[str, Any]]:
    """Every record of one model that is not in the results: its errors, then its perplexities."""
    about = {
        "model": model_name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, 1 thread of {os.cpu_count()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "code": slots.fingerprint(),
    }
    done = {r.get("scheme", r["kind"]) for r in read_results() if r["model"] == model_name}
    if "error" not in done:
        yield {"kind": "error", **about, **errors(load(path, precision="fp32")[0])}
    for record in perplexities(path, done):
        yield {"kind": "perplexity", **about, **record}


def summary(records: list[dict[str, Any]]) -> str:
    """The results as two tables."""
    lines = []
    for record in records:
        if record["kind"] == "error":
            lines.append(f"\n{record['model']}: error of the weights, as a share of their size")
            lines += [f"  {name:20} {error:.4f}" for name, error in record["overall"].items()]
        else:
            lines.append(
                f"{record['model']:10} {record['scheme']:20} perplexity {record['perplexity']:9.3f}"
                f"  nats {record['difference']:+.4f} ± {record['standard_error']:.4f}"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing of a model, then print all there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", help="weights that `load` reads, or smollm2")
    parser.add_argument("--name", help="what to call it in the results (default: as given)")
    parser.add_argument("--summary", action="store_true", help="measure nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.model and not options.summary:
        name = options.name or Path(options.model).name
        RESULTS.parent.mkdir(exist_ok=True)
        for record in measure(pretrained.resolve(options.model), name):
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
    print(summary(read_results()))


if __name__ == "__main__":
    main()
