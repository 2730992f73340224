"""The experiments still run with the package as it is: each in miniature, and nothing is written to the results."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocsf_ssl_lib import EncoderConfig, OCSFAnomalyDetector, TrainingConfig

FOLDER = Path(__file__).parents[1] / "experiments"
SMALL = EncoderConfig(d_model=8, num_blocks=1)


def experiment(name: str, monkeypatch: pytest.MonkeyPatch, **constants: Any) -> tuple[Any, list[dict[str, Any]]]:
    """An experiment with other constants, and the list that its rows go to."""
    monkeypatch.syspath_prepend(str(FOLDER))
    module, rows = importlib.import_module(name), list[dict[str, Any]]()
    monkeypatch.setattr(module, "append", lambda _, new: rows.extend(new))
    monkeypatch.setattr(module, "done", lambda *_, **__: False)
    for key, value in constants.items():
        monkeypatch.setattr(module, key, value)
    return module, rows


@pytest.mark.slow
def test_every_setting_of_the_ablation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    module, rows = experiment("pretext_ablation", monkeypatch, EVENTS=500, EPOCHS=1, ENCODER=SMALL)
    for setting in module.SETTINGS:
        module.run(0, *setting)
    assert len({(row["task"], row["group"], row["setting"]) for row in rows}) == len(module.SETTINGS)
    assert all(math.isfinite(row[figure]) for row in rows for figure in ("average_precision", "gain", "rmse"))


@pytest.mark.slow
def test_every_question_of_label_efficiency_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    constants = {"EVENTS": 800, "EPOCHS": 1, "LEAST_STEPS": 1, "ENCODER": SMALL}
    training = TrainingConfig(max_epochs=1, device="cpu")
    module, rows = experiment("label_efficiency", monkeypatch, PRETRAINING=training, **constants)
    for target, figure in module.FIGURE.items():
        module.run(target, 0, labels=(20,))
        found = [row for row in rows if row["target"] == target]
        assert len({row["method"] for row in found}) == 10
        assert all(math.isfinite(row[figure]) for row in found)


@pytest.mark.slow
def test_every_method_of_simulated_detection_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    module, rows = experiment("simulated_detection", monkeypatch, OCSFAnomalyDetector=tiny_detector)
    module.run(0, 600, 0)
    methods = {row["method"] for row in rows}
    assert len(methods) == 20
    assert {"combined", "Mahalanobis"} < methods


@pytest.mark.slow
def test_every_setting_of_training_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    module, rows = experiment("training_ablation", monkeypatch, EVENTS=700, EPOCHS=1, ENCODER=SMALL)
    log = module.Log(0)
    module.baselines(0, log)
    for setting in module.SETTINGS:
        module.run(0, log, *setting)
    trained = [row for row in rows if row["task"] != "baseline"]
    assert len({(row["task"], row["group"], row["setting"]) for row in trained}) == len(module.SETTINGS)
    assert all(math.isfinite(row["average_precision"]) for row in rows)
    assert all(math.isfinite(row["validation_loss"]) for row in trained)


@pytest.mark.slow
def test_contrastive_settings_are_judged_by_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = experiment("training_ablation", monkeypatch, EVENTS=700, ENCODER=SMALL)
    log = module.Log(0)
    cold = log.build("contrastive", 0, {})
    hot = log.build("contrastive", 0, {"temperature": 1.0, "noise_level": 0.3, "dropout_prob": 0.6})
    assert module.reached(hot, log.validation) == module.reached(cold, log.validation)  # the weights are the same


@pytest.mark.slow
def test_training_times_are_measured_for_each_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    module, rows = experiment("training_times", monkeypatch, STEADY=600)
    module.run(300)
    assert [row["precision"] for row in rows] == ["fp32", "bf16"]
    assert all(row["epoch_seconds"] > 0 and row["epochs_run"] == 2 for row in rows)


@pytest.mark.slow
def test_every_ranking_of_explanations_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(seed: int) -> OCSFAnomalyDetector:
        return OCSFAnomalyDetector(encoder_config=SMALL, max_epochs=1, random_state=seed)

    module, rows = experiment("explanations", monkeypatch, EVENTS=1500, EXCHANGES=60, new_detector=small)
    module.run(0)
    for name in ("exchanged", "scenario", "scenario, place or user"):
        found = [row for row in rows if row["set"] == name and row["group"] == "all" and "top2" in row]
        assert len(found) == 2 + len(module.RANKINGS)
        assert all(0 <= row["top1"] <= row["top2"] <= row["cases"] <= row["tried"] for row in found)
        assert all(row["cases"] for row in found)
    assert sum("restored" in row for row in rows) == 3


def test_an_exchange_counts_if_it_makes_a_pair_never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = experiment("explanations", monkeypatch)
    pairs = np.array([[1, 1, -1]] * 20 + [[2, 2, -1]] * 20)
    assert module.contradicts(pairs, np.array([1, 1, -1]), 0, 2)  # (2, 1): 10 to be expected, none seen
    assert not module.contradicts(pairs, np.array([2, 1, -1]), 1, 2)  # puts it right
    assert not module.contradicts(pairs[18:], np.array([1, 1, -1]), 0, 2)  # 2 to be expected: none proves nothing
    assert not module.contradicts(np.vstack([pairs, [2, 1, -1]]), np.array([1, 1, -1]), 0, 2)  # seen once


def test_every_measure_of_embedding_quality_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    module, rows = experiment("embedding_quality", monkeypatch, EVENTS=700, EPOCHS=1, ENCODER=SMALL)
    for task in module.TASKS:
        module.run(0, task)
    assert [row["task"] for row in rows] == ["columns", *(t for t in list(module.TASKS)[1:] for _ in module.SEEDS)]
    figures = ("alignment", "uniformity", "effective_rank", "purity", "probe", "average_precision")
    assert all(math.isfinite(row[figure]) for row in rows for figure in figures)
    assert all(0 < row["overlap"] <= 1 for row in rows[1:])


@pytest.mark.slow
def test_what_umap_maps_comes_with_its_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = experiment("umap_maps", monkeypatch, POINTS=50, ENCODER=SMALL)
    z, classes = module.event_embeddings()
    assert z.shape == (50, 8)
    assert len(set(classes)) > 1


def tiny_detector(*columns: Any, **options: Any) -> OCSFAnomalyDetector:
    return OCSFAnomalyDetector(*columns, encoder_config=SMALL, max_epochs=1, **options)


@pytest.mark.slow
def test_the_combined_score_is_measured_with_each_part_and_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"EVENTS": 900, "OCSFAnomalyDetector": tiny_detector, "rival_scores": lambda *_: ()}
    module, rows = experiment("detection", monkeypatch, **small)
    module.run("events", "events", module.events(0), 0)
    by = {row["method"]: row for row in rows}
    members = [name.removeprefix("part: ") for name in by if name.startswith("part: ")]
    assert len(members) == 9
    parts = {f"{kind}: {member}" for kind in ("part", "without") for member in members}
    assert set(by) == {"combined", "combined, columns only", "untrained encoder, mahalanobis", *parts}
    assert by["combined, columns only"]["roc_auc"] != by["combined"]["roc_auc"]
    assert all(0 <= row[figure] <= 1 for row in rows for figure in ("roc_auc", "average_precision"))
    assert by["combined"]["roc_auc"] != by["part: forest"]["roc_auc"]


@pytest.mark.slow
def test_every_simulated_table_has_normal_rows_to_train_on_and_both_kinds_to_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module("simulated_tables")
    for name in module.SIMULATED:
        table, other = module.simulated(name, 0), module.simulated(name, 1)
        assert 10 <= table.truth.sum() < len(table.truth) / 2, name
        assert set(table.train.columns) == {*table.numerical, *table.categorical}, name
        assert not set(table.train.index) & set(table.test.index), name
        assert not table.train.head(50).reset_index(drop=True).equals(other.train.head(50).reset_index(drop=True)), name
        module_again = module.simulated(name, 0)
        assert module_again.test.equals(table.test), name


@pytest.mark.slow
def test_robustness_changes_only_what_a_setting_names(monkeypatch: pytest.MonkeyPatch) -> None:
    module, rows = experiment("robustness", monkeypatch, EVENTS=3000, OCSFAnomalyDetector=tiny_detector)
    settings = {name: (train, test, truth) for name, train, test, truth in module.settings(0)}
    clean, dirty = (settings[f"contamination {share}"] for share in ("0%", "5%"))
    assert clean[1].equals(dirty[1])
    added = set(dirty[0][module.KEY]) - set(clean[0][module.KEY])
    assert len(added) == pytest.approx(0.05 * len(dirty[0]), abs=2)
    assert settings["copies"][0][module.KEY].duplicated().mean() > 0.4
    assert settings["bursts"][2].sum() == module.BURST * clean[2].sum()
    module.run(0)
    assert {row["setting"] for row in rows} == set(settings)
    assert all(0 <= row["p<=0.01"] <= row["p<=0.05"] <= 1 for row in rows if row["method"] == "combined")
