"""The figures of chapter 12 and of the first page: the way of the data, two distances, and how good a ranking is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, TwoSlopeNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse
from sklearn.metrics import precision_recall_curve

from ocsf_ssl_lib.plots.diagram import arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    ANOMALY,
    DIVERGING,
    GREEN,
    LINESTYLES,
    MARKERS,
    MUTED,
    NORMAL,
    SEQUENTIAL,
    SERIES,
    in_book_style,
    ink_on,
    subplots,
)

__all__ = [
    "by_type",
    "data_way",
    "displacement",
    "p_value_promise",
    "precision_recall",
    "score_histogram",
    "two_distances",
]


@in_book_style
def data_way() -> Figure:
    """From a log file to a ranked list: six stages, in the order in which the chapters teach them."""
    fig, ax = diagram(height=3.1)
    upper, lower = 2.25, 0.85
    file = box(ax, 0.75, upper, "log file\nJSON, Parquet", width=1.4, height=0.66, size=10, colour=MUTED)
    table = box(ax, 2.5, upper, "table\none row an event", width=1.55, height=0.66, size=10, colour=MUTED)
    numbers = box(ax, 4.25, upper, "numbers,\ncategory ids", width=1.3, height=0.66, size=10, colour=NORMAL)
    encoder = box(ax, 4.25, lower, "encoder", width=1.3, height=0.66, size=11, colour=ACCENT)
    vector = box(ax, 2.5, lower, "embedding\na vector an event", width=1.55, height=0.66, size=10, colour=NORMAL)
    ranked = box(ax, 0.75, lower, "ranked list\n1. 2. 3. …", width=1.4, height=0.66, size=10, colour=ANOMALY)
    arrow(ax, file.right, table.left)
    arrow(ax, table.right, numbers.left)
    arrow(ax, numbers.bottom, encoder.top)
    arrow(ax, encoder.left, vector.right)
    arrow(ax, vector.left, ranked.right)
    for x, y, text in (
        (2.5, 2.78, "read and encode: chapter 2"),
        (4.25, 0.3, "chapters 3 to 5"),
        (1.62, 0.3, "score: chapter 12"),
    ):
        label(ax, x, y, text, size=10)
    label(ax, 3.85, 1.55, "train without labels", size=10, align="right")
    arrow(ax, (3.88, 1.55), (4.15, 1.2), colour=ACCENT)
    return fig


@in_book_style
def two_distances(seed: int = 0) -> Figure:
    """A long cloud of training embeddings and two new ones, A and B, equally far from its centre."""
    rng = np.random.default_rng(seed)
    spread = np.array([1.6, 0.45])
    turn = np.deg2rad(25)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    cloud = (rng.standard_normal((160, 2)) * spread) @ rotation.T
    far = np.array([[2.6, 0.0], [0.0, 2.6]]) @ rotation.T
    fig, ax = subplots(height=3.9)
    ax.plot(*cloud.T, linestyle="none", marker="o", ms=3.5, color=NORMAL, alpha=0.7)
    for k in (1, 2, 3):
        ax.add_patch(
            Ellipse((0, 0), *(2 * k * spread), angle=25, fill=False, edgecolor=MUTED, linewidth=1.2, linestyle="--")
        )
    ax.add_patch(Circle((0, 0), 2.6, fill=False, edgecolor=MUTED, linewidth=1.0, linestyle=":"))
    for point, name, place in zip(far, "AB", ((5, -24), (9, 4)), strict=True):
        near = cloud[np.argsort(((cloud - point) ** 2).sum(1))[:3]]
        for neighbour in near:
            ax.plot(*zip(point, neighbour, strict=True), color=ANOMALY, linewidth=1.3, linestyle="-")
        ax.plot(*point, marker="X", ms=11, color=ANOMALY)
        ax.annotate(name, point, xytext=place, textcoords="offset points", fontsize=12)
    ax.plot(0, 0, marker="P", ms=8, color=GREEN)
    ax.set(aspect="equal", xlim=(-4.4, 4.4), ylim=(-2.9, 3.1), xlabel="first component", ylabel="second component")
    return fig


@in_book_style
def score_histogram(scores: np.ndarray, truth: np.ndarray, offset: float) -> Figure:
    """Scores of normal events and of anomalies, one above the other on one scale.

    Args:
        scores: (N,) higher = more normal.
        truth: (N,) True for anomalies.
        offset: the threshold; below it is flagged.
    """
    low, high = np.quantile(scores, [0.002, 1.0])
    bins = np.linspace(low, high, 41)
    fig, axes = subplots(2, 1, height=3.9, sharex=True)
    rows = (("normal events", ~truth, NORMAL, ""), ("anomalies", truth, ANOMALY, "//"))
    for ax, (name, mask, colour, hatch) in zip(axes, rows, strict=True):
        ax.hist(np.clip(scores[mask], low, high), bins=bins, color=colour, alpha=0.8, hatch=hatch, linewidth=0)
        ax.axvline(offset, color=GREEN, linestyle=LINESTYLES[1], label="threshold: left of it is flagged")
        ax.set(ylabel="events", title=f"{int(mask.sum()):,} {name}")
        ax.locator_params(axis="y", nbins=4, integer=True)
    axes[1].set(xlabel="score (higher = more normal)")
    fig.legend(handles=axes[0].get_legend_handles_labels()[0], loc="outside upper left")
    return fig


@in_book_style
def precision_recall(rankings: Mapping[str, np.ndarray], truth: np.ndarray) -> Figure:
    """Precision against recall, one line a detector, and the line of a random ranking.

    Args:
        rankings: name -> (N,) scores, higher = more normal.
        truth: (N,) True for anomalies.
    """
    fig, ax = subplots(height=3.6)
    for k, (name, scores) in enumerate(rankings.items()):
        precision, recall, _ = precision_recall_curve(truth, -scores)
        # scikit-learn ends the curve at precision 1 and recall 0, where no event has been looked at: left out.
        ax.step(recall[:-1], precision[:-1], where="post", color=SERIES[k], linestyle=LINESTYLES[k], label=name)
    ax.axhline(truth.mean(), color=MUTED, linestyle=LINESTYLES[3], label="random ranking")
    ax.set(xlabel="recall: share of the anomalies found", ylabel="precision", xlim=(0, 1.01), ylim=(0, None))
    ax.grid()
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return fig


@in_book_style
def p_value_promise(p_values: Mapping[str, np.ndarray]) -> Figure:
    """Share of usual events with a p-value of at most t, against t; on or below the dotted line is as promised.

    Args:
        p_values: name -> (N,) p-values of events that are usual.
    """
    fig, ax = subplots(height=3.5)
    limits = (0.002, 1.0)
    t = np.geomspace(*limits, num=200)
    ax.plot(limits, limits, color=MUTED, linestyle=LINESTYLES[3], label="promised")
    for k, (name, values) in enumerate(p_values.items()):
        share = np.searchsorted(np.sort(values), t, side="right") / len(values)
        ax.plot(t, np.where(share > 0, share, np.nan), color=SERIES[k], linestyle=LINESTYLES[k], label=name)
    ax.set(xscale="log", yscale="log", xlim=limits, ylim=limits, xlabel="p-value t", ylabel="share of events up to t")
    ax.grid()
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=1)
    return fig


@in_book_style
def by_type(results: pd.DataFrame, methods: Sequence[str], column: str) -> Figure:
    """A map of methods by types: each cell has the mean over seeds as its colour and its number.

    Args:
        results: ``method``, ``anomaly_type`` and ``column``, a row per seed.
        methods: in the order to show.
        column: ``roc_auc`` (colours part at 0.5, chance) or ``lift``, times better than chance (logarithmic colours).
    """
    wide = results.groupby(["anomaly_type", "method"])[column].mean().unstack()[list(methods)]
    names = ["all", *sorted(n for n in wide.index if n != "all")]
    values = wide.loc[names].to_numpy()
    chance = column == "roc_auc"
    norm = (
        TwoSlopeNorm(0.5, min(0.3, values.min()), 1.0) if chance else LogNorm(0.5, max(20.0, values.max()), clip=True)
    )
    colours = mpl.colormaps[DIVERGING if chance else SEQUENTIAL]
    fig, ax = subplots(height=1.75 + 0.32 * len(names))
    ax.pcolormesh(values, cmap=colours, norm=norm, edgecolors="none")
    for (i, j), value in np.ndenumerate(values):
        text = f"{value:.2f}".replace("0.", ".") if chance else f"{value:.{0 if value >= 9.95 else 1}f}"
        ink = ink_on(to_hex(colours(float(norm(value)))))
        ax.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=9.5, color=ink)
    ax.set_yticks(np.arange(len(names)) + 0.5, [n.replace("_", " ") for n in names])
    ax.set_xticks(np.arange(len(methods)) + 0.5, list(methods), rotation=60, ha="left", rotation_mode="anchor")
    ax.xaxis.tick_top()
    ax.invert_yaxis()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return fig


@in_book_style
def displacement(table: pd.DataFrame) -> Figure:
    """How far a wrong value moves an embedding, compared with the untrained encoder: mean and range over seeds.

    Args:
        table: ``seed``, ``training`` (in the order to show, ``untrained`` first), ``changed`` and ``moved``.
    """
    names = list(dict.fromkeys(table["training"]))
    fig, ax = subplots(height=3.9)
    for k, changed in enumerate(dict.fromkeys(table["changed"])):
        wide = table[table["changed"] == changed].pivot(index="seed", columns="training", values="moved")[names]
        ratio = wide.div(wide["untrained"], axis=0)
        x = np.arange(len(names))
        ax.fill_between(x, ratio.min(), ratio.max(), color=SERIES[k], alpha=0.25, linewidth=0)
        ax.plot(x, ratio.mean(), marker=MARKERS[k], linestyle=LINESTYLES[k], color=SERIES[k], label=changed)
    ax.axhline(1, color=MUTED, linestyle=LINESTYLES[3], linewidth=1.4)
    ax.set_xticks(range(len(names)), names)
    ax.set(ylim=(0, None), ylabel="movement (untrained: 1)", xlim=(-0.2, len(names) - 0.7))
    ax.grid(axis="y")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=1)
    return fig
