"""The combined score against other detectors: ranks over many tables, and what its members see."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.style import ACCENT, BLUE, MARKERS, MUTED, SEQUENTIAL, in_book_style, ink_on, subplots

__all__ = ["is_rival", "mean_ranks", "member_nats", "table_differences"]

KINDS = ("real", "simulated", "events")


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
    for figure in ("roc_auc", "average_precision"):
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
        "PCA, quantile": (BLUE, MARKERS[1]),
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
    name = {"roc_auc": "ROC-AUC", "average_precision": "average precision"}[figure]
    ax.set_xlabel(f"{name}, difference to the best rival")
    ax.grid(axis="x")
    fig.legend(loc="outside upper left", ncols=3)
    return fig


@in_book_style
def member_nats(nats: Mapping[str, np.ndarray], kinds: pd.Series) -> Figure:
    """Mean nats of each member (rows) for each type of event (columns); a usual event has about 1.

    Args:
        nats: of ``CombinedScorer.nats``, N events.
        kinds: (N,) the type of each event.
    """
    table = pd.DataFrame({name: pd.Series(values).groupby(kinds.to_numpy()).mean() for name, values in nats.items()}).T
    fig, ax = subplots(height=0.9 + 0.36 * len(table))
    image = ax.imshow(np.log(table.clip(lower=0.1)), cmap=SEQUENTIAL, aspect="auto")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        colour = ink_on(to_hex(image.cmap(image.norm(np.log(max(value, 0.1))))))
        ax.text(column, row, f"{value:.1f}" if value < 99.5 else f"{value:.0f}", ha="center", va="center", color=colour)
    ax.set_xticks(range(table.shape[1]), [str(c).replace("_", " ") for c in table], rotation=35, ha="right")
    ax.set_yticks(range(len(table)), table.index)
    ax.tick_params(length=0)
    return fig
