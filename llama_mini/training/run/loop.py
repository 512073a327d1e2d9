"""The training loop: read a batch, measure the loss, follow the gradient, note what happened."""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from llama_mini import files, paths, precisions
from llama_mini import model as architecture
from llama_mini.config import ModelConfig
from llama_mini.data import shards
from llama_mini.data.bigram import Bigram
from llama_mini.data.shards import TokenShards
from llama_mini.data.table import whose_code
from llama_mini.tokenizer.sentencepiece import Tokenizer
from llama_mini.training.recipe import optimizer
from llama_mini.training.recipe.update import NotFiniteError, Step
from llama_mini.training.run import checkpoint, folder, interrupt, resolve
from llama_mini.training.run import code as whose
from llama_mini.training.run.checkpoint import Checkpoint
from llama_mini.training.run.forward import Forward
from llama_mini.training.run.metrics import MetricsLog, Update
from llama_mini.training.run.settings import TrainSettings
from llama_mini.training.run.timetable import Timetable
from llama_mini.training.run.validation import Validation
from llama_mini.training.run.windows import Batches
from llama_mini.training.scale.loss_scale import LossScale
from llama_mini.training.scale.processes import Ranks
from llama_mini.training.scale.sharded_adamw import ShardedAdamW


class Trainer:
    """A run in progress, update by update; whatever ends it early leaves a checkpoint to resume.

    `for update in Trainer(settings).steps(): ...` trains and lets you look: `model`, `tokenizer`,
    `step` and `saved_step`, that of the last checkpoint, are there at every moment. A new run gets
    a new folder; `Trainer.resume` continues one. ranks: the processes that train it together, all
    with the same settings; None is this one alone. The first of them writes and decides. Raises
    FileNotFoundError without a built mix, KeyError for an unknown config, FileExistsError if the
    run's name is taken, ValueError if the settings do not fit together.
    """

    def __init__(self, settings: TrainSettings, ranks: Ranks | None = None) -> None:
        self.ranks = ranks or Ranks()
        settings = resolve.resolve(settings)
        self.ranks.wait()  # until all have found the same free name
        self._open_data(settings)
        self._build(settings, resolve.model_config(settings, self.train_tokens.vocab_size))
        self.saved_step = 0
        if self.ranks.is_first:
            self.run = folder.create(settings.run, self._checkpoint(), self.tokenizer.path)
        else:
            self.run = folder.Run(paths.runs_dir() / settings.run)

    @classmethod
    def resume(
        cls,
        run: str | None = None,
        *,
        with_todays_code: bool = False,
        ranks: Ranks | None = None,
        **given: Any,
    ) -> "Trainer":
        """Continue a run, the newest if none is named, exactly where its last checkpoint is.

        with_todays_code: go on although other code runs now than it was trained on, and let the run
        remember it; ValueError otherwise names what differs.
        ranks: as for a new run; their number may have changed.
        given: settings the caller insists on; ValueError names those that the run was not made
        with, because half a run with each would be neither. `data` may point to another copy of
        the same mix. Raises FileNotFoundError if there is no such run.
        """
        trainer = cls.__new__(cls)
        trainer.ranks = ranks or Ranks()
        trainer.run = folder.find(run)
        if trainer.ranks.is_first:
            files.remove_partial_files(trainer.run.folder)
        saved = checkpoint.load(trainer.run.last)
        settings = TrainSettings.from_dict(saved.settings)
        resolve.refuse_other_settings(trainer.run.name, settings, given)
        now = whose.todays(settings.document_mask)
        saved.code = whose.known(saved.code, now)
        if not with_todays_code:
            whose.refuse_other_code(trainer.run.name, saved.code, now)
        settings = replace(settings, data=given.get("data") or settings.data)
        trainer._open_data(settings)
        resolve.refuse_other_data(
            trainer.run.name,
            saved.data_digest,
            trainer.train_tokens.digest,
            trainer.data_folder,
        )
        trainer._build(settings, ModelConfig.from_dict(saved.params))
        trainer._restore(saved)
        return trainer

    @property
    def finished(self) -> bool:
        """Whether all updates are done."""
        return self._timetable.is_over(self.step)

    @property
    def total_steps(self) -> int | None:
        """Updates in all, or None while the pace is still being measured."""
        return self._timetable.total_steps

    @cached_property
    def bigram(self) -> Bigram:
        """The baseline, counted on this run's training split when first asked for."""
        return Bigram.fit(self.train_tokens, self.validation_tokens)

    def steps(self) -> Iterator[Update]:
        """Train to the end, one update at a time.

        Stop whenever you like, with `break`, Ctrl-C or the kernel's stop button: the last whole
        update is saved. Raises FloatingPointError if the loss, the gradient or the weights are no
        longer numbers, and says which checkpoint still is. Where several processes keep the
        optimizer in pieces, a stop leaves the checkpoint of the last look.
        """
        spoiled = False
        try:
            path = self.run.metrics_file if self.ranks.is_first else Path(os.devnull)
            with MetricsLog(path, after_step=self.step) as log:
                while not self.finished:
                    with interrupt.held_back():
                        update = self._advance(log)
                    yield update
        except NotFiniteError as error:
            spoiled = not self._save_if_finite()
            raise FloatingPointError(self._what_is_left(error)) from None
        finally:
            # A stop may find the processes at different updates, and each has a piece to give.
            in_pieces = self.settings.shard_optimizer and self.ranks.world_size > 1
            if self.step > self.saved_step and not spoiled and not in_pieces:
                self.save()

    def save(self) -> None:
        """Write the state to the run's `last.pt`, whole or not at all.

        Every process has to ask for it, and the first one writes. Raises FloatingPointError if a
        number in it is none: the checkpoint before stays then.
        """
        self._write(self.run.last)
        self.saved_step = self.step

    def validation_loss(self) -> float:
        """Nats per token over the whole validation split."""
        return self.validation.model_loss(self.model, self.dtype)

    def bigram_loss(self) -> float:
        """Nats per token of the baseline over the same tokens."""
        return self.validation.baseline_loss(self.bigram)

    def whose_code(self) -> str:
        """Whose code made the weights, from the first update to the last one done, in words."""
        return whose.whole_run(self.code, self.code_changes, self.step)

    def whose_mix(self) -> str:
        """Whose code made the data, in words."""
        return whose_code(shards.read_index(self.data_folder)["about"])

    def _advance(self, log: MetricsLog) -> Update:
        """One update, the look at the validation split if it is time, and the line in the log."""
        timetable, started = self._timetable, time.perf_counter()
        lr = timetable.learning_rate(self.step)
        batch_loss, grad_norm = self._update(lr)
        self._note_whose_code(log)
        self.step += 1
        updated = time.perf_counter()
        timetable.pace.note(updated - started)

        validation_loss = None
        if timetable.is_time_to_look(self.step):
            validation_loss = self._quick_look()
            timetable.look_seconds = time.perf_counter() - updated
        looked = time.perf_counter()
        self.seconds += looked - started
        update = Update(
            step=self.step,
            total_steps=self.total_steps,
            loss=batch_loss,
            lr=lr,
            grad_norm=grad_norm,
            tokens=self.step * self.tokens_per_update,
            tokens_per_second=self.tokens_per_update / timetable.pace.seconds_per_update,
            seconds=self.seconds,
            validation_loss=validation_loss,
        )
        # The line comes before the checkpoint: a resumed run can drop a line, not invent one.
        log.write(vars(update))
        if validation_loss is not None:
            self._keep(validation_loss)
            # What writing a checkpoint takes, only the next one can tell.
            writing = time.perf_counter() - looked
            timetable.look_seconds += writing
            self.seconds += writing
        if self.total_steps is None:
            last_look = self.validation.n_tokens / self.quick_validation.n_tokens
            timetable.fix_the_end(self.step, self.seconds, last_look)
        return update

    def _quick_look(self) -> float:
        """The first process's validation loss on the quick sample, while the others wait."""
        if not self.ranks.is_first:
            return self.ranks.from_first(0.0)
        return self.ranks.from_first(self.quick_validation.model_loss(self.model, self.dtype))

    def _update(self, lr: float) -> tuple[float, float]:
        """Change the weights once; the loss before the change, and the gradient's norm."""
        settings = self.settings
        pieces = self.batches.micro_batches(
            self.step, settings.micro_batches, settings.document_mask
        )
        pieces = [(inputs.to(self.device), targets.to(self.device)) for inputs, targets in pieces]
        try:
            return self._step(pieces, lr)
        except NotFiniteError as error:
            raise NotFiniteError(f"{error} in update {self.step + 1}") from None

    def _note_whose_code(self, log: MetricsLog) -> None:
        """Remember it, where the update just made ran on other code than those before it."""
        now = whose.todays(self.settings.document_mask)
        if now != self.code:
            change = whose.change(self.step, self.code, now)
            log.write({"event": "code changed", **change})
            self.code_changes.append(change)
            self.code = now

    def _save_if_finite(self) -> bool:
        try:
            if self.step > self.saved_step:
                self.save()
        except NotFiniteError:
            return False
        return True

    def _what_is_left(self, error: NotFiniteError) -> str:
        lr, precision = self.settings.lr, self.settings.precision
        exact = "" if precision == "fp32" else ", or with --precision fp32"
        return (
            f"The {error}. {self.run.last} holds the weights after update {self.saved_step}, all "
            f"of them numbers. Start again with a lower --lr than {lr:g}{exact}."
        )

    def _keep(self, validation_loss: float) -> None:
        """Write the checkpoint, and a second one if this is the best so far."""
        if validation_loss < self.best_loss:
            self.best_loss = validation_loss
            self._write(self.run.best)
        self.save()

    def _write(self, path: Path) -> None:
        state = self._checkpoint()  # of which every process may hold a piece
        if self.ranks.is_first:
            checkpoint.save(path, state)

    def _open_data(self, settings: TrainSettings) -> None:
        self.data_folder = settings.data or shards.default_folder()
        self.train_tokens = TokenShards(self.data_folder, "train")
        self.validation_tokens = TokenShards(self.data_folder, "validation")
        self.tokenizer = Tokenizer(self.data_folder / "tokenizer.model")

    def _build(self, settings: TrainSettings, config: ModelConfig) -> None:
        seq_len = settings.seq_len or config.max_seq_len
        self.settings, self.config = settings, config
        self.device = torch.device(settings.device)
        self.dtype = precisions.choose(settings.precision, self.device)
        torch.set_num_threads(settings.threads or torch.get_num_threads())
        torch.manual_seed(settings.seed)
        self.model = architecture.Transformer(config).to(self.device)
        adamw = optimizer.adamw(
            self.model, settings.lr, (settings.beta1, settings.beta2), settings.weight_decay
        )
        self.optimizer = ShardedAdamW(adamw, self.ranks) if settings.shard_optimizer else adamw
        self._step = Step(
            self.model,
            self.optimizer,
            settings.clip_norm,
            Forward(self.model, self.dtype),
            self.ranks,
            LossScale() if self.dtype == torch.float16 else None,
        )
        self.batches = Batches(
            self.train_tokens,
            settings.batch_size,
            seq_len,
            settings.seed,
            self.ranks.rank,
            self.ranks.world_size,
        )
        self.validation, self.quick_validation = (
            Validation(self.validation_tokens, seq_len, most, settings.document_mask)
            for most in (None, settings.quick_windows)
        )
        self._timetable = Timetable(settings, self.ranks)
        self.step, self.seconds = 0, 0.0
        self.best_loss = math.inf
        self.tokens_per_update = settings.batch_size * seq_len
        self.code, self.code_changes = whose.todays(settings.document_mask), []

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            rng=checkpoint.rng_state(self.device),
            step=self.step,
            total_steps=self.total_steps,
            seconds=self.seconds,
            best_loss=self.best_loss,
            data_digest=self.train_tokens.digest,
            settings=self.settings.to_dict(),
            params=self.config.to_dict(),
            code=self.code,
            code_changes=self.code_changes,
            look_seconds=self._timetable.look_seconds,
            loss_scale=vars(self._step.loss_scale).copy() if self._step.loss_scale else {},
        )

    def _restore(self, saved: Checkpoint) -> None:
        self.model.load_state_dict(saved.model)
        self.optimizer.load_state_dict(saved.optimizer)
        checkpoint.restore_rng(saved.rng, self.device)
        self.step, self.seconds = saved.step, saved.seconds
        self._timetable.total_steps = saved.total_steps
        self.best_loss = saved.best_loss
        self.code, self.code_changes = saved.code, saved.code_changes
        self._timetable.look_seconds = saved.look_seconds
        if saved.loss_scale:
            self._step.loss_scale = LossScale(**saved.loss_scale)
        self.saved_step = saved.step


def train(settings: TrainSettings, on_update: Callable[[Update], None] | None = None) -> Trainer:
    """Run a training to its end and hand back its Trainer, which holds the model and the results.

    on_update: called after every update, with what it did.
    """
    trainer = Trainer(settings)
    for update in trainer.steps():
        if on_update is not None:
            on_update(update)
    return trainer
