"""Mistakes in the loop that writes, written apart from the casebook, for other prompts."""

import textwrap

import torch

from llama_mini.course.casebook.lesson_08.stream import in_bfloat16, promptly, repeated, written
from llama_mini.course.judge.exercise import Case, args

_PROMPTS = torch.tensor([[1, 2, 33, 4, 35, 6, 47], [44, 3, 22, 10, 9, 8, 0]])


def _drawn(answer, *given, **options):
    return written(answer, *given, **options, generator=torch.Generator().manual_seed(11))


CASES = (
    Case("two prompts", given=args(21, _PROMPTS, 9), use=written),
    Case("one token", given=args(26, torch.tensor([[30]]), 2), use=written),
    Case("one token, further", given=args(26, torch.tensor([[30]]), 6), use=written),
    Case("k", given=args(23, _PROMPTS, 7, temperature=5.0, top_k=1), use=_drawn),
    Case("p", given=args(23, _PROMPTS, 7, temperature=4.0, top_p=1e-7), use=_drawn),
    Case("first", given=args(21, _PROMPTS, 4), use=promptly),
    Case("seeds", given=args(21, _PROMPTS, 9), use=repeated),
    Case("bf16", given=args(24, _PROMPTS, 3), use=in_bfloat16),
)

CACHE = (
    "cache = KVCache(\n"
    "    model.config, tokens.size(0), tokens.size(1) + max_new_tokens,\n"
    "    device=tokens.device, dtype=next(model.parameters()).dtype,\n"
    ")\n"
)
SAMPLE = "sample(scores, temperature, p=top_p, k=top_k, generator=generator)"


def answer(body: str, cache: str = CACHE) -> str:
    lines = textwrap.indent(cache + body.strip(), "    ")
    return (
        "from llama_mini.cache import KVCache\n"
        "from llama_mini.generation import sample\n\n\n"
        "def stream(\n"
        "    model, tokens, max_new_tokens,\n"
        "    temperature=0.0, top_p=1.0, top_k=None, generator=None,\n"
        "):\n"
        "  with torch.no_grad():\n"
        f"{lines}\n"
    )


def prefilled(sample: str = SAMPLE, out: str = "new", cache: str = CACHE, last: str = "-1") -> str:
    """The prompt before the loop, then one token at a time."""
    return answer(
        "left, piece = max_new_tokens, tokens\n"
        "while left > 0:\n"
        f"    scores = model(piece, cache)[:, {last}, :]\n"
        f"    new = {sample}\n"
        f"    yield {out}\n"
        "    piece, left = new.reshape(-1, 1), left - 1",
        cache,
    )


VARIANTS = {
    "computes the text again": answer(
        "text = tokens.clone()\n"
        "for step in range(max_new_tokens):\n"
        f"    scores = model(text)[:, -1]\n    new = {SAMPLE}\n    yield new\n"
        "    text = torch.hstack([text, new.unsqueeze(-1)])",
        cache="",
    ),
    "the whole text into the cache": answer(
        "text = tokens.clone()\n"
        "for step in range(max_new_tokens):\n"
        f"    scores = model(text, cache)[:, -1]\n    new = {SAMPLE}\n    yield new\n"
        "    text = torch.hstack([text, new.unsqueeze(-1)])"
    ),
    "the prompt again and again": answer(
        "for step in range(max_new_tokens):\n"
        f"    scores = model(tokens, cache)[:, -1]\n    yield {SAMPLE}"
    ),
    "the new token without its past": [
        answer(
            "scores = model(tokens)[:, -1]\n"
            "for step in range(max_new_tokens):\n"
            f"    new = {SAMPLE}\n    yield new\n    scores = model(new[:, None])[:, -1]",
            cache="",
        ),
        answer(
            "piece = tokens\n"
            "for step in range(max_new_tokens):\n"
            + textwrap.indent(CACHE, "    ")
            + f"    scores = model(piece, cache)[:, -1]\n    new = {SAMPLE}\n    yield new\n"
            "    piece = new[:, None]",
            cache="",
        ),
    ],
    "the first position's logits": prefilled(last="0"),
    "an axis too many": prefilled(out="new.unsqueeze(1)"),
    "a cache for the prompt alone": prefilled(cache=CACHE.replace(" + max_new_tokens", "")),
    "a cache for one prompt": prefilled(cache=CACHE.replace("tokens.size(0)", "1")),
    "a cache of another dtype": prefilled(
        cache=CACHE.replace("next(model.parameters()).dtype", "torch.float32")
    ),
    "one token too few": answer(
        "piece = tokens\n"
        "for step in range(1, max_new_tokens):\n"
        f"    scores = model(piece, cache=cache)[:, -1]\n    new = {SAMPLE}\n    yield new\n"
        "    piece = new[:, None]"
    ),
    "everything before the first": [
        answer(
            "written, piece = [], tokens\n"
            "for step in range(max_new_tokens):\n"
            f"    scores = model(piece, cache)[:, -1]\n    new = {SAMPLE}\n"
            "    written += [new]\n    piece = new.unsqueeze(1)\n"
            "for new in written:\n    yield new"
        ),
        answer(
            "text, start = tokens, 0\n"
            "for step in range(max_new_tokens):\n"
            "    scores = model(text[:, start:], cache)[:, -1]\n"
            "    start = text.size(1)\n"
            f"    text = torch.hstack([text, {SAMPLE}[:, None]])\n"
            "return text[:, tokens.size(1):].unbind(1)"
        ),
    ],
    "gradients kept": prefilled().replace("with torch.no_grad():", "if True:"),
    "always greedy": prefilled(sample="scores.max(dim=-1).indices"),
    "no generator": prefilled(sample=SAMPLE.replace(", generator=generator", "")),
    "no top-k": prefilled(sample=SAMPLE.replace(", k=top_k", "")),
    "no top-p": prefilled(sample=SAMPLE.replace("p=top_p, ", "")),
}
