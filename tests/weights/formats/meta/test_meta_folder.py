"""Meta's folders, written by us: every shard count gives the same model, and so does torch.load."""

import hashlib
import itertools
import re
import shutil
import subprocess
import zipfile

import pytest
import torch

from llama_mini import CONFIGS, ModelConfig, Transformer, load
from llama_mini.files import DiskFullError
from llama_mini.tokenizer.sentencepiece import train_tokenizer
from llama_mini.weights.formats.meta import params_json
from llama_mini.weights.formats.meta import writer as meta_writer
from llama_mini.weights.formats.meta.writer import write_meta
from llama_mini.weights.loading import open_checkpoint, read

TEXT = ["the river crossed the old bridge", "my neighbour painted a small garden, then another"]

LLAMA = ModelConfig(dim=64, n_layers=2, n_heads=8, vocab_size=320, multiple_of=32, norm_eps=1e-5)
CASES = {
    "llama 1": (LLAMA, (1, 2, 4, 8)),
    # 30B has 52 heads on 4 shards: 13 on each.
    "odd heads": (ModelConfig(dim=104, n_layers=1, n_heads=52, vocab_size=64), (1, 2, 4)),
    "three heads": (
        ModelConfig(dim=12, n_layers=3, n_heads=3, vocab_size=300, multiple_of=30),
        (1, 3),
    ),
    "grouped": (
        ModelConfig(dim=64, n_layers=2, n_heads=8, n_kv_heads=4, vocab_size=64, rope_theta=5e5),
        (1, 2, 4),
    ),
    "wide": (ModelConfig(dim=32, n_layers=1, n_heads=2, vocab_size=64, hidden_dim=96), (1, 2)),
    "narrow": (ModelConfig(dim=32, n_layers=1, n_heads=2, vocab_size=64, hidden_dim=40), (1, 2)),
    "tied": (
        ModelConfig(dim=32, n_layers=1, n_heads=4, vocab_size=64, tied_embeddings=True),
        (1, 4),
    ),
    "short context": (
        ModelConfig(dim=32, n_layers=1, n_heads=4, vocab_size=64, max_seq_len=48),
        (2,),
    ),
}


def drawn(config, dtype=torch.float16):
    """A model in which every number counts: norms, too, are drawn."""
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model.to(dtype)


def write(folder, model, n_shards=1, **options):
    return write_meta(folder, model.config, model.state_dict().items(), n_shards, **options)


@pytest.mark.parametrize(
    ("case", "n_shards"), [(case, n) for case, (_, counts) in CASES.items() for n in counts]
)
def test_logits_are_bit_equal_for_every_shard_count(tmp_path, case, n_shards):
    model = drawn(CASES[case][0])
    loaded, _ = load(write(tmp_path / "size", model, n_shards))
    tokens = torch.randint(model.config.vocab_size, (2, 17))
    with torch.no_grad():
        assert torch.equal(loaded(tokens), model(tokens))
    assert {p.dtype for p in loaded.parameters()} == {torch.float16}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_dtypes_are_kept_as_they_are(tmp_path, dtype):
    model = drawn(LLAMA, dtype)
    loaded, _ = load(write(tmp_path / "size", model, 2, dtype=dtype))
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in model.state_dict().items())


def test_torch_alone_reads_the_shards_and_merges_them_as_the_release_needs(tmp_path):
    model = drawn(LLAMA)
    folder = write(tmp_path / "size", model, 2)
    a, b = (torch.load(folder / f"consolidated.0{i}.pth", weights_only=True) for i in (0, 1))
    for name, whole in model.state_dict().items():
        if whole.ndim == 1:
            assert torch.equal(a[name], whole) and torch.equal(b[name], whole)
        else:
            axis = 1 if re.search(r"tok_embeddings|wo|w2", name) else 0
            assert torch.equal(torch.cat([a[name], b[name]], dim=axis), whole), name
    assert set(a) == set(b) == {*model.state_dict(), "rope.freqs"}


def test_one_shard_has_the_frequencies_in_each_layer_and_more_have_them_once(tmp_path):
    model = drawn(LLAMA)
    for n_shards, places in (
        (1, {f"layers.{i}.attention.inner_attention.rope.freqs" for i in range(2)}),
        (4, {"rope.freqs"}),
    ):
        folder = write(tmp_path / str(n_shards), model, n_shards)
        shard = torch.load(folder / "consolidated.00.pth", weights_only=True)
        assert {name for name in shard if "freqs" in name} == places
        assert all(shard[name].shape == (LLAMA.head_dim // 2,) for name in places)


@pytest.mark.parametrize(
    ("size", "md5"),
    [
        ("7B", "7596560e011154b90eb51a1b15739763"),
        ("13B", "0171286599e0f8858893e49fb74b71f8"),
        ("30B", "4babdbd05b8923226a9e9622492054b6"),
        ("33B", "4babdbd05b8923226a9e9622492054b6"),
        ("65B", "0306cf93a1c2c3891166fe1fd782c2b7"),
    ],
)
def test_params_json_is_byte_for_byte_that_of_the_release(tmp_path, size, md5):
    text = params_json.params_text(CONFIGS[size]).encode()
    assert hashlib.md5(text).hexdigest() == md5  # published with the release
    assert len(text) == 101
    read_back = params_json.parse_params(text, tmp_path / "params.json", 32_000)
    assert read_back == CONFIGS[size]


def test_the_checklist_is_one_that_md5sum_accepts(tmp_path):
    folder = write(tmp_path / "size", drawn(LLAMA), 2)
    lines = (folder / "checklist.chk").read_bytes().decode().splitlines(keepends=True)
    assert [line[32:] for line in lines] == [
        "  consolidated.00.pth\n",
        "  consolidated.01.pth\n",
        "  params.json\n",
    ]
    if md5sum := shutil.which("md5sum"):
        subprocess.run([md5sum, "-c", "checklist.chk"], cwd=folder, check=True, capture_output=True)
    assert open_checkpoint(folder).verify() == "3 files agree with checklist.chk"


def test_the_archives_are_sound_and_their_numbers_aligned(tmp_path):
    folder = write(tmp_path / "size", drawn(LLAMA), 2)
    with zipfile.ZipFile(folder / "consolidated.01.pth") as archive:
        assert archive.testzip() is None
    shard = torch.load(folder / "consolidated.01.pth", mmap=True, weights_only=True)
    # The map itself begins on a page, so an address says where in the file a tensor lies.
    assert {tensor.data_ptr() % 64 for tensor in shard.values()} == {0}


def test_a_tensor_of_one_shard_stays_in_its_file(tmp_path):
    checkpoint = open_checkpoint(write(tmp_path / "size", drawn(LLAMA)))
    cpu = torch.device("cpu")
    once, again = (checkpoint.tensor("output.weight", cpu) for _ in range(2))
    assert once.data_ptr() == again.data_ptr()


def test_changing_a_loaded_model_leaves_the_file_as_it_is(tmp_path):
    model = drawn(LLAMA)
    folder = write(tmp_path / "size", model)
    loaded, _ = load(folder)
    with torch.no_grad():
        loaded.output.weight.zero_()
    assert torch.equal(load(folder)[0].output.weight, model.output.weight)


@pytest.mark.parametrize("place", ["size/tokenizer.model", "tokenizer.model"])
def test_the_tokenizer_is_found_in_the_folder_or_above_it(tmp_path, place):
    model = drawn(ModelConfig(dim=16, n_layers=1, n_heads=2, vocab_size=290))
    folder = write(tmp_path / "size", model)
    train_tokenizer(TEXT, tmp_path / place, vocab_size=290)
    _, tokenizer = load(folder)
    assert tokenizer.decode(tokenizer.encode("the old garden")) == "the old garden"


def test_the_tokenizers_own_checklist_is_verified_too(tmp_path):
    model = drawn(ModelConfig(dim=16, n_layers=1, n_heads=2, vocab_size=290))
    folder = write(tmp_path / "size", model)
    tokenizer = train_tokenizer(TEXT, tmp_path / "tokenizer.model", vocab_size=290).path
    listed = tmp_path / "tokenizer_checklist.chk"
    listed.write_text(f"{hashlib.md5(tokenizer.read_bytes()).hexdigest()}  tokenizer.model\n")
    said = "2 files agree with checklist.chk; tokenizer.model agrees with tokenizer_checklist.chk"
    assert open_checkpoint(folder).verify() == said
    listed.write_text(f"{'0' * 32}  tokenizer.model\n")
    with pytest.raises(
        ValueError, match=r"tokenizer.model in .* differs .* tokenizer_checklist.chk"
    ):
        open_checkpoint(folder).verify()


def test_the_writer_copies_the_tokenizer(tmp_path):
    model = drawn(ModelConfig(dim=16, n_layers=1, n_heads=2, vocab_size=290))
    tokenizer = train_tokenizer(TEXT, tmp_path / "mine.model", vocab_size=290)
    folder = write(tmp_path / "deep" / "size", model, tokenizer_file=tokenizer.path)
    assert (folder / "tokenizer.model").read_bytes() == tokenizer.path.read_bytes()


def test_without_a_tokenizer_there_is_none_and_it_is_said(tmp_path):
    loaded = read(write(tmp_path / "size", drawn(LLAMA)))
    assert loaded.tokenizer is None
    assert any("no tokenizer" in note for note in loaded.notes)


def test_a_load_says_that_it_is_unchecked_unless_it_was_checked(tmp_path, capsys):
    folder = write(tmp_path / "size", drawn(LLAMA), 2)
    load(folder)
    assert "2 shards in Meta's layout: unchecked: verify=True" in capsys.readouterr().err
    load(folder, verify=True)
    said = capsys.readouterr().err
    assert "unchecked" not in said and "3 files agree" in said


def test_a_part_is_that_part_of_the_whole_for_every_count(tmp_path):
    model = drawn(LLAMA)
    cpu = torch.device("cpu")
    for n_shards, count in itertools.product((1, 2, 8), (1, 2, 4)):
        folder = tmp_path / f"{n_shards}-{count}"
        checkpoint = open_checkpoint(write(folder, model, n_shards))
        for name in ("layers.1.attention.wo.weight", "layers.0.feed_forward.w1.weight"):
            axis = 1 if "wo" in name else 0
            parts = [checkpoint.part(name, cpu, axis, i, count) for i in range(count)]
            assert torch.equal(torch.cat(parts, dim=axis), model.state_dict()[name])


def test_tensors_are_asked_for_one_at_a_time(tmp_path):
    model = drawn(LLAMA)
    alive = 0

    def on_demand():
        nonlocal alive
        for name, tensor in model.state_dict().items():
            alive += 1
            yield name, tensor.clone()
            # The writer has come back for more, so this one must be on the disk by now.
            written = sum(f.stat().st_size for f in tmp_path.rglob("*.pth"))
            assert written >= sum(p.nbytes for p in list(model.state_dict().values())[:alive]) / 2

    write_meta(tmp_path / "size", LLAMA, on_demand(), 2)
    assert alive == len(model.state_dict())


def test_a_disk_that_fills_leaves_nothing(tmp_path, monkeypatch):
    class Full(meta_writer.PthWriter):
        """As `PthWriter`, on a disk with room for a few tensors."""

        def add(self, name, tensor):
            if len(self._stored) == 5:
                raise OSError(28, "No space left on device")
            super().add(name, tensor)

    monkeypatch.setattr(meta_writer, "PthWriter", Full)
    with pytest.raises(DiskFullError, match="No room left for"):
        write(tmp_path / "size", drawn(LLAMA), 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "n_shards", "said"),
    [
        (LLAMA, 3, "8 key/value heads do not divide over 3"),
        (LLAMA, 0, "do not divide over 0"),
        (
            ModelConfig(dim=32, n_layers=1, n_heads=4, vocab_size=65),
            2,
            r"output.weight \(65, 32\) is cut along axis 0",
        ),
    ],
)
def test_a_model_that_does_not_divide_is_refused(tmp_path, config, n_shards, said):
    with pytest.raises(ValueError, match=said):
        write(tmp_path / "size", Transformer(config), n_shards)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_not_written_over(tmp_path):
    folder = write(tmp_path / "size", drawn(LLAMA))
    before = (folder / "checklist.chk").read_bytes()
    with pytest.raises(FileExistsError, match="exists already"):
        write(folder, drawn(LLAMA), 2)
    assert (folder / "checklist.chk").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("norm.weight"), "lacks norm.weight"),
        (lambda s: s.update({"norm.weight": torch.ones(3)}), "not what this config asks for"),
        (lambda s: s.update({"extra.weight": torch.ones(3)}), "no such tensor"),
        (lambda s: s["output.weight"].__setitem__((3, 4), 7e4), "70,000.*Use bf16"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused(tmp_path, change, said):
    state = drawn(LLAMA, torch.float32).state_dict()
    change(state)
    with pytest.raises(ValueError, match=said):
        write_meta(tmp_path / "size", LLAMA, state.items(), 2)
    assert list(tmp_path.iterdir()) == []
