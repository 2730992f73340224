"""The benchmarks still run with the package as it is: each in miniature, and no time is asserted."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"
ROWS = 2_000  # of a view, to measure a rate


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a benchmark by its name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def source_training(benchmark: Any, task: str, rows: int = 256) -> Any:
    """The source's training on a table that has something to learn: every column says which of four groups it is."""
    group = np.random.default_rng(0).integers(0, 4, rows)
    numbers = np.stack([group == k for k in range(4)], axis=1).astype(np.float32) * 2 - 1
    torch.manual_seed(0)
    return benchmark("source_tutorial").SourceTraining(
        task, numbers, np.stack([group, group], axis=1), [4, 7], batch=64, width=32, blocks=1, dropout=0.1
    )


@pytest.mark.parametrize("task", ["contrastive", "masked"])
def test_the_source_code_trains_and_its_loss_falls(benchmark: Any, task: str) -> None:
    training = source_training(benchmark, task)
    losses = [training.epoch() for _ in range(15)]
    assert all(map(math.isfinite, losses))
    assert np.mean(losses[-3:]) < 0.9 * losses[0]


def test_the_source_loss_is_nt_xent(benchmark: Any) -> None:
    from ocsf_ssl_lib import nt_xent

    source = benchmark("source_tutorial")
    z1, z2 = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    views = iter((z1, z2))
    loss = source.contrastive_loss(lambda *_: next(views), z1, torch.zeros(6, 1, dtype=torch.long), [3])
    torch.testing.assert_close(loss, nt_xent(z1, z2, source.TEMPERATURE))


def test_source_views_swap_uniformly_and_add_noise(benchmark: Any) -> None:
    source = benchmark("source_tutorial")
    torch.manual_seed(0)
    numbers, ids = source.view(torch.zeros(ROWS, 3), torch.zeros(ROWS, 2, dtype=torch.long), [2, 100])
    assert numbers.std() == pytest.approx(0.1, rel=0.05)
    realised = [0.2 * (1 - 1 / values) for values in (2, 100)]  # a draw may hit the value that is there
    assert (ids != 0).float().mean(0).tolist() == pytest.approx(realised, abs=0.03)


def test_source_masked_loss_of_nothing_hidden_is_no_nan(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    training = source_training(benchmark, "masked")
    monkeypatch.setattr(benchmark("source_tutorial"), "HIDDEN", 0.0)
    assert float(training.loss(training.model, torch.zeros(2, 4), torch.zeros(2, 2, dtype=torch.long), [4, 7])) == 0


def test_the_workload_has_the_sizes_of_the_source(benchmark: Any) -> None:
    numbers, categories = benchmark("workload").table()
    assert numbers.shape == (10_000, 50)
    assert numbers.dtype == np.float32
    assert categories.max(0).tolist() == [99, 49, 199, 999]
    assert categories.min() == 0


def test_runs_in_turn_alternate_and_the_warm_up_does_not_count(benchmark: Any) -> None:
    timing, order, ticks = benchmark("timing"), [], iter(range(100))
    runs = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = timing.in_turn(runs, rounds=2, clock=lambda: float(next(ticks)), warm_up=1)
    assert "".join(order) == "ababab"
    assert seconds == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    assert timing.speed_up([6.0, 4.0, 100.0], [2.0]) == 3


@pytest.mark.slow
def test_training_is_compared_with_the_source(benchmark: Any) -> None:
    module = benchmark("training_step")
    rows = module.steps(rows=300, rounds=1)
    assert [row["task"] for row in rows if row["code"] == module.SOURCE] == ["contrastive", "masked"]
    assert all(row["ratio"] == 1 for row in rows if row["code"] == module.SOURCE)
    assert {row["code"] for row in rows} > {module.SOURCE}
    assert len(module.whole(rows=300, epochs=1, rounds=1)) == 2
    assert [row["rows"] for row in module.growth([300, 600])] == [300, 600]


@pytest.mark.slow
def test_every_task_against_a_peer_prints_its_line(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = benchmark("ours")
    for pair in benchmark("against_peers").PAIRS:
        monkeypatch.setattr(sys, "argv", ["ours.py", pair.task, "--rows", "300", "--rounds", "2"])
        ours.main()
        line = json.loads(capsys.readouterr().out)
        assert len(line["rows_per_second"]) == 2
        assert (FOLDER / "peers" / pair.script).is_file()


def test_peers_and_ours_alternate(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module, called = benchmark("against_peers"), []

    def answer(_: str, script: str, *options: str) -> dict[str, Any]:
        called.append(Path(script).name)
        return {"rows_per_second": [1.0, 2.0], "rows_per_second_with_loading": [1.0], "versions": "peer 1"}

    monkeypatch.setattr(module, "last_line", answer)
    speeds = module.compare(module.PAIRS[0], rounds=3, precision="fp32")
    assert called == [module.PAIRS[0].script, "ours.py"] * 3
    assert (len(speeds.peer), len(speeds.peer_with_loading), len(speeds.ours)) == (6, 3, 6)


def test_figures_are_recorded_with_hardware_and_versions(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = benchmark("machine")
    monkeypatch.setattr(machine, "RESULTS", tmp_path / "results")
    for ratio in (1.5, 2.5):
        machine.record("some", [{"ratio": ratio}])
    table = pd.read_csv(tmp_path / "results" / "some.csv")
    assert table["ratio"].tolist() == [1.5, 2.5]
    assert table[["date", "hardware", "versions"]].notna().all(axis=None)
    assert "thread" in machine.headline()
    assert "torch" in machine.headline()


def test_a_script_that_fails_says_what_it_said(benchmark: Any, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit('no such column')", encoding="utf-8")
    with pytest.raises(RuntimeError, match="no such column"):
        benchmark("against_peers").last_line(sys.executable, str(script))


def test_lightly_is_found_in_the_environment_or_the_remedy_named(benchmark: Any, tmp_path: Path) -> None:
    lightly = benchmark("peers.lightly_loss")
    with pytest.raises(FileNotFoundError, match="make"):
        lightly.ntxent_file(tmp_path)
    path = tmp_path / "lib" / "python3.11" / "site-packages" / "lightly" / "loss" / "ntx_ent_loss.py"
    path.parent.mkdir(parents=True)
    path.touch()
    assert lightly.ntxent_file(tmp_path) == path


@pytest.mark.slow
def test_scoring_is_measured_and_both_engines_compared(benchmark: Any, tmp_path: Path) -> None:
    module = benchmark("score_rows")
    module.write(tmp_path, 10_000)
    module.train(tmp_path, 10_000, tmp_path / "model", module.EncoderConfig(d_model=8, num_blocks=1))
    arguments = ["--rows", 10_000, "--folder", tmp_path, "--model", tmp_path / "model"]
    (row,) = module.table(arguments, 10_000, 0, tmp_path)
    assert (row["rows"], row["engine"], row["d_model"]) == (10_000, "process", 8)
    assert row["largest_difference"] == 0
    assert row["processor_seconds"] > 0
    assert row["all_gb"] > 0
    assert row["peak_gb"] < 5
    assert 20 < row["score_bytes"] < 100


def test_other_scores_are_noticed(benchmark: Any, tmp_path: Path) -> None:
    module = benchmark("score_rows")
    table = pd.DataFrame({"row": [0, 1], "score": [0.5, 1.0], "is_anomaly": [True, False]})
    table.to_parquet(tmp_path / "one.parquet")
    table.assign(score=[0.5, 1.25]).to_parquet(tmp_path / "other.parquet")
    assert module.largest_difference(tmp_path / "one.parquet", tmp_path / "other.parquet") == 0.25
    for changed in (table.assign(row=[1, 0]), table.head(1)):
        changed.to_parquet(tmp_path / "other.parquet")
        with pytest.raises(ValueError, match=r"other events|scores"):
            module.largest_difference(tmp_path / "one.parquet", tmp_path / "other.parquet")


def test_processes_below_are_counted(benchmark: Any) -> None:
    module = benchmark("process_tree")
    with module.ProcessTree() as alone:
        pass
    with module.ProcessTree() as tree:
        code = "import time\ndata = bytes(range(250)) * 2_000_000\nwhile time.process_time() < 1: pass\ntime.sleep(1)"
        subprocess.run([sys.executable, "-c", code], check=True)
    assert tree.processor_seconds > 0.9
    assert tree.largest_bytes > 500e6
    assert tree.most_bytes > alone.most_bytes + 400e6
