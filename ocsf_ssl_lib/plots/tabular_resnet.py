"""The figures of chapter 03: the encoder, its block, its table, and what it does before any training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ocsf_ssl_lib.plots.diagram import Box, arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    BLUE,
    GREEN,
    INK,
    LINESTYLES,
    MARKERS,
    MUTED,
    OCHRE,
    PULL,
    PUSH,
    SERIES,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["agreement_by_depth", "blocks", "embedding_map", "encoder", "flat_table", "kept_by_width"]


@in_book_style
def encoder() -> Figure:
    """The way of one batch through the encoder, with shapes."""
    fig, ax = diagram(height=5.6)
    numbers = box(ax, 0.95, 5.25, "numbers\n(B, 3)", width=1.3, colour=BLUE)
    ids = box(ax, 2.85, 5.25, "category ids\n(B, 4)", width=1.5, colour=OCHRE)
    masks = box(ax, 4.4, 5.25, "masks\n(B, 3)", width=1.0, dashed=True)
    table = box(ax, 2.85, 4.3, "one table, row\nid + offset", width=1.5, colour=OCHRE)
    together = box(ax, 1.9, 3.25, "side by side\n(B, 3 + 4 x 16)", width=1.7)
    vectors = box(ax, 4.2, 3.25, "hidden and\nmissing vectors", width=1.45, dashed=True)
    linear = box(ax, 1.9, 2.4, "linear", width=1.7, height=0.36)
    stream = box(ax, 1.9, 1.75, "+", width=0.4, height=0.36)
    trunk = box(ax, 1.9, 1.1, "6 residual blocks,\nlayer norm", width=1.9, colour=ACCENT)
    out = box(ax, 4.2, 1.1, "embedding\n(B, 256)", width=1.3, colour=PULL)
    arrow(ax, ids.bottom, table.top)
    arrow(ax, numbers.bottom, (1.6, 3.5))
    arrow(ax, table.bottom, (2.3, 3.5), "(B, 4, 16)", offset=(0.5, -0.04))
    arrow(ax, masks.bottom, (4.4, 3.5))
    arrow(ax, together.bottom, linear.top)
    arrow(ax, linear.bottom, stream.top)
    arrow(ax, vectors.bottom, stream.right, curve=-0.25)
    arrow(ax, stream.bottom, trunk.top, "(B, 256)", offset=(-0.5, 0.0))
    arrow(ax, trunk.right, out.left)
    label(ax, 2.5, 0.4, "one event in, one vector out; rows never meet", size=10)
    return fig


@in_book_style
def blocks() -> Figure:
    """A residual block with dropout in the branch, and one with dropout on the stream."""
    fig, ax = diagram(height=5.1)
    steps = ("layer norm", "linear, ReLU", "dropout", "linear", "dropout")
    _block(ax, 0.55, "this book", steps, on_stream=False)
    _block(ax, 3.1, "dropout on the stream", steps[:2] + steps[3:4], on_stream=True)
    return fig


def _block(ax: Axes, x: float, title: str, steps: Sequence[str], on_stream: bool) -> None:
    """One block drawn downwards: the stream on the left at ``x``, the branch on its right."""
    right, colour = x + 1.1, PUSH if on_stream else PULL
    label(ax, x - 0.3, 4.9, title, align="left", bold=True, size=11)
    heights = np.linspace(4.0, 1.6, len(steps))
    drawn: list[Box] = []
    for step, y in zip(steps, heights, strict=True):
        drawn.append(box(ax, right, y, step, width=1.25, height=0.36, colour=colour if step == "dropout" else INK))
    plus = box(ax, x, 1.0, "+", width=0.36, height=0.34)
    arrow(ax, (x, 4.7), plus.top)
    arrow(ax, (x, 4.45), (right, drawn[0].top[1]), curve=-0.3)
    for upper, lower in pairwise(drawn):
        arrow(ax, upper.bottom, lower.top)
    arrow(ax, drawn[-1].bottom, plus.right, curve=-0.3)
    if on_stream:
        drop = box(ax, x + 0.25, 0.42, "dropout", width=1.25, height=0.36, colour=PUSH, dashed=True)
        arrow(ax, plus.bottom, (x, drop.top[1]))
        arrow(ax, (x, drop.bottom[1]), (x, 0.0))
    else:
        arrow(ax, plus.bottom, (x, 0.0))
    label(ax, x - 0.1, 2.6, "x", align="right", size=11)


@in_book_style
def flat_table(cardinalities: Sequence[int] = (5, 4, 6), ids: Sequence[int] = (3, 3, 4)) -> Figure:
    """All columns in one table: each has a stretch of rows, its first three reserved."""
    fig, ax = diagram(height=2.5)
    total = sum(cardinalities)
    step, left, base = 4.7 / total, 0.15, 1.15
    start = 0
    for k, (size, chosen) in enumerate(zip(cardinalities, ids, strict=True)):
        colour = (BLUE, OCHRE, GREEN)[k % 3]
        for i in range(size):
            x = left + (start + i) * step
            reserved = i < 3
            ax.add_patch(Rectangle((x, base), step, 0.4, facecolor=colour, alpha=0.12 if reserved else 0.4, lw=0))
            ax.add_patch(
                Rectangle((x, base), step, 0.4, fill=False, edgecolor=INK, lw=1, hatch="///" if reserved else None)
            )
            if not reserved:
                label(ax, x + step / 2, base + 0.2, str(start + i))
        middle = left + (start + size / 2) * step
        label(ax, middle, base + 0.8, f"column {k + 1}\nids 0..{size - 1}", size=10)
        target = left + (start + chosen + 0.5) * step
        arrow(ax, (target, 0.62), (target, base), colour=colour)
        label(ax, min(max(target, 0.7), 4.3), 0.38, f"{chosen} + {start}\n= row {start + chosen}", size=10)
        start += size
    return fig


@in_book_style
def embedding_map(points: np.ndarray, groups: pd.Series, shares: Sequence[float]) -> Figure:
    """Embeddings on their first two principal axes, one marker per group.

    Args:
        points: (N, 2) coordinates.
        groups: (N,) name of the group of each point.
        shares: share of the variance on each axis.
    """
    fig, ax = subplots(height=4.4)
    for k, name in enumerate(sorted(groups.unique())):
        chosen = (groups == name).to_numpy()
        ax.scatter(
            *points[chosen].T, s=10, color=SERIES[k], marker=MARKERS[k], alpha=0.6, lw=0, label=name, rasterized=True
        )
    ax.set(xlabel=f"first axis ({shares[0]:.0%} of the variance)", ylabel=f"second axis ({shares[1]:.0%})")
    legend = fig.legend(loc="outside upper center", ncols=2, markerscale=2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return fig


@in_book_style
def agreement_by_depth(table: pd.DataFrame, keep: float = 0.9) -> Figure:
    """Cosine of two dropout passes over one event against depth.

    Args:
        table: columns ``place`` (of the dropout), ``blocks``, ``seed``, ``cosine``.
        keep: probability that a unit passes one dropout.
    """
    fig, ax = subplots(height=3.2)
    for k, (place, part) in enumerate(table.groupby("place", sort=True)):
        by_depth = part.groupby("blocks")["cosine"]
        mean = by_depth.mean()
        ax.fill_between(mean.index, by_depth.min(), by_depth.max(), color=(BLUE, VERMILION)[k], alpha=0.2, lw=0)
        ax.plot(
            mean.index, mean, color=(BLUE, VERMILION)[k], marker=MARKERS[k], linestyle=LINESTYLES[k], label=f"{place}"
        )
    depths = np.linspace(0, table["blocks"].max(), 100)
    ax.plot(depths, keep**depths, color=MUTED, linestyle=":", label=f"{keep} to the power of the blocks")
    ax.set(xlabel="residual blocks", ylabel="cosine of two passes", ylim=(0, 1.02))
    ax.legend(loc="lower left")
    return fig


@in_book_style
def kept_by_width(table: pd.DataFrame, one_hot: float, chance: float) -> Figure:
    """Share of neighbours with the same label against the width of an untrained encoder.

    Args:
        table: columns ``width``, ``seed``, ``same``.
        one_hot: the share on one-hot columns and scaled numbers.
        chance: the share among events drawn at random.
    """
    fig, ax = subplots(height=3.0)
    by_width = table.groupby("width")["same"]
    mean = by_width.mean()
    ax.fill_between(mean.index, by_width.min(), by_width.max(), color=BLUE, alpha=0.2, lw=0)
    ax.plot(mean.index, mean, color=BLUE, marker="o", label="untrained encoder")
    ax.axhline(one_hot, color=VERMILION, linestyle="--", label="one-hot, no encoder")
    ax.axhline(chance, color=MUTED, linestyle=":", label="chance")
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(mean.index), [str(w) for w in mean.index])
    ax.set(xlabel="width of the encoder (d_model)", ylabel="same department", ylim=(0, None))
    ax.legend(loc="lower right")
    return fig
