"""``ocsf-ssl score --stream`` and ``--engine ray`` as a user meets them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ocsf_ssl_lib import OCSFAnomalyDetector
from ocsf_ssl_lib.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ocsf-ssl", "score", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def folder(fitted: OCSFAnomalyDetector, events: pd.DataFrame, tmp_path: Path) -> Path:
    """A model, and 300 events in two files."""
    fitted.save(tmp_path / "model")
    (tmp_path / "logs").mkdir()
    for name, part in (("a", events[:120]), ("b", events[120:])):
        part.to_parquet(tmp_path / "logs" / f"{name}.parquet", index=False, row_group_size=50)
    return tmp_path


def test_a_stream_has_the_scores_and_the_list_of_the_whole(run: Run, folder: Path) -> None:
    shared = (folder / "logs", "-m", folder / "model", "--top", 5)
    code, whole_list, err = run(*shared, "--no-group", "-o", folder / "whole.parquet")
    assert code == 0, err
    code, streamed_list, err = run(*shared, "--stream", "-o", folder / "stream.parquet")
    assert code == 0, err
    assert streamed_list == whole_list
    assert "300 scores" in err
    whole = pd.read_parquet(folder / "whole.parquet").sort_values("row", ignore_index=True)
    stream = pd.read_parquet(folder / "stream.parquet")
    assert stream["metadata.uid"].tolist() == whole["metadata.uid"].tolist()
    assert stream["score"].to_numpy() == pytest.approx(whole["score"].to_numpy(), rel=1e-5, abs=1e-5)
    assert stream["is_anomaly"].tolist() == whole["is_anomaly"].tolist()


def test_a_stream_in_a_period_with_a_column_gone(run: Run, folder: Path, events: pd.DataFrame) -> None:
    for path in (folder / "logs").iterdir():
        pd.read_parquet(path).drop(columns="status_id").to_parquet(path, index=False)
    arguments = (folder / "logs", "-m", folder / "model", "--stream", "-o", folder / "s.parquet")
    code, _, err = run(*arguments)
    assert code == 2
    assert "status_id" in err
    code, _, err = run(*arguments, "--missing-columns", "fill", "--since", events["time"][250])
    assert code == 0, err
    assert pd.read_parquet(folder / "s.parquet")["row"].tolist() == list(range(130, 180))


def test_a_stream_without_output_prints_the_list_alone(run: Run, folder: Path) -> None:
    before = sorted(folder.iterdir())
    code, out, err = run(folder / "logs", "-m", folder / "model", "--stream", "--top", 2)
    assert code == 0, err
    assert "2 of 300 events" in out
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--engine", "spark"), "--engine must be one of process, ray, however: spark"),
        (("--workers", "2"), "--workers 2 needs --engine ray"),
        (("--stream", "-o", "scores.csv"), "name a file that ends in .parquet"),
        (("--stream", "-o", "-"), "name a file that ends in .parquet"),
        (("--stream", "-o", "nowhere/scores.parquet"), "nowhere/scores.parquet"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, folder: Path, options: tuple[str, ...], reason: str) -> None:
    code, _, err = run(folder / "logs", "-m", folder / "model", *options)
    assert (code, err.count("\n")) == (2, 1)
    assert reason in err


def test_json_lines_cannot_be_streamed(run: Run, folder: Path) -> None:
    (folder / "log.jsonl").write_text('{"class_uid": 3002}\n')
    code, _, err = run(folder / "log.jsonl", "-m", folder / "model", "--stream")
    assert code == 2
    assert "only plain Parquet can be streamed" in err


def test_ray_that_is_not_installed_is_one_line(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = run(folder / "logs", "-m", folder / "model", "--engine", "ray", "-o", folder / "s.parquet")
    assert (code, err.count("\n")) == (2, 1)
    assert "pip install 'ocsf-ssl-lib[ray]'" in err
