"""The small picture under a wrong answer: where in the tensor the values differ."""

import math

from llama_mini.course.judge.compare import Difference
from llama_mini.visualization import figures

_LARGEST = 64


def difference_map(difference: Difference) -> str:
    """An `<img>` of a tensor's errors, last axis across and the others down, with its alt text."""
    import numpy as np

    columns = difference.shape[-1]
    rows = len(difference.errors) // columns
    errors = np.array(difference.errors).reshape(rows, columns)
    # Beyond tolerance, in powers of ten: a wrong formula and a wrong rounding look different.
    finite = np.where(
        np.isfinite(errors), errors, np.nanmax(errors[np.isfinite(errors)], initial=1e3)
    )
    shown = np.log10(np.maximum(finite, 1.0))[:_LARGEST, :_LARGEST]
    height = min(3.2, max(1.5, 0.7 + 4.0 * shown.shape[0] / max(shown.shape[1], 8)))
    figure, axes = figures.subplots(width=5.0, height=height)
    image = axes.imshow(
        shown, aspect="auto", vmin=0, vmax=max(1.0, float(shown.max())), cmap=figures.SEQUENTIAL
    )
    axes.grid(False)
    axes.set_xlabel("last axis")
    axes.set_ylabel("all other axes" if len(difference.shape) > 1 else "")
    for axis, length in ((axes.xaxis, shown.shape[1]), (axes.yaxis, shown.shape[0])):
        axis.set_ticks(range(0, length, max(1, math.ceil(length / 8))))
    axes.set_title(f"where your result of shape {difference.shape} differs")
    figure.colorbar(
        image, ax=axes, label="× tolerance", format=lambda power, _: f"$10^{{{power:g}}}$"
    )
    wrong = int((errors > 1).sum())
    alt = (
        f"Map of the result, {rows} rows by {columns} columns: {wrong} of {errors.size} values are "
        f"outside the tolerance. {_where(errors > 1)}"
    )
    return figures.to_html(figure, alt)


def _where(wrong) -> str:
    rows, columns = wrong.any(axis=1), wrong.any(axis=0)
    if wrong.all():
        return "Every value differs."
    parts = []
    for name, flags in (("rows", rows), ("columns", columns)):
        if not flags.all():
            listed = ", ".join(str(index) for index in flags.nonzero()[0][:8])
            parts.append(f"{name} {listed}" + (" and more" if flags.sum() > 8 else ""))
    return (
        f"They lie in {' and '.join(parts)}."
        if parts
        else "They are spread over all rows and columns."
    )
