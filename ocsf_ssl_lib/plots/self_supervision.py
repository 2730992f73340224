"""The figures of chapter 01: a hidden cell as a label, the three pretext tasks, and what counting can learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.diagram import Box, arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    ANOMALY,
    BLUE,
    GREEN,
    LINESTYLES,
    MARKERS,
    MUTED,
    NORMAL,
    PULL,
    PUSH,
    SERIES,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["accuracy_by_field", "context_size", "fill_in_the_blank", "pretext_tasks", "surprise_by_type", "workflow"]


@in_book_style
def fill_in_the_blank(fields: Mapping[str, object], hidden: str) -> Figure:
    """An event with one hidden field: the hidden value is the label, the other fields are the input.

    Args:
        fields: four fields of an event, name to value.
        hidden: the name of the one to hide.
    """
    fig, ax = diagram(height=3.3)
    label(ax, 1.2, 3.1, "an event", bold=True, size=11)
    cells: dict[str, Box] = {}
    for k, (name, value) in enumerate(fields.items()):
        look = {"colour": ACCENT, "dashed": True} if name == hidden else {"colour": MUTED}
        text = f"{_short(name)}\n{'?' if name == hidden else value}"
        cells[name] = box(ax, 1.2, 2.6 - 0.62 * k, text, width=1.9, height=0.54, size=10, **look)
    model = box(ax, 3.15, 1.98, "model", width=0.9, height=0.55, colour=NORMAL)
    guess = box(ax, 4.4, 1.98, "guess", width=0.9, height=0.55, colour=NORMAL)
    truth = box(ax, 4.4, 0.5, str(fields[hidden]), width=0.9, height=0.5, colour=ACCENT)
    label(ax, 4.95, 0.12, "the hidden value", size=10, align="right")
    for name, cell in cells.items():
        if name != hidden:
            arrow(ax, cell.right, model.left, colour=MUTED)
    arrow(ax, model.right, guess.left)
    arrow(ax, cells[hidden].right, truth.left, colour=ACCENT, dashed=True, curve=0.25)
    arrow(ax, guess.bottom, truth.top, both=True, colour=PUSH)
    label(ax, 4.32, 1.22, "compare", size=10, align="right")
    return fig


@in_book_style
def pretext_tasks() -> Figure:
    """Three ways to make a question out of an event: contrast two views, predict hidden cells, repair replaced ones."""
    fig, ax = diagram(height=4.6)
    rows: Sequence[tuple[str, str, str, str, str]] = (
        ("contrastive", "two altered\ncopies", "same\nevent?", "which copies\nbelong together", PULL),
        ("masked prediction", "some cells\nhidden", "what was\nhere?", "the hidden\nvalues", ACCENT),
        ("denoising", "some cells\nreplaced", "what was it\nbefore?", "the whole\noriginal event", PUSH),
    )
    for k, (name, change, question, target, colour) in enumerate(rows):
        y = 3.75 - 1.5 * k
        label(ax, 0.08, y + 0.55, name, bold=True, align="left", size=11)
        a = box(ax, 0.62, y, "event", width=0.9, height=0.6, colour=MUTED)
        b = box(ax, 1.95, y, change, width=1.1, height=0.6, size=10, colour=colour, dashed=True)
        c = box(ax, 3.15, y, "encoder", width=0.8, height=0.6, size=10, colour=NORMAL)
        d = box(ax, 4.4, y, question, width=1.08, height=0.6, size=10, colour=colour)
        arrow(ax, a.right, b.left)
        arrow(ax, b.right, c.left)
        arrow(ax, c.right, d.left)
        label(ax, 4.93, y - 0.53, f"answer: {target.replace(chr(10), ' ')}", size=10, align="right")
    return fig


@in_book_style
def workflow() -> Figure:
    """Many events without labels train the encoder; few labels, or none, are needed afterwards."""
    fig, ax = diagram(height=3.0)
    many = box(ax, 0.95, 2.3, "all events,\nno labels", width=1.7, height=0.9, colour=MUTED)
    encoder = box(ax, 3.1, 2.3, "encoder", width=1.2, height=0.7, colour=NORMAL)
    arrow(ax, many.right, encoder.left, "pre-train", offset=(0, 0.15))
    few = box(ax, 0.95, 0.85, "few events\nwith labels", width=1.2, height=0.6, size=10, colour=ACCENT)
    classifier = box(ax, 2.6, 0.85, "fine-tune:\nclassifier", width=1.2, height=0.6, size=10, colour=ACCENT)
    detector = box(ax, 4.25, 0.85, "detect:\nranked list", width=1.2, height=0.6, size=10, colour=ANOMALY)
    arrow(ax, few.right, classifier.left)
    arrow(ax, (2.95, 1.95), classifier.top)
    arrow(ax, (3.3, 1.95), detector.top)
    label(ax, 2.6, 0.33, "some labels", size=10)
    label(ax, 4.25, 0.33, "no labels", size=10)
    return fig


@in_book_style
def accuracy_by_field(table: pd.DataFrame) -> Figure:
    """Share of hidden values guessed right: always the most frequent value, against counting with one context field.

    Args:
        table: ``field``, ``baseline``, ``counting``, ``context``; one row per hidden field.
    """
    fig, ax = subplots(height=0.5 + 0.42 * len(table))
    y = np.arange(len(table))[::-1]
    ax.hlines(y, table["baseline"], table["counting"], color=MUTED, linewidth=1.5, zorder=1)
    ax.plot(
        table["baseline"], y, marker=MARKERS[2], linestyle="none", color=VERMILION, label="most frequent value", ms=6
    )
    ax.plot(table["counting"], y, marker=MARKERS[0], linestyle="none", color=BLUE, label="counting", ms=7)
    ax.set_yticks(y, [_short(f) for f in table["field"]])
    ax.set(xlim=(-0.03, 1.03), xlabel="share guessed right")
    ax.grid(axis="x")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return fig


@in_book_style
def context_size(table: pd.DataFrame) -> Figure:
    """Guessing with more and more context fields: it helps until most combinations are new.

    Args:
        table: ``seed``, ``fields`` (number of context fields), ``correct`` and ``unseen`` (shares).
    """
    fig, (upper, lower) = subplots(2, 1, height=4.6, sharex=True)
    _band(upper, table, "correct", BLUE, 0)
    upper.set(ylabel="guessed right", ylim=(0, None))
    _band(lower, table, "unseen", VERMILION, 1)
    lower.set(ylabel="contexts never seen", xlabel="number of context fields", ylim=(0, 1))
    lower.set_xticks(sorted(table["fields"].unique()))
    return fig


@in_book_style
def surprise_by_type(table: pd.DataFrame) -> Figure:
    """ROC-AUC of each question by type of anomaly; 0.5 is chance.

    Args:
        table: one row per type, one column per question.
    """
    fig, ax = subplots(height=0.9 + 0.5 * len(table))
    y = np.arange(len(table))[::-1]
    ax.axvline(0.5, color=MUTED, linestyle=LINESTYLES[3], linewidth=1.4)
    for k, column in enumerate(table.columns):
        shift = 0.12 * (k - (len(table.columns) - 1) / 2)
        colour = (GREEN, BLUE, VERMILION, *SERIES[3:])[k]
        ax.plot(table[column], y - shift, linestyle="none", marker=MARKERS[k], ms=7, color=colour, label=column)
    ax.set_yticks(y, list(table.index))
    ax.set(xlim=(-0.03, 1.03), xlabel="ROC-AUC (0.5 = chance)")
    ax.grid(axis="y")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=1)
    return fig


def _band(ax: Axes, table: pd.DataFrame, column: str, colour: str, style: int) -> None:
    """Mean over seeds as a line, smallest to largest as a band."""
    groups = table.groupby("fields")[column]
    mean, low, high = groups.mean(), groups.min(), groups.max()
    ax.fill_between(mean.index, low, high, color=colour, alpha=0.25, linewidth=0)
    ax.plot(mean.index, mean, color=colour, marker=MARKERS[style], linestyle=LINESTYLES[style])
    ax.grid(axis="y")


def _short(name: str) -> str:
    """The last two parts of a dotted name: what fits beside a figure on a phone."""
    return ".".join(name.split(".")[-2:])
