"""The picture of a plan moves with every control, and says all it shows."""

import re

import pytest

from llama_mini import CONFIGS
from llama_mini.plan.plans import plan_decoding
from llama_mini.visualization.plan import draw_plan, explore_plan


@pytest.mark.parametrize(
    ("control", "value"),
    [("batch", 2), ("context", 1024), ("size", "7B"), ("precision", "int4"), ("device", "H200")],
)
def test_every_control_changes_picture_and_sentence(control, value):
    explorer = explore_plan()
    before = explorer.picture.value
    explorer.controls[control].value = value
    source, described = (re.compile(p) for p in (r'src="([^"]+)"', r'alt="([^"]+)"'))
    for part in (source, described):
        assert part.search(explorer.picture.value)[1] != part.search(before)[1]
    assert explorer._repr_mimebundle_()["text/html"] == before


def test_the_sentence_has_the_sums_of_the_plan():
    _, alt = draw_plan(4, 1024, "13B", "int8", "RTX 4090")
    plan = plan_decoding(CONFIGS["13B"], "int8", 1024, 4)
    said = [
        float(number) for number in re.findall(r"(?:weights|cache|activations) ([\d.]+) GB", alt)
    ]
    assert said == pytest.approx([size / 1e9 for size in plan.parts.values()], rel=0.01)
    assert "It fits on RTX 4090" in alt
    assert "tokens a second at most" in alt


def test_the_line_stands_where_the_memory_ends_and_the_bar_where_the_sum_does():
    figure, _ = draw_plan(1, 2048, "65B", "bf16", "H100")
    axes = figure.axes[0]
    assert [line.get_xdata()[0] for line in axes.lines] == [80.0]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    total = plan_decoding(CONFIGS["65B"], "bf16", 2048).total
    assert max(ends) == pytest.approx(total / 1e9)
    assert axes.get_xlim()[1] > max(80.0, *ends)
