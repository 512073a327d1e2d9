"""A plan as a table for the terminal, and the table of what fits where."""

from collections.abc import Iterator, Mapping, Sequence, Set

from llama_mini import model as architecture
from llama_mini.config import CONFIGS
from llama_mini.machine.amounts import in_words, three_digits
from llama_mini.machine.devices import Device
from llama_mini.plan.fitting import RELEASED, devices_needed, verdict
from llama_mini.plan.plans import DISK_BYTES_PER_SECOND, Plan, plan_decoding
from llama_mini.precisions import PRECISIONS


def describe(
    name: str, plan: Plan, device: Device, disk_bytes_per_second: float | None = None
) -> str:
    """All of a plan for a device: what it takes and why, how long, and the verdict.

    disk_bytes_per_second: what the disk reads, if it is known; else it is assumed, and said so.
    """
    rows = [(part, in_words(size), _why(plan, part)) for part, size in plan.parts.items()]
    room = "" if device.memory_bytes is None else f"of {in_words(device.memory_bytes)}"
    each = " on each device" if plan.n_devices > 1 else ""
    rows += [("together", in_words(plan.total), room + each), ("", "", "")]
    rows += [("disk", in_words(plan.disk_bytes), "the checkpoint")]
    rows += [_loading(plan, device, disk_bytes_per_second), *_decoding(plan, device)]
    title = f"{name} {_task(plan)}, on {_where(plan, device)}"
    return "\n".join([title, "", *_aligned(rows, right={1}), "", verdict(plan, device)])


def overview(devices: Mapping[str, Device], context: int = 2048, batch: int = 1) -> str:
    """What fits where: the four sizes at every precision, on each device or on several of them.

    A cell says how many such devices hold the model together, of 1, 2, 4 and 8; a dash, that more
    are needed, or that its heads do not divide.
    """
    known = {key: device for key, device in devices.items() if device.memory_bytes is not None}
    memory = [in_words(device.memory_bytes) for device in known.values()]
    rows = [("", "", "", *known), ("", "", "takes", *memory)]
    for name in RELEASED:
        for precision in PRECISIONS:
            if precision == "fp16":  # takes what bf16 does
                continue
            plan = plan_decoding(CONFIGS[name], precision, context, batch)
            cells = (_cell(plan, device) for device in known.values())
            label = "16 bits" if precision == "bf16" else precision
            rows.append((name, label, in_words(plan.total), *cells))
    return "\n".join(_aligned(rows, right=set(range(2, len(rows[0])))))


def _cell(plan: Plan, device: Device) -> str:
    most = 1 if device.kind == "cpu" else 8
    number = devices_needed(plan, device, most)
    return {None: "–", 1: "fits"}.get(number, f"× {number}")


def _task(plan: Plan) -> str:
    many = f"{plan.batch} sequence{'s' * (plan.batch != 1)} of {plan.context:,} positions"
    if plan.training:
        return f"trained in {plan.precision} on batches of {many}"
    return f"in {plan.precision}, decoding {many}"


def _where(plan: Plan, device: Device) -> str:
    return f"{plan.n_devices} × {device.name}" if plan.n_devices > 1 else device.name


def _why(plan: Plan, part: str) -> str:
    bits = f"{float(plan.bits_per_weight):.2f}".rstrip("0").rstrip(".")
    split = f", split over {plan.n_devices}" if plan.n_devices > 1 else ""
    count = f"{architecture.parameter_count(plan.config):,}"
    return {
        "weights": f"{count} parameters of {bits} bits{split}",
        "KV cache": f"keys and values of {plan.batch * plan.context:,} positions{split}",
        "gradients": "a float32 number for each parameter",
        "optimizer": "AdamW's two moments of each parameter, in float32",
        "activations": (
            "what the blocks keep for the backward pass"
            if plan.training
            else f"for a prompt of {plan.prompt:,}; then {in_words(plan.step_bytes)} a token"
        ),
    }[part]


def _loading(
    plan: Plan, device: Device, disk_bytes_per_second: float | None
) -> tuple[str, str, str]:
    rate = disk_bytes_per_second or DISK_BYTES_PER_SECOND
    seconds = plan.load_seconds(device, rate)
    assumed = "" if disk_bytes_per_second else ", which is assumed"
    how = f"at least, from a disk that reads {in_words(rate)}/s{assumed}"
    return "loading", f"{three_digits(seconds)} s", how


def _decoding(plan: Plan, device: Device) -> Iterator[tuple[str, str, str]]:
    speed = plan.tokens_per_second(device)
    if speed is not None:
        bandwidth = f"{in_words(device.bytes_per_second * plan.n_devices)}/s"
        how = f"at most: each step reads weights and full cache, at {bandwidth}"
        yield "decoding", f"{three_digits(speed)} tokens/s", how


def _aligned(rows: Sequence[Sequence[str]], right: Set[int]) -> list[str]:
    """The rows as lines, columns two spaces apart; those in `right` end together."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
