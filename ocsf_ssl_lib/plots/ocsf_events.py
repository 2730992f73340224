"""The figures of chapter 02 and of the data sheet: from nested events to columns, numbers and hours."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.diagram import arrow, box, diagram, label
from ocsf_ssl_lib.plots.style import (
    ACCENT,
    ANOMALY,
    BLUE,
    MARKERS,
    MUTED,
    NORMAL,
    SEQUENTIAL,
    VERMILION,
    in_book_style,
    subplots,
)

__all__ = ["category_ids", "hours_by_country", "nested_to_columns", "scaling", "scaling_by_type", "timeline"]


@in_book_style
def nested_to_columns() -> Figure:
    """A nested event on the left, its dotted columns on the right; lists and open maps become text."""
    fig, ax = diagram(height=3.5)
    label(ax, 1.15, 3.3, "nested event", bold=True, size=11)
    label(ax, 3.7, 3.3, "columns", bold=True, size=11)
    box(ax, 1.15, 1.6, width=2.2, height=3.05, colour=MUTED, fill=0.06)
    lines = (
        (0.15, 2.85, "class_uid: 4001"),
        (0.15, 2.4, "dst_endpoint: {"),
        (0.35, 2.1, "port: 53,"),
        (0.35, 1.8, "location: {"),
        (0.55, 1.5, 'country: "DE" } }'),
        (0.15, 1.05, "metadata: {"),
        (0.35, 0.75, 'profiles: ["host"] }'),
        (0.15, 0.3, "unmapped: { x: 1 }"),
    )
    for x, y, text in lines:
        label(ax, x, y, text, align="left", size=10)
    cells = (
        (2.85, 2.85, "class_uid", NORMAL),
        (2.1, 2.25, "dst_endpoint.port", NORMAL),
        (1.5, 1.65, "dst_endpoint\n.location.country", NORMAL),
        (0.75, 0.95, "metadata.profiles\n(JSON text)", ACCENT),
        (0.3, 0.3, "unmapped (JSON text)", ACCENT),
    )
    for source, y, text, colour in cells:
        height = 0.55 if "\n" in text else 0.42
        cell = box(ax, 3.95, y, text, width=1.95, height=height, size=10, colour=colour, dashed=colour == ACCENT)
        arrow(ax, (2.27, source), cell.left, colour=colour)
    return fig


@in_book_style
def category_ids(values: list[str]) -> Figure:
    """The ids of a categorical column: three reserved ones, then the values by frequency."""
    fig, ax = diagram(height=1.25)
    names = ["hidden", "unknown", "missing", *values]
    width = 4.8 / len(names)
    for k, name in enumerate(names):
        x = 0.1 + width * (k + 0.5)
        reserved = k < 3
        box(
            ax,
            x,
            0.72,
            name,
            width=width - 0.07,
            height=0.5,
            size=10,
            colour=ACCENT if reserved else NORMAL,
            dashed=reserved,
        )
        label(ax, x, 0.27, str(k), size=11, bold=True)
    return fig


@in_book_style
def scaling(standard: np.ndarray, quantile: np.ndarray) -> Figure:
    """The same numbers, standardised and quantile-normalised; counts on a logarithmic axis."""
    fig, axes = subplots(2, 1, height=4.4)
    for ax, values, name, colour in (
        (axes[0], standard, "standardised", VERMILION),
        (axes[1], quantile, "quantile-normalised", BLUE),
    ):
        ax.hist(values, bins=60, color=colour, alpha=0.8, log=True)
        ax.set(title=name, ylabel="events")
        ax.axvline(float(np.median(values)), color=MUTED, linestyle="--", linewidth=1.4)
    axes[1].set_xlabel("scaled value (dashed: median)")
    return fig


@in_book_style
def scaling_by_type(table: pd.DataFrame) -> Figure:
    """ROC-AUC of one detector on two scalings, per type of anomaly.

    Args:
        table: ``anomaly_type``, ``scaling`` (quantile or standard), ``seed``, ``roc_auc``.
    """
    types = sorted(table["anomaly_type"].unique())
    fig, ax = subplots(height=0.9 + 0.5 * len(types))
    y = np.arange(len(types))[::-1]
    ax.axvline(0.5, color=MUTED, linestyle=":", linewidth=1.4)
    for k, (name, colour) in enumerate((("quantile", BLUE), ("standard", VERMILION))):
        part = table[table["scaling"] == name].groupby("anomaly_type")["roc_auc"].agg(["mean", "min", "max"]).loc[types]
        height = y + 0.13 - 0.26 * k
        ax.hlines(height, part["min"], part["max"], color=colour, linewidth=2)
        ax.plot(part["mean"], height, linestyle="none", marker=MARKERS[k], ms=7, color=colour, label=name)
    ax.set_yticks(y, types)
    ax.set(xlim=(0, 1.02), xlabel="ROC-AUC (0.5 = chance)")
    ax.grid(axis="y")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return fig


@in_book_style
def hours_by_country(shares: pd.DataFrame) -> Figure:
    """Share of each country's events per hour of the day in UTC.

    Args:
        shares: one row per country, one column per hour 0 to 23; rows add up to 1.
    """
    fig, ax = subplots(height=0.8 + 0.3 * len(shares))
    image = ax.imshow(shares.to_numpy(), aspect="auto", cmap=SEQUENTIAL, vmin=0)
    ax.set_yticks(range(len(shares)), list(shares.index))
    ax.set_xticks(range(0, 24, 4), [f"{h:02d}" for h in range(0, 24, 4)])
    ax.set(xlabel="hour of the day (UTC)")
    ax.spines[:].set_visible(False)
    fig.colorbar(image, ax=ax, label="share of events")
    return fig


@in_book_style
def timeline(times: pd.Series, types: pd.Series) -> Figure:
    """When the anomalies happen, one row per type.

    Args:
        times: times of the anomalous events, as datetimes.
        types: their types, in the same order.
    """
    names = sorted(types.unique(), reverse=True)
    fig, ax = subplots(height=0.7 + 0.3 * len(names))
    rows = types.map({name: k for k, name in enumerate(names)})
    days = (times - times.min().normalize()).dt.total_seconds() / 86_400
    ax.plot(days, rows, linestyle="none", marker="|", ms=11, color=ANOMALY, alpha=0.6, rasterized=True)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="day", ylim=(-0.7, len(names) - 0.3))
    ax.grid(axis="x")
    return fig
