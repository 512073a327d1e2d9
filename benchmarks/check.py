"""How long `check()` takes on one core: each exercise, each kind of answer, the first call.

  python benchmarks/check.py [exercise …] [--bank]

Each answer is judged in a process of its own, forked from one that has imported the package, torch
and matplotlib and has judged nothing: all that a first call computes is in its time. torch imports
its own compiler when a first optimizer or a first tensor on the meta device is made; that happens
before the clock starts, and its seconds are printed apart. `--bank` judges every known mistake, not
the first alone. Seconds of the wall and of the processor, appended to results/check.jsonl.
"""

import argparse
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from decode import machine

from llama_mini import slots
from llama_mini.course import EXERCISES
from llama_mini.course.derive import exercise_cell, solution_cell
from llama_mini.course.judge.code import files_of
from llama_mini.course.judge.exercise import Exercise
from llama_mini.course.judge.grading import grade, symbol_from
from llama_mini.course.learner.report import report_on
from llama_mini.visualization import figures

RESULTS = Path(__file__).resolve().parent / "results" / "check.jsonl"
BUDGET_S = 2.0


def answers(exercise: Exercise, whole_bank: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The kinds of answer, each with what makes it."""

    def written(code: str) -> Callable[[], Any]:
        return lambda: symbol_from(code, exercise, "an answer")

    def unknown() -> Any:
        """Two known mistakes by turns, which nothing known explains."""
        first, second = (written(wrong.code)() for wrong in exercise.wrong_answers[:2])
        calls: list[None] = []

        def answer(*given: Any, **named: Any) -> Any:
            calls.append(None)
            return (first if len(calls) % 2 else second)(*given, **named)

        return answer

    def raising(*given: Any, **named: Any) -> Any:
        raise RuntimeError("no")

    yield "correct", written(solution_cell(exercise.symbol))
    yield "stub", written(exercise_cell(exercise.symbol))
    yield "exception", lambda: raising
    yield "unknown mistake", unknown
    known = exercise.wrong_answers if whole_bank else exercise.wrong_answers[:1]
    for wrong in known:
        for code in (wrong.code, *wrong.also) if whole_bank else (wrong.code,):
            yield f"known mistake: {wrong.name}", written(code)


def judged(exercise: Exercise, make: Callable[[], Any]) -> dict[str, Any]:
    """The seconds of one check, as text and as a notebook shows it."""
    answer = make()
    wall, processor = time.perf_counter(), time.process_time()
    reference = slots.reference(exercise.symbol)
    report = report_on(exercise, grade(exercise, answer, files_of(answer)), reference)
    report.plain(), report.rich()
    return {
        "seconds": round(time.perf_counter() - wall, 3),
        "processor_seconds": round(time.process_time() - processor, 3),
        "state": report.state,
        "diagnosis": report.diagnosis,
    }


def in_a_process_of_its_own(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Fork, work, and read what came of it. Raises RuntimeError if the process failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        raise RuntimeError("A check ended without a result; its traceback is above.")
    return json.loads(text)


def main() -> None:
    """Judge every kind of answer to every exercise, and append one line for all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exercises", nargs="*", help="names; every exercise if none is given")
    parser.add_argument("--bank", action="store_true", help="judge every known mistake")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    figures.subplots()
    start = time.perf_counter()
    torch.optim.LBFGS([torch.zeros(1, requires_grad=True)])
    torch.empty(2, 2, device="meta") @ torch.empty(2, 2, device="meta")
    imports = time.perf_counter() - start
    print(f"torch's imports on first use: {imports:.1f} s, not in the times below", flush=True)
    table: dict[str, dict[str, Any]] = {}
    for name in options.exercises or sorted(EXERCISES):
        exercise = EXERCISES[name]
        rows = {
            kind: in_a_process_of_its_own(functools.partial(judged, exercise, make))
            for kind, make in answers(exercise, options.bank)
        }
        table[name] = rows
        slowest = max(rows, key=lambda kind: rows[kind]["seconds"])
        words = "  ".join(
            f"{kind.partition(':')[0]} {row['seconds']:.2f}"
            for kind, row in rows.items()
            if not options.bank or not kind.startswith("known")
        )
        above = "  ABOVE 2 s" if rows[slowest]["seconds"] > BUDGET_S else ""
        print(
            f"{name:30} {words}  slowest {rows[slowest]['seconds']:.2f} "
            f"({rows[slowest]['processor_seconds']:.2f} of the processor), {slowest}{above}",
            flush=True,
        )
    row = {"cores": 1, "whole_bank": options.bank, "torch_imports_seconds": round(imports, 2)}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**machine(), **row, "exercises": table}) + "\n")


if __name__ == "__main__":
    main()
