"""Bootstrap intervals: the same as scipy's, and they cover what they claim to cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from ocsf_ssl_lib import Bootstrap, InputError
from ocsf_ssl_lib.evaluate import intervals as module
from ocsf_ssl_lib.evaluate.intervals import bootstrap_figures
from ocsf_ssl_lib.evaluate.ranking import METRICS, steps_of


def resampled(scores: np.ndarray, truth: np.ndarray, options: Bootstrap) -> np.ndarray:
    """(R, 4) figures of one ranking."""
    steps = steps_of(scores, truth)[None]
    return bootstrap_figures(steps, truth, {"all": truth}, k=10, budget=5, bootstrap=options)["all"][:, 0]


def events(seed: int, anomalies: int = 40, normal: int = 160) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(anomalies + normal) < anomalies
    return rng.normal(size=len(truth)) - truth, truth


def test_the_interval_is_that_of_scipy() -> None:
    scores, truth = events(0)

    def area(anomalies: np.ndarray, normal: np.ndarray) -> float:
        labels = np.repeat([True, False], [len(anomalies), len(normal)])
        return float(roc_auc_score(labels, -np.concatenate([anomalies, normal])))

    sample = (scores[truth], scores[~truth])
    theirs = scipy_bootstrap(sample, area, n_resamples=2000, method="percentile", vectorized=False, rng=0)
    options = Bootstrap(resamples=2000)
    low, high = options.limits(resampled(scores, truth, options)[:, 0])
    assert (low, high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)
    assert high - low > 0.1  # so 0.01 is a close match


def test_nine_in_ten_intervals_hold_the_true_area() -> None:
    true_area = norm.cdf(1 / np.sqrt(2))  # of two normal distributions one standard deviation apart
    options = Bootstrap(resamples=200, confidence=0.9)
    held = 0
    for seed in range(100):
        low, high = options.limits(resampled(*events(seed), options)[:, 0])
        held += low <= true_area <= high
    assert 81 <= held <= 98  # binomial(100, 0.9): outside once in a thousand


def test_as_much_is_left_out_at_either_end() -> None:
    assert Bootstrap(confidence=0.9).limits(np.arange(101.0)) == pytest.approx((5, 95))


def test_anomalies_and_normal_events_are_drawn_apart() -> None:
    scores, truth = events(1, anomalies=3, normal=5)
    values = resampled(scores, truth, Bootstrap(resamples=300))
    assert np.isfinite(values).all()  # drawn together, some resample would have had no anomaly
    whole = bootstrap_figures(
        steps_of(scores, truth)[None], truth, {"all": truth}, k=8, budget=5, bootstrap=Bootstrap(resamples=50)
    )["all"]
    assert (whole[:, 0, METRICS.index("precision_at_k")] == 3 / 8).all()


def test_rankings_of_one_call_see_the_same_resamples() -> None:
    scores, truth = events(2)
    steps = np.stack([steps_of(s, truth) for s in (scores, 3 * scores + 1)])
    values = bootstrap_figures(steps, truth, {"all": truth}, k=10, budget=5, bootstrap=Bootstrap(resamples=50))["all"]
    assert (values[:, 0] == values[:, 1]).all()
    assert values[:, 0].std(axis=0).min() > 0


def test_the_seed_decides_and_the_size_of_a_piece_does_not_leave_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, truth = events(3)
    options = Bootstrap(resamples=50, seed=1)
    first = resampled(scores, truth, options)
    assert (first == resampled(scores, truth, options)).all()
    assert (first != resampled(scores, truth, Bootstrap(resamples=50, seed=2))).any()
    monkeypatch.setattr(module, "MAX_COUNTS", 1)
    pieces = resampled(scores, truth, options)
    assert pieces.shape == first.shape
    assert pieces.mean(axis=0) == pytest.approx(first.mean(axis=0), abs=0.05)


@pytest.mark.parametrize(
    "options", [{"resamples": 0}, {"resamples": 2.5}, {"confidence": 1}, {"confidence": 0}, {"confidence": 95}]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} must be"):
        Bootstrap(**options)  # type: ignore[arg-type]
