"""A run in a terminal: a bar that says how it goes."""

from tqdm.auto import tqdm

from llama_mini.training.run.loop import Trainer


def train_with_bar(trainer: Trainer) -> None:
    """Train to the end behind a progress bar: loss, validation loss, tokens/s and time left."""
    bar = tqdm(
        total=trainer.total_steps,
        initial=trainer.step,
        desc=trainer.run.name,
        unit="step",
        dynamic_ncols=True,
        disable=not trainer.ranks.is_first,
    )
    with bar:
        shown: dict[str, str] = {}
        for update in trainer.steps():
            bar.total = update.total_steps
            shown["loss"] = f"{update.loss:.3f}"
            if update.validation_loss is not None:
                shown["validation"] = f"{update.validation_loss:.3f}"
            shown["tokens/s"] = f"{update.tokens_per_second:,.0f}"
            bar.set_postfix(shown, refresh=False)
            bar.update()
