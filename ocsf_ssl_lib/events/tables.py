"""Tables in and out by the name of the file: CSV, JSON Lines or Parquet; written aside, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events.write import write_jsonl

__all__ = ["check_table_path", "read_table", "write_events", "write_table", "written_aside"]

FORMATS = (".csv", ".jsonl", ".parquet")


def check_table_path(path: Path) -> str:
    """The format that a path asks for.

    Raises:
        InputError: the ending is none of ``FORMATS``, or the folder is not there.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: the name must end in one of {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is not a folder; create it first")
    return path.suffix


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """An empty file to write to, which takes the place of ``path`` at the end of the block, or goes with an error.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with written_aside(folder / "a.txt") as aside:
        ...     _ = aside.write_text("whole")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']

    Raises:
        InputError: the file cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        aside = Path(name)
        try:
            yield aside
            aside.chmod(0o644)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write aside, then rename: the file is there whole or not at all."""
    kind = check_table_path(path)
    with written_aside(path) as aside:
        if kind == ".csv":
            table.to_csv(aside, index=False)
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
            return pd.read_csv(path)
        if kind == ".jsonl":
            return pd.read_json(path, orient="records", lines=True)
        return pd.read_parquet(path)
    except (ValueError, pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no {kind[1:]} table: {str(error).splitlines()[0]}") from None
