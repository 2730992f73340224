"""The fast reader: Arrow parses a block of JSON Lines; what it refuses goes to the careful reader, and only that.

Arrow's JSON reader is strict and quick, and differs from JSON events in what it makes of them: it turns ISO times
into timestamps, large integers and ``NaN`` into floats, and gives up on a column with values of two kinds. Each of
these is seen in its result, and such a block is read anew. Arrow says at which row it failed: the lines before it
are parsed again, the one to blame is read carefully, and the fast reading goes on behind it.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ocsf_ssl_lib.events._flatten import MAX_LEAVES, Chunk, flatten_arrow, flatten_records
from ocsf_ssl_lib.events._json_text import EXACT
from ocsf_ssl_lib.events._scan import CLASS, Scanner

__all__ = ["BlockReader"]

BLOCK = 1 << 22  # bytes; larger blocks are not faster, smaller ones repeat the set-up of the columns
SAMPLE = 200  # lines parsed first to learn the types, so that only they are parsed twice
SMALLEST = 8  # lines not worth halving in search of the one to blame
ATTEMPTS = 32  # failures within a block after which the rest of it is read carefully
PATIENCE = 3  # such blocks after which the rest of the source is read carefully
LONG_LINE, MAX_BRACKETS = 2048, 256  # bytes, brackets in a line: Arrow's parser crashes on deep nesting
FAILED_ROW = re.compile(r"in row (\d+)")


class BlockReader:
    """Turns the bytes of one source, fed in pieces, into chunks of columns and refused records."""

    def __init__(self, *, fast: bool = True) -> None:
        self.chunks: list[Chunk] = []
        self.scanner = Scanner()
        self._events: list[dict[str, Any]] = []
        self._numbers: list[int] = []
        self._rest: list[bytes] = []
        self._size = 0
        self._full = BLOCK
        self._known: pa.Schema | None = None
        self._patience = PATIENCE if fast else 0

    def feed(self, piece: bytes) -> None:
        """Take some more bytes; parse once a block is full."""
        self._rest.append(piece)
        self._size += len(piece)
        if self._size >= self._full and b"\n" in piece:
            block, _, tail = b"".join(self._rest).rpartition(b"\n")
            unfinished = self._read(block + b"\n", final=False)
            self._rest, self._size = [unfinished, tail], len(unfinished) + len(tail)
            self._full = max(BLOCK, 2 * self._size)  # a long record is not begun anew for each piece of it

    def close(self, damage: str | None = None) -> None:
        """Parse what is left. ``damage`` is why the source ended early, if it did."""
        rest = b"".join(self._rest)
        unfinished = self._read(rest, final=damage is None)
        rejected = self.scanner.rejected
        if damage is not None:
            kept = "; the records before it are kept" if self.chunks else ""
            rejected.append((self.scanner.line + unfinished.count(b"\n"), f"{damage}{kept}"))
        elif self.scanner.open_arrays:
            rejected.append(
                (self.scanner.line, "the array is not closed: the file may be cut off; what it holds was read")
            )

    def _read(self, block: bytes, *, final: bool) -> bytes:
        """Parse a block; returns the unfinished record at its end, if more may follow."""
        lines = block.removesuffix(b"\n").split(b"\n")
        attempts = ATTEMPTS if self._patience > 0 else 0
        start, stop, bad_at = 0, len(lines), -1
        unfinished = b""
        while start < len(lines):
            if attempts > 0 and start != bad_at and not self.scanner.open_arrays:
                chunk, bad = self._parse(lines[start:stop])
                if chunk is not None:
                    self._flush()
                    self.chunks.append(chunk)
                    self.scanner.line += stop - start
                    start, stop = stop, len(lines)
                    continue
                attempts -= 1
                if attempts == 0:
                    self._patience -= 1
                if bad is not None:
                    bad_at = start + bad
                elif stop - start <= SMALLEST:
                    bad_at = start
                if bad_at != start:  # first the good lines before the bad one; which it is may be unknown
                    stop = bad_at if bad_at > start else (start + stop) // 2
                    continue
            # One line, and as many more as the record in it turns out to have: a line inside a record that happens
            # to be an object must not be taken for an event.
            window = 1 if attempts > 0 and not self.scanner.open_arrays else len(lines)
            while True:
                text = unfinished + b"\n".join(lines[start : start + window]) + b"\n"
                start += window
                unfinished = self._read_carefully(text, final=final and start >= len(lines))
                if not unfinished or start >= len(lines):
                    break
                window *= 2
            stop, bad_at = len(lines), -1
        self._flush()
        return unfinished

    def _read_carefully(self, block: bytes, *, final: bool) -> bytes:
        events, numbers, unfinished = self.scanner.scan(block.decode("utf-8", "surrogateescape"), final=final)
        self._events += events
        self._numbers += numbers
        return unfinished.encode("utf-8", "surrogateescape")

    def _flush(self) -> None:
        """Make a chunk of the events read carefully since the last one."""
        chunk, empty = flatten_records(self._events)
        for position in empty:
            self.scanner.rejected.append((self._numbers[position], "an object without any value, no event"))
        if chunk.rows:
            self.chunks.append(chunk)
        self._events, self._numbers = [], []

    def _parse(self, lines: list[bytes]) -> tuple[Chunk | None, int | None]:
        """The events of some lines by Arrow, or (None, which line is to blame, if known)."""
        places = None  # of the lines that are not blank
        if b"" in lines or b"\r" in lines:
            places = [place for place, line in enumerate(lines) if line not in (b"", b"\r")]
            lines = [lines[place] for place in places]
        chunk, bad = self._parse_filled(lines) if lines else (Chunk(0), None)
        return chunk, places[bad] if places and bad is not None else bad

    def _parse_filled(self, lines: list[bytes]) -> tuple[Chunk | None, int | None]:
        for place, line in enumerate(lines):
            # A line that is only `null` crashes Arrow's parser (seen with 26.0), and so does deep nesting.
            if line[:1] != b"{" or (len(line) > LONG_LINE and line.count(b"{") + line.count(b"[") > MAX_BRACKETS):
                return None, place
        if self._known is None and len(lines) > 2 * SAMPLE:
            self._table(b"\n".join(lines[:SAMPLE]))
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
        return (None if _has_empty_row(chunk) else chunk), None

    def _table(self, block: bytes) -> tuple[pa.Table | None, int | None]:
        """Parse with the types known so far, else with types learned from this block."""
        bad = None
        for schema in (self._known, None) if self._known is not None else (None,):
            try:
                table = _read_json(block, schema)
                plain = _plain(table.schema)
                if plain is None:
                    return None, None
                if _times_as_text(table.schema) != table.schema:
                    table = _read_json(block, plain)
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


def _plain(schema: pa.Schema) -> pa.Schema | None:
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
    return pa.schema(fields) if leaves <= MAX_LEAVES else None


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


def _has_envelope(schema: pa.Schema) -> bool:
    """Whether some line may hold events inside a member (``{"Records": [...]}``)."""
    for field in schema:
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_struct(kind) and kind.get_field_index(CLASS) >= 0:
            return True
    return False


def _has_empty_row(chunk: Chunk) -> bool:
    filled = None
    for column in chunk.columns.values():
        if isinstance(column, pa.Array):
            if column.null_count == 0:
                return False
            valid = column.is_valid()
            filled = valid if filled is None else pc.or_(filled, valid)
    return filled is None or not pc.all(filled).as_py()
