"""The benchmark of full-size weights, run with the smallest size on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import full_weights as benchmark
import full_weights_steps as steps


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A file with every step done, each in this process."""
    folder = tmp_path_factory.mktemp("results")
    for step in benchmark.step_names(benchmark.TINY):
        benchmark.run_step(step, benchmark.TINY, folder / "results.jsonl", folder / "files")
    return folder / "results.jsonl"


def test_every_step_runs_and_says_what_it_found(results):
    done = benchmark.read_results(results, "CPU")
    assert list(done) == benchmark.step_names(benchmark.TINY)
    assert done["ceilings"]["found"]["memory"] > 0
    for step, line in done.items():
        found = line["found"]
        if step == "ceilings" or step.endswith("write"):
            continue
        # The folder is float16; what is drawn is not read.
        read = 0 if "drawn" in step else done["tiny write"]["found"]["bytes"]
        assert found["load_bytes"] <= read
        assert found["load_bytes"] >= 0.9 * read
        assert found["prefill_tokens_per_second"] > 0
        assert found["eager_tokens_per_second"] > 0
        assert found["plan_total"] > found["plan_weights"] > 0
    widths = [done[f"tiny {p}"]["found"]["plan_weights"] for p in benchmark.PRECISIONS]
    assert widths == sorted(widths, reverse=True)


def test_the_table_has_a_row_for_each_size_and_precision(results):
    table = benchmark.tables(results, benchmark.TINY)
    rows = [line for line in table.splitlines() if line.startswith("| tiny")]
    assert len(rows) == len(benchmark.TINY) * len(benchmark.PRECISIONS)
    assert all("eager" in row and "not measured" not in row for row in rows)
    assert "CPU, which moves" in table


def test_the_table_without_results_says_so_in_every_cell(tmp_path):
    table = benchmark.tables(tmp_path / "none.jsonl", benchmark.FULL)
    rows = table.splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows[::3]] == ["| 7B", "| 13B", "| 33B", "| 65B"]
    columns = benchmark.HEADER.count("|") + 1
    assert all(row.count("not measured") == columns - 2 for row in rows)


def test_what_does_not_fit_is_recorded_with_the_plans_sum(tmp_path, monkeypatch):
    size = steps.Size(benchmark.FULL["65B"].config)
    small = steps.devices.Device("a small device", 80e9)
    monkeypatch.setattr(steps.devices, "this_machine", lambda name: small)
    (found,) = steps.measure(size, "bf16", tmp_path, torch.device("cpu"), {})
    assert "does not fit on a small device" in found["refused"]
    assert "too much" in found["refused"]
    line = {"step": "65B bf16", "device": "small", "found": found}
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(line) + "\n")
    assert "| 65B | bf16 | does not fit |" in benchmark.tables(path, benchmark.FULL)


def test_a_sweep_skips_what_is_done_and_deletes_what_it_wrote(tmp_path):
    path, files = tmp_path / "results.jsonl", tmp_path / "files"
    command = [sys.executable, benchmark.__file__, "--tiny"]
    command += ["--results", str(path), "--files", str(files), "--only", "tiny int8"]
    first = subprocess.run(command, capture_output=True, text=True)
    assert "tiny int8: done" in first.stdout, first.stderr
    assert not any(files.iterdir())
    second = subprocess.run(command, capture_output=True, text=True)
    assert "tiny int8: done" not in second.stdout
    assert len(path.read_text().splitlines()) == 1


def test_full_sizes_have_metas_shards_and_need_less_than_the_disk():
    assert {name: size.n_shards for name, size in benchmark.FULL.items() if size.n_shards} == {
        "7B": 1,
        "13B": 2,
    }
    assert sum(size.folder_bytes for size in benchmark.FULL.values()) < 64e9
