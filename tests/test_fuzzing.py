"""A sample of `make prove`, and proof that it would notice what it looks for."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import campaign, readers
from fuzzing.mutations import BY_KIND, damage, gguf_numbers

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = 500


@pytest.mark.parametrize("reader", readers.READERS)
def test_damaged_files_are_read_or_refused_in_a_sentence(reader):
    outcome = campaign.run(reader, 0, SAMPLE, campaign="sample")
    assert not outcome.failures
    assert sum(outcome.counts.values()) == SAMPLE
    # A campaign in which nothing is refused, or nothing gets through, tries nothing.
    assert outcome.counts["refused"] > SAMPLE / 2
    assert outcome.counts["read"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory, and bus errors")
def test_a_campaign_notices_a_crash_a_hang_an_allocation_and_an_accident():
    outcome = campaign.run("faulty", 0, 10, module="fuzzing.faulty", seconds_each=2)
    assert outcome.counts == {"read": 5, "refused": 1, "failed": 4}
    failures = {int(seed.rpartition("/")[2]): what for seed, what in outcome.failures.items()}
    assert "died (-7)" in failures[1]  # SIGBUS
    assert "Timeout" in failures[3]
    assert "MemoryError" in failures[5]
    assert "UnicodeDecodeError" in failures[7]


def test_files_end_where_a_page_ends_and_are_read_before_they_are_damaged(tmp_path):
    readers.write_seeds(tmp_path)
    targets = {target for of_reader in readers.READERS.values() for target in of_reader}
    for target in targets:
        if target.kind in ("gguf", "safetensors"):
            assert (tmp_path / target.file).stat().st_size % readers.PAGE == 0
        readers._read_everything(tmp_path / target.opened, verify=target.opened == "meta")


def test_the_same_seed_makes_the_same_damage_and_others_make_others(tmp_path):
    readers.write_seeds(tmp_path)
    for target in {target for of_reader in readers.READERS.values() for target in of_reader}:
        data = (tmp_path / target.file).read_bytes()
        made = [damage(data, target.kind, random.Random(seed)) for seed in range(200)]
        assert made == [damage(data, target.kind, random.Random(seed)) for seed in range(200)]
        assert len(set(made)) > 100
        structured = [BY_KIND[target.kind](data, random.Random(seed)) for seed in range(100)]
        assert sum(other != data for other in structured) > 60


def test_every_number_of_a_gguf_header_is_found(tmp_path):
    readers.write_seeds(tmp_path)
    data = (tmp_path / "Q4_1.gguf").read_bytes()
    numbers = gguf_numbers(data)
    values = [int.from_bytes(data[start : start + size], "little") for start, size in numbers]
    assert values[0] == 3  # the version
    assert {readers.CONFIG.dim, readers.CONFIG.hidden_dim} <= set(values)
    # The last is the offset of the last tensor, behind which the data begin.
    last = numbers[-1][0] + 8
    assert 0 <= len(data) - last - values[-1] < len(data)


def test_prove_counts_what_happened_and_fails_on_failures(tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "prove.py"), "--inputs", "20"]
    results = tmp_path / "fuzzing.json"
    command += ["--only", "params", "--jobs", "1", "--results", str(results)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 inputs" in done.stdout
    assert sum(json.loads(results.read_text())["inputs"]["params"].values()) == 20


def test_the_committed_proof_is_of_100_000_inputs_without_a_failure():
    results = json.loads((ROOT / "benchmarks" / "results" / "fuzzing.json").read_text())
    assert set(results["inputs"]) == set(readers.READERS)
    assert sum(sum(counts.values()) for counts in results["inputs"].values()) >= 100_000
    assert not results["failures"]
