"""Figures out of counts: equal to scikit-learn's on the events themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from ocsf_ssl_lib.evaluate.ranking import allowed_false_alarms, count_steps, figures, steps_of

EVENTS = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=40)


def measured(scores: np.ndarray, truth: np.ndarray, k: int = 3, budget: int = 1) -> np.ndarray:
    steps = steps_of(scores, truth)
    n = int(steps.max()) + 1
    return figures(count_steps(steps[truth], n), count_steps(steps[~truth], n), k, budget)[0]


def split(events: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    scores, truth = np.array([s for s, _ in events], float), np.array([t for _, t in events])
    assume(truth.any() and not truth.all())
    return scores, truth


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_areas_are_those_of_scikit_learn_also_with_ties(events: list[tuple[int, bool]]) -> None:
    scores, truth = split(events)
    roc_auc, average_precision, *_ = measured(scores, truth)
    assert roc_auc == pytest.approx(roc_auc_score(truth, -scores))
    assert average_precision == pytest.approx(average_precision_score(truth, -scores))


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.integers(0, 20))
def test_recall_is_the_best_of_all_thresholds_within_the_budget(events: list[tuple[int, bool]], budget: int) -> None:
    scores, truth = split(events)
    fpr, tpr, _ = roc_curve(truth, -scores, drop_intermediate=False)
    within = np.rint(fpr * (~truth).sum()) <= budget
    assert measured(scores, truth, budget=budget)[3] == pytest.approx(tpr[within].max())


@settings(max_examples=50, deadline=None)
@given(EVENTS, st.integers(1, 45))
def test_precision_at_k_is_the_mean_over_random_orders_of_ties(events: list[tuple[int, bool]], k: int) -> None:
    scores, truth = split(events)
    rng = np.random.default_rng(0)
    tries = [truth[np.lexsort((rng.random(len(scores)), scores))][:k].mean() for _ in range(400)]
    assert measured(scores, truth, k=k)[2] == pytest.approx(np.mean(tries), abs=0.15)
    at_most, at_least = ((scores < np.sort(scores)[min(k, len(scores)) - 1]), truth)
    assert measured(scores, truth, k=k)[2] * min(k, len(scores)) >= (at_most & at_least).sum() - 1e-9


def test_normal_events_between_two_anomalies_are_one_step() -> None:
    scores = np.array([1.0, 2, 3, 4, 5, 6, 6])
    truth = np.array([False, False, True, False, False, False, True])
    assert steps_of(scores, truth).tolist() == [0, 0, 1, 2, 2, 3, 3]


def test_tied_events_share_the_end_of_the_list() -> None:
    scores, truth = np.array([0.0, 1, 1, 1, 1]), np.array([True, True, False, False, False])
    assert measured(scores, truth, k=3)[2] == pytest.approx((1 + 2 * 1 / 4) / 3)


def test_a_tie_is_flagged_whole_or_not_at_all() -> None:
    scores, truth = np.array([0.0, 1, 1, 1]), np.array([True, True, False, False])
    assert measured(scores, truth, budget=1)[3] == 1 / 2
    assert measured(scores, truth, budget=2)[3] == 1


@pytest.mark.parametrize(
    ("share", "days", "normal", "expected"),
    [(0.29, None, 100, 29), (0.07, None, 100, 7), (0, None, 9, 0), (1, None, 9, 9), (10, 2.5, 100, 25), (10, 3, 7, 7)],
)
def test_a_budget_is_a_whole_number_of_events(share: float, days: float | None, normal: int, expected: int) -> None:
    assert allowed_false_alarms(share, days, normal) == expected
