"""A plan: what decoding with a model, or training it, takes of a device's memory and of time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from llama_mini import model as architecture
from llama_mini import planning, precisions
from llama_mini.config import ModelConfig
from llama_mini.machine.devices import Device
from llama_mini.plan import parameters, rehearsal

# What a good NVMe disk reads in one go. Assumed, and said so wherever it is used.
DISK_BYTES_PER_SECOND = 2e9


@dataclass(frozen=True)
class Plan:
    """What a model takes of each of n_devices, part by part.

    parts: bytes by name. bits_per_weight: what a parameter takes on average, scales included.
    disk_bytes: what the checkpoint takes on disk. step_bytes: the activations of a single token of
    each sequence, of which the part "activations" counts the largest moment.
    """

    config: ModelConfig
    precision: str
    batch: int
    context: int
    prompt: int
    n_devices: int
    training: bool
    bits_per_weight: Fraction
    parts: Mapping[str, int]
    step_bytes: int
    disk_bytes: int

    @property
    def total(self) -> int:
        """Bytes of one device."""
        return sum(self.parts.values())

    def fits(self, device: Device) -> bool | None:
        """Whether such devices have room for their share each; None if their memory is unknown."""
        return None if device.memory_bytes is None else self.total <= device.memory_bytes

    def with_disk(self, disk_bytes: int) -> "Plan":
        """The same plan for a checkpoint that takes so much on disk."""
        return replace(self, disk_bytes=disk_bytes)

    def tokens_per_second(self, device: Device) -> float | None:
        """The most tokens per second that memory bandwidth allows once the context is full.

        Of all sequences together. None in training, and where the bandwidth is unknown.
        """
        if self.training or device.bytes_per_second is None:
            return None
        return planning.decode_tokens_per_second(
            self.config,
            device.bytes_per_second * self.n_devices,
            self.bits_per_weight,
            self.batch,
            self.context,
            precisions.dtype_of(self.precision).itemsize,
        )

    def load_seconds(
        self, device: Device, disk_bytes_per_second: float = DISK_BYTES_PER_SECOND
    ) -> float:
        """The least that loading takes: tensors stream, so the slower of disk and link decides."""
        link = (device.host_bytes_per_second or float("inf")) * self.n_devices
        return self.disk_bytes / min(disk_bytes_per_second, link)


def plan_decoding(
    config: ModelConfig,
    precision: str = "bf16",
    context: int | None = None,
    batch: int = 1,
    *,
    prompt: int | None = None,
    n_devices: int = 1,
) -> Plan:
    """What it takes to continue `batch` prompts up to `context` positions each.

    precision: as `load` takes it. context: prompt and new tokens together, by default all the model
    is built for. prompt: what goes through the model in one call, by default the whole context,
    which takes the most. n_devices: devices that share the heads; each has its part of the weights
    and the cache, and activations are counted whole on each. Raises ValueError if the numbers do
    not fit the model.
    """
    context = config.max_seq_len if context is None else context
    prompt = context if prompt is None else prompt
    _demand_lengths(config, batch, context, prompt)
    _demand_even_split(config, n_devices)
    dtype = precisions.dtype_of(precision)
    cache = planning.kv_cache_bytes(config, batch, context, dtype.itemsize)
    prefill = rehearsal.decoding_bytes(config, precision, batch, prompt, prompt)
    step = rehearsal.decoding_bytes(config, precision, batch, 1, context)
    bits = _bits_per_weight(config, precision)
    return Plan(
        config=config,
        precision=precision,
        batch=batch,
        context=context,
        prompt=prompt,
        n_devices=n_devices,
        training=False,
        bits_per_weight=bits,
        parts={
            "weights": planning.weight_bytes(config, bits)
            if n_devices == 1
            else parameters.stored_bytes(config, precision, n_devices),
            "KV cache": cache // n_devices,
            "activations": max(prefill, step),
        },
        step_bytes=step,
        disk_bytes=planning.weight_bytes(config, 16),
    )


def plan_training(
    config: ModelConfig, precision: str = "bf16", context: int | None = None, batch: int = 1
) -> Plan:
    """What it takes to train all parameters with AdamW on batches of `batch` × `context` tokens.

    precision: of the matrix products, fp32, bf16 or fp16; weights, gradients and the optimizer's
    two moments are float32, 4 bytes each, together 16 bytes a parameter. Nothing is checkpointed,
    so every block keeps what its backward pass needs. Raises ValueError if the numbers do not fit
    the model, or for a precision that is not trained in.
    """
    context = config.max_seq_len if context is None else context
    _demand_lengths(config, batch, context, context)
    if precision not in precisions.UNQUANTIZED:
        raise ValueError(
            f"Training is planned in {', '.join(precisions.UNQUANTIZED)}; got {precision!r}."
        )
    whole = planning.weight_bytes(config, 32)
    activations = rehearsal.training_bytes(config, precision, batch, context)
    return Plan(
        config=config,
        precision=precision,
        batch=batch,
        context=context,
        prompt=context,
        n_devices=1,
        training=True,
        bits_per_weight=Fraction(32),
        parts={
            "weights": whole,
            "gradients": whole,
            "optimizer": 2 * whole,
            "activations": activations,
        },
        step_bytes=0,
        disk_bytes=planning.weight_bytes(config, 16),
    )


def _bits_per_weight(config: ModelConfig, precision: str) -> Fraction:
    """A fraction, not a float: so that the sum of all weights comes out to the byte."""
    count = architecture.parameter_count(config)
    return Fraction(8 * parameters.stored_bytes(config, precision), count)


def _demand_lengths(config: ModelConfig, batch: int, context: int, prompt: int) -> None:
    if batch < 1:
        raise ValueError(f"batch must be at least 1 sequence; got {batch}.")
    if not 1 <= context <= config.max_seq_len:
        raise ValueError(
            f"context must be from 1 to {config.max_seq_len:,}, the positions the model is built "
            f"for; got {context:,}."
        )
    if not 1 <= prompt <= context:
        raise ValueError(
            f"prompt must be from 1 to the context of {context:,} positions; got {prompt:,}."
        )


def _demand_even_split(config: ModelConfig, n_devices: int) -> None:
    if n_devices == 1:
        return
    from llama_mini import parallel  # here, because importing DTensor takes a second

    parallel.demand_even(config, n_devices)
