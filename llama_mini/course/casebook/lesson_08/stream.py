"""stream: the loop that writes, with a cache."""

import textwrap
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from llama_mini import model as architecture
from llama_mini.config import ModelConfig
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_CONFIG = ModelConfig(
    dim=32, n_layers=2, n_heads=2, vocab_size=50, max_seq_len=48, multiple_of=16, hidden_dim=48
)
_PROMPTS = torch.tensor([[3, 17, 8, 42, 5], [11, 11, 2, 30, 49], [7, 0, 21, 13, 40]])


def small_model(seed: int, dtype: torch.dtype = torch.float32) -> architecture.Transformer:
    """A model whose opinions are strong enough that rounding changes no choice."""
    model = architecture.Transformer(_CONFIG)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.4, generator=generator)
    return model.to(dtype).eval()


def written(
    answer: Callable[..., Iterable[Tensor]], seed: int, tokens: Tensor, count: int, **options: Any
) -> tuple[Tensor, bool]:
    """What an answer writes, (batch, count), and whether it computed each position once."""
    model, computed = small_model(seed), []

    def note(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        computed.append((given[0] if given else named["tokens"]).shape[1])

    model.register_forward_pre_hook(note, with_kwargs=True)
    columns = list(answer(model, tokens, count, **options))
    return torch.stack(columns, dim=1), sum(computed) <= tokens.shape[1] + count


def promptly(
    answer: Callable[..., Iterable[Tensor]], seed: int, tokens: Tensor, count: int
) -> tuple[bool, bool]:
    """Whether the first column comes after the prompt alone, and whether without gradients."""
    model, computed, with_gradients = small_model(seed), [], []

    def note(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        computed.append((given[0] if given else named["tokens"]).shape[1])
        with_gradients.append(torch.is_grad_enabled())

    model.register_forward_pre_hook(note, with_kwargs=True)
    next(iter(answer(model, tokens, count)))
    return sum(computed) <= tokens.shape[1], not any(with_gradients)


def repeated(
    answer: Callable[..., Iterable[Tensor]], seed: int, tokens: Tensor, count: int
) -> tuple[bool, bool]:
    """Whether one seed of the generator gives one text, and another seed another."""

    def text(number: int) -> Tensor:
        generator = torch.Generator().manual_seed(number)
        options = {"temperature": 2.0, "generator": generator}
        return written(answer, seed, tokens, count, **options)[0]

    first = text(1)
    return torch.equal(first, text(1)), not torch.equal(first, text(2))


def in_bfloat16(
    answer: Callable[..., Iterable[Tensor]], seed: int, tokens: Tensor, count: int
) -> list[tuple[tuple[int, ...], str]]:
    """Shape and dtype of each column that a bfloat16 model writes."""
    columns = list(answer(small_model(seed, torch.bfloat16), tokens, count))
    return [(tuple(column.shape), str(column.dtype)) for column in columns]


_CACHE = """
batch, seq = tokens.shape
dtype = model.tok_embeddings.weight.dtype
cache = KVCache(model.config, batch, seq + max_new_tokens, device=tokens.device, dtype=dtype)
"""
_DRAW = "generation.sample(logits, temperature, top_p, top_k, generator)"


def _stream(body: str, cache: str = _CACHE) -> str:
    """The function, from how it makes its cache and what it does then."""
    lines = textwrap.indent((cache.strip() + "\n" + textwrap.dedent(body).strip()).strip(), "    ")
    return (
        "from llama_mini import KVCache, generation\n\n\n"
        "@torch.no_grad()\n"
        "def stream(model, tokens, max_new_tokens, temperature=0.0, top_p=1.0, top_k=None,\n"
        f"           generator=None):\n{lines}\n"
    )


def _loop(
    cache: str = _CACHE,
    count: str = "max_new_tokens",
    forward: str = "model(tokens, cache=cache)[:, -1]",
    draw: str = _DRAW,
    out: str = "chosen",
    then: str = "tokens = chosen[:, None]",
) -> str:
    """The usual loop, from its lines."""
    return _stream(
        f"for _ in range({count}):\n"
        f"    logits = {forward}\n    chosen = {draw}\n    yield {out}\n    {then}",
        cache,
    )


EXERCISE = Exercise(
    symbol="llama_mini.generation:stream",
    lesson=8,
    minutes=25,
    difficulty=3,
    prerequisites=("next_token_probabilities",),
    cases=(
        Case("greedy, three prompts", given=args(1, _PROMPTS, 6), use=written, points=2),
        Case("one prompt of one token", given=args(4, torch.tensor([[9]]), 2), use=written),
        Case("one prompt, further", given=args(4, torch.tensor([[9, 28]]), 5), use=written),
        Case(
            "top-k of 1, which leaves no choice",
            given=args(3, _PROMPTS[:2], 5, temperature=3.0, top_k=1),
            use=lambda answer, *given, **options: written(
                answer, *given, **options, generator=torch.Generator().manual_seed(4)
            ),
        ),
        Case(
            "a p so small that it leaves no choice",
            given=args(3, _PROMPTS[1:], 5, temperature=3.0, top_p=1e-6),
            use=lambda answer, *given, **options: written(
                answer, *given, **options, generator=torch.Generator().manual_seed(4)
            ),
        ),
        Case("the first column", given=args(1, _PROMPTS, 6), use=promptly),
        Case("seeds of the generator", given=args(1, _PROMPTS, 8), use=repeated),
        Case("a bfloat16 model", given=args(1, _PROMPTS[:2], 4), use=in_bfloat16),
    ),
    wrong_answers=(
        WrongAnswer(
            "computes the text again",
            "Every step puts the whole text through the model. Make a KVCache before the loop, "
            "pass it with `cache=cache`, and after the prompt hand over new tokens only.",
            _loop(
                forward="model(tokens)[:, -1]",
                then="tokens = torch.cat([tokens, chosen[:, None]], dim=1)",
            ),
        ),
        WrongAnswer(
            "the whole text into the cache",
            "There is a cache, and still the whole text goes in at each step: old tokens are "
            "appended once more, at positions that are not theirs. Hand over the new token only.",
            _loop(then="tokens = torch.cat([tokens, chosen[:, None]], dim=1)"),
        ),
        WrongAnswer(
            "the prompt again and again",
            "The prompt goes in at every step and the chosen token never does. After each step "
            "the input is `chosen[:, None]`.",
            _loop(then="pass"),
        ),
        WrongAnswer(
            "the new token without its past",
            "The new token goes in, and what was before it is lost: the model sees a text of one "
            "token. Make one cache, before the loop, and pass that same cache to every call.",
            _loop(forward="model(tokens)[:, -1]"),
            also=(
                _stream(
                    "for _ in range(max_new_tokens):\n    "
                    + _CACHE.strip().replace("\n", "\n    ")
                    + f"\n    logits = model(tokens, cache=cache)[:, -1]\n    chosen = {_DRAW}\n"
                    "    yield chosen\n    tokens = chosen[:, None]",
                    cache="",
                ),
            ),
        ),
        WrongAnswer(
            "the first position's logits",
            "You read the logits of the first position. The next token follows the last one: "
            "`[:, -1]`.",
            _loop(forward="model(tokens, cache=cache)[:, 0]"),
        ),
        WrongAnswer(
            "an axis too many",
            "Each column comes with an axis of length one. Yield `(batch,)`, what `sample` gives.",
            _loop(out="chosen[:, None]"),
        ),
        WrongAnswer(
            "a cache for the prompt alone",
            "The cache has no room for the new tokens. It holds seq + max_new_tokens positions.",
            _loop(cache=_CACHE.replace("seq + max_new_tokens", "seq")),
        ),
        WrongAnswer(
            "a cache for one prompt",
            "The cache is made for a batch of one. Its batch size is `tokens.shape[0]`.",
            _loop(cache=_CACHE.replace("model.config, batch", "model.config, 1")),
        ),
        WrongAnswer(
            "a cache of another dtype",
            "The cache is float32 whatever the model is. Give it the dtype of the weights, "
            "`model.tok_embeddings.weight.dtype`.",
            _loop(cache=_CACHE.replace(", dtype=dtype)", ")")),
        ),
        WrongAnswer(
            "one token too few",
            "One token is missing. The prompt's own pass gives the first new token; there are "
            "max_new_tokens of them.",
            _loop(count="max_new_tokens - 1"),
        ),
        WrongAnswer(
            "everything before the first",
            "The whole text is written before the first column is given away. `yield` each column "
            "inside the loop, as soon as it is chosen.",
            _stream(
                "columns = []\n"
                "while len(columns) < max_new_tokens:\n"
                "    new = columns[-1][:, None] if columns else tokens\n"
                "    logits = model(new, cache=cache)[:, -1]\n"
                f"    columns.append({_DRAW})\n"
                "return columns"
            ),
            also=(
                _stream(
                    "columns = []\n"
                    "for _ in range(max_new_tokens):\n"
                    "    logits = model(tokens, cache=cache)[:, -1]\n"
                    f"    chosen = {_DRAW}\n"
                    "    columns.append(chosen)\n    tokens = chosen[:, None]\n"
                    "yield from columns"
                ),
            ),
        ),
        WrongAnswer(
            "gradients kept",
            "The model runs with gradients, so every step keeps what a backward pass would need. "
            "Put `@torch.no_grad()` above the function.",
            _loop().replace("@torch.no_grad()\n", ""),
        ),
        WrongAnswer(
            "always greedy",
            "The likeliest token is taken whatever the temperature. `generation.sample` takes it "
            "at temperature 0 and draws otherwise.",
            _loop(draw="logits.argmax(dim=-1)"),
        ),
        WrongAnswer(
            "no generator",
            "The generator is not handed on, so the same seed gives another text each time.",
            _loop(draw="generation.sample(logits, temperature, top_p, top_k)"),
        ),
        WrongAnswer(
            "no top-k",
            "top_k is not handed on to `sample`, so unlikely tokens can be drawn.",
            _loop(draw="generation.sample(logits, temperature, top_p, generator=generator)"),
        ),
        WrongAnswer(
            "no top-p",
            "top_p is not handed on to `sample`, so unlikely tokens can be drawn.",
            _loop(draw="generation.sample(logits, temperature, k=top_k, generator=generator)"),
        ),
    ),
    alternatives=(
        Alternative(
            "prefill before the loop",
            _stream(
                "logits = model(tokens, cache=cache)[:, -1]\n"
                "for _ in range(max_new_tokens):\n"
                f"    chosen = {_DRAW}\n    yield chosen\n"
                "    logits = model(chosen.unsqueeze(1), cache=cache)[:, -1]"
            ),
        ),
        Alternative(
            "the prompt in chunks",
            _stream(
                "for chunk in tokens.split(2, dim=1):\n"
                "    logits = model(chunk, cache)[:, -1, :]\n"
                "for step in range(max_new_tokens):\n"
                "    if step:\n        logits = model(chosen.view(-1, 1), cache)[:, -1, :]\n"
                f"    chosen = {_DRAW}\n    yield chosen"
            ),
        ),
        Alternative(
            "the text kept, its last token handed over",
            _stream(
                "text, start = tokens, 0\n"
                "while text.shape[1] < seq + max_new_tokens:\n"
                "    logits = model(text[:, start:], cache=cache)[:, -1]\n"
                "    start = text.shape[1]\n"
                f"    chosen = {_DRAW}\n"
                "    text = torch.cat([text, chosen[:, None]], dim=1)\n"
                "    yield chosen"
            ),
        ),
    ),
    hints=(
        "The lesson's `greedy_with_cache` is the skeleton. What has to change so that it draws, "
        "and so that it gives each token away at once?",
        "One KVCache before the loop, for `seq + max_new_tokens` positions, with the device of the "
        "tokens and the dtype of the weights. In the loop: model, last position, "
        "`generation.sample`, `yield`, and the chosen column becomes the next input.",
        "In the loop: `logits = model(tokens, cache=cache)[:, -1]`; `chosen = generation.sample("
        "logits, temperature, top_p, top_k, generator)`; `yield chosen`; `tokens = chosen[:, "
        "None]`.",
    ),
)
