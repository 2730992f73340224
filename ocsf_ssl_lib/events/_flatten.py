"""Nested events to flat columns: the rules, once for Python records and once for Arrow arrays.

* An object becomes one column per member, down to ``MAX_DEPTH`` names; what lies deeper is JSON text.
* A list is JSON text. So is an open map (``unmapped``, ``labels`` ...): OCSF leaves its keys to the source, one
  column per key would never end.
* An empty object holds nothing and gives no column, nor does a field of JSON that is null in every event. Parquet
  declares its columns, so there a column without values stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ocsf_ssl_lib.events._json_text import EXACT, arrow_json_text, json_text

__all__ = ["MAX_DEPTH", "MAX_LEAVES", "OPEN_MAPS", "Chunk", "Path", "Values", "flatten_arrow", "flatten_records"]

MAX_DEPTH = 5  # actor.process.parent_process.file.name; few attributes of OCSF that tell anything lie deeper
MAX_LEAVES = 1000  # columns of one block beyond which a dense table would waste memory
OPEN_MAPS = frozenset({"unmapped", "enrichments", "xattributes", "data", "labels", "tags", "annotations", "parameters"})

Path = tuple[str, ...]
Values: TypeAlias = pa.Array | list[Any] | dict[int, Any]  # typed; of mixed kinds; sparse (row -> value)


@dataclass
class Chunk:
    """Some consecutive events as columns. ``columns`` maps the path of a leaf to one value per row."""

    rows: int
    columns: dict[Path, Values] = field(default_factory=dict)


def flatten_records(records: list[dict[str, Any]]) -> tuple[Chunk, list[int]]:
    """Columns of the records, and the positions of records without any value, which are left out."""
    found: dict[Path, dict[int, Any]] = {}
    children: dict[Path, dict[str, Path]] = {}  # building a path anew for each leaf would cost most of the time
    empty: list[int] = []
    row = 0

    def walk(members: dict[str, Any], parent: Path) -> bool:
        paths = children.setdefault(parent, {})
        any_value = False
        for name, value in members.items():
            path = paths.get(name)
            if path is None:
                path = paths[name] = (*parent, name)
            if type(value) is dict:
                if len(path) < MAX_DEPTH and name not in OPEN_MAPS:
                    any_value |= walk(value, path)
                    continue
                value = json_text(value)
            elif type(value) is list:
                value = json_text(value)
            if value is None or value != value:  # NaN says "missing" in JSON that Python or R wrote
                continue
            column = found.get(path)
            if column is None:
                column = found[path] = {}
            column[row] = value
            any_value = True
        return any_value

    for position, record in enumerate(records):
        if walk(record, ()):
            row += 1
        else:
            empty.append(position)
    chunk = Chunk(row)
    for path, column in found.items():
        chunk.columns[path] = typed(column, row) if len(found) <= MAX_LEAVES else column
    return chunk, empty


def typed(column: dict[int, Any], rows: int) -> Values:
    """A sparse column, in the order of its rows, as an Arrow array if its values are of one kind, else as a list."""
    kinds = set(map(type, column.values()))
    if kinds == {int, float} and all(abs(v) < EXACT for v in column.values() if type(v) is int):
        kinds = {float}
    for kind, arrow in ((str, pa.string()), (int, pa.int64()), (float, pa.float64()), (bool, pa.bool_())):
        if kinds == {kind}:
            try:
                known = pa.array(list(column.values()), arrow)
            except OverflowError:  # an integer beyond 64 bits
                break
            return known if len(known) == rows else _spread(known, list(column), rows)
    return list(map(column.get, range(rows))) if kinds else pa.nulls(rows)


def _spread(known: pa.Array, where: list[int], rows: int) -> pa.Array:
    """An array of ``rows`` values, null but for the ``known`` ones."""
    source = np.full(rows, -1)
    source[where] = np.arange(len(known))
    return known.take(pa.array(source, mask=source < 0))


def flatten_arrow(names: Iterable[str], arrays: Iterable[pa.Array], rows: int) -> Chunk:
    """Columns of a table of nested Arrow arrays."""
    chunk = Chunk(rows)

    def walk(path: Path, array: pa.Array) -> None:
        kind = array.type
        if isinstance(array, pa.ExtensionArray):
            array, kind = array.storage, array.type.storage_type
        if pa.types.is_struct(kind):
            if len(path) < MAX_DEPTH and path[-1] not in OPEN_MAPS:
                for child, values in zip(kind, array.flatten(), strict=True):
                    walk((*path, child.name), values)
                return
            array = arrow_json_text(array)
        elif pa.types.is_nested(kind):
            array = arrow_json_text(array)
        chunk.columns[path] = _leaf(array)

    for name, array in zip(names, arrays, strict=True):
        walk((name,), array)
    return chunk


def _leaf(array: pa.Array) -> Values:
    """One of six types: int64, double, bool, string, timestamp, duration; a list where none of them is exact."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _leaf(array.dictionary_decode())
    if kind in (pa.int64(), pa.string(), pa.float64(), pa.bool_(), pa.null()):
        return array
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        try:
            return pc.cast(array, pa.int64())
        except pa.ArrowInvalid:  # beyond 64 bits: exact Python integers
            return [None if value is None else int(value) for value in array.to_pylist()]
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(array, pa.float64())
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return array
    if pa.types.is_date(kind):
        return pc.cast(pc.cast(array, pa.date64()), pa.timestamp("ms"))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([None if value is None else _bytes_text(value) for value in array.to_pylist()], pa.string())
    return pc.cast(array, pa.string())


def _bytes_text(value: bytes) -> str:
    """UTF-8 where it is, hexadecimal where it is not."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
