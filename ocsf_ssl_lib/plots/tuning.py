"""The trials of a tuning study: how the best one came about, and which rates were tried."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.style import (
    BLUE,
    GREEN,
    INK,
    LINESTYLES,
    MARKERS,
    MUTED,
    OCHRE,
    PINK,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["trials"]

# Of the groups; vermilion and crosses are for what was pruned.
COLOURS = (BLUE, OCHRE, GREEN, PINK)
SHAPES = (MARKERS[0], *MARKERS[2:5])


@in_book_style
def trials(table: pd.DataFrame, option: str, groups: str) -> Figure:
    """Above, the loss of each trial in the order they were run; below, against one option, marked by another one.

    The first finished trial is the starting point: the dotted line in both panels.

    Args:
        table: Optuna's ``trials_dataframe``: ``number``, ``value`` (of a pruned trial, where it stood), ``state``, and
            the columns ``params_<option>``.
        option: of the lower panel's axis, on a logarithmic scale.
        groups: an option with a few values.
    """
    finished, pruned = (table[table["state"] == state] for state in ("COMPLETE", "PRUNED"))
    fig, (upper, lower) = subplots(2, 1, height=5.6)
    upper.plot(finished["number"], finished["value"], MARKERS[0], color=BLUE, label="finished")
    upper.plot(pruned["number"], pruned["value"], "x", color=VERMILION, ms=7, mew=2, label="stopped early")
    best = finished["value"].cummin()
    upper.step(finished["number"], best, where="post", color=INK, linestyle=LINESTYLES[0], label="best so far")
    upper.set(xlabel="trial", ylabel="validation loss")
    upper.xaxis.get_major_locator().set_params(integer=True)
    for (name, some), marker, colour in zip(finished.groupby(f"params_{groups}"), SHAPES, COLOURS, strict=False):
        lower.plot(some[f"params_{option}"], some["value"], marker, color=colour, ms=6.5, label=f"{groups} {name}")
    lower.plot(pruned[f"params_{option}"], pruned["value"], "x", color=VERMILION, ms=7, mew=2)
    lower.set(xscale="log", xlabel=option, ylabel="validation loss")
    lower.margins(x=0.08)
    for ax in (upper, lower):
        ax.axhline(finished["value"].iloc[0], color=MUTED, linestyle=LINESTYLES[3])
        ax.grid(axis="y")
    fig.legend(*upper.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    lower.legend()
    return fig
