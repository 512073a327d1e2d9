"""What a finished run amounts to: its loss, the bar it had to clear, and a page of its prose."""

from dataclasses import dataclass

from llama_mini import files, slots
from llama_mini import model as architecture
from llama_mini.evaluation import held_out
from llama_mini.evaluation.text_bytes import text_bytes
from llama_mini.text.sample import stream_text
from llama_mini.training.run import code as whose
from llama_mini.training.run.loop import Trainer
from llama_mini.training.scale import flops
from llama_mini.training.scale.peaks import known_peak

PROMPT = "The people of the city"


@dataclass(frozen=True)
class Summary:
    """The result of a run.

    parameters: learned numbers. tokens: read in training. seconds: of training.
    processes: that trained it together. flops_per_second: of the model's own operations, in all of
    them, over all of the seconds. mfu: the share of the devices' peak that this is, None where
    nobody knows the peak. validation_loss, bigram_loss: nats per token over the same
    validation_tokens. bits_per_byte: the validation loss per byte of their text.
    code: whose code made the weights, over the whole run; mix_code: whose made its data;
    measured_code: whose ran in the measurements and the sample. sample: text that the model wrote
    after `PROMPT`.
    """

    run: str
    parameters: int
    steps: int
    tokens: int
    seconds: float
    tokens_per_second: float
    precision: str
    processes: int
    flops_per_second: float
    mfu: float | None
    validation_tokens: int
    validation_loss: float
    bigram_loss: float
    bits_per_byte: float
    code: str
    mix_code: str
    measured_code: str
    sample: str

    @property
    def beats_bigram(self) -> bool:
        """Whether the model learned more than pairs."""
        return self.validation_loss < self.bigram_loss

    def __str__(self) -> str:
        verdict = "below" if self.beats_bigram else "NOT below"
        measured = ""
        if self.measured_code not in self.code:
            measured = f"Measured on {self.measured_code}\n"
        return (
            f"Run {self.run}: {self.parameters / 1e6:.1f} M parameters, {self.steps:,} updates, "
            f"{self.tokens / 1e6:.1f} M tokens in {self.seconds / 60:.1f} min "
            f"({self.tokens_per_second:,.0f} tokens/s, {self.precision}, {self._speed()})\n"
            f"Validation loss {self.validation_loss:.3f} nats/token over "
            f"{self.validation_tokens:,} tokens, {verdict} the smoothed bigram's "
            f"{self.bigram_loss:.3f}; {self.bits_per_byte:.3f} bits/byte\n"
            f"The model was made on {self.code}\n"
            f"The mix was made on {self.mix_code}\n"
            f"{measured}\n"
            f"{self.sample.strip()}"
        )

    def _speed(self) -> str:
        speed = f"{self.flops_per_second / 1e12:,.3g} TFLOP/s"
        if self.processes > 1:
            speed += f" in {self.processes} processes"
        return speed if self.mfu is None else f"{speed}, {self.mfu:.1%} of the peak"


def summarize(trainer: Trainer) -> Summary:
    """Measure a run on the whole validation split, let it write, and keep that in summary.json."""
    tokens = trainer.step * trainer.tokens_per_update
    tokens_per_second = tokens / trainer.seconds if trainer.seconds else 0.0
    flops_per_token = flops.flops_per_token(trainer.config, trainer.batches.seq_len)
    peak, processes = _peak_flops(trainer), trainer.ranks.world_size
    validation_loss, n_tokens = trainer.validation_loss(), trainer.validation.n_tokens
    n_bytes = text_bytes(trainer.validation_tokens, trainer.tokenizer)
    summary = Summary(
        run=trainer.run.name,
        parameters=architecture.parameter_count(trainer.config),
        steps=trainer.step,
        tokens=tokens,
        seconds=trainer.seconds,
        tokens_per_second=tokens_per_second,
        precision=trainer.settings.precision,
        processes=processes,
        flops_per_second=tokens_per_second * flops_per_token,
        mfu=peak and flops.mfu(tokens_per_second, flops_per_token, peak, processes),
        validation_tokens=n_tokens,
        validation_loss=validation_loss,
        bigram_loss=trainer.bigram_loss(),
        bits_per_byte=held_out.bits_per_byte(validation_loss, n_tokens, n_bytes),
        code=trainer.whose_code(),
        mix_code=trainer.whose_mix(),
        measured_code=slots.describe(slots.fingerprint(*whose.HOMES, *whose.MEASURES)),
        sample="".join(stream_text(trainer.model, trainer.tokenizer, PROMPT)),
    )
    files.write_json(trainer.run.summary_file, vars(summary))
    return summary


def _peak_flops(trainer: Trainer) -> float | None:
    if trainer.settings.peak_tflops is not None:
        return trainer.settings.peak_tflops * 1e12
    return known_peak(trainer.device, trainer.dtype)
