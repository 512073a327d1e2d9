"""The picture of a training run: its loss as it falls."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from llama_mini.visualization import figures


def draw_loss(
    training: Sequence[tuple[int, float]],
    validation: Sequence[tuple[int, float]] = (),
    levels: Mapping[str, float] | None = None,
) -> tuple[Figure, str]:
    """Training and validation loss, (step, nats per token) each, and named levels to beat."""
    figure, axes = figures.subplots()
    if training:
        axes.plot(*zip(*training, strict=True), color=figures.COLORS[5], lw=1, label="training")
    if validation:
        axes.plot(
            *zip(*validation, strict=True), "o-", color=figures.COLORS[0], ms=4, label="validation"
        )
    for (name, value), color in zip((levels or {}).items(), figures.COLORS[1:], strict=False):
        axes.axhline(value, color=color, ls="--", lw=1.2, label=f"{name}: {value:.2f}")
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    if axes.get_legend_handles_labels()[1]:
        axes.legend()
    return figure, _in_words(training, validation, levels or {})


def _in_words(
    training: Sequence[tuple[int, float]],
    validation: Sequence[tuple[int, float]],
    levels: Mapping[str, float],
) -> str:
    parts = [
        f"{name} loss from {points[0][1]:.2f} at step {points[0][0]} to {points[-1][1]:.2f} "
        f"at step {points[-1][0]}"
        for name, points in (("training", training), ("validation", validation))
        if points
    ]
    parts += [f"{name} at {value:.2f}" for name, value in levels.items()]
    return "Loss in nats per token: " + ("; ".join(parts) or "no step has run yet") + "."
