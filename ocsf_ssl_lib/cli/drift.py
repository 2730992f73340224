"""``ocsf-ssl drift``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from ocsf_ssl_lib.cli.app import app, console
from ocsf_ssl_lib.cli.inputs import read_scores
from ocsf_ssl_lib.events.tables import check_table_path, write_table


@app.command()
def drift(
    old: Annotated[Path, typer.Argument(help="What 'score -o' wrote for a period that the model served well.")],
    new: Annotated[Path, typer.Argument(help="The same for a later period, by the same model.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the figures and the verdict as one row (.csv, ...).")
    ] = None,
) -> None:
    """Say whether scores of today still mean what they meant, and whether to retrain."""
    if output is not None:
        check_table_path(output)
    from ocsf_ssl_lib.evaluate import score_drift

    found = score_drift(read_scores(old), read_scores(new))
    if output is not None:
        row = asdict(found)
        del row["quantiles"]
        write_table(pd.DataFrame([row]), output)
    table = Table("quantile of the scores", "old", "new", title_justify="left")
    for line in found.quantiles.itertuples():
        table.add_row(f"{line.quantile:.1%}", f"{line.old:.3f}", f"{line.new:.3f}")
    out = console()
    out.print(table)
    out.print(
        f"{found.old_events:,} old and {found.new_events:,} new scores\n"
        f"population stability index {found.psi:.3f} (by chance up to {found.psi_by_chance:.3f})\n"
        f"Kolmogorov-Smirnov distance {found.ks:.3f} (p = {found.ks_p_value:.2g})\n"
        f"alarms at the old threshold: {found.alarm_ratio:.2f} times (p = {found.alarm_p_value:.2g})"
    )
    out.print(Text(found.advice, style="bold"))
