"""One look for every figure of the book: self-theming SVG and named colours.

A figure is drawn without a background and with its ink in a sentinel colour. On the way out the
sentinel becomes ``currentColor``, and a ``<style>`` element follows the reader's light or dark
preference. The same file therefore reads well on a white page, on a dark page and in print, in the
book, in Jupyter and on Colab. Text is drawn as outlines of matplotlib's own font, so that a figure
looks the same on every machine and its bytes are stable; what it says goes into the alternative text
of the cell that shows it.

A plotting function looks like this, and a cell shows its figure by naming it in the last line::

    @in_book_style
    def loss_curve(history: pd.DataFrame) -> Figure:
        fig, ax = subplots()
        ax.plot(history["epoch"], history["train_loss"], color=BLUE)
        return fig

Boxes and arrows for diagrams are in ``ocsf_ssl_lib.plots.diagram``.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from cycler import cycler
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

__all__ = [
    "ACCENT",
    "ANOMALY",
    "BLUE",
    "DIVERGING",
    "GREEN",
    "INK",
    "LINESTYLES",
    "MARKERS",
    "MUTED",
    "NORMAL",
    "OCHRE",
    "PINK",
    "PULL",
    "PUSH",
    "SEQUENTIAL",
    "SERIES",
    "VERMILION",
    "WIDTH",
    "book_style",
    "in_book_style",
    "ink_on",
    "save_svg",
    "smallest_text_px",
    "subplots",
    "to_svg",
    "use_book_style",
]

P = ParamSpec("P")
R = TypeVar("R")

INK = "#010203"
"""Text, axes and outlines. Written as ``currentColor``, so dark on a light page and light on a dark one."""
MUTED = "#808080"
"""For whatever should step back, such as grid, reference lines and context."""

# Every hue keeps a contrast of 3:1 against white and against the book's dark page. Colour never carries a
# meaning alone: pairs differ in lightness too, and series have their own marker and line style.
BLUE = "#3a96da"
VERMILION = "#c8430c"
GREEN = "#1d8f5a"
PINK = "#d667a5"
OCHRE = "#b58900"

PULL = BLUE
"""Two views of one event, drawn together."""
PUSH = VERMILION
"""Views of different events, driven apart."""
NORMAL = BLUE
ANOMALY = VERMILION
ACCENT = GREEN
"""The one thing in a diagram that the reader should look at."""

SERIES = (BLUE, VERMILION, GREEN, PINK, OCHRE, MUTED)
LINESTYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "X", "s", "^", "D", "v")
SEQUENTIAL = "cividis"
DIVERGING = "PuOr"

WIDTH = 5.0
"""Inches. Wider figures shrink on a phone until their text is too small; stack panels instead."""

RC: dict[str, Any] = {
    "figure.figsize": (WIDTH, 3.1),
    "figure.dpi": 96,
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
    "savefig.bbox": None,
    "savefig.dpi": 192,  # only what is rasterised inside an SVG: images
    "svg.fonttype": "path",
    "svg.hashsalt": "ocsf-ssl-book",
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same outlines everywhere
    "mathtext.fontset": "dejavusans",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": MUTED,
    "grid.alpha": 0.35,
    "hatch.color": INK,
    "lines.color": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "patch.edgecolor": INK,
    "boxplot.boxprops.color": INK,
    "boxplot.capprops.color": INK,
    "boxplot.whiskerprops.color": INK,
    "boxplot.flierprops.color": INK,
    "boxplot.flierprops.markeredgecolor": INK,
    "boxplot.medianprops.color": VERMILION,
    "image.cmap": SEQUENTIAL,
    "axes.prop_cycle": cycler(color=SERIES) + cycler(linestyle=LINESTYLES),
}

_THEME = (
    '<style id="book-theme">svg{color:#1a1a1a}@media (prefers-color-scheme:dark){svg{color:#e6e6e6}}'
    "@media print{svg{color:#000}}</style>"
)


@contextmanager
def book_style() -> Iterator[None]:
    """Apply the book's matplotlib settings inside a ``with`` block, and only there."""
    with mpl.rc_context(RC):
        yield


def in_book_style(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a plotting function so that it draws in the book's style wherever it is called from."""

    @functools.wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with book_style():
            return function(*args, **kwargs)

    return styled


def use_book_style() -> None:
    """Set the book's style for a whole notebook: call it once, in the first cell.

    Under IPython every figure that a cell shows becomes one self-theming SVG, in place of the usual PNG;
    elsewhere only matplotlib's settings change.
    """
    mpl.rcParams.update(RC)
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None:
        return
    if hasattr(shell, "kernel"):
        # First, because the inline backend sets its own formatters and settings when it wakes up.
        shell.run_line_magic("matplotlib", "inline")
        mpl.rcParams.update(RC)
    for formatter in shell.display_formatter.formatters.values():
        formatter.pop(Figure, None)
    shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, to_svg)


def subplots(rows: int = 1, columns: int = 1, *, height: float = 3.1, width: float = WIDTH, **kwargs: Any) -> Any:
    """Create a figure and its axes as ``plt.subplots`` does, but unknown to pyplot.

    A figure that pyplot holds is shown twice by a cell that returns it, and is never freed.

    Args:
        rows: Rows of panels.
        columns: Columns of panels.
        height: Inches.
        width: Inches; ``WIDTH`` is what a phone can show.
        **kwargs: Passed on to ``matplotlib.figure.Figure.subplots``.

    Returns:
        The figure, and one axes or an array of them.
    """
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, **kwargs)


def smallest_text_px(fig: Figure, screen: float = 340.0) -> float:
    """Say how tall the smallest text is, in pixels, once the figure is shrunk to a phone's column."""
    sizes = [float(t.get_fontsize()) for t in fig.findobj(Text) if t.get_visible() and t.get_text().strip()]
    natural = fig.get_figwidth() * 96
    return round(min(sizes, default=12.0) * 96 / 72 * min(1.0, screen / natural), 1)


def to_svg(fig: Figure) -> str:
    """Write a figure as one self-theming SVG, the same bytes every time.

    Args:
        fig: A figure drawn in the book's style.

    Returns:
        The SVG element. Ink is ``currentColor``, there is no background, and the attribute
        ``data-smallest-text-px`` says how legible it is on a phone.
    """
    buffer = io.StringIO()
    with book_style():
        fig.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Places to a hundredth of a point, which nobody sees: a map of thousands of points shrinks by a third.
    svg = re.sub(r' (?:d|x|y)="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), svg)
    svg = svg.replace(INK, "currentColor").replace("*{stroke-linejoin", "svg.book-figure *{stroke-linejoin")
    head, body = svg.split(">", 1)
    size = smallest_text_px(fig)
    return f'{head} class="book-figure" data-smallest-text-px="{size}">{_THEME}{body}'


def save_svg(fig: Figure, path: str) -> None:
    """Write a figure to a file, for a page that shows it with ``{figure}``."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(to_svg(fig))


def ink_on(colour: str) -> str:
    """Choose black or white for text on a filled area, whichever contrasts more."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"
