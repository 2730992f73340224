"""The figures of the chapter on the denoising autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from ocsf_ssl_lib.plots.diagram import arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    BLUE,
    GREEN,
    LINESTYLES,
    MARKERS,
    MUTED,
    NORMAL,
    OCHRE,
    PUSH,
    SERIES,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["ablation", "autoencoder", "breaking", "detection", "restored", "swap_noise", "training"]


@in_book_style
def autoencoder(fields: Sequence[tuple[str, str, str]]) -> Figure:
    """A spoilt event goes through encoder, code and decoder, and comes out as it was.

    Args:
        fields: four triples: name, value in the event, value in the spoilt copy.
    """
    fig, ax = diagram(height=4.3)
    heights = [3.4 - 0.55 * k for k in range(len(fields))]
    label(ax, 0.85, 4.0, "spoilt input", bold=True)
    label(ax, 4.15, 4.0, "reconstruction", bold=True)
    for (name, sound, spoilt), y in zip(fields, heights, strict=True):
        bad = sound != spoilt
        look = {"colour": PUSH, "dashed": True} if bad else {"colour": MUTED}
        box(ax, 0.85, y, f"{name}\n{spoilt}", width=1.5, height=0.46, size=10, **look)
        box(ax, 4.15, y, f"{name}\n{sound}", width=1.5, height=0.46, size=10, colour=ACCENT if bad else MUTED)
    middle = float(np.mean(heights))
    for left, right, at, name in ((1.72, 2.22, 1.97, "encoder"), (3.28, 2.78, 3.03, "decoder")):
        corners = [(left, middle - 0.95), (left, middle + 0.95), (right, middle + 0.32), (right, middle - 0.32)]
        ax.add_patch(Polygon(corners, facecolor=NORMAL, alpha=0.15, linewidth=0))
        ax.add_patch(Polygon(corners, fill=False, edgecolor=NORMAL, linewidth=1.4))
        ax.text(at, middle, name, rotation=90, ha="center", va="center", fontsize=10)
    code = box(ax, 2.5, middle, width=0.34, height=0.62, colour=ACCENT, fill=0.3)
    label(ax, 2.5, middle + 0.5, "code", bold=True, size=11)
    out = box(ax, 2.5, 1.2, "features for\nlater tasks", width=1.3, height=0.5, size=10, colour=ACCENT)
    arrow(ax, code.bottom, out.top, colour=ACCENT)
    event = box(ax, 0.85, 0.35, "the event as it is", width=1.5, height=0.42, size=10, colour=MUTED)
    arrow(ax, event.top, (0.85, heights[-1] - 0.24), colour=PUSH)
    label(ax, 0.97, 1.0, "spoil", align="left")
    loss = box(ax, 4.15, 0.35, "loss: every cell", width=1.5, height=0.42, size=10, colour=PUSH)
    arrow(ax, (4.15, heights[-1] - 0.24), loss.top, colour=MUTED)
    arrow(ax, event.right, loss.left, "what should come out", colour=MUTED, offset=(0, 0.15))
    return fig


@in_book_style
def swap_noise() -> Figure:
    """Three cells of event A take the values of three donors; one of them happens to be equal."""
    fig, ax = diagram(height=3.35)
    events = {
        "A": ("ann", "dns", "53", "ok"),
        "B": ("bob", "https", "443", "ok"),
        "C": ("cai", "ssh", "22", "failed"),
        "D": ("dee", "smtp", "25", "ok"),
    }
    donors = {1: "C", 2: "D", 3: "B"}  # field -> who gives
    places = dict(zip(events, (1.15, 1.95, 2.75, 3.55), strict=True))
    spoilt_at = 4.55
    for name, x in places.items():
        label(ax, x, 3.15, name, bold=True)
    label(ax, spoilt_at, 3.15, "A, spoilt", bold=True)
    for row, field in enumerate(("user", "service", "port", "status")):
        y = 2.65 - 0.66 * row
        label(ax, 0.66, y, field, align="right")
        giver = donors.get(row)
        for name, x in places.items():
            colour = ACCENT if name == giver else MUTED
            box(ax, x, y, events[name][row], width=0.7, height=0.34, size=10, colour=colour)
        value = events[giver or "A"][row]
        changed = value != events["A"][row]
        look = {"colour": PUSH, "dashed": True} if changed else {"colour": MUTED}
        box(ax, spoilt_at, y, value, width=0.74, height=0.34, size=10, **look)
        if giver:
            arrow(ax, (places[giver], y + 0.17), (spoilt_at, y + 0.17), colour=ACCENT, curve=-0.14)
    label(ax, 2.5, 0.15, "the status was swapped too: its donor had the same value")
    return fig


@in_book_style
def training(history: pd.DataFrame) -> Figure:
    """Loss on training and held-out events; below it what happens to spoilt and to sound cells."""
    fig, (above, below) = subplots(2, 1, height=4.8, sharex=True)
    above.axhline(1, color=MUTED, ls=LINESTYLES[3], label="trivial predictor")
    above.plot(history["epoch"], history["train_loss"], color=BLUE, marker="o", label="training")
    above.plot(history["epoch"], history["validation_loss"], color=VERMILION, marker="X", ls="--", label="held out")
    above.set(ylabel="loss", ylim=(0, 1.1))
    above.legend(loc="center right")
    names = {"kept": "kept: sound, left alone", "r2": "r2: spoilt numbers", "restored": "restored: spoilt categories"}
    for k, (column, text) in enumerate(names.items()):
        look = {"color": (GREEN, OCHRE, BLUE)[k], "marker": MARKERS[k], "ls": LINESTYLES[k]}
        below.plot(history["epoch"], history[column], label=text, **look)
    below.set(xlabel="epoch", ylabel="share", ylim=(0, 1.05))
    below.xaxis.get_major_locator().set_params(integer=True)
    fig.legend(*below.get_legend_handles_labels(), loc="outside lower left", ncols=1)
    return fig


@in_book_style
def restored(table: pd.DataFrame) -> Figure:
    """Share of spoilt cells set right, per column, beside always saying the most frequent value.

    Args:
        table: ``column``, ``restored``, ``most frequent``; the best column first.
    """
    fig, ax = subplots(height=0.9 + 0.31 * len(table))
    y = np.arange(len(table))[::-1]
    ax.hlines(y, table["most frequent"], table["restored"], color=MUTED, linewidth=1.5, zorder=1)
    ax.plot(table["most frequent"], y, marker=MARKERS[1], ls="none", color=VERMILION, ms=6, label="most frequent value")
    ax.plot(table["restored"], y, marker=MARKERS[0], ls="none", color=BLUE, ms=7, label="restored by the model")
    ax.set_yticks(y, [_short(name) for name in table["column"]])
    ax.set(xlim=(-0.03, 1.03), xlabel="share of spoilt cells set right")
    ax.grid(axis="x")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return fig


def _short(name: str) -> str:
    """A dotted name that fits beside a figure on a phone, and still says which end of a connection it means."""
    return ".".join(name.replace("_endpoint", "").replace("connection_info.", "").split(".")[-3:])


@in_book_style
def detection(every: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Mean over the seeds of each method, and a line from the worst seed to the best.

    Args:
        every: ``method``, ``seed``, ``average_precision``, ``roc_auc``, ``prevalence``.
        methods: rows of the figure, from top to bottom.
    """
    fig, axes = subplots(2, 1, height=1.7 + 0.48 * len(methods), sharey=True)
    chances = {"average_precision": every["prevalence"].mean(), "roc_auc": 0.5}
    for ax, (column, chance) in zip(axes, chances.items(), strict=True):
        ax.axvline(chance, color=MUTED, ls=LINESTYLES[3], label="random ranking")
        shown = {"random ranking"}
        for y, method in enumerate(methods):
            kind, colour, marker = _family(method)
            values = every.loc[every["method"] == method, column]
            _range(ax, values, y, colour, marker, None if kind in shown else kind)
            shown.add(kind)
        ax.set_yticks(range(len(methods)), methods)
        ax.set(xlabel=column.replace("_", " ").replace("roc auc", "ROC-AUC"))
        ax.grid(axis="x")
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return fig


def _family(method: str) -> tuple[str, str, str]:
    """What kind of method it is, its colour and its marker."""
    if method.startswith("untrained"):
        return "untrained encoder", GREEN, "s"
    if "," not in method:
        return "columns, no encoder", BLUE, "o"
    return "trained encoder", VERMILION, "X"


def _range(ax: Axes, values: pd.Series, y: float, colour: str, marker: str, text: str | None) -> None:
    """A line from the smallest value to the largest, and a mark at the mean."""
    ax.hlines(y, values.min(), values.max(), color=colour, linewidth=1.5)
    ax.plot(values.mean(), y, color=colour, marker=marker, ls="none", ms=7, label=text)


@in_book_style
def ablation(table: pd.DataFrame) -> Figure:
    """One option changed at a time: mean over the seeds and range, by likelihood and by Mahalanobis distance.

    Args:
        table: ``group``, ``setting``, ``seed`` and the figures ``average_precision``, ``mahalanobis_ap``, ``roc_auc``,
            ``mahalanobis_auc``; groups in the order of the rows.
    """
    rows = list(dict.fromkeys(zip(table["group"], table["setting"], strict=True)))
    names = [group if group == "default" else f"{group}: {setting}" for group, setting in rows]
    fig, axes = subplots(2, 1, height=1.7 + 0.52 * len(rows), sharey=True)
    panels = (
        ("average precision", "average_precision", "mahalanobis_ap"),
        ("ROC-AUC", "roc_auc", "mahalanobis_auc"),
    )
    for ax, (title, likelihood, distance) in zip(axes, panels, strict=True):
        for column, shift, colour, marker, text in (
            (likelihood, -0.16, BLUE, "o", "likelihood of cells"),
            (distance, 0.16, VERMILION, "X", "Mahalanobis distance of the code"),
        ):
            for y, (group, setting) in enumerate(rows):
                values = table.loc[(table["group"] == group) & (table["setting"] == setting), column]
                _range(ax, values, y + shift, colour, marker, None if y else text)
        ax.axhline(0.5, color=MUTED, lw=0.8)
        ax.set_yticks(range(len(rows)), names)
        ax.set(xlabel=title)
        ax.grid(axis="x")
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=1)
    return fig


@in_book_style
def breaking(table: pd.DataFrame) -> Figure:
    """The loss on the noise a model was trained with, and on one and the same noise for all.

    Args:
        table: index = training noise; ``own loss``, ``loss``, ``kept``, ``restored`` on the common noise.
    """
    fig, ax = subplots(height=3.3)
    x = np.arange(len(table))
    for k, column in enumerate(table):
        ax.plot(x, table[column], color=SERIES[k], ls=LINESTYLES[k], marker=MARKERS[k], ms=7, label=column)
    ax.set_xticks(x, [str(name) for name in table.index])
    ax.set(xlabel="noise in training", ylim=(-0.03, 1.08))
    ax.grid(axis="y")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return fig
