"""apply_temperature: from logits to probabilities."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal

_GREEDY = """
if temperature == 0:
    return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).float()
"""


def _temperature(body: str, greedy: str = _GREEDY) -> str:
    """The function, from what it does at temperature 0 and otherwise."""
    lines = textwrap.indent((greedy.strip() + "\n" + textwrap.dedent(body).strip()).strip(), "    ")
    return f"def apply_temperature(logits, temperature):\n{lines}\n"


EXERCISE = Exercise(
    symbol="llama_mini.generation:apply_temperature",
    lesson=8,
    minutes=10,
    difficulty=2,
    cases=(
        Case(
            "a batch of positions",
            given=args(normal(2, 3, 7, seed=1, scale=3.0), 0.7),
            another_device=True,
            points=2,
        ),
        Case("one row, hot", given=args(normal(9, seed=2, scale=2.0), 2.5)),
        Case("temperature 0", given=args(normal(3, 6, seed=3), 0.0)),
        Case(
            "temperature 0 and a tie",
            given=args(torch.tensor([[1.0, 4.0, 4.0, 0.0], [-2.0, -3.0, -2.0, -2.0]]), 0.0),
        ),
        Case(
            "bfloat16 logits",
            given=args(normal(2, 3, 16, seed=4, scale=3.0, dtype=torch.bfloat16), 0.8),
        ),
        Case(
            "logits too large for exp",
            given=args(torch.tensor([[200.0, 199.0, -200.0], [5.0, 4.0, 120.0]]), 0.5),
            rtol=2e-4,  # what subtracting a logsumexp of 400 leaves
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "multiplies by the temperature",
            "The logits are multiplied by the temperature. Divide: then 0.5 doubles every "
            "difference and makes the likely likelier, as a low temperature should.",
            _temperature("return torch.softmax(logits.float() * temperature, dim=-1)"),
        ),
        WrongAnswer(
            "divides the probabilities",
            "The softmax comes first and its result is divided, so rows no longer sum to 1 and "
            "the odds are what they were. Divide the logits, then take the softmax.",
            _temperature("return torch.softmax(logits.float(), dim=-1) / temperature"),
        ),
        WrongAnswer(
            "no temperature",
            "The temperature has no effect. Dividing probabilities and making them sum to 1 again "
            "undoes itself; divide the logits before the softmax.",
            _temperature("return torch.softmax(logits.float(), dim=-1)"),
            also=(
                _temperature(
                    "q = torch.softmax(logits.float(), dim=-1) / temperature\n"
                    "return q / q.sum(dim=-1, keepdim=True)"
                ),
            ),
        ),
        WrongAnswer(
            "softmax taken twice",
            "The softmax is taken of probabilities. Those are all between 0 and 1, so the result "
            "is nearly even. One softmax, of logits / temperature.",
            _temperature(
                "return torch.softmax(torch.softmax(logits.float(), dim=-1) / temperature, dim=-1)"
            ),
            also=(
                _temperature(
                    "return torch.softmax(torch.softmax(logits.float() / temperature, -1), -1)"
                ),
            ),
        ),
        WrongAnswer(
            "divides by zero",
            "Temperature 0 divides by zero, and every probability is nan. It means greedy: catch "
            "it first, and give probability 1 to the largest logit.",
            _temperature("return torch.softmax(logits.float() / temperature, dim=-1)", greedy=""),
        ),
        WrongAnswer(
            "ties share at temperature 0",
            "At temperature 0 several equal logits each get something. Exactly one token has "
            "probability 1: the first of the largest, which is what `argmax` gives.",
            _temperature(
                "return torch.softmax(logits.float() / max(temperature, 1e-6), dim=-1)", greedy=""
            ),
            also=(
                _temperature(
                    "return torch.softmax(logits.float() / temperature, dim=-1)",
                    greedy="if temperature == 0:\n"
                    "    return (logits == logits.amax(dim=-1, keepdim=True)).float()",
                ),
                _temperature(
                    "return torch.softmax(logits.float() / temperature, dim=-1)",
                    greedy="if temperature == 0:\n"
                    "    top = (logits == logits.amax(dim=-1, keepdim=True)).float()\n"
                    "    return top / top.sum(dim=-1, keepdim=True)",
                ),
            ),
        ),
        WrongAnswer(
            "a token at temperature 0",
            "At temperature 0 you return which token is largest. The result is always "
            "probabilities: a row of zeros with a 1 at that place.",
            _temperature(
                "return torch.softmax(logits.float() / temperature, dim=-1)",
                greedy="if temperature == 0:\n    return logits.argmax(dim=-1)",
            ),
            also=(
                _temperature(
                    "return torch.softmax(logits.float() / temperature, dim=-1)",
                    greedy="if temperature == 0:\n    return logits.argmax(dim=-1, keepdim=True)",
                ),
                _temperature(
                    "return torch.softmax(logits.float() / temperature, dim=-1)",
                    greedy="if temperature == 0:\n    return logits.topk(1).indices",
                ),
            ),
        ),
        WrongAnswer(
            "softmax over the wrong axis",
            "The softmax runs over another axis than the last, so positions compete with each "
            "other. Tokens of the vocabulary do: `dim=-1`.",
            _temperature("return torch.softmax(logits.float() / temperature, dim=0)"),
            also=(
                _temperature("return torch.softmax(logits.float() / temperature, dim=1)"),
                _temperature("return torch.softmax(logits.float() / temperature, dim=-2)"),
            ),
        ),
        WrongAnswer(
            "softmax over everything",
            "One softmax is taken over the whole tensor, so all rows together sum to 1. Each row "
            "does so by itself: `dim=-1`.",
            _temperature(
                "return torch.softmax(logits.float().flatten() / temperature, 0).view(logits.shape)"
            ),
        ),
        WrongAnswer(
            "rounded in bfloat16",
            "The division or the softmax is done in the half-width dtype of the logits, which "
            "keeps three digits at best. Begin with `logits.float()`.",
            _temperature("return torch.softmax(logits / temperature, dim=-1).float()"),
            also=(_temperature("return torch.softmax((logits / temperature).float(), dim=-1)"),),
            values_vary=True,
        ),
        WrongAnswer(
            "stays in bfloat16",
            "Half-width logits give half-width probabilities here. The result is float32 whatever "
            "the logits were; begin with `logits.float()`.",
            _temperature("return torch.softmax(logits / temperature, dim=-1)"),
            also=(
                _temperature(
                    "return torch.softmax(logits.float() / temperature, -1).type_as(logits)"
                ),
            ),
            values_vary=True,
        ),
        WrongAnswer(
            "returns logits",
            "The logits are divided and returned. Probabilities are asked for: take the softmax.",
            _temperature("return logits.float() / temperature"),
        ),
        WrongAnswer(
            "log-probabilities",
            "These are logarithms of probabilities. Use `softmax`, not `log_softmax`.",
            _temperature("return torch.log_softmax(logits.float() / temperature, dim=-1)"),
        ),
        WrongAnswer(
            "exp overflows",
            "exp of a large logit is infinity, and infinity over infinity is nan. `torch.softmax` "
            "subtracts the largest logit first, which changes no probability.",
            _temperature(
                "grown = torch.exp(logits.float() / temperature)\n"
                "return grown / grown.sum(dim=-1, keepdim=True)"
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "by hand, the largest subtracted",
            _temperature(
                "z = logits.float() / temperature\n"
                "grown = torch.exp(z - z.amax(dim=-1, keepdim=True))\n"
                "return grown / grown.sum(dim=-1, keepdim=True)"
            ),
        ),
        Alternative(
            "log-softmax and back",
            _temperature("return F.log_softmax(logits.to(torch.float32) / temperature, -1).exp()"),
        ),
        Alternative(
            "float64 inside",
            _temperature("return (logits.double() / temperature).softmax(dim=-1).float()"),
        ),
        Alternative(
            "zeros, and a 1 put in",
            _temperature(
                "return F.softmax(logits.float() * (1.0 / temperature), dim=-1)",
                greedy="if temperature == 0.0:\n"
                "    greedy = torch.zeros(logits.shape, device=logits.device)\n"
                "    greedy.scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)\n"
                "    return greedy",
            ),
        ),
        Alternative(
            "logsumexp",
            "def apply_temperature(logits: Tensor, temperature: float) -> Tensor:\n"
            "    wide = logits.float()\n"
            "    if temperature > 0:\n"
            "        z = wide / temperature\n"
            "        return (z - z.logsumexp(dim=-1, keepdim=True)).exp()\n"
            "    places = torch.arange(wide.shape[-1], device=wide.device)\n"
            "    return (places == wide.argmax(dim=-1, keepdim=True)).float()\n",
        ),
    ),
    hints=(
        "Divide first, or take the softmax first? Only one of the two changes the odds. And what "
        "does dividing by 0 give?",
        "Two cases. At temperature 0: zeros, with a 1 where `logits.argmax(dim=-1)` points. "
        "Otherwise the softmax over the last axis of the divided logits, all in float32.",
        "`torch.softmax(logits.float() / temperature, dim=-1)` is the one; for the other, "
        "`torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).float()`.",
    ),
)
