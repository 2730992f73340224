"""The figures of the chapter on embedding quality: maps, and measures over epochs, losses and logs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from ocsf_ssl_lib.plots.style import INK, LINESTYLES, MARKERS, MUTED, SERIES, in_book_style, subplots

__all__ = ["ablation", "curves", "four_clouds", "maps", "spectra"]

EVENTS = 6  # of each cloud in ``four_clouds``


@in_book_style
def four_clouds() -> Figure:
    """Six events with two views each on a circle: good, collapsed to a point, to a line, and not aligned."""
    fig, axes = subplots(2, 2, height=5.2)
    rng = np.random.default_rng(3)
    spread = np.linspace(20, 320, EVENTS)
    clouds = {
        "aligned and uniform": (spread, 7),
        "collapsed: one point": (np.linspace(52, 68, EVENTS), 3),
        "collapsed: one line": (np.where(np.arange(EVENTS) % 2, 60.0, 240.0) + np.linspace(-8, 8, EVENTS), 4),
        "uniform, not aligned": (spread, 0),
    }
    for ax, (title, (angles, apart)) in zip(axes.flat, clouds.items(), strict=True):
        ax.add_patch(Circle((0, 0), 1, fill=False, edgecolor=MUTED, lw=1))
        partners = angles + apart if apart else rng.permutation(angles) + 25
        for k, pair in enumerate(zip(np.deg2rad(angles), np.deg2rad(partners), strict=True)):
            ends = np.array([(np.cos(a), np.sin(a)) for a in pair])
            ax.plot(*ends.T, color=MUTED, lw=1, ls="-", zorder=1)
            ax.scatter(*ends.T, color=SERIES[k], marker=MARKERS[k], s=42, edgecolor=INK, linewidth=0.6, zorder=2)
        ax.set(title=title, xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
        ax.set_axis_off()
    return fig


@in_book_style
def maps(panels: Mapping[str, tuple[np.ndarray, np.ndarray]], *, columns: int = 2) -> Figure:
    """Points in two dimensions, a panel each. Axes have no ticks where their units mean nothing, which is everywhere.

    Args:
        panels: title -> (N, 2) places and (N,) group of each point.
        columns: panels side by side.
    """
    rows = -(-len(panels) // columns)
    fig, axes = subplots(rows, columns, height=2.45 * rows + 0.5, squeeze=False)
    groups = sorted({str(g) for _, names in panels.values() for g in names})
    for ax, (title, (places, names)) in zip(axes.flat, panels.items(), strict=False):
        for k, group in enumerate(groups):
            mine = places[names.astype(str) == group]
            colour, marker = SERIES[k % len(SERIES)], MARKERS[k % len(MARKERS)]
            if len(mine):
                ax.scatter(*mine.T, color=colour, marker=marker, s=9, linewidth=0, label=group, alpha=0.8)
        ax.set(title=title, xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        ax.title.set_fontsize(11)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    if len(groups) > 1:
        handles = {h.get_label(): h for ax in axes.flat for h in ax.collections}
        legend = fig.legend(handles.values(), handles, loc="outside upper center", ncols=3, markerscale=2)
        legend.set_in_layout(True)
    return fig


@in_book_style
def curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Alignment, uniformity and effective rank after each epoch, a line per training.

    Args:
        histories: name -> table with the columns ``alignment``, ``uniformity`` and ``effective rank``, a row for the
            state before training and one after each epoch.
    """
    measures = {"alignment": "0 = partners coincide", "uniformity": "0 = one point", "effective rank": "1 = one line"}
    fig, axes = subplots(len(measures), 1, height=6.2, sharex=True)
    for ax, (measure, bottom) in zip(axes, measures.items(), strict=True):
        for k, (name, table) in enumerate(histories.items()):
            look = {"color": SERIES[k], "marker": MARKERS[k], "linestyle": LINESTYLES[k]}
            ax.plot(range(len(table)), table[measure], label=name, **look)
        ax.set_title(f"{measure} ({bottom})")
        ax.grid(axis="y")
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(top=0.1)
    axes[2].set_ylim(bottom=0)
    axes[2].set_xlabel("epochs of training")
    axes[2].xaxis.get_major_locator().set_params(integer=True)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return fig


@in_book_style
def spectra(embeddings: Mapping[str, np.ndarray]) -> Figure:
    """Singular values, largest first, each as a share of their sum.

    Args:
        embeddings: name -> (N, d).
    """
    fig, ax = subplots(height=3.0)
    for k, (name, z) in enumerate(embeddings.items()):
        sizes = np.linalg.svd(z, compute_uv=False)
        ax.plot(np.arange(1, len(sizes) + 1), sizes / sizes.sum(), color=SERIES[k], ls=LINESTYLES[k], label=name)
    ax.set(yscale="log", xlabel="direction, the largest first", ylabel="share of the sum", ylim=(1e-4, 1))
    ax.grid(axis="y")
    ax.legend()
    return fig


@in_book_style
def ablation(results: pd.DataFrame, measures: Mapping[str, str], chance: Mapping[str, float]) -> Figure:
    """One mark per log, the mean of its trainings; one panel per measure.

    Args:
        results: rows of ``experiments/embedding_quality.py``.
        measures: column -> title of its panel.
        chance: column -> what an embedding without any information reaches.
    """
    means = results.groupby(["task", "log"], sort=False)[list(measures)].mean().reset_index()
    names = list(dict.fromkeys(means["task"]))
    fig, axes = subplots(len(measures), 1, height=1.75 * len(measures) + 0.3)
    for ax, (measure, title) in zip(axes, measures.items(), strict=True):
        if measure in chance:
            ax.axvline(chance[measure], color=MUTED, ls=":")
        for k, name in enumerate(names):
            values = means.loc[means["task"] == name, measure].dropna()
            ax.scatter(values, np.full(len(values), k), color=SERIES[k], marker=MARKERS[k], s=30)
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_title(title)
        ax.grid(axis="x")
    return fig
