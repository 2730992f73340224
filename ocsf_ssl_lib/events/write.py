"""Events out: rows of dotted columns back to nested OCSF objects, as JSON Lines.

The missing cells of a row leave no trace in its object. Rows with the same columns present share one template, so
that writing is string formatting and not a walk through nested dictionaries: a hundred thousand events a second.
"""

from __future__ import annotations

import gzip
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from ocsf_ssl_lib.errors import InputError

__all__ = ["json_lines", "to_ocsf_records", "write_jsonl"]

LINES_AT_ONCE = 8192
LIST_COLUMNS = ("metadata.profiles",)  # columns whose text is JSON already: lists have one column in a table


def json_lines(frame: pd.DataFrame, list_columns: Sequence[str] = LIST_COLUMNS) -> Iterator[str]:
    """Each row as one line of JSON, in the order of the frame, without the line end.

    Args:
        frame: events with dotted columns, as ``simulate_events`` and ``read_events`` give them.
        list_columns: columns whose text is JSON and goes in as it is.

    Raises:
        InputError: a row has a value both at ``a`` and at ``a.b``, or a value that JSON cannot hold.
    """
    if not frame.columns.is_unique:
        raise InputError("column names occur twice: " + ", ".join(frame.columns[frame.columns.duplicated()][:3]))
    present = frame.notna().to_numpy()
    cells = [_encoded(frame[c], raw=c in list_columns) for c in frame.columns]
    packed = np.packbits(present, axis=1) if len(frame.columns) else np.zeros((len(frame), 1), np.uint8)
    patterns, which = np.unique(packed, axis=0, return_inverse=True)
    lines = np.empty(len(frame), dtype=object)
    for k in range(len(patterns)):
        rows = np.flatnonzero(which.ravel() == k)
        names = np.flatnonzero(present[rows[0]])
        template, leaves = _template([str(frame.columns[int(i)]) for i in names])
        texts = zip(*(cells[names[leaf]][rows] for leaf in leaves), strict=True)
        lines[rows] = [template % row for row in texts] if leaves else "{}"
    yield from lines


def to_ocsf_records(frame: pd.DataFrame, list_columns: Sequence[str] = LIST_COLUMNS) -> Iterator[dict[str, Any]]:
    """Each row as a nested OCSF object.

    Example:
        >>> next(to_ocsf_records(pd.DataFrame({"time": [1], "src_endpoint.ip": ["10.0.0.1"], "is_mfa": [None]})))
        {'time': 1, 'src_endpoint': {'ip': '10.0.0.1'}}
    """
    return (json.loads(line) for line in json_lines(frame, list_columns))


def write_jsonl(frame: pd.DataFrame, path: str | Path, list_columns: Sequence[str] = LIST_COLUMNS) -> Path:
    """Write events as JSON Lines; ``.gz`` and ``.zst`` are compressed. Same events, same bytes.

    The file appears whole or not at all: it is written aside and renamed.

    Raises:
        InputError: the folder does not exist or cannot be written, or the events are no OCSF rows.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(aside, "xb") as raw:
            _write(frame, raw, path.suffix.lower(), list_columns)
        os.replace(aside, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        aside.unlink(missing_ok=True)
    return path


def _write(frame: pd.DataFrame, raw: IO[bytes], suffix: str, list_columns: Sequence[str]) -> None:
    """Compress by the suffix; no name and no time go into the file."""
    if suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed:
            _write_lines(frame, packed, list_columns)
    elif suffix in (".zst", ".zstd"):
        import zstandard  # only here: reading and writing plain files must not need it

        with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as packed:
            _write_lines(frame, packed, list_columns)
    else:
        _write_lines(frame, raw, list_columns)


def _write_lines(frame: pd.DataFrame, out: Any, list_columns: Sequence[str]) -> None:
    lines = list(json_lines(frame, list_columns))
    for k in range(0, len(lines), LINES_AT_ONCE):
        out.write(("\n".join(lines[k : k + LINES_AT_ONCE]) + "\n").encode())


def _encoded(column: pd.Series, *, raw: bool) -> np.ndarray:
    """JSON text of every known value; each distinct text is encoded once."""
    out = np.empty(len(column), dtype=object)
    known = column.notna().to_numpy()
    values = column[known]
    if pd.api.types.is_bool_dtype(column):
        out[known] = np.where(values.to_numpy(bool), "true", "false")
    elif pd.api.types.is_integer_dtype(column):
        out[known] = values.to_numpy(np.int64).astype(str).astype(object)
    else:
        codes, distinct = pd.factorize(values.to_numpy(object))
        out[known] = np.array([_json(v, column.name, raw) for v in distinct] + [None], dtype=object)[codes]
    return out


def _json(value: Any, name: Any, raw: bool) -> str:
    if raw and isinstance(value, str):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):
        raise InputError(f"column {name!r}: JSON cannot hold {value!r:.60} ({type(value).__name__})") from None


def _template(names: list[str]) -> tuple[str, list[int]]:
    """A nested object with ``%s`` at each leaf, and which of ``names`` each leaf in turn is.

    The order differs where columns of one object do not stand side by side in the table.
    """
    tree: dict[str, Any] = {}
    for k, name in enumerate(names):
        *path, last = name.split(".")
        at = tree
        for step in path:
            at = at.setdefault(step, {})
            if not isinstance(at, dict):
                raise InputError(f"column {name!r} lies inside a column that has a value itself in the same row")
        if last in at:
            raise InputError(f"column {name!r} has a value, and columns inside it have one in the same row")
        at[last] = k
    order: list[int] = []
    return _render(tree, order), order


def _render(tree: dict[str, Any], order: list[int]) -> str:
    parts = []
    for key, value in tree.items():
        name = json.dumps(key, ensure_ascii=False).replace("%", "%%")
        if isinstance(value, dict):
            parts.append(f"{name}:{_render(value, order)}")
        else:
            parts.append(f"{name}:%s")
            order.append(value)
    return "{" + ",".join(parts) + "}"
