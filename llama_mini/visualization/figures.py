"""The one way a figure is made and shown in this course.

Every figure has the same colour-blind safe style, and none is shown without a sentence that says
what it shows: screen readers read it, and so does whoever has no kernel running.
"""

import base64
import html
import io
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's palette: distinguishable with every common colour vision.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SEQUENTIAL = "viridis"
DIVERGING = "PuOr"

STYLE: dict[str, Any] = {
    "axes.prop_cycle": mpl.cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 10.5,
    "legend.frameon": False,
    "image.cmap": SEQUENTIAL,
    "image.interpolation": "nearest",
    "figure.dpi": 110,
}
# For the whole process: matplotlib reads the style when a legend or label is added, not only when
# the axes are made, and learners add their own.
mpl.rcParams.update(STYLE)


def subplots(
    rows: int = 1, columns: int = 1, width: float = 7.5, height: float = 3.4, **options: Any
):
    """A figure in the course's style and its axes, like matplotlib's; sizes in inches.

    It is no figure of pyplot's, so nothing is drawn twice and nothing has to be closed.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi)
    return buffer.getvalue()


def to_html(figure: Figure, alt: str) -> str:
    """The figure as an `<img>` with its text alternative. Raises ValueError if `alt` is empty."""
    data = base64.b64encode(to_png(figure)).decode("ascii")
    return (
        f'<img src="data:image/png;base64,{data}" alt="{html.escape(_described(alt), quote=True)}" '
        f'style="max-width:100%;height:auto">'
    )


class Shown:
    """A figure with its text alternative; a notebook draws it, a terminal prints the text."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure, self.alt = figure, _described(alt)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": to_html(self.figure, self.alt), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"[Figure: {self.alt}]"


def show(figure: Figure, alt: str) -> Shown:
    """Show a figure: make this the last expression of a cell, or hand it to IPython's `display`.

    `alt` is one or two sentences that say what the figure shows. Raises ValueError without it.
    """
    return Shown(figure, alt)


def _described(alt: str) -> str:
    if not isinstance(alt, str) or len(alt.split()) < 4:
        raise ValueError(
            "A figure needs a text alternative: alt='a sentence or two that say what it shows'; "
            f"got {alt!r}. People who cannot see the picture read that instead."
        )
    return " ".join(alt.split())
