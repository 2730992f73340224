"""``ocsf-ssl simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocsf_ssl_lib.cli.app import app, note
from ocsf_ssl_lib.events import simulate_events, write_events
from ocsf_ssl_lib.events.tables import check_table_path, write_table


@app.command()
def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where events go: .jsonl, .jsonl.gz or .parquet.")],
    labels: Annotated[Path | None, typer.Option(help="Where labels go: .csv, .jsonl or .parquet.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", help="How many events.")] = 100_000,
    anomaly_rate: Annotated[float, typer.Option(help="Share of anomalies.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 42,
) -> None:
    """Make labelled OCSF events to try things on."""
    if labels is not None:
        check_table_path(labels)
    simulation = simulate_events(number, seed=seed, anomaly_rate=anomaly_rate)
    write_events(simulation.frame, output)
    if labels is not None:
        write_table(simulation.labels, labels)
    share = simulation.labels["is_anomaly"].mean()
    note(f"{len(simulation.frame):,} events, {share:.2%} anomalies -> {output}" + (f", {labels}" if labels else ""))
