"""Tuning: how the best trial of a study came about, and what tuning one option after the other would have found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

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

__all__ = ["orders", "trials", "tuned_in_order"]

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


def tuned_in_order(grid: pd.DataFrame, order: Sequence[str], start: Mapping[str, float]) -> pd.Series:
    """Read off a full grid what tuning one option after the other reaches, each by the validation loss.

    Args:
        grid: a row for each combination of the options, with ``validation_loss``.
        order: the options that are tuned, the first one first; the others stay as in ``start``.
        start: a value of each option.

    Returns:
        The row that is reached.
    """
    here = pd.Series(start)
    for option in order:
        held = here.drop(option)
        tried = grid[(grid[held.index] == held).all(axis=1)]
        here[option] = tried.loc[tried["validation_loss"].idxmin(), option]
    return grid[(grid[here.index] == here).all(axis=1)].iloc[0]


def orders(results: pd.DataFrame, start: Mapping[str, float]) -> pd.DataFrame:
    """What each seed's grid gives untuned, for one option tuned alone, for each order of all, and at best.

    Args:
        results: rows of ``experiments/tuning_order.py``: one full grid for each ``seed``.
        start: the defaults.

    Returns:
        Their rows, with ``order`` in front.
    """
    paths: dict[str, tuple[str, ...]] = {"defaults": ()}
    paths |= {f"{option} alone": (option,) for option in start}
    paths |= {" > ".join(order): order for order in permutations(start)}
    rows = []
    for _, grid in results.groupby("seed"):
        found = {name: tuned_in_order(grid, order, start) for name, order in paths.items()}
        found["whole grid"] = grid.loc[grid["validation_loss"].idxmin()]
        rows += [{"order": name} | row.to_dict() for name, row in found.items()]
    return pd.DataFrame(rows)
