"""What it takes to score so many events a day: the arithmetic, from rates that were measured."""

from __future__ import annotations

import pandas as pd

from ocsf_ssl_lib.plots.results import published_results

__all__ = ["daily_plan"]

SECONDS_PER_DAY = 86_400
ROW_GROUP = 2**20  # events: what pyarrow writes if it is not told otherwise


def daily_plan(
    events: float = 1e9,
    *,
    peak: float = 3.0,
    use: float = 0.5,
    flagged: float = 0.01,
    read_by_hand: int = 100,
    measured: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Cores, memory, storage and alerts for ``events`` a day.

    Args:
        events: a day.
        peak: how many times the average the busiest hour has.
        use: share of a core's time that is planned for; the rest is for restarts, late files and other tenants.
        flagged: share of the events below the threshold.
        read_by_hand: alerts that people can look at in a day.
        measured: rows of ``benchmarks/score_rows.py``; the published ones when left out. The largest run of one
            process counts, the last one if there are several.

    Returns:
        A row for each quantity, with the columns ``value``, ``unit`` and ``from``, how it follows from those above it.

    Example:
        >>> run = {"engine": "process", "rows": 1000, "processor_seconds": 0.1, "peak_gb": 0.5}
        >>> plan = daily_plan(864e6, measured=pd.DataFrame([run | {"event_bytes": 80.0, "score_bytes": 25.0}]))
        >>> plan.loc[["events a second", "cores, on average", "cores, planned"], "value"].tolist()
        [10000.0, 1.0, 6.0]
    """
    runs = published_results("score_rows") if measured is None else measured
    run = runs[runs["engine"] == "process"].sort_values("rows", kind="stable").iloc[-1]
    rate = run["rows"] / run["processor_seconds"]
    second = events / SECONDS_PER_DAY
    average = second / rate
    planned = average * peak / use
    quantities = [
        ("events a second", second, "", f"{events:,.0f} / {SECONDS_PER_DAY:,} s"),
        ("events a second and core", rate, "", f"measured: {run['rows']:,.0f} in {run['processor_seconds']:.0f} s"),
        ("core-hours a day", events / rate / 3600, "h", "events / rate"),
        ("cores, on average", average, "", "events a second / rate"),
        ("cores, planned", planned, "", f"average x {peak:g} (busiest hour) / {use:g} (use)"),
        ("memory of the workers", planned * run["peak_gb"], "GB", f"cores x {run['peak_gb']:.2f} GB, measured"),
        ("row groups", events / ROW_GROUP, "", f"of {ROW_GROUP:,} events: a dead worker costs one"),
        ("seconds a row group", ROW_GROUP / rate, "s", "events of it / rate"),
        ("events on disk", events * run["event_bytes"] / 1e9, "GB", f"x {run['event_bytes']:.0f} bytes, measured"),
        ("scores on disk", events * run["score_bytes"] / 1e9, "GB", f"x {run['score_bytes']:.0f} bytes, measured"),
        ("events flagged", events * flagged, "", f"x {flagged:g} below the threshold"),
        ("share that can be read", read_by_hand / events, "", f"{read_by_hand} a day / events: the threshold to take"),
    ]
    return pd.DataFrame(quantities, columns=["quantity", "value", "unit", "from"]).set_index("quantity")
