"""Stage 1, for events that do not fit in memory: Parquet files that stay on disk, read one row group at a time.

``ParquetEvents`` knows from the footers how many events there are and which columns; ``EventStream`` makes batches.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events._assemble import assemble
from ocsf_ssl_lib.events._flatten import Chunk
from ocsf_ssl_lib.events._parquet import PARQUET, ROWS, add_partitions, damage, rows_of, schema_of
from ocsf_ssl_lib.events._sources import STDIN, list_sources, open_source
from ocsf_ssl_lib.period import Period

__all__ = ["EventBatch", "ParquetEvents", "Piece"]

SPREAD = 32  # row groups that a sample is drawn from: enough for every hour and weekday of a log in order of time
TIME = "time"


class Piece(NamedTuple):
    """Events ``start`` to ``stop`` of one row group, counted among those of the period asked for."""

    file: int
    group: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many."""
        return self.stop - self.start


class EventBatch(NamedTuple):
    """N events that stand together in one file."""

    path: str
    rows: np.ndarray  # (N,) int64: their rows in the file, counted from 0
    frame: pd.DataFrame


class _File(NamedTuple):
    path: str
    footer: pq.FileMetaData
    partitions: dict[str, str]
    columns: frozenset[str]


class ParquetEvents:
    """Events in Parquet files, for training on more than fits in memory.

    Columns and values are those of ``read_events``. Unlike there, a file that cannot be read is an error: an epoch
    must be the same events each time.

    Args:
        paths: a file, a folder (read with its subfolders), or several of them.
        since: only events from this time on, in epoch milliseconds. A period is looked up once in the column ``time``.
        until: only events before this time, in epoch milliseconds.

    Attributes:
        columns: dotted names, in alphabetical order, of all files together.
        pieces: row groups, or parts of them, in the order of the files.

    Raises:
        InputError: a file is missing, damaged or no Parquet; there is no event, or none in the period.

    Example:
        >>> import pandas as pd, tempfile
        >>> from pathlib import Path
        >>> from ocsf_ssl_lib.events import write_events
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name, "log.parquet")
        >>> write_events(pd.DataFrame({"user.name": ["ann", "bob", "cid"]}), path)
        >>> events = ParquetEvents(path)
        >>> len(events), events.columns, events.read(events.pieces[0])["user.name"].tolist()
        (3, ('user.name',), ['ann', 'bob', 'cid'])
    """

    def __init__(self, paths: Any, *, since: float | None = None, until: float | None = None) -> None:
        sources = list_sources(paths)
        self._files = [_open(source, name, partitions) for source, name, partitions in sources]
        self._period = Period(since, until)
        self.columns: tuple[str, ...] = tuple(
            sorted(set().union(*(file.columns for file in self._files), *(file.partitions for file in self._files)))
        )
        self.pieces: tuple[Piece, ...] = tuple(
            Piece(number, group, 0, file.footer.row_group(group).num_rows)
            for number, file in enumerate(self._files)
            for group in range(file.footer.num_row_groups)
            if file.footer.row_group(group).num_rows
        )
        if not self.pieces:
            shown = ", ".join(name for _, name, _ in sources[:3]) + (", ..." if len(sources) > 3 else "")
            raise InputError(f"{shown}: the Parquet files hold no event; name files with rows")
        if self._period:
            self.pieces = self._in_period()

    def __len__(self) -> int:
        return sum(piece.rows for piece in self.pieces)

    def path(self, piece: Piece) -> str:
        """The file that a piece is in."""
        return self._files[piece.file].path

    def read(self, piece: Piece, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The events of a piece.

        Args:
            piece: one of ``pieces``.
            columns: dotted names; all when left out. A column that only other files have is missing in every row.

        Raises:
            InputError: the file is damaged, or is another than when this object was made.
        """
        wanted = self.columns if columns is None else tuple(columns)
        return _frame(_with_all(list(self._chunks(piece, wanted)), wanted), wanted)

    def batches(self, piece: Piece, columns: Sequence[str] | None = None, *, rows: int = ROWS) -> Iterator[EventBatch]:
        """The events of a piece in their order, a few at a time: also a row group that does not fit in memory.

        Args:
            piece: one of ``pieces``.
            columns: dotted names; all when left out.
            rows: at most so many events at a time, and never more than 16 384.

        Raises:
            InputError: as in ``read``; ``rows`` is not positive.
        """
        if rows < 1:
            raise InputError(f"rows of a batch must be positive, however: {rows}")
        wanted = self.columns if columns is None else tuple(columns)
        for places, chunk in self._numbered(piece, wanted):
            for start in range(0, chunk.rows, rows):
                some = np.arange(start, min(start + rows, chunk.rows))
                part = chunk if len(some) == chunk.rows else _take(chunk, some)
                yield EventBatch(self.path(piece), places[some], _frame(_with_all([part], wanted), wanted))

    def sample(self, rows: int, columns: Sequence[str] | None = None, *, seed: int = 0) -> pd.DataFrame:
        """About ``rows`` events in their order, drawn at random from up to 32 row groups spread over all files.

        All events if there are no more than ``rows``. The same arguments give the same events.
        """
        wanted = self.columns if columns is None else tuple(columns)
        rng = np.random.default_rng(seed)
        chunks: list[Chunk] = []
        for piece, count in self._spread(rows):
            chosen = np.sort(rng.choice(piece.rows, count, replace=False))
            begin = 0
            for chunk in self._chunks(piece, wanted) if count else ():
                here = chosen[(chosen >= begin) & (chosen < begin + chunk.rows)] - begin
                chunks.append(_take(chunk, here))
                begin += chunk.rows
        return _frame(chunks, wanted)

    def hold_out(self, rows: int) -> tuple[ParquetEvents, ParquetEvents]:
        """Two parts without a common event: most of them, and about ``rows`` that are held out.

        Held out are the last events of up to 32 row groups spread over all files: a stretch, and not single events,
        since the events next to one in a log are often its copies.
        """
        held = {piece: count for piece, count in self._spread(rows) if count}
        return (
            self._of([piece._replace(stop=piece.stop - held.get(piece, 0)) for piece in self.pieces]),
            self._of([piece._replace(start=piece.stop - count) for piece, count in held.items()]),
        )

    def fingerprint(self) -> str:
        """What tells these events from others: their number, and a digest of the files' footers."""
        footers = [
            (f.footer.num_rows, f.footer.serialized_size, f.footer.created_by, sorted(f.columns)) for f in self._files
        ]
        sizes = [self._files[p.file].footer.row_group(p.group).total_byte_size for p in self.pieces]
        text = repr((footers, sizes, self.pieces, self._period))
        return f"{len(self)} events, {hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def _of(self, pieces: Sequence[Piece]) -> ParquetEvents:
        part = copy.copy(self)
        part.pieces = tuple(piece for piece in pieces if piece.rows)
        return part

    def _spread(self, rows: int) -> list[tuple[Piece, int]]:
        """Pieces at equal distances, and how many of their rows to take: in proportion, about ``rows`` in all."""
        if rows >= len(self):
            return [(piece, piece.rows) for piece in self.pieces]
        count = min(SPREAD, len(self.pieces))
        while True:  # more than SPREAD where row groups are small
            places = np.unique(np.linspace(0, len(self.pieces) - 1, count).round().astype(int))
            chosen = [self.pieces[k] for k in places]
            total = sum(piece.rows for piece in chosen)
            if total >= rows or count == len(self.pieces):
                break
            count = min(2 * count, len(self.pieces))
        # Rounding sums instead of terms: many small pieces must not all round down to nothing.
        ends = np.round(np.cumsum([piece.rows for piece in chosen]) * min(1.0, rows / total)).astype(int)
        return [(piece, int(n)) for piece, n in zip(chosen, np.diff(ends, prepend=0), strict=True)]

    def _in_period(self) -> tuple[Piece, ...]:
        """The pieces again, with the number of their events in the period; those with none are left out."""
        kept: list[Piece] = []
        first, last = np.inf, -np.inf
        for piece in self.pieces:
            rows = 0
            for chunk in self._raw(piece, (TIME,)):
                times = _times(chunk)
                rows += int(self._period.holds(times).sum())
                first, last = np.fmin(first, times.min()), np.fmax(last, times.max())
            if rows:
                kept.append(piece._replace(stop=rows))
        if not kept:
            raise self._period.holds_nothing(first, last)
        return tuple(kept)

    def _chunks(self, piece: Piece, columns: Sequence[str]) -> Iterator[Chunk]:
        """The piece's own rows: those in the period, from ``start`` to ``stop``."""
        return (chunk for _, chunk in self._numbered(piece, columns))

    def _numbered(self, piece: Piece, columns: Sequence[str]) -> Iterator[tuple[np.ndarray, Chunk]]:
        """The same, each with the places of its rows in the file."""
        begin = 0
        footer = self._files[piece.file].footer
        first = sum(footer.row_group(group).num_rows for group in range(piece.group))
        for chunk in self._raw(piece, dict.fromkeys([*columns, TIME]) if self._period else columns):
            places = np.arange(first, first + chunk.rows)
            first += chunk.rows
            if self._period:
                kept = np.flatnonzero(self._period.holds(_times(chunk)))
                places, chunk = places[kept], _take(chunk, kept)
                if TIME not in columns:
                    chunk.columns = {path: v for path, v in chunk.columns.items() if path != (TIME,)}
            low, high = max(piece.start - begin, 0), min(piece.stop - begin, chunk.rows)
            begin += chunk.rows
            if low < high:
                yield places[low:high], chunk if high - low == chunk.rows else _take(chunk, np.arange(low, high))
            if begin >= piece.stop:
                return
        raise InputError(f"{self.path(piece)}: changed since it was opened; start again")

    def _raw(self, piece: Piece, columns: Iterable[str]) -> Iterator[Chunk]:
        """All rows of the piece's row group, with the columns asked for that the file has."""
        file, wanted = self._files[piece.file], set(columns)
        stored = [name for name in columns if name in file.columns]
        try:
            with pq.ParquetFile(file.path, metadata=file.footer) as opened:
                options = {"row_groups": [piece.group], "columns": stored, "use_threads": False}
                rows = file.footer.row_group(piece.group).num_rows
                for chunk in rows_of(opened, **options) if stored else [Chunk(rows)]:
                    add_partitions(chunk, file.partitions)
                    # A name also selects what begins like it: ``user`` and ``user.name`` may both be columns.
                    chunk.columns = {path: v for path, v in chunk.columns.items() if ".".join(path) in wanted}
                    yield chunk
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{file.path}: {damage(error)}") from None


def _open(source: Any, name: str, partitions: dict[str, str]) -> _File:
    """The footer of one file."""
    if not isinstance(source, str) or source == STDIN:
        raise InputError(f"{name} cannot be streamed: it can be read only once; name Parquet files or folders")
    with open_source(source) as handle:
        head = handle.read(len(PARQUET))
    if head != PARQUET:
        raise InputError(
            f"{name}: only plain Parquet can be streamed; write the events as Parquet first "
            "(ocsf_ssl_lib.events.write_events), or read them whole (read_events, on the command line without --stream)"
        )
    try:
        with pq.ParquetFile(source) as file:
            return _File(str(Path(source)), file.metadata, partitions, frozenset(schema_of(file)))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: {damage(error)}") from None


def _with_all(chunks: list[Chunk], columns: Sequence[str]) -> list[Chunk]:
    """The chunks; a column that the file does not have is missing in every row."""
    known = {".".join(path) for path in chunks[0].columns}
    chunks[0].columns |= {(name,): pa.nulls(chunks[0].rows) for name in columns if name not in known}
    return chunks


def _take(chunk: Chunk, rows: np.ndarray) -> Chunk:
    """Some rows of a chunk, by position."""
    place = pa.array(rows)
    columns: dict[Any, Any] = {
        path: values.take(place) if isinstance(values, pa.Array) else [values[k] for k in rows]
        for path, values in chunk.columns.items()
    }
    return Chunk(len(rows), columns)


def _times(chunk: Chunk) -> pd.Series:
    """Epoch milliseconds of a chunk's events."""
    alone = Chunk(chunk.rows)
    alone.columns = {path: values for path, values in chunk.columns.items() if path == (TIME,)}
    return Period.times(_frame([alone], (TIME,)))


def _frame(chunks: list[Chunk], columns: Sequence[str]) -> pd.DataFrame:
    """One table of all ``columns``; the limit of ``read_events`` would leave out other ones in each piece."""
    return assemble(chunks, max_columns=len(columns))
