"""The results table of the first chapter: who is compared with whom, and where."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from ocsf_ssl_lib.events.context import CONTEXTUAL
from ocsf_ssl_lib.plots.headlines import duel, headlines
from ocsf_ssl_lib.plots.results import published_results

VALUES = pd.DataFrame(
    {"net": [0.5, 0.5, 0.5], "other net": [0.9, 0.1, 0.1], "kNN": [0.4, 0.6, 0.3], "count": [0.9, 0.0, math.nan]}
)


def test_the_best_of_either_side_is_chosen_by_its_mean() -> None:
    row = duel(VALUES, ["other net", "net"], ["kNN"])
    assert (row.learned, row.simple) == ("net", "kNN")
    assert (row.learned_mean, row.simple_mean) == (pytest.approx(0.5), pytest.approx(1.3 / 3))
    assert (row.ahead, row.places, row.winner) == (2, 3, "learned")


def test_a_place_without_a_value_counts_for_nobody() -> None:
    row = duel(VALUES, ["net"], ["kNN", "count"])
    assert row.places == 2
    assert (row.simple, row.simple_mean, row.ahead) == ("kNN", pytest.approx(0.5), 1)


def test_the_simple_method_wins_a_tie() -> None:
    assert duel(VALUES.head(2), ["net"], ["kNN"]).winner == "simple"


def test_published_headlines_are_means_over_the_logs_of_each_experiment() -> None:
    rows = headlines()
    results = published_results("simulated_detection").query("anomaly_type == 'all'")
    mean = results.groupby("method")["average_precision"].mean()
    assert rows["masked"].learned_mean == pytest.approx(mean["masked, likelihood"])
    simple = [m for m in mean.index if "," not in m and m != "combined"] + ["untrained, knn", "untrained, mahalanobis"]
    assert rows["masked"].simple_mean == pytest.approx(mean[simple].max())
    assert rows["auc"].places == published_results("detection")["table"].nunique()
    assert all(0 < row.simple_mean < 1 and 0 < row.learned_mean < 1 for row in rows.values())


def test_no_part_of_ours_counts_as_a_simple_method() -> None:
    for key, row in headlines().items():
        assert not row.simple.startswith(("part", "without", "combined", "masked", "denoising", "contrastive")), key


def test_attacks_and_contextual_types_are_means_over_their_types_alone() -> None:
    rows = headlines()
    auc = published_results("simulated_detection").query("method == 'masked, likelihood'")
    auc = auc.groupby("anomaly_type")["roc_auc"].mean().drop("all")
    assert len(auc) == 10
    assert rows["contextual"].learned_mean == pytest.approx(auc[list(CONTEXTUAL)].mean())
    assert rows["attacks"].learned_mean == pytest.approx(auc.drop(list(CONTEXTUAL)).mean())
    assert rows["attacks"].places == rows["contextual"].places == rows["masked"].places


def test_the_tables_from_outside_are_there_and_the_network_logs_among_them() -> None:
    rows = headlines()
    auc = (
        published_results("table_detection").query("method == 'masked, likelihood'").groupby("table")["roc_auc"].mean()
    )
    assert (rows["outside"].places, rows["outside"].learned_mean) == (len(auc), pytest.approx(auc.mean()))
    assert (rows["network"].places, rows["network"].learned_mean) == (2, pytest.approx(auc.filter(like="zeek").mean()))
    assert all("," not in rows[key].simple or "untrained" in rows[key].simple for key in ("outside", "network"))


def test_experiments_are_read_by_name() -> None:
    asked: list[str] = []

    def read(name: str) -> pd.DataFrame:
        asked.append(name)
        return published_results(name)

    headlines(read)
    assert {
        "detection",
        "table_detection",
        "label_efficiency",
        "explanations",
        "robustness",
        "training_ablation",
    } <= set(asked)
