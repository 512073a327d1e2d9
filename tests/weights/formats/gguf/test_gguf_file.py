"""GGUF: the model that comes out is the model that llama.cpp's own library wrote."""

import sys
from dataclasses import replace

import gguf
import numpy as np
import pytest
import sentencepiece
import torch
from byte_level_vocabulary import LINES, train_vocabulary
from gguf import quants
from weights.micro_gguf import CONFIG, make_model, write

from llama_mini import load
from llama_mini.model import Transformer
from llama_mini.tokenizer.sentencepiece import Tokenizer, train_tokenizer
from llama_mini.weights.conversion import convert
from llama_mini.weights.formats.gguf.blocks import BLOCK, expand
from llama_mini.weights.formats.gguf.file import Gguf
from llama_mini.weights.loading import open_checkpoint

TOKENS = torch.randint(CONFIG.vocab_size, (2, 40), generator=torch.Generator().manual_seed(4))
LOSSLESS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@pytest.fixture
def model():
    torch.manual_seed(5)
    return make_model()


@pytest.mark.parametrize(("kind", "dtype"), LOSSLESS.items())
def test_a_plain_format_gives_the_same_logits_bit_for_bit(model, tmp_path, kind, dtype):
    source = model.to(dtype)
    loaded, tokenizer = load(write(tmp_path / "m.gguf", source, kind))
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}
    assert torch.equal(loaded(TOKENS), source(TOKENS))
    assert loaded.config == CONFIG
    assert tokenizer is None


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1"])
def test_blocks_expand_to_exactly_what_the_gguf_library_makes_of_them(model, tmp_path, kind):
    path = write(tmp_path / "m.gguf", model, kind)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, CONFIG.n_layers)
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    loaded, _ = load(path)
    for name, parameter in loaded.named_parameters():
        tensor = stored[names.get_name(name, try_suffixes=(".weight",))]
        expected = quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.array_equal(parameter.detach().numpy(), expected), name


@pytest.mark.parametrize(
    ("kind", "half_steps", "steps_of_a_block", "has_minimum"),
    [
        # A block of Q8_0 has 127 steps on either side; float16 rounds a scale by up to 2^-11 of it.
        ("Q8_0", 1, 127, False),
        # Q4_0 has codes −8 to 7, so an outlier on the side of 7 can be a whole step away.
        ("Q4_0", 2, 8, False),
        ("Q4_1", 1, 15, True),
    ],
)
def test_a_weight_is_off_by_no_more_than_the_step_of_its_block(
    model, tmp_path, kind, half_steps, steps_of_a_block, has_minimum
):
    loaded, _ = load(write(tmp_path / "m.gguf", model, kind))
    for (name, found), source in zip(loaded.named_parameters(), model.parameters(), strict=True):
        if source.ndim < 2:
            assert torch.equal(found, source)
            continue
        blocks = source.detach().view(-1, BLOCK)
        low, high = blocks.amin(1), blocks.amax(1)
        largest = torch.maximum(low.abs(), high.abs())
        span = high - low if has_minimum else largest
        allowed = span / steps_of_a_block * half_steps / 2 + (span + low.abs()) * 2**-11
        error = (found - source).detach().view(-1, BLOCK).abs().amax(1)
        assert (error <= allowed * 1.001).all(), name
        # The bound is no formality: some block comes near it.
        assert (error > allowed / 2).any(), name


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1"])
def test_logits_are_off_by_what_the_errors_of_the_weights_add_up_to(model, tmp_path, kind):
    loaded, _ = load(write(tmp_path / "m.gguf", model, kind))
    pairs = [
        (found, source)
        for found, source in zip(loaded.parameters(), model.parameters(), strict=True)
        if source.ndim == 2
    ]
    # Independent relative errors of the matrices add as squares, and each one reaches the logits
    # undamped at most.
    squares = [((found - source).norm() / source.norm()) ** 2 for found, source in pairs]
    allowed = torch.stack(squares).sum().sqrt()
    expected = model(TOKENS)
    error = (loaded(TOKENS) - expected).norm() / expected.norm()
    assert error < allowed
    # Query and key rows in the other order are further away than any rounding.
    with torch.no_grad():
        attention = loaded.layers[0].attention
        attention.wq.weight.copy_(attention.wq.weight.flip(0))
    assert (loaded(TOKENS) - expected).norm() / expected.norm() > allowed


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1"])
def test_any_bytes_expand_as_in_the_gguf_library(kind):
    stored = gguf.GGMLQuantizationType[kind]
    _, size = gguf.GGML_QUANT_SIZES[stored]
    raw = np.random.default_rng(0).integers(0, 256, (1024, size), dtype=np.uint8)
    with np.errstate(all="ignore"):
        expected = quants.dequantize(raw, stored)
    found = expand(torch.from_numpy(raw.ravel()), kind, (1024, BLOCK)).numpy()
    assert np.array_equal(found, expected, equal_nan=True)
    # Among the scales are infinities and NaN, as in a damaged file.
    assert not np.isfinite(found).all()


def test_tied_embeddings_are_one_matrix(tmp_path):
    source = make_model(replace(CONFIG, tied_embeddings=True))
    loaded, _ = load(write(tmp_path / "m.gguf", source))
    assert loaded.config.tied_embeddings
    assert loaded.output.weight is loaded.tok_embeddings.weight
    assert torch.equal(loaded(TOKENS), source(TOKENS))


def test_a_model_without_its_own_number_of_kv_heads_has_as_many_as_query_heads(tmp_path):
    source = make_model(replace(CONFIG, n_kv_heads=None))
    loaded, _ = load(write(tmp_path / "m.gguf", source))
    assert loaded.config.kv_heads == CONFIG.n_heads
    assert torch.equal(loaded(TOKENS), source(TOKENS))


def test_a_file_is_known_by_its_first_bytes_whatever_its_name(model, tmp_path):
    path = write(tmp_path / "weights.bin", model)
    assert isinstance(open_checkpoint(path), Gguf)


def test_what_it_says_of_itself_names_the_formats_and_the_licence(model, tmp_path):
    path = write(tmp_path / "m.gguf", model, "Q4_1", change=lambda w: w.add_license("mit"))
    checkpoint = Gguf(path)
    assert checkpoint.what == "GGUF file m.gguf (F32, Q4_1)"
    assert any("mit" in note for note in checkpoint.notes)
    assert any("no tokenizer" in note for note in checkpoint.notes)
    assert sum(entry.bytes_on_disk for entry in checkpoint.entries.values()) < path.stat().st_size
    with pytest.raises(ValueError, match="carries no checksums"):
        checkpoint.verify()


def test_the_file_stays_as_it_was_when_the_model_is_trained(model, tmp_path):
    path = write(tmp_path / "m.gguf", model)
    before = path.read_bytes()
    loaded, _ = load(path)
    with torch.no_grad():
        loaded.tok_embeddings.weight.add_(1.0)
    assert path.read_bytes() == before


def key(name, method, value):
    """Add a key by a method of the writer."""
    return lambda writer: getattr(writer, method)(name, value)


def overrule(name, value, kind=gguf.GGUFValueType.UINT32):
    """Replace a key that was written already."""

    def change(writer):
        writer.kv_data[0][name] = gguf.gguf_writer.GGUFValue(value, kind)

    return change


def tensor(name, shape=(32,)):
    return lambda writer: writer.add_tensor(name, np.zeros(shape, np.float32))


F32 = gguf.GGUFValueType.FLOAT32
STRING = gguf.GGUFValueType.STRING


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (overrule("general.architecture", "qwen2", STRING), "architecture 'qwen2'"),
        (lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR), "scaled"),
        (lambda w: w.add_rope_scaling_factor(4.0), "scaled"),
        (key("llama.rope.scale_linear", "add_float32", 2.0), "scaled"),
        (tensor("rope_freqs.weight"), "scaled"),
        (lambda w: w.add_expert_count(8), "mixture of experts"),
        (overrule("llama.rope.dimension_count", 8), "a head has 16"),
        (key("llama.attention.key_length", "add_uint32", 32), "a head has 16"),
        (overrule("llama.vocab_size", 301), "its embeddings have 300"),
        (overrule("llama.block_count", 3), "its tensors are of 2"),
        (overrule("llama.block_count", 2**31 - 1), "its tensors are of 2"),
        (overrule("llama.context_length", 2**31 - 1), "1,048,576"),
        (overrule("llama.context_length", 0), "a whole number of at least 1"),
        (overrule("llama.feed_forward_length", 128), "of another shape"),
        (overrule("llama.attention.head_count_kv", 3), "cannot share 3"),
        (overrule("llama.attention.head_count_kv", 4), "of another shape"),
        (overrule("llama.attention.head_count", 7), "7 heads"),
        (overrule("llama.attention.layer_norm_rms_epsilon", float("nan"), F32), "number above 0"),
        (overrule("llama.rope.freq_base", float("inf"), F32), "a number above 0"),
        (overrule("llama.rope.freq_base", "much", STRING), "a number above 0"),
        (lambda w: w.kv_data[0].pop("llama.block_count"), "does not say llama.block_count"),
        (tensor("blk.0.attn_q.bias"), "no layer of this model has such a parameter"),
        (tensor("blk.1.ffn_gate_exps.weight"), "no layer of this model"),
        (tensor("v.patch_embd.weight"), "no layer of this model"),
    ],
)
def test_a_model_that_is_no_plain_llama_is_refused_in_one_sentence(model, tmp_path, change, said):
    path = write(tmp_path / "m.gguf", model, change=change)
    with pytest.raises(ValueError, match=said) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_type_of_block_that_is_not_read_is_named_with_those_that_are(tmp_path):
    source = make_model()
    path = write(tmp_path / "m.gguf", source, "Q5_0")
    with pytest.raises(ValueError, match=r"as Q5_0; what can be read is F32, F16, BF16, Q8_0"):
        load(path)


def test_a_file_without_embeddings_is_no_language_model(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    for name in ("context_length", "embedding_length", "block_count", "feed_forward_length"):
        writer.add_uint32(f"llama.{name}", 32)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tensor("output_norm.weight", np.ones(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match="no tensor tok_embeddings"):
        load(tmp_path / "m.gguf")


def test_the_tokenizer_comes_along(model, tmp_path):
    path = write(tmp_path / "m.gguf", model, vocabulary=train_vocabulary())
    _, tokenizer = load(path)
    ids = tokenizer.encode("the old bridge in 1987")
    assert tokenizer.decode(ids) == "the old bridge in 1987"
    assert max(ids) < CONFIG.vocab_size


def test_a_tokenizer_of_another_vocabulary_is_refused(model, tmp_path):
    path = write(tmp_path / "m.gguf", model, vocabulary=train_vocabulary(290))
    with pytest.raises(ValueError, match=r"290 tokens in its vocabulary.*300 rows"):
        load(path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tokenizer.ggml.model", "bert", "kind 'bert'"),
        ("tokenizer.ggml.pre", "llama-bpe", "'llama-bpe'"),
    ],
)
def test_a_tokenizer_that_is_not_read_is_said_and_the_model_loads(
    model, tmp_path, name, value, said
):
    change = overrule(name, value, STRING)
    path = write(tmp_path / "m.gguf", model, vocabulary=train_vocabulary(), change=change)
    assert any(said in note for note in Gguf(path).notes)
    assert load(path)[1] is None


@pytest.mark.parametrize(
    ("name", "value", "kind", "said"),
    [
        ("tokenizer.ggml.eos_token_id", 300, gguf.GGUFValueType.UINT32, "eos_id is token 300"),
        ("tokenizer.ggml.eos_token_id", "two", STRING, "where a token id is expected"),
        ("tokenizer.ggml.merges", ["a"], gguf.GGUFValueType.ARRAY, "which is no pair"),
        ("tokenizer.ggml.merges", ["zebra q"], gguf.GGUFValueType.ARRAY, "do not fit the vocab"),
        (
            "tokenizer.ggml.tokens",
            ["a", "a"],
            gguf.GGUFValueType.ARRAY,
            "type for each of its 2",
        ),
    ],
)
def test_a_damaged_vocabulary_is_refused(model, tmp_path, name, value, kind, said):
    change = overrule(name, value, kind)
    path = write(tmp_path / "m.gguf", model, vocabulary=train_vocabulary(), change=change)
    with pytest.raises(ValueError, match=said):
        load(path)


def test_without_the_package_the_error_says_what_to_install(model, tmp_path, monkeypatch):
    path = write(tmp_path / "m.gguf", model)
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ValueError, match=r'pip install "llama-mini\[weights\]"'):
        load(path)


def test_a_transformer_built_from_the_config_has_the_same_parameters(model, tmp_path):
    checkpoint = Gguf(write(tmp_path / "m.gguf", model, "Q8_0"))
    expected = {n: tuple(p.shape) for n, p in Transformer(checkpoint.config).named_parameters()}
    assert {name: entry.shape for name, entry in checkpoint.entries.items()} == expected


def add_sentencepiece(writer, processor):
    """The vocabulary as llama.cpp's converter writes that of a tokenizer.model."""
    kinds = {
        gguf.TokenType.UNKNOWN: processor.is_unknown,
        gguf.TokenType.CONTROL: processor.is_control,
        gguf.TokenType.BYTE: processor.is_byte,
    }
    ids = range(processor.vocab_size())
    writer.add_tokenizer_model("llama")
    writer.add_token_list([processor.id_to_piece(number) for number in ids])
    writer.add_token_scores([processor.get_score(number) for number in ids])
    writer.add_token_types(
        [
            int(next((kind for kind, has in kinds.items() if has(number)), gguf.TokenType.NORMAL))
            for number in ids
        ]
    )
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.eos_id())
    writer.add_unk_token_id(processor.unk_id())


@pytest.fixture(scope="module")
def sentencepiece_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    train_tokenizer(LINES * 20, path, vocab_size=CONFIG.vocab_size)
    return path


def test_llamas_own_kind_of_tokenizer_cuts_texts_as_its_file_does(
    model, tmp_path, sentencepiece_model
):
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model))
    path = write(tmp_path / "m.gguf", model, change=lambda w: add_sentencepiece(w, theirs))
    _, tokenizer = load(path)
    for text in [*LINES, "", "  two\n\tspaces ", "1987 <s> naïve 🦙 日本語", "</s>"]:
        assert tokenizer.encode(text, bos=False) == theirs.encode(text)
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, -1)
    tokenizer.save(tmp_path / "again.model")
    assert Tokenizer(tmp_path / "again.model").encode(LINES[0]) == tokenizer.encode(LINES[0])


@pytest.mark.parametrize("layout", ["meta", "hf"])
def test_a_file_becomes_a_folder_with_the_same_logits_and_tokens(
    model, tmp_path, sentencepiece_model, layout
):
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model))
    path = write(tmp_path / "m.gguf", model, change=lambda w: add_sentencepiece(w, theirs))
    convert(open_checkpoint(path), tmp_path / "out", layout)
    (here, cuts), (there, cuts_there) = load(path), load(tmp_path / "out")
    assert torch.equal(there(TOKENS), here(TOKENS))
    assert cuts_there.encode(LINES[0]) == cuts.encode(LINES[0]) == [1, *theirs.encode(LINES[0])]


@pytest.mark.parametrize(
    ("name", "value", "kind", "said"),
    [
        ("tokenizer.ggml.scores", [0.5], gguf.GGUFValueType.ARRAY, "scores for each of its 300"),
        ("tokenizer.ggml.token_type", [9] * 300, gguf.GGUFValueType.ARRAY, "has not"),
        ("tokenizer.ggml.bos_token_id", 300, gguf.GGUFValueType.UINT32, "bos_id is 300"),
        ("tokenizer.ggml.tokens", ["a"] * 300, gguf.GGUFValueType.ARRAY, "not a SentencePiece"),
    ],
)
def test_a_damaged_sentencepiece_vocabulary_is_refused(
    model, tmp_path, sentencepiece_model, name, value, kind, said
):
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model))

    def change(writer):
        add_sentencepiece(writer, theirs)
        overrule(name, value, kind)(writer)

    path = write(tmp_path / "m.gguf", model, change=change)
    with pytest.raises(ValueError, match=said):
        load(path)
