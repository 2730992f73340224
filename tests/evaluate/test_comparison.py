"""Two detectors on the same events."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import Bootstrap, InputError, compare_detectors, detection_report

FAST = Bootstrap(resamples=300)


def example(n: int = 400, seed: int = 0) -> tuple[pd.Series, pd.Series, pd.DataFrame]:
    """Scores with a common noise, the second a little worse than the first, and labels."""
    rng = np.random.default_rng(seed)
    uid = [f"id-{i}" for i in range(n)]
    anomaly = rng.random(n) < 0.2
    noise = rng.normal(size=n)
    first = pd.Series(noise - anomaly, index=uid)
    second = pd.Series(noise - 0.7 * anomaly + 0.05 * rng.normal(size=n), index=uid)
    kinds = np.where(anomaly, rng.choice(["beacon", "brute"], n), "normal")
    return first, second, pd.DataFrame({"metadata.uid": uid, "is_anomaly": anomaly, "anomaly_type": kinds})


def area(table: pd.DataFrame) -> pd.Series:
    return table[(table.anomaly_type == "all") & (table.metric == "roc_auc")].iloc[0]


def test_figures_are_those_of_the_reports() -> None:
    first, second, labels = example()
    table = compare_detectors(first, second, labels, k=20, intervals=FAST)
    for name, scores in (("first", first), ("second", second)):
        report = detection_report(scores, labels, k=20).set_index("anomaly_type")
        for row in table.itertuples():
            assert getattr(row, name) == pytest.approx(report.loc[row.anomaly_type, row.metric])
    assert table.anomaly_type.unique().tolist() == ["all", "beacon", "brute"]
    assert table.difference.to_numpy() == pytest.approx((table["first"] - table["second"]).to_numpy())


def test_a_paired_comparison_sees_what_two_overlapping_intervals_hide() -> None:
    first, second, labels = example()
    apart = [detection_report(s, labels, intervals=FAST).iloc[0] for s in (first, second)]
    assert apart[0].roc_auc_low < apart[1].roc_auc_high  # they overlap
    row = area(compare_detectors(first, second, labels, intervals=FAST))
    assert 0 < row.low < row.difference < row.high
    assert row.p_value < 0.05


def test_few_positives_have_a_difference_and_nothing_that_weighs_it() -> None:
    first, second, labels = example()
    labels.loc[labels[labels["is_anomaly"]].index[0], "anomaly_type"] = "single"
    table = compare_detectors(first, second, labels, intervals=FAST).set_index("anomaly_type")
    weighed = table[["low", "high", "p_value"]].notna()
    assert not weighed.loc["single"].any(axis=None)
    assert weighed.loc["all"].all(axis=None)
    assert table["difference"].notna().all()


def test_a_p_value_is_never_zero() -> None:
    first, _, labels = example()
    assert area(compare_detectors(first, -first, labels, intervals=Bootstrap(resamples=99))).p_value == 2 / 100


def test_exchanging_the_detectors_turns_the_sign() -> None:
    first, second, labels = example()
    there, back = (compare_detectors(*pair, labels, intervals=FAST) for pair in ((first, second), (second, first)))
    assert there.difference.to_numpy() == pytest.approx(-back.difference.to_numpy())
    assert there.low.to_numpy() == pytest.approx(-back.high.to_numpy())
    assert there.p_value.to_numpy() == pytest.approx(back.p_value.to_numpy())


def test_a_detector_does_not_differ_from_itself_in_another_unit_and_order() -> None:
    first, _, labels = example()
    table = compare_detectors(first, (2 * first + 7).sample(frac=1, random_state=0), labels, intervals=FAST)
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table.p_value == 1).all()


def test_equally_good_detectors_are_rarely_told_apart() -> None:
    significant = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = np.arange(200) < 50
        uid = [str(i) for i in range(200)]
        one, two = (pd.Series(rng.normal(size=200) - truth, index=uid) for _ in range(2))
        labels = pd.DataFrame({"metadata.uid": uid, "is_anomaly": truth})
        significant += area(compare_detectors(one, two, labels, intervals=Bootstrap(resamples=200))).p_value < 0.05
    assert significant <= 7  # binomial(40, 0.05): more once in a thousand


def test_different_events_are_refused_with_one_of_them() -> None:
    first, second, labels = example()
    with pytest.raises(InputError, match=r"1 event.* the first but none among the second.*'id-399'"):
        compare_detectors(first, second.iloc[:-1], labels)
    with pytest.raises(InputError, match=r"2 event.* the second but none among the first.*'id-398'"):
        compare_detectors(first.iloc[:-2], second, labels)


def test_what_a_report_refuses_is_refused_of_the_second_too() -> None:
    first, second, labels = example()
    with pytest.raises(InputError, match="the second scores: event id 'id-0' twice"):
        compare_detectors(first, pd.concat([second, second.iloc[:1]]), labels)
    with pytest.raises(InputError, match="score of event 'id-3'"):
        compare_detectors(first, second.where(second.index != "id-3"), labels)
    with pytest.raises(InputError, match="k must be"):
        compare_detectors(first, second, labels, k=0)
