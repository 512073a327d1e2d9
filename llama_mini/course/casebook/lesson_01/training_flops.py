"""Training FLOPs: six for every parameter and token."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _returns(expression: str) -> str:
    return f"def training_flops(n_params, n_tokens):\n    return {expression}\n"


EXERCISE = Exercise(
    symbol="llama_mini.scaling:training_flops",
    lesson=1,
    minutes=3,
    difficulty=1,
    cases=(
        Case("LLaMA-7B", given=args(6_738_415_616, 1_000_000_000_000), rtol=1e-9),
        Case("a model of this course", given=args(3.3e6, 6.1e6), rtol=1e-9),
        Case("LLaMA-65B", given=args(65_285_660_672, 1.4e12), rtol=1e-9),
    ),
    wrong_answers=(
        WrongAnswer(
            "forward pass alone",
            "2·N·D is the forward pass: a multiplication and an addition for each weight and "
            "token. The backward pass does twice as much again, one share for the gradient of the "
            "input and one for that of the weights.",
            _returns("2.0 * n_params * n_tokens"),
        ),
        WrongAnswer(
            "four for the whole step",
            "4·N·D is too little: forward takes 2·N·D and backward 4·N·D, together 6.",
            _returns("4.0 * n_params * n_tokens"),
        ),
        WrongAnswer(
            "a multiply-add counted as one",
            "You count a multiplication and its addition as one operation. Hardware makers and "
            "papers count two, so the forward pass takes 2·N·D and the whole step three times "
            "that.",
            _returns("3.0 * n_params * n_tokens"),
        ),
        WrongAnswer(
            "the six counted twice",
            "Six already counts the multiplication and the addition: 2 forward, 4 backward.",
            _returns("12.0 * n_params * n_tokens"),
        ),
        WrongAnswer(
            "a second forward pass",
            "8·N·D counts a forward pass that is run again in the backward pass to save memory "
            "(activation checkpointing). That is what the hardware does then; what training "
            "needs, and what is asked for, is 6·N·D.",
            _returns("8.0 * n_params * n_tokens"),
        ),
        WrongAnswer(
            "one operation for each weight",
            "N·D counts each meeting of a weight and a token once. It costs two operations "
            "forward and four backward.",
            _returns("1.0 * n_params * n_tokens"),
        ),
        WrongAnswer(
            "one token only",
            "That is the cost of one token. Multiply by the number of tokens.",
            _returns("6.0 * n_params"),
        ),
        WrongAnswer(
            "a sum for a product",
            "Parameters and tokens are added. Every parameter meets every token, so multiply them.",
            _returns("6.0 * (n_params + n_tokens)"),
        ),
        WrongAnswer(
            "billions",
            "Your result is in billions of FLOPs, or of parameters. Both counts are plain numbers, "
            "and so is the result: divide by nothing.",
            _returns("6.0 * n_params * n_tokens / 1e9"),
        ),
        WrongAnswer(
            "counts taken for billions",
            "You multiply by a billion for each count that you take to be in billions. Both are "
            "plain numbers already: LLaMA-7B comes in as 6,738,415,616.",
            _returns("6.0 * (n_params * 1e9) * (n_tokens * 1e9)"),
            also=(_returns("6.0 * (n_params * 1e9) * n_tokens"),),
        ),
        WrongAnswer(
            "PF-days",
            "That is in petaFLOP-days (one is 8.64e19 FLOPs), the unit of Kaplan's paper. Return "
            "plain FLOPs.",
            _returns("6.0 * n_params * n_tokens / (1e15 * 86400)"),
        ),
    ),
    alternatives=(
        Alternative(
            "forward and backward apart",
            _returns("2.0 * n_params * n_tokens + 4 * n_params * n_tokens"),
        ),
        Alternative("whole numbers", _returns("6 * int(n_params) * int(n_tokens)")),
        Alternative(
            "named parts",
            "def training_flops(n_params: float, n_tokens: float) -> float:\n"
            "    forward = 2 * n_params\n"
            "    backward = 2 * forward\n"
            "    return n_tokens * (forward + backward)\n",
        ),
        Alternative(
            "a product of three",
            "training_flops = lambda n_params, n_tokens: math.prod((6.0, n_params, n_tokens))\n",
        ),
    ),
    hints=(
        "How often does one weight meet one token on the way forward, and what happens there? "
        "Then: how much more work is the way back?",
        "Forward, a weight is multiplied with a number and the product is added to a sum: two "
        "operations. Backward, the same is done twice, for two different gradients.",
        "2 forward and 4 backward: `return 6.0 * n_params * n_tokens`.",
    ),
)
