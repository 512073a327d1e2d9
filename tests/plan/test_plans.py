"""Plans of the four sizes against what is published, and the words that go with them."""

import re
from dataclasses import replace

import pytest
import torch

from llama_mini import CONFIGS, ModelConfig, attention, parallel, slots
from llama_mini.machine.devices import DEVICES, Device, find, measured_bandwidth, this_machine
from llama_mini.plan.fitting import changed, devices_needed, room, verdict, what_would_fit
from llama_mini.plan.plans import plan_decoding, plan_training
from llama_mini.plan.report import describe, overview

SMALL = ModelConfig(dim=64, n_layers=2, n_heads=8, n_kv_heads=4, vocab_size=320, max_seq_len=64)


@pytest.mark.parametrize(
    ("size", "precision", "device", "fits"),
    [
        ("65B", "bf16", "H200", True),
        ("65B", "bf16", "H100", False),
        ("65B", "int8", "H100", True),
        ("65B", "int4", "H100", True),
        # LLaMA paper, abstract: the 13B runs on a single V100.
        ("13B", "fp16", "V100-32", True),
        ("13B", "fp16", "V100", False),
        ("30B", "int4", "RTX 4090", True),
        ("7B", "fp32", "RTX 3090", False),
    ],
)
def test_what_is_known_to_fit_fits(size, precision, device, fits):
    assert plan_decoding(CONFIGS[size], precision, 2048).fits(DEVICES[device]) is fits


def test_the_cache_of_metas_faq_is_in_the_plan():
    plan = plan_decoding(CONFIGS["7B"], "fp16", 1024, 32)
    assert round(plan.parts["KV cache"] / 1e9) == 17


@pytest.mark.parametrize(
    ("size", "gigabytes"), [("7B", 108), ("13B", 208), ("30B", 520), ("65B", 1045)]
)
def test_training_everything_takes_16_bytes_a_parameter_and_activations(size, gigabytes):
    plan = plan_training(CONFIGS[size], "bf16", 128)
    assert round((plan.total - plan.parts["activations"]) / 1e9) == gigabytes


@pytest.mark.parametrize(
    ("size", "shards", "bytes_a_shard"),
    [("13B", 2, 13_016_334_699), ("30B", 4, 16_265_763_099), ("65B", 8, 16_323_959_449)],
)
def test_the_share_of_a_device_is_what_a_published_shard_holds(size, shards, bytes_a_shard):
    plan = plan_decoding(CONFIGS[size], "fp16", 128, n_devices=shards)
    assert 0 < bytes_a_shard - plan.parts["weights"] < 2e-5 * bytes_a_shard
    whole = plan_decoding(CONFIGS[size], "fp16", 128)
    assert plan.parts["KV cache"] * shards == whole.parts["KV cache"]


def test_devices_that_cannot_share_the_heads_are_refused():
    with pytest.raises(ValueError, match="52 query heads do not divide over 8"):
        plan_decoding(CONFIGS["30B"], n_devices=8)


def test_bits_are_those_of_codes_and_scales_together():
    # Groups of 128 with two 16-bit numbers each: 4.25. The embeddings stay in 16 bits.
    plan = plan_decoding(CONFIGS["65B"], "int4", 128)
    embeddings = 32_000 * 8192
    expected = (16 * embeddings + 4.25 * (65_285_660_672 - embeddings)) / 65_285_660_672
    assert float(plan.bits_per_weight) == pytest.approx(expected, rel=1e-4)


def test_the_bound_follows_the_bytes_that_a_step_reads():
    a100 = DEVICES["A100"]
    assert round(plan_decoding(CONFIGS["7B"], "fp16", 1).tokens_per_second(a100)) == 151
    plan = plan_decoding(CONFIGS["13B"], "fp32", 512, 4)
    read = plan.parts["weights"] + plan.parts["KV cache"]
    assert plan.tokens_per_second(a100) == pytest.approx(4 * 2.039e12 / read)
    assert plan.tokens_per_second(Device("a box", 1e12)) is None
    assert plan_training(SMALL, "fp32").tokens_per_second(a100) is None


def test_loading_waits_for_the_slower_of_disk_and_link():
    plan, size = plan_decoding(CONFIGS["7B"], "int4", 128), 13_476_831_232
    h100 = DEVICES["H100"]
    assert plan.load_seconds(h100, 2e9) == pytest.approx(size / 2e9)
    assert plan.load_seconds(h100, 1e12) == pytest.approx(size / 63e9)
    assert plan.with_disk(4e9).load_seconds(h100, 2e9) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": 65}, "context must be from 1 to 64"),
        ({"context": 0}, "context must be from 1 to 64"),
        ({"context": 9, "prompt": 10}, "prompt must be from 1 to the context of 9"),
        ({"batch": 0}, "batch must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        plan_decoding(SMALL, **options)
    if "prompt" not in options:
        with pytest.raises(ValueError, match=words):
            plan_training(SMALL, **options)


def test_a_precision_that_does_not_exist_or_does_not_train_is_refused():
    with pytest.raises(ValueError, match="precision must be fp32, bf16, fp16, int8, int4; got 'i"):
        plan_decoding(SMALL, "int3")
    with pytest.raises(ValueError, match="planned in fp32, bf16, fp16; got 'int8'"):
        plan_training(SMALL, "int8")


def test_the_verdict_says_the_sum_and_the_nearest_that_fits():
    plan = plan_decoding(CONFIGS["65B"], "bf16", 2048)
    said = verdict(plan, DEVICES["H100"])
    assert "138.7 GB of 80.0 GB, 58.7 GB too much" in said
    assert "int8 (73.7 GB)" in said
    assert "the same on H200 141 GB" in said
    assert "2 × H100" in said
    assert "2.27 GB to spare" in verdict(plan, DEVICES["H200"])
    assert "nobody knows" in verdict(plan, Device("a box", None))


def test_every_change_that_is_named_makes_it_fit():
    plan = plan_decoding(SMALL, "bf16", 64, 16)
    place = Device("a small one", (plan.total + changed(plan, batch=8).total) / 2)
    assert not plan.fits(place)
    named = " ".join(what_would_fit(plan, place))
    batch = int(re.search(r"(\d+) at a time", named)[1])
    assert changed(plan, batch=batch).fits(place)
    assert not changed(plan, batch=2 * batch).fits(place)


@pytest.mark.parametrize(
    ("size", "precision", "batch", "device", "suggestion"),
    [
        ("7B", "bf16", 32, "H100", "prompts of up to 1,024"),
        ("13B", "bf16", 4, "V100", "7B in int4"),
        ("65B", "bf16", 1, "laptop", "13B in int4"),
        ("65B", "int4", 1, "RTX 4090", "30B in int4"),
    ],
)
def test_what_is_suggested_fits(size, precision, batch, device, suggestion):
    plan, place = plan_decoding(CONFIGS[size], precision, 2048, batch), DEVICES[device]
    assert suggestion in ", ".join(what_would_fit(plan, place))
    if " in " in suggestion:
        other, _, narrower = suggestion.split()
        plan = plan_decoding(CONFIGS[other], narrower, 2048, batch)
    else:
        plan = changed(plan, prompt=1024)
    assert plan.fits(place)


def test_the_number_of_devices_is_the_least_that_holds_it():
    plan = plan_decoding(CONFIGS["65B"], "bf16", 2048)
    assert [devices_needed(plan, DEVICES[name]) for name in ("H200", "H100", "A100-40")] == [
        1,
        2,
        4,
    ]
    assert devices_needed(plan, DEVICES["V100"]) is None


def test_a_plan_reads_as_a_table_that_adds_up():
    plan = plan_decoding(CONFIGS["65B"], "int4", 2048)
    text = describe("65B", plan, DEVICES["H100"])
    assert text.startswith("65B in int4, decoding 1 sequence of 2,048 positions, on H100")
    sizes = [float(re.search(rf"^{part} +([\d.]+) GB", text, re.M)[1]) for part in plan.parts]
    together = float(re.search(r"^together +([\d.]+) GB", text, re.M)[1])
    assert sum(sizes) == pytest.approx(together, abs=0.1)
    assert "which is assumed" in text
    assert "which is assumed" not in describe("65B", plan, DEVICES["H100"], 3e9)
    assert room(plan, DEVICES["H100"]) in text
    assert max(map(len, text.splitlines()[:-1])) <= 100


def test_the_table_of_what_fits_where_has_every_size_and_precision():
    lines = overview(DEVICES).splitlines()
    assert len(lines) == 2 + 4 * 4
    row = next(line for line in lines if line.startswith("65B  16 bits"))
    assert row.split()[3:8] == ["138.7", "GB", "fits", "×", "2"]
    narrow = overview({"H100": DEVICES["H100"], "unknown": Device("a box", None)})
    assert "unknown" not in narrow


@pytest.mark.parametrize("name", ["rtx 4090", "4090", "RTX-4090", "RTX4090"])
def test_a_device_is_found_however_it_is_written(name):
    assert find(name) is DEVICES["RTX 4090"]


def test_a_size_stands_for_any_device_and_an_unknown_name_for_none():
    assert find("24GB").memory_bytes == 24e9
    assert find("1.5 gib").memory_bytes == 1.5 * 2**30
    assert find("24GB").bytes_per_second is None
    with pytest.raises(ValueError, match="no device 'TPU' in the table"):
        find("TPU")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="has no cuda"):
            find("cuda:0")


def test_this_machine_is_measured_when_asked():
    assert this_machine().bytes_per_second is None
    assert measured_bandwidth("cpu", seconds=0) > 1e6


def test_a_share_of_a_plan_is_the_share_that_a_process_reads():
    n = 2
    norms = (2 * SMALL.n_layers + 1) * SMALL.dim * 2
    whole, half = (plan_decoding(SMALL, "bf16", 64, n_devices=k).parts["weights"] for k in (1, n))
    assert n * half == whole + (n - 1) * norms
    parallel.demand_even(SMALL, n)


@pytest.fixture
def another_attention():
    genuine = attention.scaled_dot_product_attention
    yield (
        lambda function: slots.fill("llama_mini.attention:scaled_dot_product_attention", function),
        genuine,
    )
    slots.restore_all()


def test_a_learners_own_code_is_what_is_planned(another_attention):
    fill, genuine = another_attention
    reference = plan_decoding(SMALL, "fp32", 64).parts["activations"]

    def wasteful(q, k, v, mask=None):
        spare = [torch.empty(1_000_000, dtype=torch.uint8) for _ in range(3)]
        return genuine(q, k, v, mask) + 0 * len(spare)

    fill(wasteful)
    assert plan_decoding(SMALL, "fp32", 64).parts["activations"] > reference + 2_000_000
    slots.restore_all()
    assert plan_decoding(SMALL, "fp32", 64).parts["activations"] == reference


def test_code_that_looks_at_numbers_cannot_be_planned_and_is_told_so(another_attention):
    fill, genuine = another_attention
    fill(lambda q, k, v, mask=None: genuine(q, k, v, mask) * (1 if q.sum().item() else 2))
    with pytest.raises(ValueError, match="looks at the value of a tensor"):
        plan_decoding(replace(SMALL, n_layers=1), "fp32", 63)
