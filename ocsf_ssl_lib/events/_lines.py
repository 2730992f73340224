"""The bytes of one source to chunks of columns: fast where Arrow can, careful where it cannot, and only there.

Arrow parses a block of JSON Lines at once. When it fails it says at which row: the lines before it are parsed
again, the one to blame is read carefully, and the fast reading goes on behind it. A bad line costs only itself.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ocsf_ssl_lib.events._arrow_json import ArrowParser
from ocsf_ssl_lib.events._flatten import Chunk, flatten_records
from ocsf_ssl_lib.events._scan import Scanner

__all__ = ["BlockReader"]

BLOCK = 1 << 22  # bytes; larger blocks are not faster, smaller ones repeat the set-up of the columns
SMALLEST = 8  # lines not worth halving in search of the one to blame
ATTEMPTS = 32  # failures within a block after which the rest of it is read carefully
PATIENCE = 3  # such blocks after which the rest of the source is read carefully
WORKERS = min(4, os.cpu_count() or 1)

Parsed = tuple[Chunk | None, int | None]


class BlockReader:
    """Turns the bytes of one source, fed in pieces, into chunks of columns and refused records.

    Whole blocks are parsed ahead in threads (Arrow lets go of the interpreter's lock) and taken in their order.
    """

    def __init__(self, *, fast: bool = True) -> None:
        self.chunks: list[Chunk] = []
        self.scanner = Scanner()
        self._events: list[dict[str, Any]] = []  # read carefully, not yet made a chunk
        self._numbers: list[int] = []  # their lines
        self._pieces: list[bytes] = []  # not yet a block
        self._size = 0
        self._full = BLOCK
        self._unfinished = b""  # a record that the last block ends in
        self._arrow = ArrowParser()
        self._patience = PATIENCE if fast else 0
        self._ahead: deque[tuple[list[bytes], Future[Parsed] | None]] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._parsers = threading.local()

    def feed(self, piece: bytes) -> None:
        """Take some more bytes; parse once a block is full."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= self._full and b"\n" in piece:
            lines = b"".join(self._pieces).split(b"\n")
            tail = lines.pop()
            self._pieces, self._size = [tail], len(tail)
            self._ahead.append((lines, self._start(lines)))
            while len(self._ahead) > WORKERS:
                self._take(final=False)

    def close(self, damage: str | None = None) -> None:
        """Parse what is left. ``damage`` is why the source ended early, if it did."""
        self._ahead.append((b"".join(self._pieces).split(b"\n"), None))
        while self._ahead:
            self._take(final=damage is None and len(self._ahead) == 1)
        if self._threads is not None:
            self._threads.shutdown()
        rejected = self.scanner.rejected
        if damage is not None:
            kept = "; the records before it are kept" if self.chunks else ""
            rejected.append((self.scanner.line + self._unfinished.rstrip().count(b"\n"), f"{damage}{kept}"))
        elif self.scanner.open_arrays:
            reason = "the array is not closed: the file may be cut off; what it holds was read"
            rejected.append((self.scanner.line, reason))
        rejected.sort(key=lambda one: one[0])

    def _start(self, lines: list[bytes]) -> Future[Parsed] | None:
        """Begin to parse a block in a thread, if that may succeed."""
        if self._patience <= 0 or self.scanner.open_arrays or WORKERS < 2:
            return None
        if self._threads is None:
            self._threads = ThreadPoolExecutor(WORKERS)

        def parse() -> Parsed:
            if not hasattr(self._parsers, "own"):  # what a parser has learned must not change under another thread
                self._parsers.own = ArrowParser()
            return self._parsers.own.parse(lines)

        return self._threads.submit(parse)

    def _take(self, *, final: bool) -> None:
        """Finish the oldest block."""
        lines, future = self._ahead.popleft()
        parsed = future.result() if future is not None else None
        if self._unfinished:
            lines = self._unfinished.removesuffix(b"\n").split(b"\n") + lines
            parsed = None
        self._unfinished = self._read(lines, parsed, final=final)
        self._full = max(BLOCK, 2 * len(self._unfinished))  # a long record is not begun anew for each piece of it

    def _read(self, lines: list[bytes], parsed: Parsed | None, *, final: bool) -> bytes:
        """Read a block, perhaps parsed by a thread; returns the unfinished record at its end, if more may follow."""
        attempts = ATTEMPTS if self._patience > 0 else 0
        start, stop, bad_at = 0, len(lines), -1
        unfinished = b""
        while start < len(lines):
            if attempts > 0 and start != bad_at and not self.scanner.open_arrays:
                chunk, bad = parsed or self._arrow.parse(lines[start:stop])
                parsed = None
                if chunk is not None:
                    self._flush()
                    self.chunks.append(chunk)
                    self.scanner.line += stop - start
                    start, stop = stop, len(lines)
                    continue
                attempts -= 1
                if attempts == 0:
                    self._patience -= 1
                if self._arrow.too_wide:
                    attempts = self._patience = 0
                if bad is not None:
                    bad_at = start + bad
                elif stop - start <= SMALLEST:
                    bad_at = start
                if (
                    bad_at != start and attempts > 0
                ):  # first the good lines before the bad one; which it is may be unknown
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
