"""Compiled decoding says what decoding says, whoever wrote the blocks."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from llama_mini import ModelConfig, Transformer, attention, generate, norm
from llama_mini.compiled import CompiledDecoder, backend
from llama_mini.text.sample import stream_text
from llama_mini.weights.quantized.linear import QuantizedLinear

CONFIG = ModelConfig(
    dim=64, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=512, hidden_dim=96, max_seq_len=48
)  # fmt: skip
PROMPT = torch.tensor([[1, 17, 300, 42, 7]])


def model_of(dtype=torch.float32, config=CONFIG):
    torch.manual_seed(0)
    model = Transformer(config).requires_grad_(False)
    for parameter in model.parameters():
        if parameter.ndim == 2:  # wider than at the start, so that tokens are not near ties
            parameter.mul_(4)
    return model.to(dtype)


@pytest.fixture(scope="module")
def decoder():
    return CompiledDecoder(model_of(), max_seq_len=40)


@pytest.mark.parametrize("seq", [1, 5, 13])
def test_greedy_tokens_are_those_of_ordinary_decoding(decoder, seq):
    prompt = torch.arange(seq)[None] * 7 % 512
    expected = generate(decoder.model, prompt, 20)
    assert torch.equal(decoder.generate(prompt, 20), expected)
    assert len(set(expected[0, seq:].tolist())) > 2


def test_logits_are_those_of_the_whole_text_at_every_position(decoder):
    tokens = torch.randint(512, (1, 40), generator=torch.Generator().manual_seed(1))
    whole = decoder.model(tokens)
    seen = [decoder.prefill(tokens[:, :3])]
    seen += [decoder.next_logits(tokens[:, i]) for i in range(3, 40)]
    # Sums of at most 96 products in float32, in another order, through two layers.
    bound = 200 * torch.finfo(torch.float32).eps * whole.abs().max()
    assert (torch.stack(seen, dim=1) - whole[:, 2:]).abs().max() < bound


def test_sampling_draws_what_ordinary_decoding_draws(decoder):
    draw = [torch.Generator().manual_seed(5) for _ in range(2)]
    expected = generate(decoder.model, PROMPT, 12, 0.8, 0.9, 50, draw[0])
    assert torch.equal(decoder.generate(PROMPT, 12, 0.8, 0.9, 50, draw[1]), expected)


def test_what_does_not_fit_is_said(decoder):
    with pytest.raises(ValueError, match=r"from 0 to 35"):
        decoder.generate(PROMPT, 36)
    with pytest.raises(ValueError, match=r"another CompiledDecoder"):
        decoder.generate(PROMPT.repeat(2, 1), 3)
    assert torch.equal(decoder.generate(PROMPT, 0), PROMPT)


def test_a_model_that_was_cast_needs_a_new_decoder():
    model = model_of()
    decoder = CompiledDecoder(model)
    model.to(torch.bfloat16)
    with pytest.raises(ValueError, match="Make a new CompiledDecoder"):
        decoder.generate(PROMPT, 3)


class OwnNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return nn.functional.rms_norm(x.float(), (x.shape[-1],), eps=self.eps).type_as(x) * (
            self.weight
        )


class OwnAttention(attention.Attention):
    """Products by einsum, rotation by hand, and torch's own attention."""

    def forward(self, x, table, mask=None, cache=None):
        heads = [
            torch.einsum("bsd,od->bso", x, w.weight).unflatten(-1, (-1, CONFIG.head_dim))
            for w in (self.wq, self.wk, self.wv)
        ]
        q, k = (
            torch.view_as_real(
                torch.view_as_complex(t.float().unflatten(-1, (-1, 2))) * table.view(-1, 1, 8)
            )
            .reshape(t.shape)
            .type_as(t)
            for t in heads[:2]
        )
        k, v = (k, heads[2]) if cache is None else cache.update(k, heads[2])
        out = nn.functional.scaled_dot_product_attention(
            *(t.transpose(1, 2) for t in (q, k, v)), attn_mask=mask, enable_gqa=True
        )
        return self.wo(out.transpose(1, 2).flatten(2))


def test_another_authors_blocks_run_compiled(monkeypatch):
    monkeypatch.setattr(norm, "RMSNorm", OwnNorm)
    monkeypatch.setattr(attention, "Attention", OwnAttention)
    theirs = model_of(config=replace(CONFIG, tied_embeddings=True))
    expected = generate(theirs, PROMPT, 15)
    assert torch.equal(CompiledDecoder(theirs, 24).generate(PROMPT, 15), expected)


def test_two_decoders_do_not_share_a_program(decoder):
    other = model_of()
    other.tok_embeddings.weight.data = other.tok_embeddings.weight.flip(0).contiguous()
    decoder.generate(PROMPT, 3)
    again = CompiledDecoder(other, max_seq_len=40).generate(PROMPT, 10)
    assert torch.equal(again, generate(other, PROMPT, 10))


def test_several_prompts_decode_together():
    model = model_of()
    prompts = torch.tensor([[1, 2, 3], [9, 8, 7]])
    decoder = CompiledDecoder(model, max_seq_len=16, batch_size=2)
    assert torch.equal(decoder.generate(prompts, 10), generate(model, prompts, 10))


def quantize(model, kind):
    for block in model.layers:
        for part in (block.attention, block.feed_forward):
            for name, linear in list(part.named_children()):
                setattr(part, name, QuantizedLinear.from_weight(linear.weight, kind, 32))


@pytest.mark.parametrize("kind", [None, "int8", "int4"])
def test_bfloat16_and_quantised_weights_stay_within_rounding(kind):
    model = model_of(torch.bfloat16)
    if kind:
        quantize(model, kind)
    tokens = torch.randint(512, (1, 12), generator=torch.Generator().manual_seed(2))
    whole = model(tokens)
    decoder = CompiledDecoder(model, max_seq_len=12)
    seen = [decoder.prefill(tokens[:, :4])]
    seen += [decoder.next_logits(tokens[:, i]) for i in range(4, 12)]
    # Two layers write to the stream four times, each rounded to 8 bits; sums are in float32 here.
    bound = 8 * torch.finfo(torch.bfloat16).eps * whole.abs().max()
    assert (torch.stack(seen, dim=1) - whole[:, 3:]).abs().max() < bound


def test_without_a_compiler_it_says_what_to_install(monkeypatch):
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    def none_found():
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none_found)
    with pytest.raises(OSError, match=r"Install g\+\+ or clang\+\+"):
        backend.CompiledStep(lambda x: x, torch.zeros(1))


class Numbers:
    """A tokenizer whose text is the token ids themselves."""

    eos_id = -1

    def encode(self, text, bos=True, eos=False):
        return [int(word) for word in text.split()]

    def decode(self, ids):
        return " ".join(map(str, ids))


def test_a_stream_of_text_is_the_same_text_compiled(decoder):
    plain, compiled = (
        "".join(stream_text(decoder.model, Numbers(), "1 17 300", 12, compiled=yes, seed=3))
        for yes in (False, True)
    )
    assert plain == compiled
    assert len(plain.split()) == 15


@pytest.mark.parametrize("kind", [None, "int8", "int4"])
def test_later_steps_repeat_what_the_first_computed(kind, monkeypatch):
    model = model_of(torch.bfloat16 if kind else torch.float32)
    if kind:
        quantize(model, kind)
    decoder = CompiledDecoder(model, max_seq_len=24)
    step, repeats = decoder._greedy, []
    repeat = step._recorder.repeat
    monkeypatch.setattr(step._recorder, "repeat", lambda: (repeats.append(1), repeat()))
    repeated = decoder.generate(PROMPT, 19)
    assert len(repeats) == 17  # the prompt gives the first of the 19 tokens, the second is recorded

    def never_repeated():
        step.forget()
        return type(step).__call__(step)

    monkeypatch.setattr(decoder, "_greedy", never_repeated)
    assert torch.equal(decoder.generate(PROMPT, 19), repeated)
    assert len(repeats) == 17


def test_a_weight_that_was_replaced_counts_from_the_next_prompt_on(decoder):
    model = decoder.model
    before = decoder.generate(PROMPT, 10)
    weight = model.output.weight
    model.output.weight = nn.Parameter(weight.flip(0).contiguous(), requires_grad=False)
    expected = generate(model, PROMPT, 10)
    assert torch.equal(decoder.generate(PROMPT, 10), expected)
    assert not torch.equal(before, expected)
    model.output.weight = weight
    assert torch.equal(decoder.generate(PROMPT, 10), before)


def test_an_answer_is_not_written_over_by_the_next(decoder):
    first = decoder.prefill(PROMPT)
    second = decoder.next_logits(first.argmax(-1))
    kept = second.clone()
    decoder.next_logits(second.argmax(-1))
    assert torch.equal(second, kept)
