"""Figures of a ranking: joined by id, per type, and honest about what cannot be measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsf_ssl_lib import InputError, detection_report, split_by_time


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


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.floats(0.05, 0.95))
def test_a_split_by_time_never_overlaps_and_loses_nothing(times: list[int], fraction: float) -> None:
    frame = pd.DataFrame({"time": times, "row": range(len(times))})
    train, test = split_by_time(frame, fraction)
    assert sorted([*train.row, *test.row]) == list(range(len(times)))
    assert len(test) > 0
    if len(train):
        assert train.time.max() < test.time.min()


def test_a_split_by_time_does_not_depend_on_the_order_of_the_rows() -> None:
    frame = pd.DataFrame({"time": np.arange(100), "row": range(100)})
    train, test = split_by_time(frame.sample(frac=1, random_state=0), 0.3)
    assert sorted(train.row) == list(range(70))
    assert sorted(test.row) == list(range(70, 100))


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_a_split_needs_a_share_between_zero_and_one(fraction: float) -> None:
    with pytest.raises(InputError, match="test_fraction"):
        split_by_time(pd.DataFrame({"time": [1, 2]}), fraction)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"when": [1, 2]}), "no column 'time'"),
        (pd.DataFrame({"time": [1, None, 2]}), "1 events have no 'time'"),
        (pd.DataFrame({"time": []}), "no events"),
    ],
)
def test_a_split_without_usable_times_is_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_by_time(frame)
