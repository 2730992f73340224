"""``ocsf-ssl evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from ocsf_ssl_lib.cli.app import app, console
from ocsf_ssl_lib.cli.inputs import KEY, read_scores
from ocsf_ssl_lib.escaping import terminal_text
from ocsf_ssl_lib.events.tables import check_table_path, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

FIGURES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
    "precision_at_k": "precision at {k}",
    "recall_at_budget": "recall at {budget} false alarms",
}


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Argument(help="What 'score -o' wrote.")],
    labels: Annotated[Path, typer.Argument(help=f"Table with the columns {KEY}, is_anomaly, anomaly_type.")],
    against: Annotated[
        Path | None, typer.Option(help="Scores of the same events by another detector, to compare with.")
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="How many of the most unusual events are looked at.")] = 100,
    false_alarms: Annotated[
        float, typer.Option(help="Budget of false alarms: a share of the normal events or, with --days, per day.")
    ] = 0.01,
    days: Annotated[float | None, typer.Option(help="How many days the events span.")] = None,
    resamples: Annotated[
        int, typer.Option(min=0, help="Resamples for the intervals; 0 leaves the intervals out.")
    ] = 1000,
    confidence: Annotated[float, typer.Option(help="Share of resamples that an interval holds.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same intervals.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the table (.csv, ...); with --against, the comparison.")
    ] = None,
) -> None:
    """Measure a ranking against labels, per type of anomaly, with intervals where there are enough of a type."""
    if output is not None:
        check_table_path(output)
    from ocsf_ssl_lib.errors import InputError
    from ocsf_ssl_lib.evaluate import Bootstrap, compare_detectors, detection_report

    if against is not None and not resamples:
        raise InputError("--against needs --resamples: a difference without an interval says nothing")
    ranked, truth = read_scores(scores), read_table(labels)
    intervals = Bootstrap(resamples, confidence, seed) if resamples else None
    report = detection_report(ranked, truth, k=k, false_alarms=false_alarms, days=days, intervals=intervals)
    out = console()
    out.print(_report_table(report, confidence))
    if against is not None:
        other = read_scores(against)
        comparison = compare_detectors(
            ranked, other, truth, k=k, false_alarms=false_alarms, days=days, intervals=intervals
        )
        out.print(_comparison_table(comparison, report, f"{scores} minus {against}"))
    if output is not None:
        write_table(report if against is None else comparison, output)


def _columns(report: pd.DataFrame) -> list[str]:
    first = report.iloc[0]
    return [title.format(k=first["k"], budget=first["budget"]) for title in FIGURES.values()]


def _name(anomaly_type: str, few: bool) -> str:
    return anomaly_type + (" (few)" if few else "")


def _report_table(report: pd.DataFrame, confidence: float) -> Table:
    from ocsf_ssl_lib.evaluate import FEW_POSITIVES

    intervals = "roc_auc_low" in report
    title = Text(f"[low, high]: {confidence:.0%} interval; (few): fewer than {FEW_POSITIVES}, no interval")
    heads = ("anomalies", "events", "share", *_columns(report))
    table = Table(*heads, title=title if intervals else None, title_justify="left")
    for _, row in report.iterrows():
        cells = [_name(row["anomaly_type"], row["few"]), f"{row['positives']}", f"{row['prevalence']:.2%}"]
        for metric in FIGURES:
            has_interval = intervals and not row["few"]
            interval = f" [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]" if has_interval else ""
            cells.append(f"{row[metric]:.3f}{interval}")
        table.add_row(*map(terminal_text, cells))
    return table


def _comparison_table(comparison: pd.DataFrame, report: pd.DataFrame, title: str) -> Table:
    table = Table("anomalies", *_columns(report), title=Text(title), title_justify="left")
    for kind, rows in comparison.groupby("anomaly_type", sort=False):
        cells = [_name(str(kind), rows["few"].iloc[0])]
        for row in rows.itertuples():
            interval = "" if row.few else f" [{row.low:+.3f}, {row.high:+.3f}] p={row.p_value:.3f}"
            cells.append(f"{row.difference:+.3f}{interval}")
        table.add_row(*map(terminal_text, cells))
    return table
