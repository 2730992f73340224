"""What the commands read: files of events, a period of time, names of columns."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from ocsf_ssl_lib.cli.app import note
from ocsf_ssl_lib.columns import KEY
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events import Events, read_events
from ocsf_ssl_lib.events.tables import read_table
from ocsf_ssl_lib.period import Period

if TYPE_CHECKING:
    from ocsf_ssl_lib.parquet_events import ParquetEvents

__all__ = [
    "KEY",
    "AnyTable",
    "Paths",
    "Since",
    "Until",
    "open_parquet",
    "read",
    "read_any",
    "read_scores",
    "split_names",
]

OCSF_FIELDS = ("class_uid", "class_name", "category_uid", "type_uid", "activity_id", "metadata.version", "time")

Paths = Annotated[
    list[str], typer.Argument(help="JSON, JSON Lines (.gz, .zst), Parquet, folders of them; - is standard input.")
]
AnyTable = Annotated[bool, typer.Option("--any-table", help="Also take a table that has no field of an OCSF event.")]
Since = Annotated[str | None, typer.Option(help="Only events from this time on (ISO 8601 or epoch milliseconds).")]
Until = Annotated[str | None, typer.Option(help="Only events before this time (ISO 8601 or epoch milliseconds).")]


def read_any(paths: list[str], any_table: bool) -> Events:
    """Events of the files; a table of something else is refused unless it was asked for."""
    events = read_events(paths)
    if not any_table:
        _check_columns(paths, events.frame.columns)
    return events


def _check_columns(paths: list[str], columns: Collection[str]) -> None:
    if not any(name in columns for name in OCSF_FIELDS):
        raise InputError(
            f"{', '.join(paths)}: no field of an OCSF event ({', '.join(OCSF_FIELDS)}) among its "
            f"{len(columns)} columns; name another file, or take it as it is with --any-table"
        )


def open_parquet(paths: list[str], since: str | None, until: str | None, any_table: bool) -> ParquetEvents:
    """Events of Parquet files in the period asked for, left where they are."""
    from ocsf_ssl_lib.parquet_events import ParquetEvents

    events = ParquetEvents(paths, **_period(since, until)._asdict())
    if not any_table:
        _check_columns(paths, events.columns)
    return events


def read(paths: list[str], since: str | None, until: str | None, any_table: bool) -> pd.DataFrame:
    """Events of the files in the period asked for; says what was refused."""
    events = read_any(paths, any_table)
    if len(events.rejected):
        note(f"{len(events.rejected)} record(s) refused; 'ocsf-ssl inspect' lists them")
    frame, period = events.frame, _period(since, until)
    if not period:
        return frame
    times = period.times(frame)
    keep = period.holds(times)
    if not keep.any():
        raise period.holds_nothing(times.min(), times.max())
    return frame[keep].reset_index(drop=True)


def _period(since: str | None, until: str | None) -> Period:
    return Period(
        None if since is None else _milliseconds(since, "--since"),
        None if until is None else _milliseconds(until, "--until"),
    )


def _milliseconds(text: str, option: str) -> float:
    if text.isdigit() and len(text) >= 10:  # shorter digits are a year: 2026 is ISO 8601
        return float(text)
    try:
        return pd.to_datetime(text, utc=True, format="ISO8601").timestamp() * 1000
    except ValueError:
        raise InputError(f"{option}: {text!r} is neither ISO 8601 (2026-01-31T09:00) nor epoch milliseconds") from None


def read_scores(path: Path) -> pd.Series:
    """What ``score -o`` wrote: scores indexed by the event's id."""
    table = read_table(path)
    for column in (KEY, "score"):
        if column not in table:
            raise InputError(f"{path} has no column {column!r}; it has {', '.join(map(str, table.columns))}")
    return table.set_index(KEY)["score"]


def split_names(text: str | None) -> list[str] | None:
    """Names of columns, comma-separated."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]
