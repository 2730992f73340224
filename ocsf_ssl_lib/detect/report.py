"""Stage 7e: a report to read and to hand on: one HTML file that asks nothing of any other machine.

Style and figures are inside the file, there is no script, and a content security policy forbids the browser to run or
to fetch anything, should a value ever get past the escaping. It follows the reader's light or dark preference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.escaping import html_environment, plain_text
from ocsf_ssl_lib.files import written_aside
from ocsf_ssl_lib.period import Period

__all__ = ["EXPLANATION_COLUMNS", "event_fields", "render_report", "span_text", "time_text", "write_report"]

EXPLANATION_COLUMNS = ("row", "rank", "column", "value", "nats", "taken_out", "expected", "probability")
TOP = 100  # lines: more than anybody reads in a day
SHORT, LONG = 60, 500  # characters of a value in the list, and in the details


def render_report(
    events: pd.DataFrame,
    scores: np.ndarray,
    threshold: float,
    groups: pd.DataFrame,
    *,
    fields: Sequence[str],
    p_values: np.ndarray | None = None,
    explanations: pd.DataFrame | None = None,
    remarks: Mapping[int, str] | None = None,
    title: str = "Unusual events",
    about: Mapping[str, str] | None = None,
    redacted: bool = False,
    top: int = TOP,
) -> str:
    """The report as one HTML document.

    Args:
        events: N events, names hidden already if they are to be (``Redactor``).
        scores: (N,), higher = more normal.
        threshold: alerts are below.
        groups: what ``group_alerts`` or ``one_by_one`` gave; its ``row`` is a position in ``events``.
        fields: columns to show in the list, the others are in the details.
        p_values: (N,), if there is a calibration.
        explanations: one row per named cell, with ``EXPLANATION_COLUMNS``; ``row`` is a position in ``events``.
        remarks: position in ``events`` -> what is said of that event before its cells (``ExplainedEvent.ranked_by``).
        title: heading.
        about: facts for the head of the report, name -> text.
        redacted: whether names are hidden; the report says it.
        top: at most so many groups are listed.

    Raises:
        InputError: scores of other events, or explanations without one of their columns.
    """
    if len(scores) != len(events):
        raise InputError(f"{len(events)} events but {len(scores)} scores; give one for each event")
    if explanations is not None and not set(EXPLANATION_COLUMNS) <= set(explanations.columns):
        gone = [c for c in EXPLANATION_COLUMNS if c not in explanations.columns]
        raise InputError(f"explanations have no column {', '.join(gone)}; give what detector.explain returned")
    shown = groups.head(top)
    reasons = _reasons(explanations, set(shown["row"]))
    entries = [
        _entry(number, group, events, fields, p_values, reasons, remarks or {})
        for number, group in enumerate(shown.to_dict("records"), start=1)
    ]
    times, is_alert = Period.times(events).to_numpy("float64"), np.asarray(scores) < threshold
    facts = {
        "Events": f"{len(events):,}{_period(times)}",
        "Alerts": f"{int(is_alert.sum()):,} with a score below {threshold:.4g}",
        "Listed": f"{len(shown):,} of {len(groups):,} lines, for {int(shown['count'].sum()):,} events",
    }
    return (
        html_environment("ocsf_ssl_lib.detect")
        .get_template("report.html")
        .render(
            title=title,
            facts=facts | dict(about or {}),
            figures=_figures(np.asarray(scores, np.float64), threshold, times, is_alert),
            entries=entries,
            has_p=p_values is not None,
            redacted=redacted,
        )
    )


def write_report(html: str, path: str | Path) -> None:
    """Write aside, then rename.

    Raises:
        InputError: the file cannot be written.
    """
    with written_aside(Path(path)) as aside:
        aside.write_text(html, encoding="utf-8")


def event_fields(event: pd.Series, fields: Sequence[str]) -> dict[str, Any]:
    """Those of ``fields`` that the event has a value in."""
    return {name: event[name] for name in fields if name in event.index and not _absent(event[name])}


def time_text(milliseconds: float) -> str:
    """Epoch milliseconds in UTC, to the second; empty if it is NaN."""
    return "" if np.isnan(milliseconds) else f"{pd.to_datetime(milliseconds, unit='ms'):%Y-%m-%d %H:%M:%S}"


def span_text(first: float, last: float) -> str:
    """From the first to the last time of a group; one time if they are the same second."""
    begin, end = time_text(first), time_text(last)
    return begin if begin == end else f"{begin} to {end}"


def _entry(
    number: int,
    group: dict[Any, Any],
    events: pd.DataFrame,
    fields: Sequence[str],
    p_values: np.ndarray | None,
    reasons: Mapping[int, list[dict[Any, Any]]],
    remarks: Mapping[int, str],
) -> dict[str, Any]:
    row = int(group["row"])
    event = events.iloc[row]
    brief = event_fields(event, [f for f in fields if f != "time"])
    return {
        "number": number,
        "score": f"{group['score']:.2f}",
        "p": "" if p_values is None else f"{p_values[row]:.2g}",
        "count": f"{group['count']:,}",
        "time": span_text(group["first"], group["last"]),
        "fields": {plain_text(name, SHORT): plain_text(value, SHORT) for name, value in brief.items()},
        "varies": [plain_text(name, SHORT) for name in group["varies"]],
        "remark": plain_text(remarks.get(row, ""), LONG),
        "reasons": reasons.get(row, []),
        "event": {
            plain_text(k, SHORT): plain_text(v, LONG) for k, v in event_fields(event, list(events.columns)).items()
        },
    }


def _reasons(explanations: pd.DataFrame | None, rows: set[int]) -> dict[int, list[dict[Any, Any]]]:
    """Row -> its named cells, the one to blame first."""
    if explanations is None:
        return {}
    wanted = explanations[explanations["row"].isin(rows)].sort_values(["row", "rank"], kind="stable")
    found: dict[int, list[dict[Any, Any]]] = {}
    for cell in wanted.to_dict("records"):
        cell |= {
            name: "" if _absent(cell[name]) else plain_text(cell[name], SHORT)
            for name in ("column", "value", "expected")
        }
        for name, form in (("taken_out", "{:.1f}"), ("nats", "{:.1f}"), ("probability", "{:.2g}")):
            cell[name] = "" if _absent(cell[name]) else form.format(cell[name])
        found.setdefault(int(cell["row"]), []).append(cell)
    return found


def _figures(scores: np.ndarray, threshold: float, times: np.ndarray, is_alert: np.ndarray) -> list[dict[str, Any]]:
    # Drawn only for a report: matplotlib takes a second to load.
    from markupsafe import Markup

    from ocsf_ssl_lib.plots.report import alerts_over_time, score_histogram
    from ocsf_ssl_lib.plots.style import to_svg

    figures = []
    finite = np.isfinite(scores)
    if finite.any():
        svg = to_svg(score_histogram(scores[finite], threshold))
        low, high = scores[finite].min(), scores[finite].max()
        alt = f"Histogram of scores from {low:.3g} to {high:.3g}; {int(is_alert.sum()):,} are below {threshold:.3g}."
        figures.append({"svg": Markup(svg), "alt": alt, "caption": "Scores and threshold"})
    known = np.isfinite(times)
    if known.any():
        svg = to_svg(alerts_over_time(times[known], is_alert[known]))
        alt = f"Alerts and events over time{_period(times)}; {int(is_alert[known].sum()):,} alerts."
        figures.append({"svg": Markup(svg), "alt": alt, "caption": "Alerts over time"})
    return figures


def _period(times: np.ndarray) -> str:
    known = times[np.isfinite(times)]
    return f", from {time_text(known.min())} to {time_text(known.max())} UTC" if len(known) else ""


def _absent(value: Any) -> bool:
    return value is None or bool(pd.api.types.is_scalar(value) and pd.isna(value))
