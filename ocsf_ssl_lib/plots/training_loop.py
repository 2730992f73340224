"""The figures of the chapter on the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ocsf_ssl_lib.plots.diagram import arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    BLUE,
    INK,
    LINESTYLES,
    MARKERS,
    MUTED,
    PULL,
    PUSH,
    SERIES,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["ablation", "fixed_views", "learning_rates", "loop", "masks_over_time", "outlier", "ranks", "schedules"]


@in_book_style
def loop() -> Figure:
    """Dataset, DataLoader, model, loss and optimiser; the way back from the loss to the weights closes the loop."""
    fig, ax = diagram(height=3.15)
    dataset = box(ax, 0.85, 2.6, "Dataset\nall events", width=1.4, height=0.7)
    loader = box(ax, 2.5, 2.6, "DataLoader\nin batches", width=1.4, height=0.7)
    model = box(ax, 4.15, 2.6, "model\nweights θ", width=1.4, height=0.7, colour=PULL)
    loss = box(ax, 4.15, 0.85, "loss\none number", width=1.4, height=0.7, colour=PUSH)
    optimiser = box(ax, 1.95, 0.85, "optimiser\na step down", width=1.4, height=0.7, colour=ACCENT)
    arrow(ax, dataset.right, loader.left)
    arrow(ax, loader.right, model.left)
    arrow(ax, model.bottom, loss.top)
    label(ax, 4.05, 1.7, "predictions", align="right")
    arrow(ax, loss.left, optimiser.right, "gradient")
    arrow(ax, (1.95, 1.2), (3.45, 2.3), colour=ACCENT)
    label(ax, 2.75, 1.95, "new weights", align="right")
    label(ax, 2.5, 0.2, "one turn is a step; once through all events is an epoch")
    return fig


@in_book_style
def learning_rates(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Training loss of every step, one line per learning rate, on a logarithmic axis."""
    fig, ax = subplots(height=3.0)
    _lines(ax, curves)
    ax.set(xlabel="step", ylabel="training loss", yscale="log")
    fig.legend(loc="outside upper center", ncols=len(curves), title="learning rate")
    return fig


@in_book_style
def schedules(curves: Mapping[str, Sequence[float]], climb: int) -> Figure:
    """The learning rate of every step; a dotted line marks where the climb ends."""
    fig, ax = subplots(height=2.6)
    _lines(ax, curves)
    ax.axvline(climb, color=MUTED, linestyle=":", linewidth=1.2)
    ax.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    ax.legend()
    return fig


@in_book_style
def fixed_views(frame: pd.DataFrame) -> Figure:
    """Validation loss per epoch of one run, measured in two ways.

    Args:
        frame: columns ``fresh`` and ``fixed``, one row per epoch.
    """
    fig, ax = subplots(height=2.8)
    ax.plot(frame.index, frame["fresh"], color=VERMILION, linestyle="--", marker="X", label="fresh masks each time")
    ax.plot(frame.index, frame["fixed"], color=BLUE, marker="o", label="the same masks each time")
    ax.set(xlabel="epoch", ylabel="validation loss")
    ax.legend()
    return fig


@in_book_style
def masks_over_time(epochs: int = 4, events: int = 3, cells: int = 6) -> Figure:
    """Which cells are hidden, epoch after epoch: others each time in training, the same ones in validation."""
    fig, ax = diagram(height=3.2)
    fresh = np.random.default_rng(5)
    side, left = 0.145, 0.95
    for e in range(epochs):
        x = left + e * (cells * side + 0.16)
        label(ax, x + cells * side / 2, 3.0, f"epoch {e + 1}", bold=True)
        for top, generator, colour in ((2.55, fresh, BLUE), (1.3, np.random.default_rng(9), ACCENT)):
            hidden = generator.random((events, cells)) < 0.3
            for row, column in np.ndindex(hidden.shape):
                corner = (x + column * side, top - 0.27 * row)
                face, hatch = ("none", "//////") if hidden[row, column] else (colour, "")
                ax.add_patch(Rectangle(corner, side, 0.2, facecolor=face, hatch=hatch, edgecolor=INK, lw=0.8))
    label(ax, 0.05, 2.38, "training:\nfresh masks", align="left", size=9.5)
    label(ax, 0.05, 1.13, "validation:\none seed", align="left", size=9.5)
    label(ax, 2.5, 0.28, "a row is an event; hatched cells are hidden and asked for")
    return fig


@in_book_style
def outlier(curves: Mapping[str, Sequence[float]], at: int) -> Figure:
    """Training loss around one spoilt batch, whose own loss is off the scale; a dotted line marks it."""
    fig, ax = subplots(height=2.8)
    _lines(ax, curves)
    rest = [loss for curve in curves.values() for step, loss in enumerate(curve) if step != at]
    ax.axvline(at, color=MUTED, linestyle=":", linewidth=1.2)
    ax.set(xlabel="step", ylabel="training loss", ylim=(min(rest) - 0.03, max(rest) + 0.03))
    ax.legend()
    return fig


@in_book_style
def ablation(results: pd.DataFrame) -> Figure:
    """Held-out loss of each variant of the loop, one mark per seed.

    Args:
        results: columns ``variant``, ``seed``, ``validation_loss``.
    """
    variants = list(dict.fromkeys(results["variant"]))
    fig, ax = subplots(height=0.42 * len(variants) + 0.8)
    for place, name in enumerate(variants):
        rows = results[results["variant"] == name]
        for (_, row), marker in zip(rows.iterrows(), MARKERS, strict=False):
            ax.plot(row["validation_loss"], place, color=BLUE, marker=marker, linestyle="")
        mean = rows["validation_loss"].mean()
        ax.plot([mean, mean], [place - 0.3, place + 0.3], color=INK, linestyle="-", linewidth=1.6)
    ax.set_yticks(range(len(variants)), variants)
    ax.invert_yaxis()
    ax.grid(axis="x")
    ax.set(xlabel="held-out loss (lower is better)")
    return fig


@in_book_style
def ranks() -> Figure:
    """Two ranks take two slices of one shuffled batch, add up their gradients and make the same step."""
    fig, ax = diagram(height=3.9)
    order = box(ax, 2.5, 3.55, "one shuffled order, the same on both", width=4.7, height=0.42)
    total = box(ax, 2.5, 1.15, "sum of gradients ÷ sum of weights", width=4.7, height=0.42, colour=ACCENT)
    for x, name, rows, colour in ((1.3, "rank 0", "rows 1-256", PULL), (3.7, "rank 1", "rows 257-512", PUSH)):
        worker = box(ax, x, 2.35, f"{name}\n{rows}", width=1.9, height=0.72, colour=colour)
        arrow(ax, (x, order.bottom[1]), worker.top)
        arrow(ax, worker.bottom, (x, total.top[1]), "gradient", offset=(0.42, 0.0))
        arrow(ax, (x, total.bottom[1]), (x, 0.5))
        label(ax, x, 0.3, "same step, same weights")
    return fig


def _lines(ax: Axes, curves: Mapping[str, Sequence[float]]) -> None:
    for (name, values), colour, style in zip(curves.items(), SERIES, LINESTYLES, strict=False):
        ax.plot(range(len(values)), values, color=colour, linestyle=style, label=name)
