"""Figures as PNG: the same drawing gives the same bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Keys are typed by the installed matplotlib's own list. The font comes with matplotlib.
_SETTINGS: Any = {"text.parse_math": False, "font.family": ["DejaVu Sans"]}


def png(
    draw: Callable[[Figure], None],
    inches: tuple[float, float],
    dpi: int,
    settings: Any,
    layout: Literal["constrained"] | None = "constrained",
) -> bytes:
    """What `draw` puts on a figure of this size, as PNG without a date; `settings` are matplotlib's."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    file = io.BytesIO()
    with matplotlib.rc_context(_SETTINGS | settings), warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes; pages have them in the reader's own fonts.
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        figure = Figure(figsize=inches, dpi=dpi, layout=layout)
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
