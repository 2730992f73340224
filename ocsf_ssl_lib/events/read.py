"""Stage 1a: files of events to one flat table, with a list of what could not be read and why.

JSON of any layout (one object, an array, JSON Lines, pretty-printed or run together) and Parquet, plain or
compressed, from files, folders or standard input. A bad record costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

import pandas as pd

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events._assemble import assemble
from ocsf_ssl_lib.events._classes import CLASS_NAMES
from ocsf_ssl_lib.events._flatten import Chunk
from ocsf_ssl_lib.events._lines import BlockReader
from ocsf_ssl_lib.events._parquet import PARQUET, Refusal, add_partitions, read_parquet
from ocsf_ssl_lib.events._sources import STDIN, Damaged, list_sources, open_source, peek, plain_bytes, utf8

__all__ = ["Events", "read_events"]

NAMED_REASONS = 3  # how many reasons an error spells out


@dataclass(frozen=True)
class Events:
    """What was read.

    Attributes:
        frame: one row per event, in the order of the files; nested fields as dotted columns (``src_endpoint.ip``).
        rejected: what was refused: ``file``, ``line`` (missing if the whole file was refused) and ``reason``.
        files: one row per file: ``file``, ``events``, ``rejected``.
    """

    frame: pd.DataFrame
    rejected: pd.DataFrame = field(default_factory=lambda: _rejected_frame([]))
    files: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["file", "events", "rejected"]))

    def __len__(self) -> int:
        return len(self.frame)

    def per_class(self) -> pd.DataFrame:
        """Events per class, most frequent first: ``class_uid``, ``class_name``, ``events``.

        Events without a readable ``class_uid`` are counted in a row of their own, with a missing ``class_uid``.
        """
        if "class_uid" in self.frame:
            numbers = pd.to_numeric(self.frame["class_uid"], errors="coerce").astype("Float64")
            uids = numbers.where(numbers == numbers.round()).astype("Int64")
        else:
            uids = pd.Series(pd.NA, index=self.frame.index, dtype="Int64")
        names = (
            self.frame["class_name"] if "class_name" in self.frame else pd.Series(index=self.frame.index, dtype=object)
        )
        rows: list[tuple[Any, str, int]] = []
        for uid, count in uids.value_counts(dropna=False).items():
            given = names[(uids == uid).fillna(False).to_numpy(bool)].dropna() if uid is not pd.NA else names.iloc[:0]
            if len(given):
                name = str(given.mode().iloc[0])
            else:
                name = "no class_uid" if uid is pd.NA else CLASS_NAMES.get(int(uid), "unknown class")
            rows.append((pd.NA if uid is pd.NA else int(uid), name, int(count)))
        table = pd.DataFrame(rows, columns=["class_uid", "class_name", "events"]).astype({"class_uid": "Int64"})
        return table.sort_values(["events", "class_uid"], ascending=[False, True], ignore_index=True)

    def report(self) -> str:
        """A readable summary: events, classes, and what was refused with file, line and reason."""
        files = f"{len(self.files)} file{'s' if len(self.files) != 1 else ''}"
        lines = [f"{len(self.frame):,} events with {self.frame.shape[1]} columns from {files}"]
        for uid, name, count in self.per_class().itertuples(index=False):
            lines.append(f"  {count:>9,}  {'' if uid is pd.NA else uid!s:<6} {name}".rstrip())
        if len(self.rejected):
            lines.append(f"{len(self.rejected):,} refused")
            for file, line, reason in self.rejected.head(20).itertuples(index=False):
                lines.append(f"  {_place(file, line)}: {reason}")
            if len(self.rejected) > 20:
                lines.append(f"  and {len(self.rejected) - 20:,} more")
        return "\n".join(lines)


def read_events(paths: Any, on_error: Literal["collect", "raise"] = "collect") -> Events:
    """Read events from JSON, JSON Lines or Parquet into one flat table.

    * Every JSON object with at least one value is an event, whatever its keys; events in an envelope
      (``{"Records": [...]}``, ``{"event": {...}}``) are taken out of it if they carry a ``class_uid``.
    * Objects become dotted columns, at most five names deep. Lists, deeper objects and open maps (``unmapped``,
      ``labels``, ``data`` ...) become one column of compact JSON text with sorted keys, without null members.
      A key that contains a dot is read as if it were nested. Of a key given twice the last value counts.
    * No more than 512 columns: the rest, those with the fewest values, stand as JSON text in ``other_fields``.
    * Values keep their kind, see ``ocsf_ssl_lib/events/_assemble.py``: whole numbers stay whole beside missing ones,
      texts that look like times stay texts, a column of several kinds keeps each value as it was given.
      ``NaN`` counts as missing; a JSON field that is null in every event gives no column.
      Half a surrogate pair becomes U+FFFD.
    * Parquet: bytes become text (hexadecimal if they are not UTF-8), dates and timestamps datetimes, decimals
      numbers, maps JSON text. Folders named ``key=value`` give a column if the file has none of that name.

    Args:
        paths: a file, a folder (read with its subfolders), ``"-"`` for standard input, an open binary file, or
            several of them. Plain, gzip or zstd, told by content, not by name.
        on_error: ``"collect"`` lists what is refused in ``Events.rejected`` and goes on; ``"raise"`` stops there.

    Returns:
        The events, with what was refused.

    Raises:
        InputError: not one event could be read; or, with ``"raise"``, anything was refused. One line that names
            the file, the line and the reason.

    Example:
        >>> import io
        >>> events = read_events(io.BytesIO(b'{"class_uid": 3002, "user": {"name": "ada"}}'))
        >>> events.frame.to_dict("records")
        [{'class_uid': 3002, 'user.name': 'ada'}]
    """
    if on_error not in ("collect", "raise"):
        raise InputError(f'on_error must be "collect" or "raise", however: on_error={on_error!r}')
    chunks: list[Chunk] = []
    rejected: list[tuple[str, int | None, str]] = []
    files: list[tuple[str, int, int]] = []
    for source, name, partitions in list_sources(paths):
        own, refused = _read_source(source, name, stop=on_error == "raise")
        if refused and on_error == "raise":
            raise InputError(f"{_place(name, refused[0][0])}: {refused[0][1]}")
        for chunk in own:
            add_partitions(chunk, partitions)
        chunks += own
        rejected += [(name, line, reason) for line, reason in refused]
        files.append((name, sum(chunk.rows for chunk in own), len(refused)))
    if not chunks:
        raise InputError(_nothing_read(rejected))
    return Events(
        frame=assemble(chunks),
        rejected=_rejected_frame(rejected),
        files=pd.DataFrame(files, columns=["file", "events", "rejected"]),
    )


def _read_source(source: str | BinaryIO, name: str, *, stop: bool) -> tuple[list[Chunk], list[Refusal]]:
    """The events of one source, and what was refused; with ``stop`` nothing is read after the first refusal."""
    handle: BinaryIO | None = None
    try:
        handle = open_source(source)
        head, pieces = peek(plain_bytes(handle))
        if head.startswith(PARQUET):
            return read_parquet(handle, pieces)
        return _read_json(utf8(pieces, name), stop=stop)
    except InputError as error:
        return [], [(None, str(error).removeprefix(f"{name}: "))]
    finally:
        if handle is not None and isinstance(source, str) and source != STDIN:
            handle.close()


def _read_json(pieces: Iterator[bytes], *, stop: bool) -> tuple[list[Chunk], list[Refusal]]:
    reader = BlockReader()
    rejected = reader.scanner.rejected
    damage = None
    try:
        for piece in pieces:
            reader.feed(piece)
            if rejected and (stop or (len(rejected) > 1000 and not reader.chunks)):
                break  # a long file in which nothing is an event is some other file
    except Damaged as error:
        damage = str(error)
    reader.close(damage)
    chunks = [chunk for chunk in reader.chunks if chunk.rows]
    refused: list[Refusal] = list(rejected)
    if not chunks and not refused:
        refused = [(None, "the file holds no event, only an empty array")]
    elif not chunks and len(refused) > NAMED_REASONS:
        line, reason = refused[0]
        refused = [(None, f"no event in it, {len(refused):,} records refused, the first in line {line}: {reason}")]
    return chunks, refused


def _place(file: str, line: Any) -> str:
    return file if line is None or line is pd.NA else f"{file}, line {line}"


def _rejected_frame(rejected: list[tuple[str, int | None, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rejected, columns=["file", "line", "reason"])
    return frame.astype({"file": object, "line": "Int64", "reason": object})


def _nothing_read(rejected: list[tuple[str, int | None, str]]) -> str:
    """One line: what was wrong with the only file, or with the first few of several."""
    named = "; ".join(f"{_place(file, line)}: {reason}" for file, line, reason in rejected[:NAMED_REASONS])
    more = f"; and {len(rejected) - NAMED_REASONS:,} more" if len(rejected) > NAMED_REASONS else ""
    return named + more if len(rejected) == 1 else f"no event could be read: {named}{more}"
