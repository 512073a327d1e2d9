"""next_token_probabilities: temperature, top-k and top-p, in this order."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _chances(body: str) -> str:
    """The function, from its body."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return (
        "from llama_mini import generation\n\n\n"
        f"def next_token_probabilities(logits, temperature, p=1.0, k=None):\n{lines}\n"
    )


_COOLED = "q = generation.apply_temperature(logits, temperature)\n"
_TOP_K = "if k is not None:\n    q = generation.top_k(q, k)\n"
_TOP_P = "if p < 1:\n    q = generation.top_p(q, p)\n"
_LOGITS = normal(2, 3, 9, seed=31, scale=2.0)
# At temperature 1.5 the chances are these. Of the whole, 0.7 takes five tokens; of the first four,
# three. So it shows who cut first, and who cut at all.
_EVEN = 1.5 * torch.tensor([0.1, 0.2, 0.03, 0.15, 0.08, 0.18, 0.02, 0.12, 0.07, 0.05]).log()

EXERCISE = Exercise(
    symbol="llama_mini.generation:next_token_probabilities",
    lesson=8,
    minutes=10,
    difficulty=2,
    prerequisites=("apply_temperature", "top_k", "top_p"),
    cases=(
        Case("temperature alone", given=args(_LOGITS, 0.6)),
        Case("top-k", given=args(normal(4, 8, seed=32, scale=2.0), 1.4, k=3)),
        Case("top-p", given=args(normal(4, 8, seed=33, scale=2.0), 1.4, p=0.7)),
        Case("all three", given=args(_LOGITS, 1.8, 0.77, 5), points=2),
        Case("all three on an even row", given=args(_EVEN, 1.5, 0.7, 4)),
        Case("all three on one row, cold", given=args(normal(7, seed=34), 0.5, 0.9, 4)),
        Case("temperature 0 with the other two", given=args(normal(3, 6, seed=35), 0.0, 0.9, 3)),
    ),
    wrong_answers=(
        WrongAnswer(
            "top-p before top-k",
            "Top-p looks at the uncut row here. Top-k comes first and makes its rest sum to 1 "
            "again; top-p collects its share of that, which may take fewer tokens.",
            _chances(_COOLED + _TOP_P + _TOP_K + "return q"),
            also=(
                _chances(
                    _COOLED + "cut = q\n"
                    "if k is not None:\n    cut = cut * (generation.top_k(q, k) > 0)\n"
                    "if p < 1:\n    cut = cut * (generation.top_p(q, p) > 0)\n"
                    "return cut / cut.sum(dim=-1, keepdim=True)"
                ),
            ),
        ),
        WrongAnswer(
            "temperature last",
            "Top-k and top-p cut at temperature 1, and the temperature comes after. It comes "
            "first: a hotter row is flatter, and top-p then keeps more of it.",
            _chances(
                "q = torch.softmax(logits.float(), dim=-1)\n"
                + _TOP_K
                + _TOP_P
                + "return generation.apply_temperature(q.log(), temperature)"
            ),
        ),
        WrongAnswer(
            "temperature between the two",
            "Top-k comes before the temperature, top-p after it. With these three the order is "
            "temperature, top-k, top-p, and each works on what the one before gave.",
            _chances(
                "q = torch.softmax(logits.float(), dim=-1)\n"
                + _TOP_P
                + "q = generation.apply_temperature(q.log(), temperature)\n"
                + _TOP_K
                + "return q"
            ),
        ),
        WrongAnswer(
            "no temperature",
            "The temperature is not used. Begin with `apply_temperature(logits, temperature)`.",
            _chances("q = torch.softmax(logits.float(), dim=-1)\n" + _TOP_K + _TOP_P + "return q"),
        ),
        WrongAnswer(
            "no top-k",
            "k is not used. Where it is given, cut with `top_k` after the temperature.",
            _chances(_COOLED + _TOP_P + "return q"),
        ),
        WrongAnswer(
            "no top-p",
            "p is not used. Cut with `top_p` at the end.",
            _chances(_COOLED + _TOP_K + "return q"),
        ),
        WrongAnswer(
            "either top-k or top-p",
            "Only one of the two cuts when both are given. Both do, top-k first: use two `if`s, "
            "not `elif`.",
            _chances(
                _COOLED + "if k is not None:\n    q = generation.top_k(q, k)\n"
                "elif p < 1:\n    q = generation.top_p(q, p)\nreturn q"
            ),
            also=(
                _chances(
                    _COOLED + "if p < 1:\n    q = generation.top_p(q, p)\n"
                    "elif k is not None:\n    q = generation.top_k(q, k)\nreturn q"
                ),
            ),
        ),
        WrongAnswer(
            "k of None is handed on",
            "Without a k there is no top-k to do. Ask first: `if k is not None`.",
            _chances(_COOLED + "return generation.top_p(generation.top_k(q, k), p)"),
        ),
        WrongAnswer(
            "cuts the logits",
            "`top_k` and `top_p` take probabilities, and here they get logits, where dividing by a "
            "sum means nothing. Begin with `apply_temperature`, which gives probabilities.",
            _chances(
                "q = logits.float()\n"
                + _TOP_K
                + "return generation.apply_temperature(q, temperature)"
            ),
            also=(
                _chances(
                    "q = logits.float()\n"
                    + _TOP_K
                    + _TOP_P
                    + "return generation.apply_temperature(q, temperature)"
                ),
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "everything always",
            _chances(
                "k = logits.shape[-1] if k is None else k\n"
                "q = generation.apply_temperature(logits, temperature)\n"
                "return generation.top_p(generation.top_k(q, k), p)"
            ),
        ),
        Alternative("one step a line", _chances(_COOLED + _TOP_K + _TOP_P + "return q")),
        Alternative(
            "functions imported by name",
            "from llama_mini.generation import apply_temperature, top_k, top_p\n\n\n"
            "def next_token_probabilities(logits, temperature, p=1.0, k=None):\n"
            "    cooled = apply_temperature(logits, temperature)\n"
            "    cut = cooled if k is None else top_k(cooled, k)\n"
            "    return top_p(cut, p)\n",
        ),
        Alternative(
            "greedy on its own",
            _chances(
                "if temperature == 0:\n"
                "    return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()\n"
                "q = torch.softmax(logits.float() / temperature, dim=-1)\n"
                + _TOP_K
                + _TOP_P
                + "return q"
            ),
        ),
    ),
    hints=(
        "Three functions you already have, one after another. Which one takes logits?",
        "`generation.apply_temperature` gives probabilities; hand these to `generation.top_k` if "
        "there is a k, and the result of that to `generation.top_p`.",
        "`q = generation.apply_temperature(logits, temperature)`; `if k is not None: q = "
        "generation.top_k(q, k)`; return `generation.top_p(q, p)`.",
    ),
)
