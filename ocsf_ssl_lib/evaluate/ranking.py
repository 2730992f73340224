"""Figures of a ranking out of counts, so that a thousand resamples cost a few array operations.

Only the order of the scores matters, and of the normal events only between which anomalies they stand. So a ranking
is cut into *steps*, the most suspicious first: events of one score that include an anomaly are a step, and so are all
normal events between two of those. A resample is then a row of counts, and every figure a function of such rows.
"""

from __future__ import annotations

import math

import numpy as np

from ocsf_ssl_lib.errors import InputError

__all__ = ["METRICS", "allowed_false_alarms", "count_steps", "figures", "steps_of"]

METRICS = ("roc_auc", "average_precision", "precision_at_k", "recall_at_budget")


def steps_of(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The step of each event, 0 = the most suspicious.

    Args:
        scores: (N,), higher = more normal.
        truth: (N,) bool, True = anomaly.

    Returns:
        (N,) int64.

    Example:
        >>> steps_of(np.array([0.1, 0.5, 0.9, 0.7, 0.5]), np.array([False, True, False, False, False]))
        array([0, 1, 2, 2, 1])
    """
    distinct, place = np.unique(scores, return_inverse=True)
    holds_anomaly = np.bincount(place[truth], minlength=len(distinct)) > 0
    # A new step begins at a score with an anomaly, and right after one.
    begins = holds_anomaly | np.concatenate([[True], holds_anomaly[:-1]])
    return (np.cumsum(begins) - 1)[place]


def count_steps(steps: np.ndarray, n_steps: int) -> np.ndarray:
    """Steps of events (N,) -> how many events each step has, as a single row (1, n_steps)."""
    return np.bincount(steps, minlength=n_steps)[None]


def figures(positives: np.ndarray, negatives: np.ndarray, k: int, budget: int) -> np.ndarray:
    """The figures of ``METRICS`` for each row of counts.

    * ROC-AUC: probability that an anomaly stands before a normal event; a tie counts one half.
    * Average precision: precision where an anomaly is found, averaged over anomalies, as scikit-learn defines it.
    * Precision at k: expected share of anomalies among the first k, ties in random order. With fewer than k events, all
      of them are the first k.
    * Recall at a budget: largest share of anomalies that a threshold finds with at most ``budget`` false alarms; events
      of one score are flagged together or not at all.

    Args:
        positives: (R, S) anomalies in each step, the most suspicious step first; at least one in a row.
        negatives: (R, S) normal events in each step; at least one in a row.
        k: length of the list that is worked through.
        budget: how many normal events may be flagged.

    Returns:
        (R, 4) float64.
    """
    true_alarms, false_alarms = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    n_positives, n_negatives = true_alarms[:, -1], false_alarms[:, -1]
    alarms = true_alarms + false_alarms
    sizes = positives + negatives

    later = n_negatives[:, None] - false_alarms + 0.5 * negatives
    roc_auc = (positives * later).sum(axis=1) / (n_positives * n_negatives)
    precision = true_alarms / np.maximum(alarms, 1)  # a step may be empty in a resample
    average_precision = (positives * precision).sum(axis=1) / n_positives
    k = min(k, int(alarms[0, -1]))
    taken = np.clip(k - (alarms - sizes), 0, sizes)  # of a step that the list ends in, only a part
    precision_at_k = (positives * (taken / np.maximum(sizes, 1))).sum(axis=1) / k
    recall = (positives * (false_alarms <= budget)).sum(axis=1) / n_positives
    return np.stack([roc_auc, average_precision, precision_at_k, recall], axis=1)


def allowed_false_alarms(false_alarms: float, days: float | None, normal: int) -> int:
    """How many normal events may be flagged.

    Args:
        false_alarms: a share of the normal events from 0 to 1 or, with ``days``, a number per day.
        days: how many days the events span.
        normal: number of normal events.

    Raises:
        InputError: a share outside 0 to 1, a negative number, or days that are not positive.
    """
    if days is not None and not (math.isfinite(days) and days > 0):
        raise InputError(f"days must be a positive number, however: {days=}")
    if days is None and not 0 <= false_alarms <= 1:
        raise InputError(
            f"false_alarms must be a share of the normal events from 0 to 1, however: {false_alarms=}; "
            "for a number per day, say how many days the events span"
        )
    if not (math.isfinite(false_alarms) and false_alarms >= 0):
        raise InputError(f"false_alarms per day must be 0 or more, however: {false_alarms=}")
    budget = false_alarms * (normal if days is None else days)
    return min(normal, math.floor(budget + 1e-9))  # 0.07 * 100 is 7.000000000000001, 0.29 * 100 is 28.999999999999996
