"""silu: x·σ(x), the gate's curve inside SwiGLU."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal

EXERCISE = Exercise(
    symbol="llama_mini.feedforward:silu",
    lesson=0,
    minutes=5,
    difficulty=1,
    cases=(
        Case(
            "from -3 to 3",
            given=args(torch.linspace(-3, 3, 13)),
            gradients=True,
            another_device=True,
        ),
        Case(
            "far out, where exp overflows",
            given=args(torch.tensor([-100.0, -50.0, -20.0, 20.0, 50.0, 100.0])),
        ),
        Case("three axes", given=args(normal(2, 3, 4, seed=1)), points=2),
        Case("bfloat16", given=args(normal(16, seed=2, dtype=torch.bfloat16)), ulps=2),
    ),
    wrong_answers=(
        WrongAnswer(
            "the sigmoid alone",
            "This is σ(x), which runs from 0 to 1. SiLU multiplies it with x: for large x it "
            "follows x.",
            "def silu(x):\n    return torch.sigmoid(x)",
            also=("def silu(x):\n    return 1 / (1 + torch.exp(-x))",),
        ),
        WrongAnswer(
            "ReLU",
            "This cuts every negative value to zero. SiLU is smooth and lets small negative "
            "values through: x·σ(x).",
            "def silu(x):\n    return torch.relu(x)",
            also=("def silu(x):\n    return x * (x > 0)",),
        ),
        WrongAnswer(
            "GELU",
            "This weighs x with the normal distribution's Φ(x): that is GELU. SiLU weighs it with "
            "the sigmoid σ(x).",
            "def silu(x):\n    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))",
        ),
        WrongAnswer(
            "GELU, by tanh",
            "This is the tanh approximation of GELU, which GPT-2 uses. SiLU needs no "
            "approximation: x·σ(x).",
            "def silu(x):\n    return F.gelu(x, approximate='tanh')",
            also=(
                "def silu(x):\n    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)\n"
                "    return 0.5 * x * (1 + torch.tanh(inner))",
            ),
        ),
        WrongAnswer(
            "a steeper sigmoid",
            "The sigmoid gets 1.702·x here: that is the quick approximation of GELU. SiLU is "
            "Swish with β = 1: x·σ(x).",
            "def silu(x):\n    return x * torch.sigmoid(1.702 * x)",
            also=(
                "def silu(x):\n    return x * torch.sigmoid(1.5 * x)",
                "def silu(x):\n    return x * torch.sigmoid(2 * x)",
            ),
        ),
        WrongAnswer(
            "tanh for the sigmoid",
            "tanh runs from -1 to 1, so x·tanh(x) is positive on both sides. The sigmoid runs "
            "from 0 to 1.",
            "def silu(x):\n    return x * torch.tanh(x)",
        ),
        WrongAnswer(
            "Mish",
            "x·tanh(softplus(x)) is Mish, a cousin. SiLU is x·σ(x).",
            "def silu(x):\n    return x * torch.tanh(F.softplus(x))",
        ),
        WrongAnswer(
            "the sign turned round",
            "This is x·σ(-x): near zero for large x, and close to x for very negative x. Look at "
            "the sign inside exp: "
            "σ(x) = 1 / (1 + exp(-x)).",
            "def silu(x):\n    return x / (1 + torch.exp(x))",
            also=("def silu(x):\n    return x * torch.sigmoid(-x)",),
        ),
        WrongAnswer(
            "a rounded e",
            "e is cut to a few digits, and the power multiplies the error. `torch.exp(-x)` knows e "
            "as well as float32 can, and `torch.sigmoid` is shorter still.",
            "def silu(x):\n    return x / (1 + 2.718 ** -x)",
            also=(
                "def silu(x):\n    return x / (1 + 2.72 ** -x)",
                "def silu(x):\n    return x / (1 + 2.7 ** -x)",
            ),
        ),
        WrongAnswer(
            "math.exp",
            "`math.exp` takes a single number, and x is a tensor of several. `torch.exp` works on "
            "a whole tensor, and `torch.sigmoid` does all of σ.",
            "def silu(x):\n    return x / (1 + math.exp(-x))",
        ),
        WrongAnswer(
            "the sigmoid of a square",
            "The sigmoid gets x² here, which is never negative, so the gate never closes. It gets "
            "x itself: x·σ(x).",
            "def silu(x):\n    return x * torch.sigmoid(x**2)",
        ),
        WrongAnswer(
            "exp overflows",
            "exp(x) is infinite in float32 from x = 89 on, and infinity divided by infinity is "
            "nan. Write it with "
            "exp(-x), or let `torch.sigmoid` take care of both ends.",
            "def silu(x):\n    return x * torch.exp(x) / (1 + torch.exp(x))",
            also=("def silu(x):\n    e = torch.exp(x)\n    return x * (e / (e + 1))",),
            values_vary=True,
        ),
        WrongAnswer(
            "softmax for the sigmoid",
            "softmax makes the values of an axis compete for a sum of one. Each value of SiLU "
            "depends on its own x alone.",
            "def silu(x):\n    return x * torch.softmax(x, dim=-1)",
        ),
        WrongAnswer(
            "added, not multiplied",
            "x and σ(x) are multiplied, not added: the sigmoid is a gate that says how much of x "
            "passes.",
            "def silu(x):\n    return x + torch.sigmoid(x)",
        ),
        WrongAnswer(
            "hard swish",
            "This replaces the sigmoid by straight lines, which phones find cheaper. LLaMA uses "
            "the true one: x·σ(x).",
            "def silu(x):\n    return x * (x + 3).clamp(0, 6) / 6",
        ),
    ),
    alternatives=(
        Alternative("a division", "def silu(x):\n    return x / (1 + torch.exp(-x))"),
        Alternative("torch's own", "def silu(x):\n    return F.silu(x)"),
        Alternative(
            "tanh of the half", "def silu(x):\n    return 0.5 * x * (1 + torch.tanh(0.5 * x))"
        ),
        Alternative(
            "wider inside",
            "def silu(x):\n    return (x.double() * torch.sigmoid(x.double())).to(x.dtype)",
        ),
        Alternative("logsigmoid", "def silu(x):\n    return x * torch.exp(F.logsigmoid(x))"),
    ),
    hints=(
        "Which function turns any number into one between 0 and 1? It says how much of x gets "
        "through.",
        "That function is the sigmoid, σ(x) = 1 / (1 + exp(-x)). torch has it by that name, and "
        "it works on a whole "
        "tensor at once.",
        "Multiply x with its own sigmoid, element by element: one line, `return x * …`.",
    ),
)
