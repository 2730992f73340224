"""The figures of the chapter on the contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FuncFormatter, PercentFormatter

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
    ink_on,
    subplots,
)

__all__ = ["ablation", "collapse", "cosines", "matrix", "pull_push", "push_per_negative", "training"]


@in_book_style
def pull_push() -> Figure:
    """Two views of event A and event B go through one encoder; on the sphere the views attract and B is pushed away."""
    fig, ax = diagram(height=5.1)
    cards = [
        (0.9, "view A₁", "alice · ssh\n1,061 bytes\nstatus: success", PULL),
        (2.5, "view A₂", "alice · ssh\n989 bytes\nstatus: success", PULL),
        (4.1, "another event B", "bob · https\n5,120 bytes\nstatus: failure", PUSH),
    ]
    ax.add_patch(Rectangle((0.1, 3.68), 3.2, 1.37, fill=False, edgecolor=PULL, lw=1.2, ls=":"))
    label(ax, 1.7, 4.9, "event A, altered twice: 1,024 bytes")
    encoder = box(ax, 2.5, 2.95, "encoder: the same weights for all", width=4.7, height=0.36)
    for x, title, text, colour in cards:
        card = box(ax, x, 4.2, f"{title}\n{text}", width=1.46, height=0.9, colour=colour, size=10, dashed=x > 4)
        arrow(ax, card.bottom, (x, encoder.top[1]), colour=MUTED)
    _sphere(ax)
    return fig


def _sphere(ax: Axes) -> None:
    """The lower half of ``pull_push``: three unit vectors, and the two forces."""
    centre, radius = np.array((2.5, 1.3)), 1.05
    ax.add_patch(Circle(tuple(centre), radius, fill=False, edgecolor=MUTED, lw=1.2))
    places = {}
    for name, angle, colour in (("A₁", 172, PULL), ("A₂", 100, PULL), ("B", -22, PUSH)):
        unit = np.array((np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))))
        x, y = centre + radius * unit
        places[name] = Box(float(x), float(y), 0.38, 0.38)
        ax.add_patch(Circle((x, y), 0.2, facecolor=colour, edgecolor=INK, lw=1, zorder=5))
        ax.text(x, y, name, ha="center", va="center", color=ink_on(colour), zorder=6)
    a1, a2, b = (np.array((p.x, p.y)) for p in places.values())
    middle = (a1 + a2) / 2
    for start in (a1, a2):
        arrow(ax, tuple(start + 0.22 * (middle - start) / np.linalg.norm(middle - start)), tuple(middle), colour=PULL)
    label(ax, 2.2, 1.75, "PULL", colour=INK, size=11, bold=True)
    for view, gap in ((a1, 0.27), (a2, 0.27)):
        along = (b - view) / np.linalg.norm(b - view)
        patch = arrow(ax, tuple(view + gap * along), tuple(b - gap * along), colour=PUSH, both=True, dashed=True)
        patch.set_linewidth(1.3)
    label(ax, 2.45, 0.72, "PUSH", colour=INK, size=11, bold=True)
    label(ax, 4.35, 1.75, "embedding\nspace: vectors\nof length 1")
    for x, target, near in ((0.9, a1, (-0.1, 0.2)), (2.32, a2, (0.0, 0.22)), (3.75, b, (0.05, 0.22))):
        arrow(ax, (x, 2.77), tuple(target + near), colour=MUTED)


@in_book_style
def matrix(similarity: np.ndarray, names: Sequence[str]) -> Figure:
    """Cosines between 2N views: diagonal crossed out, the N positive pairs framed twice.

    Args:
        similarity: (2N, 2N) cosines, first views first.
        names: N names of events.
    """
    size = len(similarity)
    n = size // 2
    lowest = 0 if similarity.min() >= 0 else -1  # the whole range of shades, where half of it would lie idle
    fig, ax = subplots(height=4.1)
    fig.set_layout_engine("compressed")  # square cells and no empty space
    shades = ax.imshow(np.where(np.eye(size), np.nan, similarity), cmap="cividis", vmin=lowest, vmax=1)
    for i in range(size):
        for j in range(size):
            if i == j:
                continue
            text = f"{similarity[i, j]:.1f}".replace("-0.0", "0.0")
            ink = ink_on(shades.cmap(shades.norm(similarity[i, j])))
            weight = "bold" if abs(i - j) == n else "normal"
            ax.text(j, i, text, ha="center", va="center", fontsize=10, color=ink, weight=weight)
        ax.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, facecolor="none", edgecolor=MUTED, hatch="///", lw=0))
        ax.add_patch(Rectangle((i - 0.42, (i + n) % size - 0.42), 0.84, 0.84, fill=False, edgecolor=ACCENT, lw=2.6))
    ticks = [f"{name}$_{view}$" for view in (1, 2) for name in names]
    ax.set_xticks(range(size), ticks)
    ax.set_yticks(range(size), ticks)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    for side in ax.spines.values():
        side.set_visible(False)
    bar = fig.colorbar(shades, ax=ax, shrink=0.7, label="cosine")
    bar.outline.set_visible(False)
    return fig


@in_book_style
def push_per_negative(temperatures: Sequence[float]) -> Figure:
    """How hard a negative is pushed, by its cosine, relative to one that coincides with the anchor."""
    fig, ax = subplots(height=3.2)
    cosine = np.linspace(-1, 1, 200)
    for k, temperature in enumerate(temperatures):
        push = np.exp((cosine - 1) / temperature)
        ax.plot(cosine, push, color=SERIES[k], linestyle=LINESTYLES[k], label=f"τ = {temperature:g}")
    ax.set(yscale="log", ylim=(1e-6, 1.6), xlim=(-1, 1))
    ax.set(xlabel="cosine of a negative with the anchor", ylabel="push, relative")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}" if v >= 0.01 else f"$10^{{{int(np.log10(v))}}}$"))
    ax.grid(axis="y")
    ax.legend(loc="lower right")
    return fig


@in_book_style
def training(history: pd.DataFrame) -> Figure:
    """Loss on training and held-out events; below it the two metrics that say more than the loss."""
    fig, (above, below) = subplots(2, 1, height=4.8, sharex=True)
    epochs = history["epoch"] + 1  # 0 is before training, as in the figure of the collapse
    above.plot(epochs, history["train_loss"], color=BLUE, marker="o", label="training")
    above.plot(epochs, history["validation_loss"], color=VERMILION, marker="X", ls="--", label="held out")
    above.set(ylabel="NT-Xent", ylim=(0, None))
    above.legend()
    below.plot(epochs, history["top1"], color=GREEN, marker="s", ls="-.", label="top1: partner is nearest")
    below.plot(epochs, history["spread"], color=OCHRE, marker="^", ls=":", label="spread of directions")
    below.set(xlabel="epochs of training", ylabel="share", ylim=(0, 1.05))
    below.legend(loc="lower right")
    return fig


@in_book_style
def cosines(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Cosines of positive and of negative pairs, one panel per model.

    Args:
        pairs: title of a panel -> cosines of positive pairs, cosines of negative pairs.
    """
    fig, axes = subplots(len(pairs), 1, height=2.3 * len(pairs), sharex=True)
    bins = np.linspace(-1, 1, 41)
    for ax, (title, (positive, negative)) in zip(np.atleast_1d(axes), pairs.items(), strict=True):
        for values, colour, hatch, name in (
            (negative, PUSH, "///", "different events"),
            (positive, PULL, "", "views of one event"),
        ):
            weights = np.full(len(values), 1 / len(values))
            ax.hist(values, bins, weights=weights, color=colour, alpha=0.55, hatch=hatch, label=name)
            ax.hist(values, bins, weights=weights, histtype="step", color=colour, linewidth=1.5)
        ax.set(title=title, ylabel="share of pairs")
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    np.atleast_1d(axes)[0].legend(loc="upper left")
    np.atleast_1d(axes)[-1].set_xlabel("cosine")
    return fig


@in_book_style
def ablation(results: pd.DataFrame) -> Figure:
    """Ranking quality of every method on every log.

    Args:
        results: one row per method, score and log: ``method``, ``score`` (columns, mahalanobis, knn), ``roc_auc``,
            ``average_precision`` and ``prevalence``, the average precision of a random ranking.
    """
    names = list(dict.fromkeys(results["method"]))
    looks = (
        ("columns", "method of scikit-learn", 0.0, GREEN, "D"),
        ("mahalanobis", "Mahalanobis distance", -0.15, BLUE, "o"),
        ("knn", "kNN, 5 neighbours", 0.15, VERMILION, "X"),
    )
    fig, axes = subplots(2, 1, height=6.8, sharey=True)
    chances = {"roc_auc": 0.5, "average_precision": results["prevalence"].mean()}
    for ax, (column, chance) in zip(axes, chances.items(), strict=True):
        ax.axvline(chance, color=MUTED, ls=":", label="random ranking")
        for score, text, shift, colour, marker in looks:
            rows = results[results["score"] == score]
            heights = np.array([names.index(name) for name in rows["method"]]) + shift
            ax.scatter(rows[column], heights, color=colour, marker=marker, s=34, label=text)
        ax.set_yticks(range(len(names)), names)
        ax.grid(axis="x")
    axes[0].set_xlabel("ROC-AUC")
    axes[1].set_xlabel("average precision")
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return fig


@in_book_style
def collapse(spread: Mapping[str, Sequence[float]]) -> Figure:
    """Spread of the directions per epoch, a line per loss."""
    fig, ax = subplots(height=2.8)
    for k, (name, values) in enumerate(spread.items()):
        ax.plot(range(len(values)), values, color=SERIES[k], ls=LINESTYLES[k], marker=MARKERS[k], label=name)
    ax.set(xlabel="epochs of training", ylabel="spread", ylim=(-0.02, 1.05))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="center right")
    return fig
