"""The picture of a plan: what a model takes, bar by bar, against what a device has."""

import ipywidgets as widgets
from matplotlib.figure import Figure

from llama_mini.config import CONFIGS
from llama_mini.machine.amounts import in_words, three_digits
from llama_mini.machine.devices import DEVICES, Device
from llama_mini.plan.fitting import RELEASED, room
from llama_mini.plan.plans import Plan, plan_decoding
from llama_mini.precisions import PRECISIONS
from llama_mini.visualization import figures
from llama_mini.visualization.explore import Explorer

COLORS = {
    "weights": figures.COLORS[0],
    "KV cache": figures.COLORS[4],
    "activations": figures.COLORS[2],
}


def explore_plan(size: str = "13B", precision: str = "bf16", device: str = "V100-32") -> Explorer:
    """Will it fit? Moves batch, context, size, precision and device, and redraws `draw_plan`."""
    powers = [2**exponent for exponent in range(6)]
    return Explorer(
        draw_plan,
        batch=widgets.SelectionSlider(options=powers, value=1),
        context=widgets.IntSlider(2048, min=128, max=2048, step=128),
        size=widgets.Dropdown(options=RELEASED, value=size),
        precision=widgets.Dropdown(options=list(PRECISIONS), value=precision),
        device=widgets.Dropdown(options=list(DEVICES), value=device),
    )


def draw_plan(
    batch: int, context: int, size: str, precision: str, device: str
) -> tuple[Figure, str]:
    """One stacked bar in GB, a line where the device's memory ends, and what follows in words."""
    place = DEVICES[device]
    plan = plan_decoding(CONFIGS[size], precision, context, batch)
    figure, axes = figures.subplots(height=2.6)
    left = 0.0
    for part, amount in plan.parts.items():
        axes.barh(
            0, amount / 1e9, left=left, color=COLORS[part], label=f"{part} {in_words(amount)}"
        )
        left += amount / 1e9
    end = place.memory_bytes / 1e9
    widest = 1.06 * max(left, end)
    inwards = {"ha": "right", "x": end - 0.01 * widest}
    if end < widest / 2:
        inwards = {"ha": "left", "x": end + 0.01 * widest}
    axes.axvline(end, color=figures.COLORS[1], lw=2.5)
    axes.text(y=0.52, s=place.name, color=figures.COLORS[1], **inwards)
    axes.set_xlim(0, widest)
    axes.set_ylim(-0.55, 0.8)
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"GB for {_what(size, plan)}")
    axes.set_title(f"{room(plan, place)}\n{_speed(plan, place)}", fontsize=11)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35), ncols=3)
    return figure, _in_words(size, plan, place)


def _what(size: str, plan: Plan) -> str:
    return f"{size} in {plan.precision}, {plan.batch} × {plan.context:,} positions"


def _speed(plan: Plan, place: Device) -> str:
    speed = plan.tokens_per_second(place)
    return f"Reading weights and cache allows {three_digits(speed)} tokens a second at most."


def _in_words(size: str, plan: Plan, place: Device) -> str:
    parts = ", ".join(f"{part} {in_words(amount)}" for part, amount in plan.parts.items())
    return f"{_what(size, plan)}: {parts}. {room(plan, place)} {_speed(plan, place)}"
