"""Tables in and out by the name of the file: CSV, JSON Lines or Parquet; written aside, then renamed."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.escaping import csv_original, csv_safe
from ocsf_ssl_lib.events.write import write_jsonl
from ocsf_ssl_lib.files import check_folder, written_aside

__all__ = ["check_table_path", "read_table", "write_events", "write_table"]

FORMATS = (".csv", ".jsonl", ".parquet")


def check_table_path(path: Path) -> str:
    """The format that a path asks for.

    Raises:
        InputError: the ending is none of ``FORMATS``, or the folder is not there.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: the name must end in one of {', '.join(FORMATS)}")
    check_folder(path)
    return path.suffix


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write aside, then rename: the file is there whole or not at all.

    In CSV, text that a spreadsheet would take for a formula gets an apostrophe in front, see ``escaping.csv_safe``;
    ``read_table`` takes it away.
    """
    kind = check_table_path(path)
    with written_aside(path) as aside:
        if kind == ".csv":
            # All text in quotes: by itself pandas leaves a carriage return bare, which starts a new row for readers.
            csv_safe(table).to_csv(aside, index=False, errors="backslashreplace", quoting=csv.QUOTE_NONNUMERIC)
        elif kind == ".jsonl":
            table.to_json(aside, orient="records", lines=True)
        else:
            table.to_parquet(aside, index=False)


def write_events(frame: pd.DataFrame, path: str | Path) -> None:
    """Write events as Parquet (dotted columns) or as JSON Lines (nested objects), plain or compressed.

    Raises:
        InputError: the ending is none of .jsonl, .jsonl.gz, .jsonl.zst, .parquet, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        write_table(frame, path)
    elif path.name.removesuffix(".gz").removesuffix(".zst").endswith(".jsonl"):
        write_jsonl(frame, path)
    else:
        raise InputError(f"{path}: the name of a file of events must end in .jsonl, .jsonl.gz, .jsonl.zst or .parquet")


def read_table(path: Path) -> pd.DataFrame:
    """Read what ``write_table`` wrote.

    Raises:
        InputError: no such file, an ending that is none of ``FORMATS``, or content that is something else.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    kind = check_table_path(path)
    try:
        if kind == ".csv":
            return csv_original(pd.read_csv(path))
        if kind == ".jsonl":
            return pd.read_json(path, orient="records", lines=True)
        return pd.read_parquet(path)
    except (ValueError, pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no {kind[1:]} table: {str(error).splitlines()[0]}") from None
