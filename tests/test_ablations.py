"""Every option of the ablations has its settings, and those of views and of the order of tuning do what they say."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch
from test_experiments import FOLDER, SMALL, experiment

from ocsf_ssl_lib import Batch, ContrastiveConfig, EncoderConfig, build_model
from ocsf_ssl_lib.plots.tuning import orders, tuned_in_order

PLAIN = EncoderConfig(d_model=8, num_blocks=1, dropout=0.0)  # so that the order of the rows does not matter
CARDINALITIES = [9, 9, 9]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch):
    """Import an experiment."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def batch() -> Batch:
    """Sixty different events."""
    draws = torch.Generator().manual_seed(0)
    numbers = torch.randn(60, 2, generator=draws)
    return Batch(numbers, torch.randint(3, 9, (60, 3), generator=draws), torch.zeros(60, 2, dtype=torch.bool))


def test_two_views_are_those_of_the_plain_task(module, batch: Batch) -> None:
    views = module("views")
    options = {"encoder_config": PLAIN, "protected": (1,)}
    ours, plain = (build_model(c(**options), 2, CARDINALITIES) for c in (views.ViewsConfig, ContrastiveConfig))
    losses = [model.calculate_loss(batch, torch.Generator().manual_seed(1)) for model in (ours, plain)]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("count", [3, 4])
def test_more_views_are_all_different(module, batch: Batch, count: int) -> None:
    views = module("views")
    model = build_model(views.ViewsConfig(encoder_config=PLAIN, views=count), 2, CARDINALITIES)
    made = model._many(batch, torch.Generator().manual_seed(0))
    assert len(made) == count
    assert len({view.numerical.numpy().tobytes() for view in made}) == count
    assert math.isfinite(model.calculate_loss(batch).item())


def test_the_view_of_scarf_is_one_sided_and_spares_protected_columns(module, batch: Batch) -> None:
    views = module("views")
    config = views.ViewsConfig(encoder_config=PLAIN, one_sided=0.6, protected=(1,))
    model = build_model(config, 2, CARDINALITIES)
    first, second = model._many(batch, torch.Generator().manual_seed(0))
    assert torch.equal(first.categorical, batch.categorical)
    assert torch.equal(first.numerical, batch.numerical)
    assert torch.equal(second.categorical[:, 1], batch.categorical[:, 1])
    changed = (second.categorical != batch.categorical).float().mean(0)
    assert changed[[0, 2]].min() > 0.3  # of 60 %, since the value drawn may be the one that is there
    assert (second.numerical != batch.numerical).float().mean() == pytest.approx(0.6, abs=0.15)


def grid(module: ModuleType) -> pd.DataFrame:
    """Losses in which the best rate depends on the batch: 3e-3 with 256, 1e-2 with 1024, which is best of all."""
    rows = pd.DataFrame(module.combinations())
    high, large = rows["learning_rate"] == 1e-2, rows["batch_size"] == 1024
    rows["validation_loss"] = (
        0.9 - 0.1 * (rows["learning_rate"] == 3e-3) + 0.05 * (large & ~high) - 0.3 * (large & high)
    )
    return rows.assign(seed=0)


def test_tuning_one_option_after_the_other_may_miss_the_best(module) -> None:
    order = module("tuning_order")
    table = grid(order)
    rate_first = tuned_in_order(table, ("learning_rate", "batch_size", "d_model"), order.START)
    assert (rate_first["learning_rate"], rate_first["batch_size"]) == (3e-3, 64)  # ties go to the first
    assert rate_first["validation_loss"] == pytest.approx(0.8)
    assert tuned_in_order(table, (), order.START)["validation_loss"] == pytest.approx(0.9)
    found = orders(table, order.START).set_index("order")["validation_loss"]
    assert found["whole grid"] == pytest.approx(0.6)
    assert len(found) == 1 + 3 + 6 + 1
    assert found["learning_rate alone"] == pytest.approx(0.8)


@pytest.mark.slow
def test_a_combination_of_the_grid_is_trained_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    ablation, _ = experiment("training_ablation", monkeypatch, EVENTS=700, ENCODER=SMALL)
    order, rows = experiment("tuning_order", monkeypatch, EPOCHS=1)
    order.run(0, ablation.Log(0), 1e-3, 64, 16)
    assert rows[0]["d_model"] == 16
    assert all(math.isfinite(rows[0][figure]) for figure in ("validation_loss", "average_precision", "seconds"))


def test_every_option_has_settings_and_what_is_missing_is_found(module, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = module("plan")
    wanted = plan.wanted()
    assert not wanted.duplicated().any()
    for option, places in plan.OPTIONS.items():
        for name, groups in places:
            known = set(wanted.loc[wanted["experiment"] == name, "group"])
            assert set(groups) <= known, option
    there = wanted.iloc[1:].assign(seconds=6.0)
    monkeypatch.setattr(plan, "present", lambda: there)
    runs = plan.plan()
    assert list(runs["done"]) == [False] + [True] * (len(wanted) - 1)
    assert runs["seconds"].iloc[0] == 6.0  # as long as the others of that experiment


def test_the_runs_that_are_there_are_among_those_that_are_wanted(module) -> None:
    plan = module("plan")
    found = plan.plan()
    assert found["done"].sum() > 300
    assert set(found["experiment"]) == {"training_ablation", "pretext_ablation", "robustness", "tuning_order"}


def test_run_all_knows_every_experiment_and_tells_a_failure(
    module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = module("run_all")
    scripts = {path.stem for path in FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    assert set(everything.EXPERIMENTS) == scripts - {"plan", "run_all"}
    monkeypatch.setattr(everything, "HERE", tmp_path)
    monkeypatch.setattr(everything, "LOGS", tmp_path)
    (tmp_path / "good.py").write_text("print('well')")
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    assert everything.report("good", None)
    assert (tmp_path / "good.log").read_text() == "well\n"
    assert not everything.report("bad", None)
    assert everything.report("table_detection", None)
    assert "left out: needs --tables" in capsys.readouterr().out
