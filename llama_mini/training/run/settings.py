"""What a training run is told, all of it in one place and all of it written beside the result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from llama_mini import precisions


@dataclass(frozen=True)
class TrainSettings:
    """The recipe of a run. Defaults are LLaMA's where they do not depend on size (paper, §2.3).

    config: a name in CONFIGS; the model's vocabulary is the data's, whatever the config says.
    run: the run's name, a folder under `paths.runs_dir()`; None takes the next free `config-N`.
    data: a folder that `llama-mini data build` made; None is `shards.default_folder()`.
    steps: updates in all; None fits as many as `minutes` allow, evaluations included.
    batch_size, seq_len: sequences in an update, and tokens in each; None is the config's context.
    micro_batches: pieces that an update's sequences go through the model in, one after the other;
        the gradient is the same, the memory of activations smaller.
    document_mask: whether documents that share a sequence are kept from seeing each other.
    lr: the peak, reached after warmup_steps updates; a cosine then takes it to
        lr · final_lr_fraction at the last update.
    weight_decay applies to matrices alone. clip_norm: the largest global gradient norm.
    evaluations: times the validation loss is taken and a checkpoint written; quick_windows: how
        many sequences such a quick look reads. The last word is over the whole validation split.
    precision: of the matrix products; "auto" is bf16 where the device is fast at it, else fp32.
        fp16 scales the loss, and leaves out an update whose gradient overflows.
    shard_optimizer: where several processes train, keep in each only its piece of AdamW's moments.
    peak_tflops: 10¹² operations a second that one device could do at most, for the share of it that
        the report names; None is what is known of the device.
    device: "auto" is CUDA if there is one, else the CPU. threads: CPU threads; None leaves them.

    Raises ValueError if a number cannot be meant.
    """

    config: str = "mini"
    run: str | None = None
    data: Path | None = None
    steps: int | None = None
    minutes: float = 6.0
    batch_size: int = 8
    seq_len: int | None = None
    lr: float = 3e-3
    warmup_steps: int = 100
    final_lr_fraction: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    seed: int = 0
    evaluations: int = 20
    quick_windows: int = 64
    precision: str = "auto"
    device: str = "auto"
    threads: int | None = None
    micro_batches: int = 1
    document_mask: bool = False
    shard_optimizer: bool = False
    peak_tflops: float | None = None

    def __post_init__(self) -> None:
        counts = ("batch_size", "micro_batches", "warmup_steps", "evaluations", "quick_windows")
        optional_counts = ("steps", "seq_len", "threads")
        for name in (*counts, *optional_counts):
            value = getattr(self, name)
            if value is None and name in optional_counts:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}.")
        if self.micro_batches > self.batch_size:
            raise ValueError(
                f"micro_batches {self.micro_batches} is more than the {self.batch_size} sequences "
                "of an update. Lower --micro-batches, or raise --batch-size."
            )
        for name in ("document_mask", "shard_optimizer"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is True or False; got {getattr(self, name)!r}.")
        if self.peak_tflops is not None and not self.peak_tflops > 0:
            raise ValueError(f"peak_tflops must be above 0; got {self.peak_tflops!r}.")
        for name in ("minutes", "lr", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0; got {getattr(self, name)!r}.")
        for name in ("final_lr_fraction", "beta1", "beta2", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1; got {getattr(self, name)!r}.")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed must be a whole number of at least 0; got {self.seed!r}.")
        if self.precision not in (known := ("auto", *precisions.UNQUANTIZED)):
            raise ValueError(
                f"precision must be one of {', '.join(known)}; got {self.precision!r}."
            )
        if self.run is not None and (Path(self.run).name != self.run or self.run.startswith(".")):
            raise ValueError(
                f"run is a plain folder name, such as mini-2, without slashes; got {self.run!r}."
            )

    def to_dict(self) -> dict[str, str | int | float | None]:
        """All fields as plain values, for a JSON file."""
        return {**asdict(self), "data": None if self.data is None else str(self.data)}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "TrainSettings":
        """The inverse of `to_dict`. Raises ValueError if a field is unknown."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(
                f"Training has no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}."
            )
        data = values.get("data")
        return cls(**{**values, "data": None if data is None else Path(str(data))})  # type: ignore[arg-type]
