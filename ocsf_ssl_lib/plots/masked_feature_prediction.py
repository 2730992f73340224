"""The figures of the chapter on masked feature prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.diagram import arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    BLUE,
    INK,
    LINESTYLES,
    MARKERS,
    MUTED,
    OCHRE,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["ablation", "fill_in", "gains", "surprises"]

EVENT = (("user", "alice"), ("service", "dns"), ("port", "53"), ("bytes", "233"), ("status", "ok"))
HIDDEN = {1: ("dns 0.90", "0.11"), 3: ("200–260\n0.25", "1.39")}


@in_book_style
def fill_in() -> Figure:
    """An event, two of its cells hidden, encoder and heads; only the hidden cells have a loss."""
    fig, ax = diagram(height=5.3)
    xs = [0.55 + 0.975 * k for k in range(len(EVENT))]
    encoder = box(ax, 2.5, 2.95, "encoder: one vector for the event", width=4.7, height=0.36)
    for k, (x, (name, value)) in enumerate(zip(xs, EVENT, strict=True)):
        gone = k in HIDDEN
        label(ax, x, 5.12, name)
        whole = box(ax, x, 4.77, value, width=0.88, height=0.36, colour=ACCENT if gone else INK)
        shown = box(ax, x, 3.8, "?" if gone else value, width=0.88, height=0.36, dashed=gone, colour=INK)
        arrow(ax, whole.bottom, shown.top, colour=MUTED, dashed=gone)
        arrow(ax, shown.bottom, (x, encoder.top[1]), colour=MUTED)
        head = box(ax, x, 2.1, "head", width=0.88, height=0.34, colour=INK if gone else MUTED, size=10)
        arrow(ax, (x, encoder.bottom[1]), head.top, colour=MUTED)
        if gone:
            label(ax, x + 0.07, 4.29, "hide", align="left", bold=True)
            said, loss = HIDDEN[k]
            guess = box(ax, x, 1.3, said, width=0.92, height=0.5, colour=BLUE, size=10)
            arrow(ax, head.bottom, guess.top, colour=MUTED)
            arrow(ax, guess.bottom, (x, 0.74), colour=VERMILION)
            label(ax, x, 0.58, f"loss {loss}", bold=True)
        else:
            label(ax, x, 1.3, "not asked", colour=INK, size=9.5)
    label(ax, 2.5, 0.2, "loss: −log of the probability given to what was hidden", size=10)
    return fig


@in_book_style
def gains(table: pd.DataFrame, numbers: Sequence[str]) -> Figure:
    """How much of each column's surprise the model takes away: 0 is noise, 1 is certainty.

    Args:
        table: ``column`` and ``gain``, a row per column.
        numbers: names of the numerical columns.
    """
    table = table.sort_values("gain")
    fig, ax = subplots(height=0.9 + 0.2 * len(table))
    for kind, colour, hatch in (("categories", BLUE, ""), ("numbers", OCHRE, "///")):
        chosen = table["column"].isin(numbers) == (kind == "numbers")
        heights = np.flatnonzero(chosen)
        ax.barh(heights, table.loc[chosen, "gain"], color=colour, hatch=hatch, label=kind, height=0.72)
    ax.axvline(0, color=INK, linewidth=1)
    ax.set_yticks(range(len(table)), [_short(name) for name in table["column"]])
    ax.set(
        xlabel="gain over the trivial predictor",
        ylim=(-0.7, len(table) - 0.3),
        xlim=(min(-0.05, table["gain"].min()), 1),
    )
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.legend(loc="lower right")
    return fig


@in_book_style
def surprises(panels: Mapping[str, pd.Series], altered: Sequence[str], top: int = 8) -> Figure:
    """The most surprising cells of one event, a panel per way to count.

    Args:
        panels: label of the axis -> surprise of each cell, indexed by column.
        altered: columns whose value was exchanged.
        top: cells to show.
    """
    fig, axes = subplots(len(panels), 1, height=0.4 + (0.6 + 0.24 * top) * len(panels))
    for ax, (name, cells) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        most = cells.dropna().sort_values().tail(top)
        for kind, colour, hatch in (("as it was", BLUE, ""), ("exchanged", VERMILION, "///")):
            chosen = most.index.isin(list(altered)) == (kind == "exchanged")
            ax.barh(np.flatnonzero(chosen), most[chosen], color=colour, hatch=hatch, label=kind)
        ax.set_yticks(range(len(most)), [_short(column) for column in most.index])
        ax.set(xlabel=name, xlim=(0, None))
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
    fig.legend(*np.atleast_1d(axes)[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return fig


@in_book_style
def ablation(results: pd.DataFrame, measures: Mapping[str, str]) -> Figure:
    """What each option changes against the default of the same seed: one mark per seed, and the mean.

    Args:
        results: ``group``, ``setting`` and ``seed`` with the measures; one setting is called ``default``.
        measures: column -> label of its axis.
    """
    rows = list(
        results.loc[results["setting"] != "default", ["group", "setting"]].drop_duplicates().itertuples(index=False)
    )
    default = results[results["setting"] == "default"].set_index("seed")
    fig, axes = subplots(len(measures), 1, height=(0.9 + 0.24 * len(rows)) * len(measures))
    for ax, (measure, name) in zip(np.atleast_1d(axes), measures.items(), strict=True):
        ax.axvline(0, color=MUTED, linestyle=LINESTYLES[3])
        for height, (group, setting) in enumerate(rows):
            some = results[(results["group"] == group) & (results["setting"] == setting)].set_index("seed")
            change = (some[measure] - default[measure]).dropna()
            ax.hlines(height, change.min(), change.max(), color=BLUE, linewidth=2)
            ax.scatter(change, np.full(len(change), height), color=BLUE, s=16)
            ax.plot(change.mean(), height, marker=MARKERS[4], ms=7, color=VERMILION)
        ax.set_yticks(range(len(rows)), [f"{group}: {setting}" for group, setting in rows])
        ax.set(xlabel=name)
        ax.margins(x=0.1)  # a tick at the very edge would have half of its label outside the figure
        ax.locator_params(axis="x", nbins=4)
        ax.invert_yaxis()
        ax.grid(axis="x")
    return fig


def _short(column: str) -> str:
    """A dotted name without what a reader can do without."""
    return column.replace("endpoint", "").replace("connection_info.", "").replace("location.", "").replace("_.", ".")
