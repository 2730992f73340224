"""Figures of the report that ``ocsf-ssl score --report`` writes."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.style import ANOMALY, INK, NORMAL, WIDTH, in_book_style, subplots

__all__ = ["alerts_over_time", "score_histogram"]

BINS = 60


@in_book_style
def score_histogram(scores: np.ndarray, threshold: float) -> Figure:
    """How many events have which score, on a logarithmic axis: alerts are few; the threshold as a line.

    Args:
        scores: (N,) finite.
        threshold: alerts are below.
    """
    fig, ax = subplots(height=2.6)
    edges = np.histogram_bin_edges(scores, BINS)
    alert = scores < threshold
    labels = [f"alerts: {int(alert.sum()):,}", f"above: {int((~alert).sum()):,}"]
    ax.hist([scores[alert], scores[~alert]], edges, stacked=True, color=[ANOMALY, NORMAL], label=labels)
    if np.isfinite(threshold):
        ax.axvline(threshold, color=INK, linestyle="--", linewidth=1.2, label="threshold")
    ax.set_yscale("log")
    ax.set_xlabel("score (lower is more unusual)")
    ax.set_ylabel("events")
    ax.legend(loc="upper left")
    return fig


@in_book_style
def alerts_over_time(times: np.ndarray, is_alert: np.ndarray) -> Figure:
    """Alerts in equal spans of time, below them all events.

    Args:
        times: (N,) epoch milliseconds, finite.
        is_alert: (N,) bool.
    """
    fig, axes = subplots(2, height=3.0, width=WIDTH, sharex=True, height_ratios=(2, 1))
    when = mdates.date2num(pd.to_datetime(times, unit="ms").to_numpy())
    edges = np.histogram_bin_edges(when, BINS)
    axes[0].hist(when[is_alert], edges, color=ANOMALY)
    axes[0].set_ylabel("alerts")
    axes[0].yaxis.get_major_locator().set_params(integer=True)
    axes[1].hist(when, edges, color=NORMAL)
    axes[1].set_ylabel("events")
    locator = mdates.AutoDateLocator(maxticks=6)
    axes[1].xaxis.set_major_locator(locator)
    axes[1].xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    axes[1].set_xlabel("time (UTC)")
    return fig
