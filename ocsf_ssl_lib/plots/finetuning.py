"""The figures of chapter 10: the workflow, thawing step by step, and what a label is worth."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ocsf_ssl_lib.plots.diagram import arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    BLUE,
    GREEN,
    INK,
    LINESTYLES,
    MARKERS,
    MUTED,
    NORMAL,
    OCHRE,
    PINK,
    PULL,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["label_efficiency", "thawing", "workflow"]


@in_book_style
def workflow() -> Figure:
    """Many events without labels train the encoder; a copy of it learns from few labels."""
    fig, ax = diagram(height=3.0)
    upper, lower = 2.3, 0.65
    many = box(ax, 0.85, upper, "many events,\nno labels", width=1.5, height=0.95, colour=MUTED)
    encoder = box(ax, 2.75, upper, "encoder", width=1.15, height=0.66, colour=ACCENT)
    task = box(ax, 4.35, upper, "task head", width=1.1, height=0.5, colour=MUTED, dashed=True)
    few = box(ax, 0.85, lower, "few events,\nlabels", width=1.3, height=0.66, colour=PULL)
    copied = box(ax, 2.75, lower, "encoder", width=1.15, height=0.66, colour=ACCENT)
    head = box(ax, 4.35, lower, "new head", width=1.1, height=0.5, colour=NORMAL)
    for start, end in ((many, encoder), (encoder, task), (few, copied), (copied, head)):
        arrow(ax, start.right, end.left)
    arrow(ax, encoder.bottom, copied.top, colour=ACCENT)
    label(ax, 2.88, 1.5, "a copy of the weights", align="left")
    label(ax, 4.35, 2.8, "thrown away")
    label(ax, 4.35, 0.17, "class or number")
    label(ax, 0.1, 1.62, "1  pre-train", align="left", bold=True)
    label(ax, 0.1, 0.12, "2  fine-tune", align="left", bold=True)
    return fig


@in_book_style
def thawing(learned: pd.DataFrame) -> Figure:
    """Which parts have learned after so many epochs: a filled cell has, a dashed one has not.

    Args:
        learned: bool; a row per part, the topmost first, and a column per number of epochs.
    """
    rows, columns = learned.shape
    fig, ax = subplots(height=0.95 + 0.42 * rows)
    for i in range(rows):
        for j in range(columns):
            on = bool(learned.iloc[i, j])
            cell = Rectangle((j + 0.06, i + 0.08), 0.88, 0.84, edgecolor=ACCENT if on else MUTED)
            cell.set(facecolor=(ACCENT, 0.45) if on else "none", linestyle="-" if on else "--")
            ax.add_patch(cell)
            ax.text(j + 0.5, i + 0.5, "learns" if on else "waits", ha="center", va="center", fontsize=10, color=INK)
    ax.set(xlim=(0, columns), ylim=(rows, 0), xlabel="epoch")
    ax.set_xticks([j + 0.5 for j in range(columns)], list(learned.columns))
    ax.set_yticks([i + 0.5 for i in range(rows)], list(learned.index))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return fig


@in_book_style
def label_efficiency(results: pd.DataFrame, name: str, tasks: Sequence[str], chance: float, lowest: float) -> Figure:
    """Quality against the number of labels, one panel per pretext task, the same references in each.

    Lines are means over seeds. The bands of the two pre-trained lines reach from the worst seed to the best.

    Args:
        results: ``method``, ``labels`` and ``quality``, a row per seed; of one target.
        name: of the quality.
        tasks: three, whose methods are ``"<task>, frozen"`` and ``"<task>, tuned"``.
        chance: what an answer that learns nothing reaches.
        lowest: lower end of the axis.
    """
    groups = results.groupby(["method", "labels"])["quality"].agg(["mean", "min", "max"])
    references = {
        "trees": ("trees", BLUE, 0, 0),
        "linear": ("linear model", PINK, 3, 3),
        "scratch": ("from scratch", OCHRE, 2, 4),
        "untrained, frozen": ("untrained, frozen", MUTED, 5, 5),
    }
    fig, grid = subplots(2, 2, height=5.4, sharex=True, sharey=True)
    for ax, task in zip(grid.flat, tasks, strict=False):
        shown = {f"{task}, frozen": ("pre-trained, frozen", VERMILION, 1, 1)}
        shown[f"{task}, tuned"] = ("pre-trained, tuned", GREEN, 0, 2)
        ax.axhline(chance, color=MUTED, linewidth=1)
        for method, (text, colour, style, marker) in {**references, **shown}.items():
            line, strong = groups.loc[method], method in shown
            if strong:
                ax.fill_between(line.index, line["min"], line["max"], color=colour, alpha=0.18, linewidth=0)
            ax.plot(
                line.index,
                line["mean"],
                color=colour,
                linestyle=LINESTYLES[style],
                marker=MARKERS[marker],
                ms=6 if strong else 4,
                linewidth=2.2 if strong else 1.3,
                label=text,
            )
        ax.set_title(task, fontsize=11)
        ax.set_xscale("log")
        ticks = sorted(results["labels"].unique())
        ax.set_xticks(ticks, [f"{t}" for t in ticks], fontsize=9.5)
        ax.minorticks_off()
        ax.grid(axis="y")
        ax.tick_params(labelbottom=True)
    grid[0, 0].set_ylim(lowest, None)  # after all panels: a limit ends the scaling that they share
    grid[1, 1].set_axis_off()
    grid[1, 1].legend(*grid[0, 0].get_legend_handles_labels(), loc="center", fontsize=10.5)
    grid[1, 0].set_xlabel("labels")
    grid[0, 1].set_xlabel("labels")
    for ax in grid[:, 0]:
        ax.set_ylabel(name)
    return fig
