"""Undo LLaMA's choices one at a time, train each variant alike, and keep every result.

  python benchmarks/ablations.py             what is missing of all runs
  python benchmarks/ablations.py --quick     one seed of LLaMA and of post-norm
  python benchmarks/ablations.py --summary   only print what the results say

Every run appends one line to benchmarks/results/ablations.jsonl, so that an interrupted benchmark
goes on where it stopped. Within a seed all variants read the same tokens in the same order, and
parts that they share start from the same numbers: compare them in pairs. Needs the data mix
(`llama-mini data build`).

Five variants train from five seeds with `SETTINGS`, alike for all and tuned for none. A recipe can
be unfair to one of them, so LLaMA and post-norm train from three of the seeds once more, at a sixth
of the learning rate.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from ablation_variants import VARIANTS, build

from llama_mini import ModelConfig, paths, slots
from llama_mini.data.shards import TokenShards
from llama_mini.training.recipe import optimizer, schedule
from llama_mini.training.recipe.update import Step
from llama_mini.training.run.validation import Validation
from llama_mini.training.run.windows import Batches, Tokens

RESULTS = Path(__file__).parent / "results" / "ablations.jsonl"
SEEDS = range(5)


@dataclass(frozen=True)
class Settings:
    """The model and the recipe of every run.

    steps updates of batch_size windows with seq_len tokens; AdamW with LLaMA's betas, decay and
    clipping, a warm-up of warmup_steps to lr, then a cosine to a tenth. validation_windows: windows
    of the validation split that the final loss is taken over.
    """

    dim: int = 64
    n_layers: int = 6
    n_heads: int = 4
    multiple_of: int = 32
    steps: int = 400
    batch_size: int = 8
    seq_len: int = 128
    lr: float = 3e-3
    warmup_steps: int = 40
    validation_windows: int = 256

    def config(self, vocab_size: int) -> ModelConfig:
        """The model these settings describe."""
        return ModelConfig(
            dim=self.dim,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            multiple_of=self.multiple_of,
            max_seq_len=self.seq_len,
            vocab_size=vocab_size,
        )


SETTINGS = Settings()
LOW_RATE = replace(SETTINGS, lr=5e-4)


def train(
    variant: str, seed: int, tokens: Tokens, validation: Tokens, settings: Settings = SETTINGS
) -> dict[str, Any]:
    """Train one variant from one seed.

    → its number of parameters, the training loss of every update, and the validation loss at the
    end, in nats per token. The seed fixes the first weights and the order of the data.
    """
    model = build(variant, settings.config(tokens.vocab_size), seed)
    batches = Batches(tokens, settings.batch_size, settings.seq_len, seed)
    adamw = optimizer.adamw(model, settings.lr)
    update, losses = Step(model, adamw, 1.0, model), []
    for step in range(settings.steps):
        lr = schedule.learning_rate(step, settings.lr, settings.warmup_steps, settings.steps)
        loss, _ = update([batches.batch(step)], lr)
        losses.append(loss)
    held_out = Validation(validation, settings.seq_len, settings.validation_windows)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "validation_loss": held_out.model_loss(model),
        "training_loss": losses,
    }


def paired_differences(
    records: Iterable[dict[str, Any]], baseline: str = "LLaMA"
) -> dict[str, tuple[list[float], float, float]]:
    """How much worse each variant is than the baseline, seed by seed.

    → for each other variant: the differences of the validation losses (variant − baseline, nats per
    token) over the seeds that both have, their mean, and the half-width of its 95 % confidence
    interval, from Student's t. With fewer than two seeds the half-width is infinite.
    """
    losses: dict[str, dict[int, float]] = {}
    for record in records:
        losses.setdefault(record["variant"], {})[record["seed"]] = record["validation_loss"]
    result = {}
    for variant, by_seed in losses.items():
        both = sorted(by_seed.keys() & losses.get(baseline, {}).keys())
        if variant == baseline or not both:
            continue
        differences = [by_seed[seed] - losses[baseline][seed] for seed in both]
        half_width = math.inf
        if len(both) > 1:
            spread = statistics.stdev(differences) / math.sqrt(len(both))
            half_width = _t_quantile(len(both) - 1) * spread
        result[variant] = differences, statistics.fmean(differences), half_width
    return result


def _t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, for 1 to 9 degrees of freedom; beyond, the normal's."""
    table = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
    return table[freedom - 1] if freedom <= len(table) else 1.96


def read_results(path: Path = RESULTS, settings: Settings = SETTINGS) -> list[dict[str, Any]]:
    """The runs in a results file that were made with these settings; none if there is no file."""
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [record for record in records if record["settings"] == asdict(settings)]


def _plan(quick: bool = False) -> list[tuple[str, int, Settings]]:
    """Every run there should be: (variant, seed, settings), whole seeds first."""
    if quick:
        return [("LLaMA", 0, SETTINGS), ("post-norm", 0, SETTINGS)]
    alike = [(variant, seed, SETTINGS) for seed in SEEDS for variant in VARIANTS]
    slower = [(variant, seed, LOW_RATE) for seed in SEEDS[:3] for variant in ("LLaMA", "post-norm")]
    return alike + slower


def _run(variant: str, seed: int, settings: Settings) -> dict[str, Any]:
    """One run in a process of its own, on one thread, as it goes into the results.

    Of the training loss it keeps the mean of every ten updates.
    """
    torch.set_num_threads(1)
    tokens = TokenShards(paths.mix_dir(), "train")
    began = time.perf_counter()
    result = train(variant, seed, tokens, TokenShards(paths.mix_dir(), "validation"), settings)
    every = result["training_loss"]
    result["training_loss"] = [
        round(statistics.fmean(every[i : i + 10]), 4) for i in range(0, len(every), 10)
    ]
    return {
        "variant": variant,
        "seed": seed,
        "settings": asdict(settings),
        **result,
        "data": tokens.digest,
        "seconds": round(time.perf_counter() - began, 1),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, 1 thread of {os.cpu_count()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "code": slots.fingerprint(),
    }


def main() -> None:
    """Make the runs that are missing, two at a time, then say what all of them show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed of LLaMA and of post-norm")
    parser.add_argument("--summary", action="store_true", help="train nothing, print the results")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default: 2)")
    options = parser.parse_args()

    done = {
        (record["variant"], record["seed"], settings)
        for settings in (SETTINGS, LOW_RATE)
        for record in read_results(settings=settings)
    }
    missing = [] if options.summary else [run for run in _plan(options.quick) if run not in done]
    if missing:
        RESULTS.parent.mkdir(exist_ok=True)
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            for future in as_completed([pool.submit(_run, *run) for run in missing]):
                record = future.result()
                with RESULTS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
                print(
                    f"{record['variant']:18} seed {record['seed']}: validation loss "
                    f"{record['validation_loss']:.4f}, {record['seconds']:.0f} s",
                    flush=True,
                )
    for settings in (SETTINGS, LOW_RATE):
        print(f"\nlr {settings.lr:g}: variant − LLaMA, nats per token, mean ± 95 % confidence")
        differences = paired_differences(read_results(settings=settings))
        for variant, (of_seeds, mean, half_width) in differences.items():
            print(f"{variant:18} {mean:+.4f} ± {half_width:.4f}  ({len(of_seeds)} seeds)")


if __name__ == "__main__":
    main()
