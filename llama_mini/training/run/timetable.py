"""When a run ends, when it looks at the validation split, and its learning rate on the way."""

from llama_mini.training.recipe import schedule
from llama_mini.training.run.pace import Pace
from llama_mini.training.run.settings import TrainSettings
from llama_mini.training.scale.processes import Ranks


class Timetable:
    """What the settings say of time: a number of updates, or minutes that become one.

    total_steps: updates in all, or None while the pace is still being measured. look_seconds: what
    a quick look at the validation split takes, its checkpoint included; 0 if that is not known.
    ranks: the processes of this run, of which the first decides.
    """

    def __init__(self, settings: TrainSettings, ranks: Ranks) -> None:
        self._settings, self._ranks = settings, ranks
        self.total_steps = settings.steps
        self.look_seconds = 0.0
        self.pace = Pace()

    def is_over(self, step: int) -> bool:
        """Whether all updates are done after `step` of them."""
        return self.total_steps is not None and step >= self.total_steps

    def learning_rate(self, step: int) -> float:
        """That of update `step`, counted from 0."""
        settings = self._settings
        # While the pace is being measured, the end is far away and the warm-up is at its start.
        total = self.total_steps or 10 * (settings.warmup_steps + step + 1)
        warmup = schedule.warmup_length(settings.warmup_steps, total)
        return schedule.learning_rate(step, settings.lr, warmup, total, settings.final_lr_fraction)

    def is_time_to_look(self, step: int) -> bool:
        """Whether a quick look follows the update after which `step` are done."""
        if step == 1 or self.is_over(step):
            return True
        if self.total_steps is None:
            # To fix the end, one must know what a look takes.
            return not self.look_seconds
        return step % max(1, self.total_steps // self._settings.evaluations) == 0

    def fix_the_end(self, step: int, seconds: float, last_look: float) -> None:
        """Once the pace is known, choose the last update, so that the schedule ends on time.

        step, seconds: done and spent so far. last_look: what the look at the whole validation split
        takes, in quick looks.
        """
        budget = 60 * self._settings.minutes
        if not self._ranks.from_first(self.pace.known(budget)):
            return
        looks = (self._settings.evaluations + last_look) * self.look_seconds
        left = self.pace.updates_in(budget - seconds - looks)
        self.total_steps = step + int(self._ranks.from_first(left))
