from __future__ import annotations

import numpy as np
import pytest

from ocsf_ssl_lib import InputError
from ocsf_ssl_lib.detect.threshold import DAY, Calibration


def normal(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, n)


def test_p_values_count_the_calibration_scores_up_to_the_score() -> None:
    calibration, new = normal(500, 0), normal(200, 1)
    written_out = [(1 + sum(c <= s for c in calibration)) / 501 for s in new]
    np.testing.assert_allclose(Calibration().fit(calibration).p_values(new), written_out)


def test_ties_count_as_at_least_as_unusual() -> None:
    p = Calibration().fit(np.array([1.0, 1.0, 1.0, 2.0])).p_values(np.array([0.0, 1.0, 2.0]))
    assert p.tolist() == [0.2, 0.8, 1.0]


@pytest.mark.parametrize("levels", [None, 5], ids=["distinct", "many ties"])
def test_no_more_small_p_values_than_promised_on_average_over_calibration_sets(levels: int | None) -> None:
    shares = []
    for seed in range(400):
        scores = normal(199 + 200, seed)
        scores = scores if levels is None else np.floor(scores * levels)
        p = Calibration().fit(scores[:199]).p_values(scores[199:])
        shares.append([(p <= t).mean() for t in (0.01, 0.05, 0.2)])
    mean, error = np.mean(shares, axis=0), np.std(shares, axis=0) / 20
    assert (mean <= np.array([0.01, 0.05, 0.2]) + 3 * error).all()
    if levels is None:  # without ties the promise is kept to the letter: (n + 1) t is whole here
        assert (mean >= np.array([0.01, 0.05, 0.2]) - 3 * error).all()


@pytest.mark.parametrize("share", [0.01, 0.07, 0.29, 0.5, 0.999])
@pytest.mark.parametrize("scores", [normal(99, 3), np.floor(normal(1234, 4) * 3)], ids=["distinct", "many ties"])
def test_contamination_alerts_on_exactly_the_events_with_so_small_a_p_value(share: float, scores: np.ndarray) -> None:
    calibration = Calibration().fit(scores)
    new = np.concatenate([normal(500, 5), np.floor(normal(500, 6) * 3), scores])
    below = new < calibration.threshold(contamination=share)
    np.testing.assert_array_equal(below, calibration.p_values(new) <= share + 1e-12)


def test_quantile_is_numpys() -> None:
    scores = normal(1000, 0)
    assert Calibration().fit(scores).threshold(quantile=0.013) == np.quantile(scores, 0.013)


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_so_many_false_alarms_a_day_come_on_average(share: float) -> None:
    rng = np.random.default_rng(0)
    days, per_day = 30, 2000
    times = rng.uniform(0, days * DAY, days * per_day)
    scores = normal(len(times), 1)
    held = rng.random(len(times)) < share
    calibration = Calibration().fit(scores[held], times[held], share=share)
    assert calibration.events_per_day_ == pytest.approx(per_day, rel=0.05)
    alarms = (normal(len(times), 2) < calibration.threshold(per_day=20)).sum() / days
    assert alarms == pytest.approx(20, rel=0.4)  # a tenth of the events leaves 60 scores below the threshold


def test_events_without_a_time_count_for_the_rate_and_not_for_the_span() -> None:
    calibration = Calibration().fit(np.arange(4.0), np.array([0, np.nan, 2 * DAY, DAY]))
    assert (calibration.days_, calibration.events_per_day_) == (2.0, 2.0)


def test_scores_kept_are_a_sample_and_the_rate_that_of_all() -> None:
    scores = normal(10_000, 0)
    times = np.linspace(0, 10 * DAY, 10_000)
    small, whole = Calibration(max_scores=1000).fit(scores, times), Calibration().fit(scores, times)
    assert len(small.scores_) == 1000
    assert small.events_per_day_ == whole.events_per_day_
    assert small.threshold(contamination=0.1) == pytest.approx(whole.threshold(contamination=0.1), abs=0.15)
    np.testing.assert_array_equal(small.scores_, Calibration(max_scores=1000).fit(scores).scores_)


def test_check_passes_on_exchangeable_scores_about_as_often_as_it_says() -> None:
    checks = [Calibration().fit(normal(300, s)).check(normal(3000, 1000 + s)) for s in range(200)]
    assert np.mean([c.super_uniform for c in checks]) > 0.96
    assert np.mean([c.exchangeable for c in checks]) > 0.96


def test_check_reports_drift_over_time() -> None:
    """Usual events become less usual from day to day: early ones calibrate, late ones break the promise."""
    day = np.arange(6000) // 200
    scores = normal(6000, 0) - 0.05 * day
    early, late = scores[day < 10], scores[day >= 20]
    check = Calibration().fit(early).check(late)
    assert not check.super_uniform
    assert not check.exchangeable
    assert check.levels[0.01] > 0.02
    assert "train or calibrate again" in str(check)
    mixed = np.random.default_rng(0).permutation(scores)  # the same scores in random order: nothing to report
    assert Calibration().fit(mixed[:3000]).check(mixed[3000:]).exchangeable


def test_check_tells_a_shift_to_the_safe_side_from_false_alarms() -> None:
    check = Calibration().fit(normal(2000, 0)).check(normal(2000, 1, shift=0.5))
    assert check.super_uniform
    assert not check.exchangeable
    assert "safe side" in str(check)


def test_state_is_plain_arrays_and_gives_the_same_decisions() -> None:
    first = Calibration().fit(normal(500, 0), np.linspace(0, 3 * DAY, 500), share=0.1)
    state = first.state()
    assert all(type(v) is np.ndarray and v.dtype == np.float64 for v in state.values())
    again = Calibration().load_state(state)
    new = normal(100, 1)
    np.testing.assert_array_equal(first.p_values(new), again.p_values(new))
    assert first.threshold(per_day=9) == again.threshold(per_day=9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "name one of"),
        ({"contamination": 0.1, "quantile": 0.1}, "name one of"),
        ({"contamination": 0.001}, "contamination=0.001 needs 999 held-out events or more, there are 99"),
        ({"contamination": 0.0}, "above 0 and below 1, however: 0.0"),
        ({"quantile": 1.5}, "above 0 and below 1, however: 1.5"),
        ({"quantile": float("nan")}, "above 0 and below 1, however: nan"),
        ({"per_day": -1}, "above 0, however: -1"),
        ({"per_day": 1000}, "a day has only 49.5 events"),
        ({"per_day": 0.1}, "needs 494 held-out events or more, there are 99"),
    ],
)
def test_a_threshold_that_cannot_be_had_is_refused_with_the_reason(options: dict[str, float], message: str) -> None:
    calibration = Calibration().fit(np.arange(99.0), np.linspace(0, 2 * DAY, 99))
    with pytest.raises(InputError, match=message):
        calibration.threshold(**options)


@pytest.mark.parametrize("times", [None, np.full(5, np.nan), np.full(5, 7.0)])
def test_alarms_per_day_need_times(times: np.ndarray | None) -> None:
    with pytest.raises(InputError, match="needs the times"):
        Calibration().fit(np.arange(5.0), times).threshold(per_day=1)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "no scores"),
        ([1.0, np.nan], "1 of 2 scores are NaN"),
        ([1.0, -np.inf], "not finite: -inf"),
        ([[1.0]], "shape"),
    ],
)
def test_scores_that_cannot_calibrate_are_refused(scores: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Calibration().fit(np.array(scores))


def test_new_scores_may_be_infinite_and_not_nan() -> None:
    calibration = Calibration().fit(np.arange(9.0))
    assert calibration.p_values(np.array([-np.inf, np.inf])).tolist() == [0.1, 1.0]
    with pytest.raises(InputError, match="NaN"):
        calibration.p_values(np.array([np.nan]))
    assert calibration.p_values(np.empty(0)).shape == (0,)
