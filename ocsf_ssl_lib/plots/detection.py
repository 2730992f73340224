"""The combined score against other detectors: ranks over many tables, and what its members see."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, to_hex
from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.style import ACCENT, ANOMALY, BLUE, MARKERS, MUTED, SEQUENTIAL, in_book_style, ink_on, subplots

__all__ = ["is_rival", "mean_ranks", "member_nats", "members_left_out", "table_differences"]

KINDS = ("real", "simulated", "events")
FIGURES = {"roc_auc": "ROC-AUC", "average_precision": "average precision"}


def is_rival(method: str) -> bool:
    """Neither ours nor a part of ours."""
    return not method.startswith(("combined", "part", "without", "untrained"))


def mean_ranks(results: pd.DataFrame) -> pd.DataFrame:
    """Mean rank of each method among the rivals, per kind of table, and how far it is behind the best of them.

    Args:
        results: rows of ``experiments/detection.py``.

    Returns:
        One row per method; columns (figure, statistic). Ours ranks among the rivals, a rival among the other rivals.
    """
    columns = {}
    for figure in FIGURES:
        wide = results.pivot_table(index="method", columns=["kind", "table"], values=figure)
        rivals = wide[[is_rival(m) for m in wide.index]]
        ranks = pd.DataFrame({c: [(rivals[c] > v).sum() + 1 for v in wide[c]] for c in wide}, index=wide.index)
        ranks = ranks.where(wide.notna())
        behind = (rivals.max() - wide).clip(lower=0)
        for kind in [k for k in KINDS if k in wide.columns.get_level_values(0)]:
            columns[figure, f"rank {kind}"] = ranks[kind].mean(axis=1)
        columns[figure, "rank"], columns[figure, "mean"] = ranks.mean(axis=1), wide.mean(axis=1)
        columns[figure, "behind"], columns[figure, "worst"] = behind.mean(axis=1), behind.max(axis=1)
    return pd.DataFrame(columns).sort_values([("roc_auc", "rank")])


@in_book_style
def table_differences(results: pd.DataFrame, figure: str = "roc_auc") -> Figure:
    """Each method's difference to the best rival of each table: a row per table, a mark per method.

    Args:
        results: rows of ``experiments/detection.py``.
        figure: ``roc_auc`` or ``average_precision``.
    """
    wide = results.pivot_table(index="table", columns="method", values=figure)
    best = wide[[m for m in wide if is_rival(m)]].max(axis=1)
    shown = {
        "kNN, quantile": (MUTED, MARKERS[2]),
        "Mahalanobis, quantile": (BLUE, MARKERS[1]),
        "combined": (ACCENT, MARKERS[0]),
    }
    order = (wide["combined"] - best).sort_values().index
    fig, ax = subplots(height=1.0 + 0.26 * len(order))
    heights = np.arange(len(order))
    for method, (colour, marker) in shown.items():
        ax.plot(wide.loc[order, method] - best[order], heights, marker, color=colour, label=method, markersize=6)
    ax.axvline(0, color=MUTED, linewidth=1)
    few = results.groupby("table")["positives"].min()
    ax.set_yticks(heights, [f"{name} ({few[name]})" for name in order])
    ax.set_xlabel(f"{FIGURES[figure]}, difference to the best rival")
    ax.grid(axis="x")
    fig.legend(loc="outside upper left", ncols=3)
    return fig


@in_book_style
def members_left_out(results: pd.DataFrame, figure: str = "roc_auc") -> Figure:
    """What the combined score loses or gains without each member: a dot for each table, a diamond for their mean.

    Args:
        results: rows of ``experiments/detection.py``.
        figure: ``roc_auc`` or ``average_precision``.
    """
    wide = results.pivot_table(index="method", columns="table", values=figure)
    change = wide.filter(like="without: ", axis=0).sub(wide.loc["combined"])
    change = change.loc[change.mean(axis=1).sort_values(ascending=False).index]
    fig, ax = subplots(height=1.0 + 0.4 * len(change))
    ax.axvline(0, color=MUTED, linewidth=1)
    for height, (_, values) in enumerate(change.iterrows()):
        ax.plot(values, np.full(len(values), height), MARKERS[0], color=BLUE, ms=5, alpha=0.7)
        ax.plot(values.mean(), height, MARKERS[4], color=ANOMALY, ms=9)
    ax.set_yticks(range(len(change)), change.index.str.removeprefix("without: "))
    ax.set(xlabel=f"change of {FIGURES[figure]} without it", ylim=(-0.6, len(change) - 0.4))
    ax.grid(axis="x")
    return fig


@in_book_style
def member_nats(table: pd.DataFrame) -> Figure:
    """A map of the members of the combined score by type of event, and their mean: nats as colour and number.

    Args:
        table: (types, members) mean nats; a usual event has about 1.
    """
    values = table.assign(mean=table.mean(axis=1)).to_numpy()
    norm = LogNorm(0.5, max(10.0, values.max()), clip=True)
    colours = mpl.colormaps[SEQUENTIAL]
    fig, ax = subplots(height=1.5 + 0.34 * len(table))
    ax.pcolormesh(values, cmap=colours, norm=norm, edgecolors="none")
    for (row, column), value in np.ndenumerate(values):
        ink = ink_on(to_hex(colours(float(norm(value)))))
        ax.text(column + 0.5, row + 0.5, f"{value:.1f}", ha="center", va="center", fontsize=10, color=ink)
    ax.set_yticks(np.arange(len(table)) + 0.5, [str(n).replace("_", " ") for n in table.index])
    names = [*table.columns, "mean"]
    ax.set_xticks(np.arange(len(names)) + 0.5, names, rotation=60, ha="left", rotation_mode="anchor")
    ax.xaxis.tick_top()
    ax.invert_yaxis()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return fig
