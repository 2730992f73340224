"""The figures of chapter 04: views of an event, noise before and after scaling, swaps, and how much is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.diagram import Box, arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    BLUE,
    GREEN,
    INK,
    LINESTYLES,
    MARKERS,
    MUTED,
    PULL,
    SERIES,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["noise_before_and_after", "realised_rates", "strength", "two_views"]

Line = tuple[str, bool]
EVENT: tuple[Line, ...] = (
    ("user  a.khan", False),
    ("service  ssh", False),
    ("bytes  1 024", False),
    ("status  success", False),
)
FIRST: tuple[Line, ...] = (
    ("user  a.khan", False),
    ("service  https", True),
    ("bytes  1 310", True),
    ("status  success", False),
)
SECOND: tuple[Line, ...] = (
    ("user  a.khan", False),
    ("service  ssh", False),
    ("bytes  870", True),
    ("status  success", False),
)


@in_book_style
def two_views() -> Figure:
    """One event, two random views of it, and what the encoder shall make of them."""
    fig, ax = diagram(height=3.6)
    event = _card(ax, 0.95, 1.8, "event", EVENT, INK)
    first = _card(ax, 3.0, 2.8, "view 1", FIRST, PULL)
    second = _card(ax, 3.0, 0.8, "view 2", SECOND, PULL)
    one = box(ax, 4.55, 2.8, "z1", width=0.5, colour=PULL)
    two = box(ax, 4.55, 0.8, "z2", width=0.5, colour=PULL)
    arrow(ax, event.right, first.left)
    arrow(ax, event.right, second.left)
    arrow(ax, first.right, one.left)
    arrow(ax, second.right, two.left)
    arrow(ax, one.bottom, two.top, "be close", colour=ACCENT, both=True, offset=(-0.42, 0.0))
    return fig


def _card(ax: Axes, x: float, y: float, title: str, lines: Sequence[Line], colour: str) -> Box:
    """A box with a title and one line per field; changed fields in bold, with a star."""
    card = box(ax, x, y, width=1.6, height=1.4, colour=colour, fill=0.1)
    label(ax, x - 0.7, y + 0.53, title, align="left", size=10, colour=INK)
    for k, (text, changed) in enumerate(lines):
        label(ax, x - 0.7, y + 0.24 - 0.25 * k, text + (" *" if changed else ""), align="left", size=10, bold=changed)
    return card


@in_book_style
def noise_before_and_after(raw: np.ndarray, raw_view: np.ndarray, scaled_view: np.ndarray) -> Figure:
    """Values against their views: noise added to raw values, and noise added after scaling.

    Args:
        raw: (N,) values in units of the log.
        raw_view: (N,) views made by noise on ``raw``.
        scaled_view: (N,) views made by noise on the scaled values, back in units of the log.
    """
    fig, axes = subplots(2, 1, height=5.6, sharex=True)
    titles = ("noise on raw bytes", "noise after scaling")
    for k, (ax, view) in enumerate(zip(axes, (raw_view, scaled_view), strict=True)):
        ax.scatter(raw, view, s=9, color=(VERMILION, BLUE)[k], marker=MARKERS[k], alpha=0.5, lw=0, rasterized=True)
        low, high = float(raw.min()), float(raw.max())
        ax.plot([low, high], [low, high], color=INK, lw=1, linestyle=":")
        ax.set(title=titles[k], ylabel="bytes in the view")
        ax.set_xscale("log")
    axes[0].set_yscale("symlog", linthresh=1e4)
    axes[0].axhline(0, color=MUTED, lw=1)
    axes[0].set_yticks([-1e6, -1e4, 0, 1e4, 1e6, 1e8])
    axes[1].set_yscale("log")
    axes[1].set_xlabel("bytes in the log")
    return fig


@in_book_style
def realised_rates(balanced: pd.DataFrame, real: pd.DataFrame, asked: float) -> Figure:
    """Asked and realised swap rates.

    Args:
        balanced: ``values`` (per column), ``rate``: measured on columns whose values are equally frequent.
        real: ``swap``, ``predicted``, ``rate``: columns of a log.
        asked: the rate that was asked for.
    """
    fig, (top, bottom) = subplots(2, 1, height=6.0)
    k = np.geomspace(2, balanced["values"].max(), 200)
    top.axhline(asked, color=MUTED, linestyle=":", label="asked")
    top.plot(k, asked * (1 - 1 / k), color=BLUE, label="formula")
    top.scatter(balanced["values"], balanced["rate"], color=VERMILION, marker="X", s=40, zorder=3, label="measured")
    top.set_xscale("log")
    top.set_xticks([2, 3, 5, 10, 30, 100], ["2", "3", "5", "10", "30", "100"])
    top.minorticks_off()
    top.set(xlabel="values of a column, equally frequent", ylabel="realised rate", ylim=(0, asked * 1.15))
    top.legend(loc="lower right")
    bottom.plot([0, asked], [0, asked], color=MUTED, linestyle=":")
    for i, (name, part) in enumerate(real.groupby("swap", sort=True)):
        bottom.scatter(
            part["predicted"], part["rate"], color=(BLUE, VERMILION)[i], marker=MARKERS[i], s=30, alpha=0.8, label=name
        )
    bottom.set(xlabel="rate the formula predicts, columns of the log", ylabel="realised rate")
    bottom.legend(loc="upper left", title="swap")
    return fig


@in_book_style
def strength(found: pd.DataFrame, strange: pd.DataFrame, marks: Mapping[str, float]) -> Figure:
    """What is left of an event in its view, and what is broken, against the swap rate.

    Args:
        found: ``noise``, ``swap_rate``, ``seed``, ``share`` of views whose nearest event is their own.
        strange: ``swap``, ``swap_rate``, ``seed``, ``share`` of views with a pair of values the log never holds.
        marks: name -> swap rate of settings to mark.
    """
    fig, (top, bottom) = subplots(2, 1, height=6.2, sharex=True)
    for ax, table, key in ((top, found, "noise"), (bottom, strange, "swap")):
        for k, (name, part) in enumerate(table.groupby(key, sort=True)):
            grouped = part.groupby("swap_rate")["share"]
            mean, colour = grouped.mean(), (BLUE, VERMILION, GREEN, *SERIES[3:])[k]
            ax.fill_between(mean.index, grouped.min(), grouped.max(), color=colour, alpha=0.2, lw=0)
            text = f"noise {name}" if key == "noise" else f"{name} swap"
            ax.plot(mean.index, mean, color=colour, marker=MARKERS[k], linestyle=LINESTYLES[k], label=text)
        for rate in marks.values():
            ax.axvline(rate, color=MUTED, linestyle=":", lw=1.2)
    for text, rate in marks.items():
        top.annotate(text, (rate, 1.0), (3, 3), xycoords=("data", "axes fraction"), textcoords="offset points", size=10)
    top.set(ylabel="views that find their event", ylim=(0, 1.02))
    bottom.set(ylabel="views with a new pair", xlabel="swap rate asked for", ylim=(0, 1.02))
    top.legend(loc="lower left", bbox_to_anchor=(0.23, 0.0))
    bottom.legend(loc="lower right", bbox_to_anchor=(1.0, 0.03))
    return fig
