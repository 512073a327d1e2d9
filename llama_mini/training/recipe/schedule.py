"""The learning rate over a run: a straight climb, then half a cosine down."""

import math


def warmup_length(warmup_steps: int, total_steps: int) -> int:
    """The warm-up that fits a run: at most a tenth of it, so that a short run trains at all."""
    return max(1, min(warmup_steps, total_steps // 10))


def learning_rate(
    step: int, peak: float, warmup_steps: int, total_steps: int, final_fraction: float = 0.1
) -> float:
    """The learning rate of update `step`, counted from 0.

    It climbs in equal parts to `peak` at the last of warmup_steps updates, then follows a cosine to
    peak · final_fraction at the last of total_steps. Raises ValueError if there is no such update.
    Source: LLaMA paper, §2.3, with 2,000 updates of warm-up and a final tenth.
    """
    if not 0 <= step < total_steps:
        raise ValueError(f"A run of {total_steps} updates has none with number {step}.")
    if step < warmup_steps:
        return peak * ((step + 1) / warmup_steps)
    progress = (step - warmup_steps + 1) / (total_steps - warmup_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2  # from 1 down to 0
    return peak * (final_fraction + (1 - final_fraction) * cosine)
