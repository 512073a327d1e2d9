"""Does a plan fit a device, and if not, what near it would?"""

import math
from collections.abc import Iterator

from llama_mini import model as architecture
from llama_mini.config import CONFIGS
from llama_mini.machine.amounts import in_words
from llama_mini.machine.devices import DEVICES, Device
from llama_mini.plan.plans import Plan, plan_decoding, plan_training
from llama_mini.precisions import PRECISIONS

RELEASED = ("7B", "13B", "30B", "65B")
SHORTEST = 128  # positions; a shorter prompt or context would not be of much use


def room(plan: Plan, device: Device) -> str:
    """In a sentence: fits or not, and by how much."""
    several = plan.n_devices > 1
    where = f"{plan.n_devices} × {device.name}" if several else device.name
    each = " each" if several else ""
    if device.memory_bytes is None:
        return f"It takes {in_words(plan.total)}{each}; nobody knows how much {where} has."
    spare = device.memory_bytes - plan.total
    sum_of = f"{in_words(plan.total)} of {in_words(device.memory_bytes)}{each}"
    if spare < 0:
        return f"It does not fit on {where}: {sum_of}, {in_words(-spare)} too much."
    return f"It fits on {where}: {sum_of}, {in_words(spare)} to spare."


def verdict(plan: Plan, device: Device) -> str:
    """Fits or not, by how much, and if it does not, the nearest plans that would."""
    if plan.fits(device) is not False:
        return room(plan, device)
    near = "; ".join(what_would_fit(plan, device)) or "nothing in the table"
    return f"{room(plan, device)} What would fit: {near}."


def what_would_fit(plan: Plan, device: Device) -> Iterator[str]:
    """The nearest changes to a plan that make it fit, each by itself, in words."""
    here = [
        ("{0.batch} at a time", _halved(plan, "batch", 1)),
        ("prompts of up to {0.prompt:,}", _halved(plan, "prompt", SHORTEST)),
        ("a context of {0.context:,}", _halved(plan, "context", SHORTEST)),
        ("{0.precision}", _narrower(plan)),
    ]
    nothing_here = True
    for words, plans in here:
        if fitting := next((other for other in plans if other.fits(device)), None):
            nothing_here = False
            yield f"{words.format(fitting)} ({in_words(fitting.total)})"
    if nothing_here:
        yield from _smaller_model(plan, device)
    if larger := [other for other in DEVICES.values() if plan.fits(other)]:
        yield f"the same on {min(larger, key=lambda other: other.memory_bytes).name}"
    yield from _several(plan, device)


def changed(plan: Plan, **changes: object) -> Plan:
    """The plan with another precision, batch, context, prompt or n_devices, counted anew."""
    names = ("config", "precision", "batch", "context", "prompt", "n_devices")
    chosen = {name: changes.get(name, getattr(plan, name)) for name in names}
    chosen["prompt"] = min(chosen["prompt"], chosen["context"])
    if plan.training:
        del chosen["prompt"], chosen["n_devices"]
        return plan_training(**chosen).with_disk(plan.disk_bytes)
    return plan_decoding(**chosen).with_disk(plan.disk_bytes)


def devices_needed(plan: Plan, device: Device, most: int = 8) -> int | None:
    """How many such devices, 1, 2, 4 … hold the model together in decoding; None if over `most`.

    Only numbers that divide the model's heads are considered.
    """
    number = 1
    while number <= most:
        divides = plan.config.kv_heads % number == 0
        if divides and changed(plan, n_devices=number).fits(device):
            return number
        number *= 2
    return None


def _several(plan: Plan, device: Device) -> Iterator[str]:
    if device.kind == "cpu":
        return
    if not plan.training:
        if (number := devices_needed(plan, device)) and number > plan.n_devices:
            yield f"{number} × {device.name}"
        return
    state = plan.total - plan.parts["activations"]
    left = device.memory_bytes - plan.parts["activations"]
    if left > 0:
        number = math.ceil(state / left)
        yield f"{number} × {device.name} that share weights, gradients and optimizer"


def _halved(plan: Plan, name: str, least: int) -> Iterator[Plan]:
    if plan.training and name == "prompt":
        return
    value = getattr(plan, name) // 2
    while value >= least:
        yield changed(plan, **{name: value})
        value //= 2


def _narrower(plan: Plan, including: bool = False) -> Iterator[Plan]:
    """In every precision after the plan's own; training knows no other that takes less."""
    if not plan.training:
        names = list(PRECISIONS)
        for name in names[names.index(plan.precision) + (not including) :]:
            yield changed(plan, precision=name)


def _smaller_model(plan: Plan, device: Device) -> Iterator[str]:
    """The largest of LLaMA's sizes below this one that fits, at this precision or a narrower."""
    count = architecture.parameter_count(plan.config)
    for size in reversed(RELEASED):
        config = CONFIGS[size]
        longest = config.max_seq_len >= plan.context
        if architecture.parameter_count(config) >= count or not longest:
            continue
        smaller = changed(plan, config=config)
        for other in _narrower(smaller, including=True):
            if other.fits(device):
                yield f"{size} in {other.precision} ({in_words(other.total)})"
                return
