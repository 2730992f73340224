"""Stage 2, for events that do not fit in memory: batches from Parquet files, the next row groups read meanwhile.

``EventStream`` can stand wherever ``train_self_supervised`` takes an ``OCSFDataset``.
"""

from __future__ import annotations

import copy
import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from ocsf_ssl_lib.batching import BatchPlan, checked_rank
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch, OCSFDataset, OCSFPreprocessor
from ocsf_ssl_lib.parquet_events import ParquetEvents, Piece

__all__ = ["BUFFER_ROWS", "EventStream", "prefetched"]

BUFFER_ROWS = 2**19  # rows shuffled together; 40 columns of ids take 0.3 kB a row, so 170 MB
SAMPLE_ROWS = 100_000  # rows that tell how often each value occurs

T = TypeVar("T")


class EventStream:
    """Batches of events that stay on disk.

    Shuffling is that of a buffer: the order of the row groups is drawn anew in each epoch, as many as reach
    ``buffer_rows`` are read together, and their rows are shuffled among each other. With row groups of 65 536 rows,
    a batch mixes 8 of them, drawn at random from all, where a full shuffle would mix all. Files with larger row
    groups mix fewer: a single one that is larger than the buffer is shuffled for itself alone.

    In memory are the buffer in use, the next one, and one row group on its way through the preprocessor.

    Args:
        events: the files.
        preprocessor: fitted, on ``events.sample(...)`` say.
        buffer_rows: rows to shuffle together; or the largest row group, if that is more.

    Attributes:
        names: of the numerical, then of the categorical columns.

    Raises:
        InputError: a column of the preprocessor is in none of the files; a buffer of less than one row.

    Example:
        >>> import pandas as pd, tempfile
        >>> from pathlib import Path
        >>> from ocsf_ssl_lib import OCSFPreprocessor, ParquetEvents
        >>> from ocsf_ssl_lib.events import write_events
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name, "log.parquet")
        >>> write_events(pd.DataFrame({"user.name": ["ann", "bob"] * 5, "traffic.bytes": range(10)}), path)
        >>> events = ParquetEvents(path)
        >>> stream = EventStream(events, OCSFPreprocessor().fit(events.sample(1000)))
        >>> [len(batch.categorical) for batch in stream.batches(4)]
        [4, 4, 2]
    """

    def __init__(
        self, events: ParquetEvents, preprocessor: OCSFPreprocessor, *, buffer_rows: int = BUFFER_ROWS
    ) -> None:
        if buffer_rows < 1:
            raise InputError(f"buffer_rows must be positive, however: {buffer_rows}")
        self.events = events
        self.preprocessor = preprocessor
        self.buffer_rows = buffer_rows
        self.names: tuple[str, ...] = tuple(preprocessor.get_feature_names_out())
        self.rank, self.world = 0, 1
        self.device = torch.device("cpu")
        self._columns = preprocessor.input_columns(events.columns)

    def __len__(self) -> int:
        """Events of all processes together."""
        return len(self.events)

    def to(self, device: torch.device | str) -> EventStream:
        """The same stream with its batches on another device; each is moved when it is asked for."""
        moved = copy.copy(self)
        moved.device = torch.device(device)
        return moved

    def shard(self, rank: int, world: int) -> EventStream:
        """The same stream for one of ``world`` processes: ``batches`` gives its slice of each global batch.

        Each process reads all files; only what it trains on differs. See ``BatchPlan`` for who gets which.

        Raises:
            InputError: ``rank`` is not in 0..world-1.
        """
        part = copy.copy(self)
        part.rank, part.world = checked_rank(rank, world)
        return part

    def sample(self, rows: int = SAMPLE_ROWS) -> OCSFDataset:
        """About ``rows`` events in memory, spread over all files; always the same ones."""
        return OCSFDataset.from_frame(self.preprocessor, self.events.sample(rows, self._columns))

    def fingerprint(self) -> str:
        """What tells this stream from others: files, buffer, and what the preprocessor makes of the first events."""
        rows = self._read(self.events.pieces[0])
        digest = hashlib.sha256(b"".join(t[:1000].numpy().tobytes() for t in rows)).hexdigest()
        return f"{self.events.fingerprint()}, {digest[:16]}, buffer {self.buffer_rows}"

    def num_batches(self, batch_size: int) -> int:
        """How many batches ``batches`` gives."""
        return BatchPlan(len(self), batch_size, self.rank, self.world).count

    def batches(self, batch_size: int, *, generator: torch.Generator | None = None, start: int = 0) -> Iterator[Batch]:
        """Every row once, ``batch_size`` rows at a time, in the order of the files or shuffled.

        Args:
            batch_size: rows of a batch; a last batch of a single row joins the one before it.
            generator: shuffles; the order depends on its state at the first batch alone. On the CPU.
            start: so many batches are left out. Buffers with nothing but those are not read; the rest is what a whole
                epoch would have given.
        """
        plan = BatchPlan(len(self), batch_size, self.rank, self.world)
        buffers = self._buffers(generator)
        seeds = torch.randint(2**62, (len(buffers),), generator=generator).tolist() if generator else None
        ends = np.cumsum([sum(piece.rows for piece in buffer) for buffer in buffers])
        if start >= plan.count:
            return
        first = int(np.searchsorted(ends, plan.rows_of(start).start, side="right"))
        end = int(ends[first - 1]) if first else 0
        jobs = (partial(self._load, buffers[k], seeds[k] if seeds else None) for k in range(first, len(buffers)))
        ready: deque[tuple[int, Batch, torch.Tensor | None]] = deque()  # first row, rows, their order
        with closing(prefetched(jobs)) as loaded:
            for k in range(start, plan.count):
                rows = plan.rows_of(k)
                while ready and ready[0][0] + len(ready[0][1].categorical) <= rows.start:
                    ready.popleft()
                while end < rows.stop:
                    tensors, order = next(loaded)
                    ready.append((end, tensors, order))
                    end += len(tensors.categorical)
                yield Batch(*(t.to(self.device) for t in _cut(ready, rows)))

    def _buffers(self, generator: torch.Generator | None) -> list[list[Piece]]:
        """Row groups in the order of an epoch, those together that are read together."""
        pieces = self.events.pieces
        if generator is None:
            return [[piece] for piece in pieces]
        buffers: list[list[Piece]] = []
        room = 0
        for k in torch.randperm(len(pieces), generator=generator).tolist():
            if room <= 0:
                buffers.append([])
                room = self.buffer_rows
            buffers[-1].append(pieces[k])
            room -= pieces[k].rows
        return buffers

    def _load(self, buffer: list[Piece], seed: int | None) -> tuple[Batch, torch.Tensor | None]:
        """The rows of a buffer, and the order to take them in."""
        rows = Batch(*(torch.cat(parts) for parts in zip(*map(self._read, buffer), strict=True)))
        if seed is None:
            return rows, None
        return rows, torch.randperm(len(rows.categorical), generator=torch.Generator().manual_seed(seed))

    def _read(self, piece: Piece) -> Batch:
        arrays = self.preprocessor.transform(self.events.read(piece, self._columns), quiet=True)
        return Batch(*map(torch.from_numpy, arrays))


def prefetched(jobs: Iterable[Callable[[], T]]) -> Generator[T, None, None]:
    """The results of ``jobs``, in their order; one thread works on the next while the caller uses the last one.

    An exception in a job is raised where its result is asked for. The thread ends when all is done, or when the
    generator is closed.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:
        ahead: Future[T] | None = None
        for job in jobs:
            done, ahead = ahead, thread.submit(job)
            if done is not None:
                yield done.result()
        if ahead is not None:
            yield ahead.result()


def _cut(ready: Iterable[tuple[int, Batch, torch.Tensor | None]], rows: slice) -> Batch:
    """Rows of an epoch, from the buffers that hold them."""
    parts = []
    for first, tensors, order in ready:
        low, high = max(rows.start - first, 0), min(rows.stop - first, len(tensors.categorical))
        if low < high:
            place = slice(low, high) if order is None else order[low:high]
            parts.append([t[place] for t in tensors])
    return Batch(*(part[0] if len(part) == 1 else torch.cat(part) for part in zip(*parts, strict=True)))
