"""What a learner reads after `check`: the state in words, why, and where to look."""

import html
from dataclasses import dataclass, field
from typing import Any

from llama_mini.course.judge.circumstances import the_same_for_all
from llama_mini.course.judge.compare import Difference
from llama_mini.course.judge.diagnosis import Diagnosis, Named, diagnose
from llama_mini.course.judge.exercise import Args, Exercise
from llama_mini.course.judge.grading import CaseResult, Grade
from llama_mini.course.judge.running import GRADIENT, argument_names
from llama_mini.course.judge.snapshot import describe
from llama_mini.course.judge.watch import Raised
from llama_mini.course.learner.display import Shown, marked, paragraph

NOT_ATTEMPTED, NOT_YET, CORRECT = "not attempted", "not yet", "correct"


@dataclass(repr=False)
class Report(Shown):
    """The outcome of one check.

    state: "not attempted", "not yet" or "correct". diagnosis: the name of the mistake, or None.
    candidates: every mistake that explains what was seen. message: what the learner reads.
    first_failure: the case to look at first, and its difference. notes: said, not punished.
    """

    exercise: str
    state: str
    points: int
    max_points: int
    message: str
    diagnosis: str | None = None
    candidates: tuple[str, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def first_failure(self) -> tuple[CaseResult, str, Difference] | None:
        """The first case that failed, what differs in it, and how; None if nothing does."""
        for result in self.cases:
            for name, difference in result.differences.items():
                return result, name, difference
        return None

    @property
    def heading(self) -> str:
        """`rms_norm: not yet, 3 of 9 points`."""
        points = (
            ""
            if self.state == NOT_ATTEMPTED or not self.max_points
            else f", {self.points} of {self.max_points} points"
        )
        return f"{self.exercise}: {self.state}{points}"

    def plain(self) -> str:
        return "\n\n".join([self.heading, *filter(None, [self.message]), *self.notes])

    def rich(self) -> str:
        # A word and a shape beside the colour: colour alone tells too few.
        mark, color = {CORRECT: ("✔", "#009E73"), NOT_YET: ("✘", "#D55E00")}.get(
            self.state, ("○", "#777777")
        )
        parts = [f"<p><strong>{mark} {html.escape(self.heading)}</strong></p>"]
        parts += [paragraph(text) for text in self.message.split("\n\n") if text]
        parts += [self._picture(), self._case_list()]
        parts += [f"<p><em>{marked(note)}</em></p>".replace("\n", "<br>") for note in self.notes]
        style = f"border-left:4px solid {color};padding:0.2em 0 0.2em 1em"
        return f'<div role="status" style="{style}">{"".join(parts)}</div>'

    def _case_list(self) -> str:
        if self.state != NOT_YET or len(self.cases) < 2:
            return ""
        words = {True: "passed", False: "not yet"}
        items = "".join(
            f"<li>{html.escape(result.case.name)}: "
            f"{words[result.passed] if result.observed else 'not run'}</li>"
            for result in self.cases
        )
        return f"<details><summary>All {len(self.cases)} cases</summary><ul>{items}</ul></details>"

    def _picture(self) -> str:
        failing = [
            d for result in self.cases for d in result.differences.values() if len(d.errors) > 1
        ]
        if self.state != NOT_YET or not failing:
            return ""
        from llama_mini.course.learner.picture import difference_map

        return difference_map(failing[0])


@the_same_for_all()
def report_on(exercise: Exercise, grade: Grade, reference: Any) -> Report:
    """Turn a grade into words."""
    build = _Builder(exercise, grade, argument_names(reference))
    report = Report(
        exercise.name, NOT_YET, grade.points, exercise.max_points, "", cases=tuple(grade.results)
    )
    if grade.used_reference:
        build.handed_in_ours(report)
    elif grade.is_stub:
        build.stub(report)
    elif grade.stopped:
        build.stopped(report, grade.stopped)
    elif grade.passed:
        report.state, report.message = (
            CORRECT,
            "Your answer agrees with the reference in every case.",
        )
    else:
        build.mistaken(report, diagnose(exercise, grade.results))
    if report.state != NOT_ATTEMPTED:
        report.notes += _asides(grade)
    return report


@dataclass(frozen=True)
class _Builder:
    exercise: Exercise
    grade: Grade
    names: tuple[str, ...]

    def handed_in_ours(self, report: Report) -> None:
        report.state = NOT_ATTEMPTED
        report.message = (
            f"This answer runs the package's own `{self.exercise.symbol.replace(':', '.')}`. It "
            "is correct, and it "
            "is not yours: write the body yourself, then check again."
        )

    def stub(self, report: Report) -> None:
        report.state = NOT_ATTEMPTED
        observed = self.grade.results[0].observed.values()
        seen = next(seen for seen in observed if isinstance(seen, Raised))
        subject = f"`{seen.function}`" if seen.function else "The stub"
        report.message = (
            f"{subject} still raises NotImplementedError. Write your code in its place; "
            f"`hint({self.exercise.name!r})` gives a first nudge."
        )

    def stopped(self, report: Report, result: CaseResult) -> None:
        report.diagnosis = "does not end"
        report.message = (
            f"In the case “{result.case.name}” ({self._inputs(result)}), your code was still "
            f"running after {result.case.seconds:g} s and was stopped{_at(result.stopped)}"
            "Does the loop's condition ever change?"
        )

    def mistaken(self, report: Report, diagnosis: Diagnosis) -> None:
        candidates = diagnosis.candidates
        report.candidates = tuple(named.name for named in candidates)
        report.diagnosis = report.candidates[0] if candidates else None
        parts = []
        if len(candidates) == 1:
            parts.append(f"The mistake has a name: {candidates[0].name}. {candidates[0].advice}")
        elif candidates:
            parts.append("One of these explains everything that was seen:")
            parts += [f"• {named.name}: {named.advice}" for named in candidates]
        parts += [f"Besides: {named.name}. {named.advice}" for named in diagnosis.besides]
        if diagnosis.resembles:
            named, agreeing, failing = diagnosis.resembles
            parts.append(_resemblance(named, agreeing, failing))
        parts.append(self._evidence(report))
        report.message = "\n\n".join(filter(None, parts))

    def _evidence(self, report: Report) -> str:
        result, name, difference = report.first_failure
        raised = result.observed.get(name)
        case = f"In the case “{result.case.name}” ({self._inputs(result)})"
        if isinstance(raised, Raised):
            actor = "computing the gradient" if name == GRADIENT else "your code"
            return f"{case}, {actor} {difference.text}{_at(raised)}".rstrip()
        subject = name + (f" at `{difference.where}`" if difference.where else "")
        return f"{case}, {subject} {difference.text}."

    def _inputs(self, result: CaseResult) -> str:
        given: Args = result.case.given
        # `use` may call several times, or with other arguments: then the names are not theirs.
        names = self.names if result.case.use is None else ()
        described = [
            f"{names[index]}: {describe(value)}" if index < len(names) else describe(value)
            for index, value in enumerate(given.positional)
        ]
        described += [f"{name}={describe(value)}" for name, value in given.named.items()]
        if len(described) > 6:
            described = [*described[:4], f"and {len(described) - 4} more"]
        return "; ".join(described) or "no arguments"


def _resemblance(named: Named, agreeing: int, failing: int) -> str:
    if agreeing < failing:
        one = "is that" if agreeing == 1 else "are those"
        return (
            f"{agreeing} of your {failing} wrong results {one} of a known mistake, "
            f"{named.name}; something else is different too. {named.advice}"
        )
    wrong = "Your wrong result is" if failing == 1 else f"Your {failing} wrong results are"
    return (
        f"{wrong} also what a known mistake gives, {named.name}. That one is wrong in more cases "
        f"than yours, so it may be the cause in part only. {named.advice}"
    )


def _at(raised: Raised | None) -> str:
    """The line of the learner's own code where it happened, to end a clause; ends the sentence."""
    if raised is None or not raised.line:
        return ". "
    return f", in line {raised.line_number} of your code:\n`{raised.line.replace('`', chr(39))}`\n"


def _asides(grade: Grade) -> list[str]:
    notes = []
    if grade.printed.strip():
        lines = grade.printed.strip().splitlines()
        shown = "\n".join(lines[:5]) + ("\n…" if len(lines) > 5 else "")
        notes.append(f"Your code printed while it was checked (this costs nothing):\n{shown}")
    if grade.warnings:
        notes.append("Python warned (this costs nothing):\n" + "\n".join(grade.warnings[:3]))
    return notes
