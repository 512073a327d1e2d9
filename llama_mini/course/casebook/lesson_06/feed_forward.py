"""FeedForward: a gate times a way up, and the way back down."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _weights(dim: int, hidden: int, seed: int) -> dict[str, torch.Tensor]:
    return {
        "w1.weight": normal(hidden, dim, seed=seed, scale=1.5 * dim**-0.5),
        "w2.weight": normal(dim, hidden, seed=seed + 1, scale=1.5 * hidden**-0.5),
        "w3.weight": normal(hidden, dim, seed=seed + 2, scale=1.5 * dim**-0.5),
    }


def _call(dim: int, hidden: int):
    """Call the layer; what has another name or shape than asked for counts as zero.

    Such a parameter starts at random. At zero and untrained, the same mistake looks the same each
    time; that it is there at all was noted before.
    """
    shapes = {name: weight.shape for name, weight in _weights(dim, hidden, 0).items()}

    def use(layer, x):
        if isinstance(layer, torch.nn.Module):
            for name, parameter in layer.named_parameters():
                if shapes.get(name) != parameter.shape:
                    torch.nn.init.zeros_(parameter).requires_grad_(False)
        return layer(x)

    return use


_INIT = """
super().__init__()
self.w1 = nn.Linear(dim, hidden, bias=False)
self.w2 = nn.Linear(hidden, dim, bias=False)
self.w3 = nn.Linear(dim, hidden, bias=False)
"""


def _layer(forward: str, init: str = _INIT) -> str:
    """A whole class from its lines; forward may be one expression."""
    forward = textwrap.dedent(forward).strip()
    if "return" not in forward:
        forward = f"return {forward}"
    return (
        "class FeedForward(nn.Module):\n    def __init__(self, dim, hidden):\n"
        + textwrap.indent(init.strip("\n"), "        ")
        + "\n\n    def forward(self, x):\n"
        + textwrap.indent(forward, "        ")
        + "\n"
    )


_CORRECT = "self.w2(F.silu(self.w1(x)) * self.w3(x))"

_EXCHANGED = """
super().__init__()
self.w1 = nn.Linear(dim, hidden, bias=False)
self.w2 = nn.Linear(dim, hidden, bias=False)
self.w3 = nn.Linear(hidden, dim, bias=False)
"""

_BARE = """
super().__init__()
self.w1 = nn.Parameter(torch.randn(hidden, dim) * dim**-0.5)
self.w2 = nn.Parameter(torch.randn(dim, hidden) * hidden**-0.5)
self.w3 = nn.Parameter(torch.randn(hidden, dim) * dim**-0.5)
"""
# The same for `x @ self.w1`, without a transpose.
_BARE_TURNED = """
super().__init__()
self.w1 = nn.Parameter(torch.randn(dim, hidden) * dim**-0.5)
self.w2 = nn.Parameter(torch.randn(hidden, dim) * hidden**-0.5)
self.w3 = nn.Parameter(torch.randn(dim, hidden) * dim**-0.5)
"""

EXERCISE = Exercise(
    symbol="llama_mini.feedforward:FeedForward",
    lesson=6,
    minutes=12,
    difficulty=2,
    prerequisites=("silu",),
    cases=(
        Case(
            "a batch of sequences",
            build=args(6, 16),
            state=_weights(6, 16, 10),
            given=args(normal(2, 3, 6, seed=13)),
            use=_call(6, 16),
            gradients=True,
            another_device=True,
            ulps=32,
            points=2,
        ),
        Case(
            "a single vector",
            build=args(8, 20),
            state=_weights(8, 20, 14),
            given=args(normal(8, seed=17)),
            use=_call(8, 20),
            ulps=32,
        ),
        Case(
            "narrower than the model",
            build=args(8, 5),
            state=_weights(8, 5, 18),
            given=args(normal(4, 8, seed=21)),
            use=_call(8, 5),
            ulps=32,
        ),
        Case(
            "large numbers, where gates are open or shut",
            build=args(6, 16),
            state=_weights(6, 16, 22),
            given=args(normal(3, 6, seed=25, scale=8.0)),
            use=_call(6, 16),
            ulps=32,
        ),
        Case(
            "bfloat16",
            build=args(8, 16),
            state=_weights(8, 16, 26),
            dtype=torch.bfloat16,
            given=args(normal(2, 8, seed=29, dtype=torch.bfloat16)),
            use=_call(8, 16),
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "w1 and w3 exchanged",
            "Here w3 makes the gate and w1 the content. Training would not notice, but Meta's "
            "weights are loaded by name: silu belongs around w1.",
            _layer("self.w2(self.w1(x) * F.silu(self.w3(x)))"),
        ),
        WrongAnswer(
            "ReLU gate",
            "The gate goes through ReLU: that is ReGLU. LLaMA's goes through SiLU, which is smooth "
            "and lets a little through below zero.",
            _layer("self.w2(torch.relu(self.w1(x)) * self.w3(x))"),
        ),
        WrongAnswer(
            "GELU gate",
            "The gate goes through GELU: that is GEGLU, which other models use. LLaMA's goes "
            "through SiLU, `feedforward.silu`.",
            _layer("self.w2(F.gelu(self.w1(x)) * self.w3(x))"),
        ),
        WrongAnswer(
            "GELU gate, by tanh",
            "The gate goes through the tanh approximation of GELU. LLaMA's goes through SiLU, "
            "`feedforward.silu`.",
            _layer("self.w2(F.gelu(self.w1(x), approximate='tanh') * self.w3(x))"),
        ),
        WrongAnswer(
            "sigmoid for SiLU",
            "The gate goes through the sigmoid alone: that is the original GLU. SiLU multiplies by "
            "its input again, z·σ(z).",
            _layer("self.w2(torch.sigmoid(self.w1(x)) * self.w3(x))"),
        ),
        WrongAnswer(
            "no curve",
            "Gate and content are multiplied as they are; nothing bends the gate. Put silu around "
            "what w1 gives.",
            _layer("self.w2(self.w1(x) * self.w3(x))"),
        ),
        WrongAnswer(
            "plain layer",
            "This is the plain layer: up, curve, down. w3 is never used. Multiply the gate, "
            "silu(w1 x), with w3 x before you go down.",
            _layer("self.w2(F.silu(self.w1(x)))"),
        ),
        WrongAnswer(
            "no gate",
            "The content goes straight down again; w1 and the curve are missing. Multiply it with "
            "silu(w1 x) first.",
            _layer("self.w2(self.w3(x))"),
        ),
        WrongAnswer(
            "sum for the product",
            "Gate and content are added. A gate has to be able to silence the content, so they are "
            "multiplied.",
            _layer("self.w2(F.silu(self.w1(x)) + self.w3(x))"),
        ),
        WrongAnswer(
            "curve around the product",
            "silu is taken of the product. It belongs around the gate alone: silu(w1 x) · w3 x.",
            _layer("self.w2(F.silu(self.w1(x) * self.w3(x)))"),
        ),
        WrongAnswer(
            "curve around both",
            "silu bends the gate and the content. Only the gate is bent; the content passes as it "
            "is.",
            _layer("self.w2(F.silu(self.w1(x)) * F.silu(self.w3(x)))"),
        ),
        WrongAnswer(
            "curve at the end",
            "silu is applied after the way down. It belongs around what w1 gives; what w2 gives is "
            "the result.",
            _layer("F.silu(self.w2(self.w1(x) * self.w3(x)))"),
        ),
        WrongAnswer(
            "adds its input",
            "You add x to the result. That sum, the residual connection, belongs to the block "
            "around this layer; here it would be added twice.",
            _layer(f"x + {_CORRECT}"),
        ),
        WrongAnswer(
            "biases",
            "Your linear layers have biases, which `nn.Linear` makes unless told otherwise. LLaMA "
            "has none: `bias=False`.",
            _layer(_CORRECT, _INIT.replace(", bias=False", "")),
        ),
        WrongAnswer(
            "dim and hidden exchanged",
            "`nn.Linear(a, b)` leads from a numbers to b. w1 and w3 lead from dim to hidden, and "
            "w2 from hidden to dim; yours go the other way.",
            _layer(
                _CORRECT,
                _INIT.replace("dim, hidden", "a, b")
                .replace("hidden, dim", "dim, hidden")
                .replace("a, b", "hidden, dim"),
            ),
        ),
        WrongAnswer(
            "w2 and w3 exchanged",
            "Your w2 goes up and w3 comes down. In Meta's files w3 makes the content and w2 leads "
            "back to dim.",
            _layer("self.w3(F.silu(self.w1(x)) * self.w2(x))", _EXCHANGED),
            also=(_layer(_CORRECT, _EXCHANGED),),
        ),
        WrongAnswer(
            "bare parameters",
            "w1, w2 and w3 are bare parameters here. Make them `nn.Linear` layers, so that the "
            "weight is called `w1.weight`, as in Meta's files.",
            _layer("F.linear(F.silu(F.linear(x, self.w1)) * F.linear(x, self.w3), self.w2)", _BARE),
            also=(_layer("(F.silu(x @ self.w1) * (x @ self.w3)) @ self.w2", _BARE_TURNED),),
        ),
        WrongAnswer(
            "a width of its own",
            "The layer chooses its width itself. `hidden` is the width as it is: the rule of two "
            "thirds has been applied by whoever builds the layer.",
            _layer(_CORRECT, "hidden = 4 * dim" + _INIT),
            also=(
                _layer(_CORRECT, "hidden = int(2 * hidden / 3)" + _INIT),
                _layer(_CORRECT, "hidden = 8 * dim // 3" + _INIT),
                _layer(_CORRECT, "hidden = -(-(2 * hidden // 3) // 256) * 256" + _INIT),
            ),
            values_vary=True,
        ),
        WrongAnswer(
            "other names",
            "The three layers are to be called w1, w2 and w3, as in Meta's files: the names are "
            "how weights find their place. w1 is the gate, w3 the way up, w2 the way down.",
            _layer(_CORRECT, _INIT)
            .replace("self.w1", "self.gate_proj")
            .replace("self.w2", "self.down_proj")
            .replace("self.w3", "self.up_proj"),
            values_vary=True,
        ),
    ),
    alternatives=(
        Alternative("torch's silu", _layer(_CORRECT)),
        Alternative(
            "the course's silu",
            "from llama_mini import feedforward\n\n\n"
            + _layer("self.w2(feedforward.silu(self.w1(x)) * self.w3(x))"),
        ),
        Alternative(
            "step by step, typed",
            _layer(
                """
                gate: Tensor = self.w1(x)
                gate = gate * torch.sigmoid(gate)
                content = self.w3(x)
                return self.w2(content * gate)
                """
            ),
        ),
        Alternative(
            "einsum on the weights",
            _layer(
                """
                gate = torch.einsum("...d,hd->...h", x, self.w1.weight)
                content = torch.einsum("...d,hd->...h", x, self.w3.weight)
                return torch.einsum("...h,dh->...d", F.silu(gate) * content, self.w2.weight)
                """
            ),
        ),
        Alternative(
            "one product for gate and content",
            _layer(
                """
                both = x @ torch.cat([self.w1.weight, self.w3.weight]).T
                gate, content = both.chunk(2, dim=-1)
                return F.linear(F.silu(gate) * content, self.w2.weight)
                """
            ),
        ),
        Alternative(
            "a module for the curve",
            _layer(
                "self.w2(self.curve(self.w1(x)) * self.w3(x))", _INIT + "self.curve = nn.SiLU()"
            ),
        ),
    ),
    hints=(
        "Draw the three arrows: two lead from x up to the wide vectors, one leads back down. Where "
        "do the two wide vectors meet, and which of them is bent first?",
        "In `__init__`: `nn.Linear(dim, hidden, bias=False)` twice, and once the other way round. "
        "In `forward`: the gate is silu of what w1 gives, and it is multiplied, number by number, "
        "with what w3 gives.",
        "`forward` is one line: `self.w2(gate * self.w3(x))` with `gate = "
        "feedforward.silu(self.w1(x))`.",
    ),
)
