"""The known mistakes of an exercise, each run on a case only when somebody asks what it does there.

Most mistakes are ruled out by one case, and the others need not run on them. Each run has a module
of its own, so what a mistake does in a case does not depend on which cases were asked for before.
"""

import functools

from llama_mini import slots
from llama_mini.course.judge.exercise import Case, Exercise, WrongAnswer
from llama_mini.course.judge.grading import symbol_from
from llama_mini.course.judge.running import OUTPUT, Observations, argument_names, run_case
from llama_mini.course.judge.watch import Raised, watched


class Writing:
    """One way to write a wrong answer: `writing[2]` is what it does in the third case.

    wrong: the mistake. A writing that takes longer than an answer may is given up in this case and
    in all others: an answer that came back in all of them is not that one.
    """

    def __init__(self, exercise: Exercise, wrong: WrongAnswer, code: str) -> None:
        self.wrong = wrong
        self._exercise, self._code = exercise, code
        self._seen: dict[int, Observations] = {}
        self._given_up: Raised | None = None

    def __getitem__(self, index: int) -> Observations:
        # Raises IndexError past the last case, which is how Python knows where a loop ends.
        case = self._exercise.cases[index]
        if index not in self._seen:
            self._seen[index] = self._run(case)
        return self._seen[index]

    def _run(self, case: Case) -> Observations:
        if self._given_up is not None:
            return {OUTPUT: self._given_up}
        # Some mistakes print, or make PyTorch warn; the learner would look for it in their own
        # code.
        run = watched(functools.partial(self._observe, case), case.seconds)
        if run.raised is not None and run.raised.timed_out:
            self._given_up = run.raised
        return run.value if run.raised is None else {OUTPUT: run.raised}

    def _observe(self, case: Case) -> Observations:
        answer = symbol_from(self._code, self._exercise, self.wrong.name)
        names = argument_names(slots.reference(self._exercise.symbol))
        return run_case(case, answer, names=names)


def bank(exercise: Exercise) -> tuple[Writing, ...]:
    """Every writing of every wrong answer of an exercise, none of them run yet.

    Not kept for the next diagnosis: a cell may put something else in the place of `torch.sigmoid`,
    and what the mistakes did meanwhile must not outlast that.
    """
    return tuple(
        Writing(exercise, wrong, code)
        for wrong in exercise.wrong_answers
        for code in (wrong.code, *wrong.also)
    )
