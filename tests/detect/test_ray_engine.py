"""On Ray: the same rows in the same order with the same numbers, also when a worker is killed half-way."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ocsf_ssl_lib import InputError, OCSFAnomalyDetector, ParquetEvents, score_on_ray, score_parquet
from ocsf_ssl_lib.detect import ray_engine
from ocsf_ssl_lib.parquet_events import Piece

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'ocsf-ssl-lib[ray]'"
)
WORKERS = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Ray of two workers that the tests of this file share."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def logs(events: pd.DataFrame, tmp_path: Path) -> Path:
    """Three files, 12 row groups."""
    folder = tmp_path / "logs"
    folder.mkdir()
    for k in range(3):
        events[100 * k : 100 * (k + 1)].to_parquet(folder / f"{k}.parquet", index=False, row_group_size=25)
    return folder


@needs_ray
@pytest.mark.slow
def test_rows_order_and_numbers_are_those_of_one_process(
    cluster: Any, fitted: OCSFAnomalyDetector, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    events = ParquetEvents("logs")  # relative names stand in the scores as they were given
    one = score_parquet(fitted, events, "one.parquet")
    many = score_on_ray(fitted, events, "many.parquet", workers=WORKERS)
    parts = score_on_ray(fitted, events, "parts", workers=WORKERS)
    expected = pd.read_parquet("one.parquet")
    for written in ("many.parquet", "parts"):
        pd.testing.assert_frame_equal(pd.read_parquet(written), expected, rtol=0, atol=1e-5)
    assert sorted(file.name for file in Path("parts").iterdir()) == [f"part-{k:06d}.parquet" for k in range(12)]
    for result in (many, parts):
        assert (result.events, result.anomalies) == (one.events, one.anomalies)
        pd.testing.assert_frame_equal(result.lowest.scores, one.lowest.scores, rtol=0, atol=1e-5)
        pd.testing.assert_frame_equal(result.lowest.events, one.lowest.events)
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "one.parquet", "many.parquet", "parts"}


@needs_ray
@pytest.mark.slow
def test_a_damaged_file_is_one_line_and_leaves_nothing(
    cluster: Any, fitted: OCSFAnomalyDetector, logs: Path, tmp_path: Path
) -> None:
    events = ParquetEvents(logs)
    path = logs / "1.parquet"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(InputError, match=r"1.parquet: a damaged") as raised:
        score_on_ray(fitted, events, tmp_path / "scores.parquet", workers=WORKERS)
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


@needs_ray
@pytest.mark.slow
def test_a_row_group_that_kills_every_worker_ends_the_run(
    cluster: Any, fitted: OCSFAnomalyDetector, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_Worker", deadly())
    with pytest.raises(InputError, match=r"1.parquet, row group 3: 5 workers died of it"):
        score_on_ray(fitted, ParquetEvents(logs), tmp_path / "scores.parquet", workers=WORKERS)
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def deadly() -> type:
    """A worker that dies of row group 7, each time."""

    class Deadly(ray_engine._Worker):
        def _count(self, tries: Path, piece: Piece) -> None:
            super()._count(tries, piece)
            if piece == self.events.pieces[7]:
                os.kill(os.getpid(), signal.SIGKILL)

    return Deadly


@needs_ray
@pytest.mark.slow
def test_a_killed_worker_costs_no_row_and_doubles_none(
    fitted: OCSFAnomalyDetector, events: pd.DataFrame, tmp_path: Path
) -> None:
    log = pd.concat([events] * 40, ignore_index=True)
    log.to_parquet(tmp_path / "log.parquet", index=False, row_group_size=200)  # 60 row groups
    fitted.save(tmp_path / "model")
    score_parquet(fitted, ParquetEvents(tmp_path / "log.parquet"), tmp_path / "one.parquet")
    command = [sys.executable, "-m", "ocsf_ssl_lib.cli", "score", tmp_path / "log.parquet", "-m", tmp_path / "model"]
    options = ["--engine", "ray", "--workers", WORKERS, "-o", tmp_path / "many.parquet", "--top", 0]
    with subprocess.Popen([*map(str, command), *map(str, options)], stderr=subprocess.PIPE, text=True) as run:
        done = wait_for_first_part(run, tmp_path)
        os.kill(worker_of(run.pid), signal.SIGKILL)
        _, said = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert 0 < done < 60, "the worker was to be killed half-way"
    assert "12,000 scores" in said
    many, one = (pd.read_parquet(tmp_path / name) for name in ("many.parquet", "one.parquet"))
    pd.testing.assert_frame_equal(many, one, rtol=0, atol=1e-5)
    assert not list(tmp_path.glob(".many*"))


def wait_for_first_part(run: subprocess.Popen[str], folder: Path) -> int:
    """How many row groups are done when the first one is."""
    end = time.monotonic() + 120
    while time.monotonic() < end and run.poll() is None:
        if done := len(list(folder.glob(".many.parquet.*/part-*"))):
            return done
        time.sleep(0.01)
    raise AssertionError(f"no row group was scored: {run.communicate(timeout=1)[1] if run.poll() else 'time is up'}")


def worker_of(pid: int) -> int:
    """A process below ``pid`` in which Ray runs one of our workers."""
    below = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    for child in below:
        if "MapWorker" in Path(f"/proc/{child}/cmdline").read_text():
            return child
        if found := worker_of(child):
            return found
    return 0


def test_without_ray_one_line_names_the_extra(
    fitted: OCSFAnomalyDetector, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(InputError, match=r"pip install 'ocsf-ssl-lib\[ray\]'"):
        score_on_ray(fitted, ParquetEvents(logs), tmp_path / "scores.parquet")


def test_no_statistics_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError):
        ray_engine.import_ray()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_are_positive(fitted: OCSFAnomalyDetector, logs: Path, tmp_path: Path, workers: int) -> None:
    with pytest.raises(InputError, match=f"workers must be positive, however: {workers}"):
        score_on_ray(fitted, ParquetEvents(logs), tmp_path / "scores.parquet", workers=workers)
