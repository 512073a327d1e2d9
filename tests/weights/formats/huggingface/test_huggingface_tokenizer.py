"""Tokenizers in Hugging Face's folders, written by us and read by transformers, and back."""

import pytest
import torch
from byte_level_vocabulary import LINES, train_backend, train_vocabulary
from tokenizers import processors
from transformers import AutoTokenizer

from llama_mini import ModelConfig, Transformer, load
from llama_mini.tokenizer.byte_level import from_vocabulary
from llama_mini.weights.formats.huggingface.tokenizer import read_tokenizer, write_tokenizer
from llama_mini.weights.formats.huggingface.writer import write_huggingface

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"


@pytest.fixture
def tokenizer():
    pieces, merges, special = train_vocabulary()
    return from_vocabulary(
        pieces, merges, special, digits_apart=True, eos_id=1, chat_template=TEMPLATE
    )


def test_transformers_cuts_text_as_we_do(tokenizer, tmp_path):
    config = ModelConfig(dim=16, n_layers=1, n_heads=2, vocab_size=tokenizer.vocab_size)
    tensors = Transformer(config).state_dict().items()
    write_huggingface(tmp_path / "hf", config, tensors, torch.float32, tokenizer=tokenizer)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "hf")
    for line in LINES:
        assert theirs(line).input_ids == tokenizer.encode(line)
        assert theirs.decode(tokenizer.encode(line)) == line
    assert theirs.eos_token_id == tokenizer.eos_id
    assert theirs("<|im_end|>").input_ids == [1]
    said = theirs.apply_chat_template([{"content": "hi", "role": "user"}], tokenize=False)
    assert said == "<|im_start|>hi<|im_end|>"

    _, ours = load(tmp_path / "hf")
    for line in LINES:
        assert ours.encode(line) == tokenizer.encode(line)
        assert ours.decode(ours.encode(line)) == line
    # Typed text is text, also where transformers finds a special token in it.
    assert ours.encode("<|im_end|>") == tokenizer.encode("<|im_end|>") != [1]
    assert ours.special_tokens == tokenizer.special_tokens
    assert (ours.bos_id, ours.eos_id, ours.chat_template) == (-1, 1, TEMPLATE)


@pytest.mark.parametrize("template_begins", [True, False])
@pytest.mark.parametrize("setting", [True, False, None])
def test_a_text_begins_as_the_folder_says(template_begins, setting, tmp_path):
    backend = train_backend()
    if template_begins:
        backend.post_processor = processors.TemplateProcessing(
            single="<|im_start|> $A", special_tokens=[("<|im_start|>", 0)]
        )
    backend.save(str(tmp_path / "tokenizer.json"))
    said = {True: ', "add_bos_token": true', False: ', "add_bos_token": false', None: ""}[setting]
    settings = f'{{"bos_token": {{"content": "<|im_start|>"}}, "eos_token": "<|im_end|>"{said}}}'
    (tmp_path / "tokenizer_config.json").write_text(settings)
    found = read_tokenizer(tmp_path, backend.get_vocab_size())
    begins = template_begins if setting is None else setting
    assert (found.encode("the river")[0] == 0) == begins
    assert found.eos_id == 1


def test_a_chat_template_of_its_own_comes_first(tokenizer, tmp_path):
    write_tokenizer(tmp_path, tokenizer)
    (tmp_path / "chat_template.jinja").write_text("newer")
    assert read_tokenizer(tmp_path, tokenizer.vocab_size).chat_template == "newer"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("tokenizer.json", "<html>", "is not a tokenizer of the tokenizers library"),
        ("tokenizer_config.json", "<html>", "is a web page"),
        ("tokenizer_config.json", '{"eos_token": "</s>"}', "has no piece '</s>'"),
    ],
)
def test_a_damaged_tokenizer_is_refused(name, text, said, tokenizer, tmp_path):
    write_tokenizer(tmp_path, tokenizer)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=said):
        read_tokenizer(tmp_path, tokenizer.vocab_size)


def test_another_vocabulary_is_refused(tokenizer, tmp_path):
    write_tokenizer(tmp_path, tokenizer)
    with pytest.raises(ValueError, match=f"has {tokenizer.vocab_size} tokens and the model 32,000"):
        read_tokenizer(tmp_path, 32_000)
