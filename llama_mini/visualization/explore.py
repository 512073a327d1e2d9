"""Pictures that move: controls above a figure, and a still picture for readers without a kernel."""

import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from llama_mini.visualization import figures

Drawn = tuple[Figure, str]


class Explorer(widgets.VBox):
    """Controls above the picture they change.

    `draw(**values)` returns a figure and the sentence that describes it, and is called with the
    value of every control whenever one moves. Sliders and menus are reached with Tab and moved with
    the arrow keys. Where no kernel runs, the picture as first drawn stands in its place.
    """

    def __init__(self, draw: Callable[..., Drawn], **controls: widgets.ValueWidget) -> None:
        if not controls:
            raise ValueError("An Explorer needs a control at least, such as layer=IntSlider(...).")
        self._draw = draw
        self.controls = controls
        self.picture = widgets.HTML()
        for name, control in controls.items():
            control.description = control.description or name.replace("_", " ")
            control.style = {"description_width": "initial"}
            control.observe(self._redraw, names="value")
        super().__init__([*controls.values(), self.picture])
        self._redraw()
        self._still = self.picture.value

    def _redraw(self, change: Any = None) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        self.picture.value = figures.to_html(*self._draw(**values))

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**options)
        return bundle | {"text/html": self._still}


class LiveFigure:
    """A picture that is drawn again while a loop runs, at most every `seconds`.

    Call it as often as there is news; it calls `draw()` when enough time has passed, or at once
    with `now=True`. In a terminal it stays quiet.
    """

    def __init__(self, draw: Callable[[], Drawn], seconds: float = 2.0) -> None:
        self._draw, self._seconds = draw, seconds
        self._handle: Any = None
        self._drawn_at = float("-inf")

    def __call__(self, now: bool = False) -> None:
        if not now and time.monotonic() - self._drawn_at < self._seconds:
            return
        from IPython.display import display

        shown = figures.show(*self._draw())
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)
        self._drawn_at = time.monotonic()
