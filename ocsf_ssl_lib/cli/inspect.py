"""``ocsf-ssl inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ocsf_ssl_lib.cli.app import app, console, note
from ocsf_ssl_lib.cli.inputs import AnyTable, Paths, read_any
from ocsf_ssl_lib.columns import choose_columns
from ocsf_ssl_lib.escaping import plain_text, terminal_text
from ocsf_ssl_lib.events.tables import write_table


@app.command()
def inspect(
    paths: Paths,
    rejected: Annotated[Path | None, typer.Option(help="Write every refused record to this table (.csv, ...).")] = None,
    any_table: AnyTable = False,
) -> None:
    """Say what is in files of events: classes, refused records, and what a model would make of each column."""
    events = read_any(paths, any_table)
    out = console()
    print(*map(plain_text, events.report().splitlines()), sep="\n")
    if rejected is not None:
        write_table(events.rejected, rejected)
        note(f"{len(events.rejected)} refused records -> {rejected}")
    report = choose_columns(events.frame).report
    table = Table("column", "role", "reason", title=f"{len(report)} columns", title_justify="left")
    for row in report.itertuples(index=False):
        table.add_row(*map(terminal_text, row))
    out.print(table)
