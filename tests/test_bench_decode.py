"""The machinery of `make bench-decode`, on a model of no size: what it measures, no speeds."""

import json
import sys
from pathlib import Path

import gguf
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import decode  # noqa: E402
import decode_engines  # noqa: E402


def test_a_comparison_alternates_engines_and_says_everything_about_itself(monkeypatch):
    monkeypatch.setattr(decode, "read_bandwidth", lambda threads, n_bytes: 10.0)
    row = decode.compare(
        "tiny", "bf16", ["ours-uncompiled", "transformers"],
        rounds=2, threads=1, prompt=4, new_tokens=6,
    )  # fmt: skip
    assert row["failed"] == {}
    assert set(row["tokens_per_second"]) == {"ours-uncompiled", "transformers"}
    assert all(speed > 0 for speed in row["tokens_per_second"].values())
    # 512·64 embeddings, two blocks of 4·64² + 3·64·192 + 2·64, a norm of 64; two bytes each.
    weights = 512 * 64 + 2 * (4 * 64**2 + 3 * 64 * 192 + 2 * 64) + 64
    assert row["bound_tokens_per_second"] == pytest.approx(10e9 / (2 * weights))
    assert {"date", "machine", "versions"} <= set(decode.machine())
    json.dumps({**decode.machine(), **row})
    assert "ours-uncompiled" in decode.table(row)


def test_an_engine_that_fails_is_named_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(decode, "read_bandwidth", lambda threads, n_bytes: 10.0)
    monkeypatch.setitem(decode.ENGINES, "no such engine", ("fp32",))
    row = decode.compare(
        "tiny", "fp32", ["no such engine", "ours-uncompiled"],
        rounds=1, threads=1, prompt=4, new_tokens=2,
    )  # fmt: skip
    assert "KeyError" in row["failed"]["no such engine"]
    assert list(row["tokens_per_second"]) == ["ours-uncompiled"]
    assert "not measured: KeyError" in decode.table(row)


def test_ratios_are_to_the_best_compiled_peer():
    speeds = {
        "ours": 60.0,
        "compiled-pytorch": 20.0,
        "ours-linear": 50.0,
        "litgpt-compiled": 30.0,
        "transformers": 90.0,
        "llama.cpp": 80.0,
    }
    assert decode.ratios(speeds) == {"to_best_compiled_peer": 2.0, "to_llama_cpp": 0.75}


def test_sizes_have_the_parameters_of_their_names():
    from llama_mini.model import parameter_count

    counts = {s: parameter_count(decode_engines.model_config(s, 216)) for s in ("15M", "110M")}
    assert 15e6 < counts["15M"] < 15.5e6
    assert 109e6 < counts["110M"] < 111e6


def test_the_gguf_file_for_llama_cpp_holds_our_weights(tmp_path):
    job = {"size": "tiny", "precision": "fp32", "prompt": 4, "new_tokens": 4}
    decode_engines.write_gguf(job, tmp_path / "tiny.gguf")
    reader = gguf.GGUFReader(tmp_path / "tiny.gguf")
    stored = {tensor.name: tensor.data for tensor in reader.tensors}
    model = decode_engines.our_model(job)
    assert len(stored) == len(list(model.named_parameters()))
    ours = model.layers[1].feed_forward.w1.weight.numpy()
    assert (stored["blk.1.ffn_gate.weight"].reshape(ours.shape) == ours).all()
