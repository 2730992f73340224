"""Figures of a ranking: joined by id, per type, and honest about what cannot be measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import Bootstrap, InputError, detection_report
from ocsf_ssl_lib.evaluate import FEW_POSITIVES


def example(n: int = 200, seed: int = 0) -> tuple[pd.Series, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    uid = [f"id-{i}" for i in range(n)]
    anomaly = rng.random(n) < 0.2
    kind = np.where(anomaly, rng.choice(["beacon", "brute"], n), "")
    scores = pd.Series(rng.normal(size=n) - anomaly, index=uid)
    return scores, pd.DataFrame({"metadata.uid": uid, "is_anomaly": anomaly, "anomaly_type": kind})


def test_scores_and_labels_are_joined_by_id_not_by_position() -> None:
    scores, labels = example()
    expected = detection_report(scores, labels)
    shuffled = detection_report(scores.sample(frac=1, random_state=1), labels.sample(frac=1, random_state=2))
    pd.testing.assert_frame_equal(shuffled, expected)
    # Positions would have given about chance.
    assert expected.roc_auc[0] > 0.7


def test_a_perfect_ranking_has_one_and_its_reverse_zero() -> None:
    labels = pd.DataFrame({"metadata.uid": list("abcd"), "is_anomaly": [True, False, False, False]})
    best = pd.Series([-9.0, 1, 2, 3], index=list("abcd"))
    assert detection_report(best, labels).loc[0, ["roc_auc", "average_precision"]].tolist() == [1.0, 1.0]
    worst = detection_report(-best, labels)
    assert worst.roc_auc[0] == 0
    assert worst.average_precision[0] == pytest.approx(1 / 4)


def test_each_type_is_measured_against_the_normal_events_only() -> None:
    uid = list("abcdef")
    labels = pd.DataFrame(
        {"metadata.uid": uid, "is_anomaly": [1, 1, 0, 0, 0, 0], "anomaly_type": ["easy", "hard", "", "", "", ""]}
    )
    report = detection_report(pd.Series([-5.0, 9, 1, 2, 3, 4], index=uid), labels).set_index("anomaly_type")
    assert report.index.tolist() == ["all", "easy", "hard"]
    assert report.roc_auc.tolist() == [0.5, 1.0, 0.0]
    assert report.positives.tolist() == [2, 1, 1]
    assert report.prevalence.tolist() == pytest.approx([1 / 3, 1 / 5, 1 / 5])
    assert report.few.all()


def test_labels_of_events_without_a_score_do_not_count() -> None:
    scores, labels = example()
    some = scores.iloc[:100]
    pd.testing.assert_frame_equal(detection_report(some, labels), detection_report(some, labels.iloc[:100]))


def test_twenty_positives_are_not_few() -> None:
    uid = [str(i) for i in range(60)]
    labels = pd.DataFrame({"metadata.uid": uid, "is_anomaly": [i < 20 for i in range(60)]})
    scores = pd.Series(range(60), index=uid, dtype=float)
    assert not detection_report(scores, labels).few[0]
    assert detection_report(scores.iloc[1:], labels).few[0]


def test_an_anomaly_without_a_type_counts_among_all_only() -> None:
    labels = pd.DataFrame(
        {"metadata.uid": list("abcd"), "is_anomaly": [1, 1, 0, 0], "anomaly_type": ["beacon", None, None, None]}
    )
    report = detection_report(pd.Series([1.0, 2, 3, 4], index=list("abcd")), labels)
    assert report.anomaly_type.tolist() == ["all", "beacon"]
    assert report.positives.tolist() == [2, 1]


@pytest.mark.parametrize("which", ["scores", "labels"])
def test_an_id_that_stands_twice_is_refused(which: str) -> None:
    scores, labels = example()
    if which == "scores":
        scores = pd.concat([scores, scores.iloc[:1]])
    else:
        labels = pd.concat([labels, labels.iloc[:1]])
    with pytest.raises(InputError, match=f"{which}: event id 'id-0' twice"):
        detection_report(scores, labels)


def test_a_score_without_a_label_is_refused_by_its_id() -> None:
    scores, labels = example()
    with pytest.raises(InputError, match="event 'id-3' has a score but no label"):
        detection_report(scores, labels[labels["metadata.uid"] != "id-3"])


@pytest.mark.parametrize("which", ["scores", "labels"])
def test_an_event_without_an_id_is_refused(which: str) -> None:
    scores, labels = example()
    if which == "scores":
        scores.index = [None, *scores.index[1:]]
    else:
        labels.loc[0, "metadata.uid"] = None
    with pytest.raises(InputError, match=f"{which}: 1 event.* no metadata.uid"):
        detection_report(scores, labels)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused_by_its_id(bad: float) -> None:
    scores, labels = example()
    scores["id-7"] = bad
    with pytest.raises(InputError, match="score of event 'id-7'"):
        detection_report(scores, labels)


@pytest.mark.parametrize("value", [True, False])
def test_events_of_one_kind_cannot_be_measured(value: bool) -> None:
    scores, labels = example()
    with pytest.raises(InputError, match="all of one kind"):
        detection_report(scores, labels.assign(is_anomaly=value))


def test_labels_that_are_text_are_refused_rather_than_all_true() -> None:
    scores, labels = example()
    with pytest.raises(InputError, match="is_anomaly must be true or false"):
        detection_report(scores, labels.assign(is_anomaly=labels.is_anomaly.map({True: "1", False: "0"})))


@pytest.mark.parametrize("column", ["metadata.uid", "is_anomaly"])
def test_labels_without_a_needed_column_are_refused(column: str) -> None:
    scores, labels = example()
    with pytest.raises(InputError, match=column):
        detection_report(scores, labels.drop(columns=column))


def test_first_k_and_budget_are_counted() -> None:
    uid = list("abcdefgh")
    labels = pd.DataFrame({"metadata.uid": uid, "is_anomaly": [1, 0, 1, 0, 0, 0, 1, 0]})
    scores = pd.Series(range(8), index=uid, dtype=float)
    row = detection_report(scores, labels, k=3, false_alarms=0.2).iloc[0]  # 1 of 5 normal events
    assert row[["precision_at_k", "recall_at_budget", "k", "budget"]].tolist() == [2 / 3, 2 / 3, 3, 1]
    per_day = detection_report(scores, labels, k=3, false_alarms=2, days=0.5).iloc[0]
    assert per_day[["recall_at_budget", "budget"]].tolist() == [2 / 3, 1]


def test_a_list_longer_than_the_log_is_the_whole_log() -> None:
    labels = pd.DataFrame({"metadata.uid": list("abcd"), "is_anomaly": [True, False, False, False]})
    row = detection_report(pd.Series([1.0, 2, 3, 4], index=list("abcd")), labels, k=100).iloc[0]
    assert row[["precision_at_k", "k"]].tolist() == [1 / 4, 4]


def test_intervals_hold_the_figures_and_leave_them_alone() -> None:
    scores, labels = example()
    plain = detection_report(scores, labels)
    report = detection_report(scores, labels, intervals=Bootstrap(resamples=200))
    pd.testing.assert_frame_equal(report[plain.columns], plain)
    report = report[~report["few"]]
    assert len(report) > 1
    for metric in ("roc_auc", "average_precision", "precision_at_k", "recall_at_budget"):
        assert (report[f"{metric}_low"] <= report[metric]).all()
        assert (report[metric] <= report[f"{metric}_high"]).all()
        assert (report[f"{metric}_low"] < report[f"{metric}_high"]).any()


@pytest.mark.parametrize(("positives", "claimed"), [(1, False), (FEW_POSITIVES - 1, False), (FEW_POSITIVES, True)])
def test_few_positives_have_no_interval(positives: int, claimed: bool) -> None:
    uid = [f"id-{i}" for i in range(100)]
    anomaly = np.arange(100) < 30
    kinds = np.where(np.arange(100) < positives, "some", np.where(anomaly, "other", "normal"))
    labels = pd.DataFrame({"metadata.uid": uid, "is_anomaly": anomaly, "anomaly_type": kinds})
    scores = pd.Series(np.random.default_rng(0).normal(size=100), index=uid)
    report = detection_report(scores, labels, intervals=Bootstrap(resamples=20)).set_index("anomaly_type")
    limits = report.filter(regex="_(low|high)$")
    assert limits.shape[1] == 8
    assert limits.loc["all"].notna().all()
    assert limits.loc["some"].notna().all() == limits.loc["some"].notna().any() == claimed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"false_alarms": 1.5}, "share of the normal events.*number per day"),
        ({"false_alarms": -1, "days": 2}, "0 or more"),
        ({"days": 0}, "days must be a positive"),
        ({"days": float("nan")}, "days must be a positive"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        detection_report(*example(), **arguments)
