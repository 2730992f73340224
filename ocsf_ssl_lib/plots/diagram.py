"""Primitives for diagrams: a canvas measured in inches, boxes, arrows and labels.

A diagram is a function decorated with ``ocsf_ssl_lib.plots.style.in_book_style``::

    @in_book_style
    def two_views() -> Figure:
        fig, ax = diagram(height=1.2)
        event = box(ax, 1.0, 0.6, "event")
        view = box(ax, 4.0, 0.6, "view", colour=PULL)
        arrow(ax, event.right, view.left, "augment")
        return fig
"""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from ocsf_ssl_lib.plots.style import INK, WIDTH

__all__ = ["Box", "arrow", "box", "diagram", "label"]


def diagram(width: float = WIDTH, height: float = 2.4) -> tuple[Figure, Axes]:
    """Make an empty canvas for a diagram: no axes, one unit is one inch, (0, 0) is the lower left corner."""
    fig = Figure(figsize=(width, height))
    fig.set_layout_engine("none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    return fig, ax


class Box(NamedTuple):
    """Where a box stands, so that arrows can start and end at its sides."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        """Middle of the left side."""
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> tuple[float, float]:
        """Middle of the right side."""
        return self.x + self.width / 2, self.y

    @property
    def top(self) -> tuple[float, float]:
        """Middle of the upper side."""
        return self.x, self.y + self.height / 2

    @property
    def bottom(self) -> tuple[float, float]:
        """Middle of the lower side."""
        return self.x, self.y - self.height / 2


def box(
    ax: Axes,
    x: float,
    y: float,
    text: str = "",
    *,
    width: float = 1.2,
    height: float = 0.5,
    colour: str = INK,
    fill: float = 0.12,
    size: float = 11,
    dashed: bool = False,
) -> Box:
    """Draw a rounded box with text in its middle.

    Args:
        ax: Canvas made by ``diagram``.
        x: Centre, in inches.
        y: Centre, in inches.
        text: Any number of lines; eleven point needs about 0.1 inch a letter.
        width: Inches.
        height: Inches.
        colour: Of the outline and, faintly, of the inside.
        fill: How strong the inside is, 0 to 1.
        size: Of the text, in points.
        dashed: Draw the outline dashed, for something absent, hidden or optional.

    Returns:
        The box, with the anchors ``left``, ``right``, ``top`` and ``bottom``.
    """
    corner = (x - width / 2, y - height / 2)
    shape = "round,pad=0,rounding_size=0.08"
    style = "--" if dashed else "-"
    ax.add_patch(FancyBboxPatch(corner, width, height, shape, facecolor=colour, alpha=fill, linewidth=0))
    ax.add_patch(FancyBboxPatch(corner, width, height, shape, fill=False, edgecolor=colour, lw=1.4, ls=style))
    if text:
        ax.text(x, y, text, ha="center", va="center", fontsize=size, color=INK, linespacing=1.3)
    return Box(x, y, width, height)


def arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    text: str = "",
    *,
    colour: str = INK,
    curve: float = 0.0,
    both: bool = False,
    dashed: bool = False,
    offset: tuple[float, float] = (0.0, 0.12),
    size: float = 10,
) -> FancyArrowPatch:
    """Draw an arrow from one point to another, with an optional label at its middle.

    Args:
        ax: Canvas made by ``diagram``.
        start: Point, for example ``left_box.right``.
        end: Point, for example ``right_box.left``.
        text: Label.
        colour: Of the line; the label stays in ink.
        curve: 0 is straight; 0.3 bends to the right of the direction of travel, -0.3 to the left.
        both: Heads at both ends.
        dashed: Dashed line.
        offset: Where the label's centre stands, in inches from the middle of the line.
        size: Of the label, in points.

    Returns:
        The arrow, to be changed further.
    """
    patch = FancyArrowPatch(
        start,
        end,
        arrowstyle="<|-|>" if both else "-|>",
        mutation_scale=13,
        connectionstyle=f"arc3,rad={curve}",
        color=colour,
        linewidth=1.6,
        linestyle="--" if dashed else "-",
        shrinkA=2,
        shrinkB=2,
    )
    ax.add_patch(patch)
    if text:
        middle = ((start[0] + end[0]) / 2 + offset[0], (start[1] + end[1]) / 2 + offset[1])
        label(ax, *middle, text, size=size)
    return patch


def label(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    *,
    colour: str = INK,
    size: float = 10,
    align: str = "center",
    bold: bool = False,
) -> Text:
    """Write text at a point: ``align`` says which side of the text the point is (left, center, right)."""
    weight = "bold" if bold else "normal"
    return ax.text(x, y, text, ha=align, va="center", fontsize=size, color=colour, weight=weight, linespacing=1.3)
