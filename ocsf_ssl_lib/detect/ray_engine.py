"""Stage 7d: the work of ``bulk`` on many processes or machines, by Ray Data. The optional dependency ``ray``.

The data set that Ray Data hands around is the list of row groups, not their rows: each worker reads its row groups
itself, as one process would (nested structs, partition folders, a period of time), and writes the scores of each to a
file of its own. Two things follow. Every number is the one that a single process computes. And a row group may be
scored twice, when a worker dies and another takes over, but its file is written aside and renamed under a name that
only the row group decides: no row is lost and none counted twice.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ocsf_ssl_lib.detect.bulk import BATCH_ROWS, BulkScores, LowestScores, score_pieces, write_in_groups
from ocsf_ssl_lib.detect.detector import OCSFAnomalyDetector
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.parquet_events import ParquetEvents, Piece
from ocsf_ssl_lib.progress import scoring_bar

__all__ = ["import_ray", "score_on_ray"]

TRIES = 5  # workers that a row group may end; Ray itself would try for ever


def score_on_ray(
    detector: OCSFAnomalyDetector,
    events: ParquetEvents,
    output: str | Path,
    *,
    workers: int | None = None,
    top: int = 20,
    batch_rows: int = BATCH_ROWS,
    progress: bool | None = None,
) -> BulkScores:
    """Score events in Parquet files on Ray; rows, order and numbers are those of ``score_parquet``.

    A Ray that runs in this process is used, or the cluster that ``RAY_ADDRESS`` names, or else one is started on this
    machine and stopped at the end. On a cluster, all machines need the files, the folder of ``output`` and this package
    under the same paths. A worker that dies is replaced.

    Args:
        detector: fitted; each worker gets a copy once.
        events: the files; a worker scores one row group at a time.
        output: a name that ends in ``.parquet`` becomes one file; any other name a folder with a file for each row
            group, whose names sort in the order of the events. Written aside, then renamed.
        workers: processes with one processor each; ``None`` takes all processors.
        top: how many of the lowest scores to give back with their events.
        batch_rows: events in a worker's memory at a time.
        progress: show a bar; ``None`` shows it in a terminal only.

    Raises:
        InputError: Ray is not installed; a file is damaged, a column of the model is in none of them, ``output`` exists
            as a folder or cannot be written.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers must be positive, however: {workers}")
    ray = import_ray()
    output = Path(output)
    if output.is_dir():
        raise InputError(f"{output} is a folder that exists; name another one")
    detector.preprocessor_.input_columns(events.columns)  # a column that is gone is named before workers start
    with _beside(output) as folder, _started(ray, workers) as count, scoring_bar(progress) as bar:
        task = bar.add_task("scoring", total=len(events))
        result = BulkScores(LowestScores(top))
        for part in _scored(ray, detector, events, folder, count, top=top, batch_rows=batch_rows):
            result.merge(part)
            bar.advance(task, part.events)
        _move(folder, len(events.pieces), output)
    return result


def _scored(
    ray: Any, detector: OCSFAnomalyDetector, events: ParquetEvents, folder: Path, workers: int, **options: int
) -> Iterator[BulkScores]:
    """What is left of each row group, as they are done; their scores are in ``folder`` then."""
    count = len(events.pieces)
    row_groups = ray.data.from_items([{"piece": k} for k in range(count)], override_num_blocks=count)
    shared = {"detector": ray.put(detector), "events": ray.put(events)}
    done = row_groups.map_batches(
        _Worker,
        fn_constructor_kwargs=shared | {"home": os.getcwd(), "folder": folder.absolute(), **options},
        batch_size=1,
        # One row group at a time: what waits for a worker cannot be taken over by another that is idle.
        compute=ray.data.ActorPoolStrategy(size=min(workers, count), max_tasks_in_flight_per_actor=1),
        num_cpus=1,
    )
    for row in done.iter_rows():
        part = pickle.loads(row["result"])  # of our own worker, over Ray, which pickles all it carries
        if isinstance(part, InputError):
            raise part
        yield part


def import_ray() -> Any:
    """The module ``ray``, told to send no statistics of use.

    A Ray that starts still asks the link-local address 169.254.169.254, and the name ``metadata.google.internal``,
    whether it runs in a cloud; it works as well where nothing answers.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray.data
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "ray":
            raise
        raise InputError("--engine ray needs Ray, which is not installed: pip install 'ocsf-ssl-lib[ray]'") from None
    return ray


class _Worker:
    """Lives in a process of its own, as long as there is work, with its own copy of the model."""

    def __init__(self, detector: Any, events: Any, home: str, folder: Path, top: int, batch_rows: int) -> None:
        import ray

        os.chdir(home)  # names of files may be relative, and stand in the scores as they were given
        self.detector: OCSFAnomalyDetector = ray.get(detector)
        self.events: ParquetEvents = ray.get(events)
        self.folder, self.top, self.batch_rows = folder, top, batch_rows

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        (number,) = batch["piece"]
        part = _part(self.folder, int(number))
        tries = part.with_name(f".{part.name}.tries")
        pieces = [self.events.pieces[int(number)]]
        result: BulkScores | InputError
        try:
            self._count(tries, pieces[0])
            result = score_pieces(self.detector, self.events, pieces, part, top=self.top, batch_rows=self.batch_rows)
        except InputError as error:  # raised here, it would come out as pages of Ray's own
            result = error
        except OSError as error:
            result = InputError(f"cannot write {part}: {error.strerror or error}")
        tries.unlink(missing_ok=True)
        return {"result": [pickle.dumps(result)]}

    def _count(self, tries: Path, piece: Piece) -> None:
        """Note that a worker takes a row group, unless too many have died of it: the run would never end."""
        with open(tries, "ab") as file:
            file.write(b".")
        if tries.stat().st_size > TRIES:
            raise InputError(
                f"{self.events.path(piece)}, row group {piece.group}: {TRIES} workers died of it, of too little memory "
                "perhaps; take fewer workers, or write the events with smaller row groups"
            )


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.parquet"


@contextmanager
def _started(ray: Any, workers: int | None) -> Iterator[int]:
    """Ray runs within the block; how many workers it has room for."""
    ours = not ray.is_initialized()
    if ours:
        local = {"address": "local", "num_cpus": workers, "include_dashboard": False}
        local = {} if os.environ.get("RAY_ADDRESS") else local
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
    context = ray.data.DataContext.get_current()
    shown, context.enable_progress_bars = context.enable_progress_bars, False
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        logger.setLevel(level)
        context.enable_progress_bars = shown
        if ours:
            ray.shutdown()


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A new folder beside ``output``, gone at the end of the block."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, parts: int, output: Path) -> None:
    """The scores of all row groups, in their order, to where they were asked for."""
    if output.suffix == ".parquet":
        write_in_groups(_tables([_part(folder, k) for k in range(parts)]), output)
        return
    for leftover in folder.glob(".*"):  # of a worker that died while it wrote
        leftover.unlink()
    try:
        folder.chmod(0o755)
        folder.rename(output)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from None


def _tables(files: list[Path]) -> Iterator[pa.Table]:
    for file in files:
        with pq.ParquetFile(file) as opened:
            for group in range(opened.num_row_groups):
                yield opened.read_row_group(group)
        file.unlink()  # so that the scores are on disk once, not twice
