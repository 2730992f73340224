"""``ocsf-ssl evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ocsf_ssl_lib.cli.app import app, console
from ocsf_ssl_lib.cli.inputs import KEY
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.escaping import terminal_text
from ocsf_ssl_lib.events.tables import read_table, write_table


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Argument(help="What 'score -o' wrote.")],
    labels: Annotated[Path, typer.Argument(help=f"Table with the columns {KEY}, is_anomaly, anomaly_type.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the table (.csv, ...).")] = None,
) -> None:
    """Measure a ranking against labels: ROC-AUC and average precision per type of anomaly."""
    from ocsf_ssl_lib.evaluate import detection_report

    ranked, truth = read_table(scores), read_table(labels)
    for name, table, column in ((scores, ranked, KEY), (scores, ranked, "score")):
        if column not in table:
            raise InputError(f"{name} has no column {column!r}; it has {', '.join(map(str, table.columns))}")
    report = detection_report(ranked.set_index(KEY)["score"], truth)
    if output is not None:
        write_table(report, output)
    table = Table("anomalies", "events", "share", "ROC-AUC", "average precision", title_justify="left")
    for row in report.itertuples(index=False):
        few = " (few)" if row.few else ""
        cells = (row.anomaly_type + few, f"{row.positives}", f"{row.prevalence:.2%}", f"{row.roc_auc:.3f}")
        table.add_row(*map(terminal_text, (*cells, f"{row.average_precision:.3f}")))
    console().print(table)
