"""The fast parser: a range of JSON lines to columns by Arrow, or a plain no.

Arrow's JSON reader is strict and quick, and differs from JSON in what it makes of it: it turns ISO times into
timestamps, large integers into floats and ``NaN`` into a value, loses nulls in lists, and gives up on a column
with values of two kinds. Each of these is seen in its result, and such lines are left to the careful reader.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ocsf_ssl_lib.events._flatten import MAX_LEAVES, Chunk, Values, flatten_arrow
from ocsf_ssl_lib.events._json_text import EXACT
from ocsf_ssl_lib.events._scan import CLASS, MAX_LEVELS

__all__ = ["ArrowParser"]

SAMPLES = (200, 1000)  # lines parsed first to learn the types, so that only they are parsed twice
MANY_LEAVES = 400  # in a sample, more and more than half as many as lines: keys that do not repeat
LONG_LINE, MAX_BRACKETS = 2048, 256  # bytes, brackets in a line: Arrow's parser crashes on deep nesting
NULL_IN_LIST = re.compile(rb"[\[,]\s*null\s*[,\]]")
FAILED_ROW = re.compile(r"in row (\d+)")


class ArrowParser:
    """Parses lines that hold one object each; remembers the types of the columns from one range to the next.

    Attributes:
        too_wide: keys that never repeat have been met; a dense table of them would only waste time and memory.
    """

    def __init__(self) -> None:
        self.too_wide = False
        self._known: pa.Schema | None = None

    def parse(self, lines: list[bytes]) -> tuple[Chunk | None, int | None]:
        """The events of some lines by Arrow, or (None, which line is to blame, if known)."""
        places = None  # of the lines that are not blank
        if b"" in lines or b"\r" in lines:
            places = [place for place, line in enumerate(lines) if line not in (b"", b"\r")]
            lines = [lines[place] for place in places]
        chunk, bad = self._filled(lines) if lines else (Chunk(0), None)
        if bad is not None and bad >= len(lines):  # Arrow counts rows; there were several in one line
            bad = None
        return chunk, places[bad] if places and bad is not None else bad

    def _filled(self, lines: list[bytes]) -> tuple[Chunk | None, int | None]:
        for place, line in enumerate(lines):
            # A line that is only `null` crashes Arrow's parser (seen with 26.0), and so does deep nesting.
            if line[:1] != b"{" or (len(line) > LONG_LINE and line.count(b"{") + line.count(b"[") > MAX_BRACKETS):
                return None, place
        if self._known is None:
            for sample in SAMPLES:
                if len(lines) > 2 * sample and not self.too_wide:
                    self._table(b"\n".join(lines[:sample]), widest=max(MANY_LEAVES, sample // 2))
            if self.too_wide:
                return None, None
        block = b"\n".join(lines)
        if not block.isascii():
            try:
                block.decode()
            except UnicodeDecodeError as error:
                return None, block.count(b"\n", 0, error.start)
        table, bad = self._table(block)
        if table is None or table.num_rows != len(lines) or _has_envelope(table.schema):
            return None, bad
        try:
            chunk = flatten_arrow(table.column_names, [_one(column) for column in table.columns], table.num_rows)
        except RecursionError:
            return None, None
        # Known from other lines, or always null: the careful reader has no such columns either.
        chunk.columns = {path: column for path, column in chunk.columns.items() if _has_value(column)}
        return (None if _has_empty_row(chunk) else chunk), None

    def _table(self, block: bytes, widest: int = MAX_LEAVES) -> tuple[pa.Table | None, int | None]:
        """Parse with the types known so far, else with types learned from this block."""
        bad = None
        for schema in (self._known, None) if self._known is not None else (None,):
            try:
                table = _read_json(block, schema)
                if _is_too_deep(table.schema):  # before anything calls itself for each level
                    return None, None
                plain = _plain(table.schema, widest)
                if plain is None:
                    self.too_wide = True
                    return None, None
                if _times_as_text(table.schema) != table.schema:
                    table = _read_json(block, plain)
                try:
                    table.validate()
                except pa.ArrowInvalid:  # Arrow 26 loses nulls that follow one another in a list; nothing may touch it
                    return None, _first_null_in_a_list(block)
            except (pa.ArrowException, ValueError, RecursionError) as error:
                row = FAILED_ROW.search(str(error))
                bad = int(row.group(1)) if row else None
                continue
            if _times_as_text(table.schema) == table.schema and not _inexact(table):
                self._known = plain
                return table, None
        return None, bad


def _read_json(block: bytes, schema: pa.Schema | None) -> pa.Table:
    return pj.read_json(
        pa.BufferReader(block),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(block) + 64),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
    )


def _first_null_in_a_list(block: bytes) -> int | None:
    found = NULL_IN_LIST.search(block)
    return block.count(b"\n", 0, found.start()) if found else None


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _times_as_text(schema: pa.Schema) -> pa.Schema:
    """The schema with every timestamp that Arrow saw in a text turned back into text."""

    def mend(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(kind):
            return pa.string()
        if pa.types.is_struct(kind):
            return pa.struct([(field.name, mend(field.type)) for field in kind])
        return pa.list_(mend(kind.value_type)) if pa.types.is_list(kind) else kind

    return pa.schema([(field.name, mend(field.type)) for field in schema])


def _plain(schema: pa.Schema, widest: int) -> pa.Schema | None:
    """The schema to ask Arrow for: times are text; what was always null is left to be found out. None if too wide."""
    leaves = 0

    def mend(kind: pa.DataType) -> pa.DataType | None:
        nonlocal leaves
        if pa.types.is_struct(kind):
            return pa.struct([(f.name, inner) for f in kind if (inner := mend(f.type)) is not None])
        if pa.types.is_list(kind):
            inner = mend(kind.value_type)
            return None if inner is None else pa.list_(inner)
        leaves += 1
        return None if pa.types.is_null(kind) else kind

    fields = [(field.name, kind) for field in _times_as_text(schema) if (kind := mend(field.type)) is not None]
    return pa.schema(fields) if leaves <= widest else None


def _inexact(table: pa.Table) -> bool:
    """Whether a float could be a large integer that lost digits, or NaN, which Arrow takes for a value."""

    def walk(array: pa.Array) -> bool:
        kind = array.type
        if pa.types.is_struct(kind):
            return any(walk(child) for child in array.flatten())
        if pa.types.is_list(kind):
            return walk(array.flatten())
        if not pa.types.is_floating(kind) or array.null_count == len(array):
            return False
        exact = pc.all(pc.less(pc.abs(array), float(EXACT))).as_py()  # NaN is not less than anything
        return not exact

    return any(walk(_one(column)) for column in table.columns)


def _is_too_deep(schema: pa.Schema) -> bool:
    """Say whether an event is nested in more than `MAX_LEVELS`, itself the first: the careful reader refuses it."""
    layer = [field.type for field in schema]
    for _ in range(MAX_LEVELS):
        layer = [kind for kind in layer if pa.types.is_nested(kind)]
        if not layer:
            return False
        layer = [one for kind in layer for one in _inside(kind)]
    return True


def _inside(kind: pa.DataType) -> list[pa.DataType]:
    return [field.type for field in kind] if pa.types.is_struct(kind) else [kind.value_type]


def _has_envelope(schema: pa.Schema) -> bool:
    """Whether some line may hold events inside a member (``{"Records": [...]}``)."""
    for field in schema:
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_struct(kind) and kind.get_field_index(CLASS) >= 0:
            return True
    return False


def _has_value(column: Values) -> bool:
    return not isinstance(column, pa.Array) or column.null_count < len(column)


def _has_empty_row(chunk: Chunk) -> bool:
    filled = None
    for column in chunk.columns.values():
        if isinstance(column, pa.Array):
            if column.null_count == 0:
                return False
            valid = column.is_valid()
            filled = valid if filled is None else pc.or_(filled, valid)
    return filled is None or not pc.all(filled).as_py()
