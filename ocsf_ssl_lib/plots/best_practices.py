"""The figures of chapter 9: what each option changes, what a checkpoint costs, where the time of a step goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ocsf_ssl_lib.plots.style import (
    BLUE,
    GREEN,
    INK,
    LINESTYLES,
    MARKERS,
    MUTED,
    OCHRE,
    PINK,
    SERIES,
    VERMILION,
    in_book_style,
    ink_on,
    subplots,
)

__all__ = ["changes", "checkpoint_loss", "loss_and_detection", "reference", "step_profile", "temperature"]

HATCHES = ("", "///", "...", "xxx", "\\\\\\", "")
COLOURS = {"contrastive": BLUE, "masked": OCHRE, "baseline": MUTED}


@in_book_style
def reference(results: pd.DataFrame, measure: str, name: str) -> Figure:
    """The defaults of both tasks beside methods that learn nothing: a dot per seed, a diamond for the mean.

    Args:
        results: ``task``, ``setting``, ``seed`` and the measure.
        measure: column to show.
        name: label of its axis.
    """
    order = results.groupby(["task", "setting"])[measure].mean().sort_values().index
    fig, ax = subplots(height=1.0 + 0.32 * len(order))
    for height, (task, setting) in enumerate(order):
        values = results.loc[(results["task"] == task) & (results["setting"] == setting), measure]
        colour = COLOURS[task]
        ax.hlines(height, values.min(), values.max(), color=colour, linewidth=2)
        ax.scatter(values, np.full(len(values), height), color=colour, s=18)
        ax.plot(values.mean(), height, marker=MARKERS[4], ms=7, color=VERMILION)
    labels = [setting if task == "baseline" else f"{task}, defaults" for task, setting in order]
    ax.set_yticks(range(len(order)), labels)
    ax.set(xlabel=name, xlim=(0, 1.08 * results[measure].max()), ylim=(-0.6, len(order) - 0.4))
    ax.grid(axis="x")
    return fig


@in_book_style
def changes(table: pd.DataFrame, groups: Sequence[str], name: str) -> Figure:
    """What options change against the default of the same seed: dots are seeds, bars the interval of the mean.

    A panel per task. Filled diamonds mark intervals that leave out zero.

    Args:
        table: ``task``, ``group``, ``setting``, ``mean``, ``low``, ``high`` and ``seeds``, the list of changes.
        groups: which options to show, in this order.
        name: of the measure.
    """
    shown = table[table["group"].isin(list(groups))]
    shown = shown.sort_values("group", key=lambda g: g.map({k: i for i, k in enumerate(groups)}), kind="stable")
    count = shown.groupby("task", sort=False)["setting"].count()
    fig, axes = subplots(
        len(count), 1, height=0.95 * len(count) + 0.25 * len(shown), sharex=True, height_ratios=count + 1
    )
    for ax, task in zip(np.atleast_1d(axes), count.index, strict=True):
        some = shown[shown["task"] == task]
        ax.axvline(0, color=MUTED, linestyle=LINESTYLES[3])
        for height, row in enumerate(some.itertuples()):
            ax.hlines(height, row.low, row.high, color=COLOURS[task], linewidth=2)
            ax.scatter(row.seeds, np.full(len(row.seeds), height), color=COLOURS[task], s=14)
            clear = row.low > 0 or row.high < 0
            face = VERMILION if clear else "none"
            ax.plot(row.mean, height, marker=MARKERS[4], ms=7, color=VERMILION, markerfacecolor=face)
        ax.set_title(task, fontsize=11)
        ax.set_yticks(range(len(some)), some["group"] + ": " + some["setting"])
        ax.set_ylim(len(some) - 0.4, -0.6)
        ax.grid(axis="x")
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.tick_params(labelbottom=True)
    np.atleast_1d(axes)[-1].set_xlabel(f"change of {name}")
    return fig


@in_book_style
def loss_and_detection(table: pd.DataFrame) -> Figure:
    """Does a setting that lowers the loss detect better? A mark per setting, a panel per task.

    Args:
        table: ``task``, ``loss`` and ``precision``, the mean changes of both.
    """
    tasks = list(dict.fromkeys(table["task"]))
    fig, axes = subplots(len(tasks), 1, height=2.5 * len(tasks))
    for ax, task, marker in zip(np.atleast_1d(axes), tasks, MARKERS, strict=False):
        some = table[table["task"] == task]
        ax.axhline(0, color=MUTED, linestyle=LINESTYLES[3])
        ax.axvline(0, color=MUTED, linestyle=LINESTYLES[3])
        ax.scatter(some["loss"], some["precision"], color=COLOURS[task], marker=marker, s=30)
        ax.set_title(task, fontsize=11)
        ax.set_ylabel("change of AP")
        ax.xaxis.set_major_locator(MaxNLocator(5))
    np.atleast_1d(axes)[-1].set_xlabel("change of the validation loss")
    return fig


@in_book_style
def temperature(table: pd.DataFrame, chosen: float) -> Figure:
    """What temperatures do: the loss between its bounds, and how many views find their partner.

    Args:
        table: ``temperature``, ``loss``, ``guessing`` and ``floor`` of the loss, ``top1``, ``spread``.
        chosen: the default.
    """
    fig, (upper, lower) = subplots(2, 1, height=4.6, sharex=True)
    upper.plot(table["temperature"], table["loss"], color=BLUE, marker=MARKERS[0], label="loss")
    for column, text, style in (("guessing", "guessing", 1), ("floor", "floor", 3)):
        upper.plot(table["temperature"], table[column], color=MUTED, linestyle=LINESTYLES[style], label=text)
    upper.set_ylabel("loss")
    lower.plot(table["temperature"], table["top1"], color=GREEN, marker=MARKERS[0], label="top1")
    lower.plot(
        table["temperature"],
        table["spread"],
        color=PINK,
        marker=MARKERS[2],
        linestyle=LINESTYLES[1],
        label="spread",
    )
    lower.set(ylim=(0, 1.05), xlabel="temperature", xscale="log")
    lower.set_xticks(table["temperature"], [f"{t:g}" for t in table["temperature"]])
    lower.minorticks_off()
    for ax in (upper, lower):
        ax.axvline(chosen, color=MUTED, linewidth=1)
        ax.grid(axis="y")
        ax.legend()
    return fig


@in_book_style
def checkpoint_loss(minutes: np.ndarray, writing: np.ndarray, lost: np.ndarray, best: float, chosen: float) -> Figure:
    """What checkpoints cost by how often they are written: the writing, the work lost in a crash, and the sum.

    Args:
        minutes: between checkpoints.
        writing: share of the time spent on writing.
        lost: share of the time lost in crashes, on average.
        best: minutes at which the sum is least.
        chosen: the default of the library, in minutes.
    """
    fig, ax = subplots()
    for values, text, colour, style in (
        (writing, "writing", BLUE, 1),
        (lost, "work lost", VERMILION, 2),
        (writing + lost, "sum", INK, 0),
    ):
        ax.plot(minutes, values, color=colour, linestyle=LINESTYLES[style], label=text)
    ax.axvline(best, color=GREEN, linestyle=LINESTYLES[3])
    ax.axvline(chosen, color=MUTED, linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="minutes between checkpoints", ylabel="share of the time")
    ax.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    ax.set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 1e-1], ["0.001 %", "0.01 %", "0.1 %", "1 %", "10 %"])
    ax.minorticks_off()
    ax.grid(axis="y")
    ax.legend()
    return fig


@in_book_style
def step_profile(shares: pd.DataFrame, totals: Mapping[str, str]) -> Figure:
    """Where the time of a training step goes: one bar per way to compute it, cut into its parts.

    Args:
        shares: a row per way, a column per part; microseconds or any unit of time.
        totals: row -> what stands at the end of its bar.
    """
    fig, ax = subplots(height=1.5 + 0.42 * len(shares))
    left = np.zeros(len(shares))
    heights = np.arange(len(shares))
    for part, colour, hatch in zip(shares.columns, SERIES, HATCHES, strict=False):
        width = shares[part].to_numpy(float)
        ax.barh(heights, width, left=left, color=colour, hatch=hatch, label=part, height=0.72)
        for height, start, size in zip(heights, left, width, strict=True):
            if size > 0.1 * shares.sum(axis=1).max() and not hatch:
                ax.text(start + size / 2, height, f"{size:.0f}", ha="center", va="center", color=ink_on(colour))
        left += width
    for height, name, end in zip(heights, shares.index, left, strict=True):
        ax.text(end, height, f" {totals[name]}", va="center", fontsize=10)
    ax.set_yticks(heights, list(shares.index))
    ax.set(xlabel="milliseconds per step", xlim=(0, left.max() * 1.3))
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return fig
