"""Chunks of columns to one DataFrame: one dtype per column, no value changed on the way.

* Whole numbers are int64, or pandas' nullable Int64 where some are missing: 42 never becomes 42.0.
* Other numbers are float64; a column of both is float64 unless an integer is too large for that (2**53).
* True and false are bool, or nullable boolean; texts are pandas' ``str`` (pandas 3) or object (pandas 2).
* A column with values of several kinds, or with integers beyond 64 bits, is an object column that keeps each value;
  whole floats in it are integers, so that 42 and 42.0 are one value.
* Columns are in alphabetical order: the same events give the same table, whichever comes first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ocsf_ssl_lib.events._flatten import Chunk, Path, Values, typed
from ocsf_ssl_lib.events._json_text import EXACT, json_text

__all__ = ["MAX_COLUMNS", "OTHER_FIELDS", "assemble"]

MAX_COLUMNS = 512
OTHER_FIELDS = "other_fields"  # the one column for what does not fit under MAX_COLUMNS


def assemble(chunks: list[Chunk], max_columns: int = MAX_COLUMNS) -> pd.DataFrame:
    """One DataFrame of all chunks, in their order.

    Args:
        chunks: columns by path; paths that read the same when dotted are one column, the nested one first.
        max_columns: the most columns of the result. Beyond it the columns with the fewest values are left out, and
            their values stand as one JSON object per row in ``other_fields``.
    """
    chunks = [chunk for chunk in chunks if chunk.rows]
    paths: dict[str, list[Path]] = defaultdict(list)
    for path in {path for chunk in chunks for path in chunk.columns}:
        paths[".".join(path)].append(path)
    kept, folded = _choose(chunks, paths, max_columns)
    data = {}
    for name in kept:
        nested_first = sorted(paths[name], key=lambda path: (-len(path), path))
        by_chunk = [_column_of(chunk, nested_first) for chunk in chunks]
        data[name] = _series(by_chunk, [chunk.rows for chunk in chunks])
    if folded:
        free = OTHER_FIELDS
        while free in data:
            free += "_"
        data[free] = _fold(chunks, [(name, path) for name in folded for path in paths[name]])
    rows = sum(chunk.rows for chunk in chunks)
    return pd.DataFrame(data, index=pd.RangeIndex(rows), copy=False)


def _choose(chunks: list[Chunk], paths: dict[str, list[Path]], limit: int) -> tuple[list[str], list[str]]:
    """Names of the columns to keep and of those to fold, each in alphabetical order."""
    if len(paths) <= limit:
        return sorted(paths), []
    filled = {
        name: sum(_filled(chunk.columns[path]) for chunk in chunks for path in same if path in chunk.columns)
        for name, same in paths.items()
    }
    ranked = sorted(paths, key=lambda name: (-filled[name], name))
    return sorted(ranked[: limit - 1]), sorted(ranked[limit - 1 :])


def _filled(column: Values) -> int:
    if isinstance(column, pa.Array):
        return len(column) - column.null_count
    return len(column) if isinstance(column, dict) else sum(value is not None for value in column)


def _column_of(chunk: Chunk, same: list[Path]) -> pa.Array | list[Any]:
    """The values of one chunk, from the first of the paths that has one in each row."""
    columns = [column for path in same if (column := chunk.columns.get(path)) is not None and _filled(column)]
    dense = [typed(column, chunk.rows) if isinstance(column, dict) else column for column in columns]
    if not dense:
        return pa.nulls(chunk.rows)
    if len(dense) == 1:
        return dense[0]
    merged: dict[int, Any] = {}
    for column in reversed(dense):
        values: list[Any] = column.to_pylist() if isinstance(column, pa.Array) else column
        merged.update({row: value for row, value in enumerate(values) if value is not None})
    return typed(dict(sorted(merged.items())), chunk.rows)


def _series(columns: list[pa.Array | list[Any]], rows: list[int]) -> pd.Series:
    """The chunks of one column as a Series, by the rules above."""
    typed_parts = [column for column in columns if isinstance(column, pa.Array) and column.null_count < len(column)]
    kinds = {column.type for column in typed_parts}
    if any(isinstance(column, list) for column in columns) or len(kinds) > 1:
        if kinds != {pa.int64(), pa.float64()} or any(isinstance(c, list) for c in columns) or _too_large(typed_parts):
            return _object_series(columns)
        kinds = {pa.float64()}
    if not kinds:
        return pd.Series([None] * sum(rows), dtype=object)
    kind = kinds.pop()
    parts = [
        column if column.type == kind else pa.nulls(n, kind) if column.null_count == n else pc.cast(column, kind)
        for column, n in zip((c for c in columns if isinstance(c, pa.Array)), rows, strict=True)
    ]
    whole = pa.chunked_array(parts, kind)
    if whole.null_count and kind in (pa.int64(), pa.bool_()):
        dtype = pd.Int64Dtype() if kind == pa.int64() else pd.BooleanDtype()
        return pd.Series(dtype.__from_arrow__(whole))
    return whole.to_pandas()


def _too_large(columns: list[pa.Array]) -> bool:
    """Whether an integer is too large to stand exactly among floats."""
    for column in columns:
        if column.type == pa.int64():
            least, most = pc.min_max(column).as_py().values()
            if max(-least, most) >= EXACT:
                return True
    return False


def _object_series(columns: list[pa.Array | list[Any]]) -> pd.Series:
    values: list[Any] = []
    for column in columns:
        values.extend(column.to_pylist() if isinstance(column, pa.Array) else column)
    whole = [int(v) if type(v) is float and v.is_integer() and abs(v) < EXACT else v for v in values]
    return pd.Series(whole, dtype=object)


def _fold(chunks: list[Chunk], leaves: list[tuple[str, Path]]) -> pd.Series:
    """The folded columns as one JSON object per row; None in rows with none of them."""
    texts: list[str | None] = []
    for chunk in chunks:
        found: dict[int, dict[str, Any]] = defaultdict(dict)
        for name, path in leaves:
            column = chunk.columns.get(path)
            pairs: Iterable[tuple[int, Any]]
            if isinstance(column, pa.Array) and column.null_count < len(column):
                where = pc.indices_nonzero(column.is_valid())
                pairs = zip(where.to_pylist(), pc.take(column, where).to_pylist(), strict=True)
            elif isinstance(column, dict):
                pairs = column.items()
            else:
                pairs = enumerate(column.to_pylist() if isinstance(column, pa.Array) else column or [])
            for row, value in pairs:
                if value is not None:
                    found[row].setdefault(name, value)
        texts += [json_text(found[row]) if row in found else None for row in range(chunk.rows)]
    return pa.array(texts, pa.string()).to_pandas()
