"""Does a plan fit a device, and if not, what near it would?"""

import math
from collections.abc import Iterator
from dataclasses import replace

from llama_mini.plan.amounts import in_words
from llama_mini.plan.devices import DEVICES, Device
from llama_mini.plan.plans import Plan, plan_decoding, plan_training
from llama_mini.weights.filling import PRECISIONS

SHORTEST_CONTEXT = 128


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
    if fewer := _first(device, _halved(plan, "batch", 1)):
        yield f"{_sequences(fewer.batch)} at a time ({in_words(fewer.total)})"
    if shorter := _first(device, _halved(plan, "context", SHORTEST_CONTEXT)):
        yield f"a context of {shorter.context:,} ({in_words(shorter.total)})"
    if not plan.training:
        names = list(PRECISIONS)
        narrower = names[names.index(plan.precision) + 1 :]
        if smaller := _first(device, (changed(plan, precision=name) for name in narrower)):
            yield f"{smaller.precision} ({in_words(smaller.total)})"
    larger = [other for other in DEVICES.values() if plan.fits(other)]
    if larger:
        yield f"the same on {min(larger, key=lambda other: other.memory_bytes).name}"
    yield from _several(plan, device)


def changed(plan: Plan, **changes: object) -> Plan:
    """The plan with another precision, context, batch or n_devices, counted anew."""
    prompt = min(plan.prompt, changes.get("context", plan.context))
    chosen = {name: changes.get(name, getattr(plan, name)) for name in ("precision", "batch")}
    chosen["context"] = changes.get("context", plan.context)
    if plan.training:
        new = plan_training(plan.config, **chosen)
    else:
        n_devices = changes.get("n_devices", plan.n_devices)
        new = plan_decoding(plan.config, **chosen, prompt=prompt, n_devices=n_devices)
    return replace(new, disk_bytes=plan.disk_bytes)


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
    value = getattr(plan, name) // 2
    while value >= least:
        yield changed(plan, **{name: value})
        value //= 2


def _first(device: Device, plans: Iterator[Plan]) -> Plan | None:
    return next((plan for plan in plans if plan.fits(device)), None)


def _sequences(number: int) -> str:
    return f"{number} sequence{'s' * (number != 1)}"
