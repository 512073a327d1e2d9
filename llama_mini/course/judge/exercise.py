"""What a casebook file says: an exercise, its cases, the mistakes people make, and three hints.

To add an exercise, add one file to its lesson's folder, such as
`llama_mini/course/casebook/lesson_06/`, named after the symbol in snake case, that defines
`EXERCISE`. Nothing has to be registered, and the tests find it by themselves:

    EXERCISE = Exercise(
        symbol="llama_mini.feedforward:silu",
        lesson=0, minutes=5, difficulty=1,
        cases=(
            Case("a small tensor", given=args(normal(2, 8)), gradients=True),
            Case("one vector", given=args(torch.tensor([1.0, -1.0])), ulps=4),
        ),
        wrong_answers=(
            WrongAnswer(
                "ReLU",
                "This cuts every negative value to zero. SiLU lets a little through: x·σ(x).",
                "def silu(x):\n    return x.clamp(min=0)",
            ),
        ),
        alternatives=(
            Alternative("a division", "def silu(x):\n    return x / (1 + torch.exp(-x))"),
        ),
        hints=("Which function squeezes…", "torch.sigmoid does…", "The body is one line: …"),
    )

What an answer should give is not written down: the reference runs on the same case. Only where a
case was made from its answer, as runs are from a law, `truth` hands that over instead of a search
that takes long and finds it again; the tests hold that the reference does. `given` may
hold anything, and results may be tensors, numbers, strings, lists, dicts, dataclasses or modules,
nested as deep as you like; every side gets fresh copies. A class is built first, from `build`, and
then called: `Case("…", build=args(8), state={"weight": normal(8)}, given=args(x))`. Where a call is
not enough, `use=lambda answer, *given: …` says what to do and returns what is compared; if it goes
on after an error, it notes that with `snapshot.failure(error)`.

Every case also compares what became of the arguments: an answer that edits its input is told so.
`gradients=True` compares the gradients of inputs and parameters, and `another_device=True` runs
the case once more on the meta device, where a tensor left on the CPU fails. Code that asks for a
number (`.item()`, `if`) cannot run there, and is not blamed for it.

Code in a casebook is source text, run exactly as a learner's cell is, with `torch`, `nn`, `F`,
`math`, `einops` and `Tensor` at hand. The rules that tests/course/test_casebook.py holds each file
to: the reference gets every point; a stub, None, zeros and the input unchanged get none, in any
case; each wrong answer is rejected by at least ten times the tolerance and named; wrong answers
with different advice are told apart; each alternative stays under a third of the tolerance.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import torch
from torch import Tensor

from llama_mini import slots


@dataclass(frozen=True)
class Args:
    """The arguments of one call."""

    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


def args(*positional: Any, **named: Any) -> Args:
    """Arguments as they would stand in a call: `args(x, eps=1e-5)`."""
    return Args(positional, named)


def normal(
    *shape: int,
    seed: int = 0,
    scale: float = 1.0,
    shift: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Normally distributed numbers that are the same everywhere for the same shape and seed."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, generator=generator) * scale + shift).to(dtype)


@dataclass(frozen=True)
class Case:
    """One thing an answer must get right.

    name: what it is about, as the learner reads it.
    given: the arguments of the call.
    build: for a class, the arguments it is built from.
    state: for a module, tensors to put into its parameters and buffers, by name, before the call.
    dtype: for a module, what it is cast to before the call.
    initial: for a module, compare the values its parameters start with.
    use: what to do instead of `answer(*given)`; called as `use(answer, *given)`, for a class with
        the instance. Returns what is compared.
    gradients, another_device: the further probes described above.
    may_edit: the exercise asks for an in-place edit, so the arguments are allowed to change.
    ulps: how many units in the last place of its dtype a result may be off.
    rtol: a relative tolerance instead, for results of a search or a fit.
    truth: for a function, what it returns in this case, where the case was made from that.
    points: what the case is worth.
    seconds: how long an answer may take, far above what any sensible one needs.
    """

    name: str
    _: KW_ONLY
    given: Args = Args()
    build: Args | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    dtype: torch.dtype | None = None
    initial: bool = False
    use: Callable[..., Any] | None = None
    gradients: bool = False
    another_device: bool = False
    may_edit: bool = False
    ulps: float = 16.0
    rtol: float | None = None
    truth: Any = None
    points: int = 1
    seconds: float = 4.0


@dataclass(frozen=True)
class WrongAnswer:
    """A mistake that people really make, and the sentence that would have helped them.

    name: what the mistake is called, such as "eps outside the root".
    advice: one to three sentences for the learner; says what the code does and what it should do.
    code: the mistake, as someone would write it. also: other ways to write the same mistake.
    values_vary: its numbers differ from one writing to the next (random, or rounding only), so it
        is recognised by where and how it fails rather than by the numbers it gives.
    """

    name: str
    advice: str
    code: str
    also: tuple[str, ...] = ()
    values_vary: bool = False


@dataclass(frozen=True)
class Alternative:
    """A correct answer that is written differently from the reference, and must pass."""

    name: str
    code: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Exercise:
    """One exercise: the public symbol it builds, and everything needed to judge and to help.

    symbol: `module:symbol`, the slot it fills. lesson: its number. minutes: what it takes someone
    who read the lesson. difficulty: 1 (a line) to 5 (an evening). prerequisites: names of exercises
    to solve before. hints: three, from a nudge to nearly the answer. The other fields: see above.
    Raises ValueError if a field makes no sense.
    """

    symbol: str
    lesson: int
    minutes: int
    difficulty: int
    cases: tuple[Case, ...]
    wrong_answers: tuple[WrongAnswer, ...]
    alternatives: tuple[Alternative, ...]
    hints: tuple[str, str, str]
    prerequisites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        slots.split(self.symbol)
        if not 1 <= self.difficulty <= 5:
            raise ValueError(f"{self.name}: difficulty is 1 to 5; got {self.difficulty}.")
        if len(self.hints) != 3:
            raise ValueError(f"{self.name}: an exercise has three hints; got {len(self.hints)}.")
        for kind, things in (("case", self.cases), ("wrong answer", self.wrong_answers)):
            names = [thing.name for thing in things]
            if not names or len(set(names)) != len(names):
                raise ValueError(
                    f"{self.name}: needs at least one {kind}, each with its own name; got {names}."
                )

    @property
    def name(self) -> str:
        """The snake case of the symbol: RMSNorm → rms_norm."""
        return snake_case(self.symbol_name)

    @property
    def symbol_name(self) -> str:
        """What the learner defines: RMSNorm."""
        return slots.split(self.symbol)[1]

    @property
    def max_points(self) -> int:
        """What all cases together are worth."""
        return sum(case.points for case in self.cases)


def snake_case(name: str) -> str:
    """`RMSNorm` → `rms_norm`, `FeedForward` → `feed_forward`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
