"""Stage 8b: how good is a ranking? Figures per type of anomaly, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.evaluate.intervals import Bootstrap, bootstrap_figures
from ocsf_ssl_lib.evaluate.labels import join_labels
from ocsf_ssl_lib.evaluate.ranking import METRICS, allowed_false_alarms, count_steps, figures, steps_of

__all__ = ["FEW_POSITIVES", "detection_report"]

FEW_POSITIVES = 20  # below this, figures move by 0.1 and more from seed to seed: claim nothing


def detection_report(
    scores: pd.Series,
    labels: pd.DataFrame,
    *,
    k: int = 100,
    false_alarms: float = 0.01,
    days: float | None = None,
    intervals: Bootstrap | None = None,
) -> pd.DataFrame:
    """Figures of a ranking, for all anomalies and for each type against the normal events.

    Args:
        scores: one number per event, higher = more normal, indexed by ``metadata.uid``.
        labels: columns ``metadata.uid``, ``is_anomaly`` and, if there is one, ``anomaly_type``; may hold more events.
        k: how many of the most suspicious events are looked at.
        false_alarms: the budget of false alarms: a share of the normal events or, with ``days``, a number per day.
        days: how many days the events span.
        intervals: also give an interval for each figure.

    Returns:
        One row per type, ``all`` first: ``anomaly_type``, ``positives``, ``prevalence`` (share of positives among the
        rows ranked, which is the average precision of a random ranking), ``roc_auc``, ``average_precision``,
        ``precision_at_k``, ``recall_at_budget``, ``k`` (at most the number of rows ranked), ``budget`` (how many false
        alarms that is), ``few`` (fewer than ``FEW_POSITIVES``). With ``intervals`` also ``roc_auc_low``,
        ``roc_auc_high`` and so on; NaN where there are few positives, whose resamples are the same few events again.

    Raises:
        InputError: an id that stands twice or has no label, a score that is not finite, only one kind of event, or a
            ``k`` or budget that makes no sense.

    Example:
        >>> labels = pd.DataFrame({"metadata.uid": list("abcd"), "is_anomaly": [True, False, False, False]})
        >>> report = detection_report(pd.Series([-2.0, 0, 1, -3], index=list("abcd")), labels, k=2)
        >>> report[["roc_auc", "precision_at_k", "recall_at_budget", "budget"]].round(2).to_dict("records")
        [{'roc_auc': 0.67, 'precision_at_k': 0.5, 'recall_at_budget': 0.0, 'budget': 0}]
    """
    if k < 1:
        raise InputError(f"k must be at least 1, however: {k=}")
    events = join_labels(scores, labels)
    truth, groups = events.truth, events.groups()
    normal = int((~truth).sum())
    budget = allowed_false_alarms(false_alarms, days, normal)
    steps = steps_of(events.scores, truth)
    n_steps = int(steps.max()) + 1
    negatives = count_steps(steps[~truth], n_steps)
    report = []
    for name, positive in groups.items():
        found = int(positive.sum())
        values = figures(count_steps(steps[positive], n_steps), negatives, k, budget)[0]
        row = {"anomaly_type": name, "positives": found, "prevalence": found / (found + normal)}
        row |= dict(zip(METRICS, map(float, values), strict=True))
        report.append(row | {"k": min(k, found + normal), "budget": budget, "few": found < FEW_POSITIVES})
    table = pd.DataFrame(report)
    if intervals is None:
        return table
    resampled = bootstrap_figures(steps[None], truth, groups, k=k, budget=budget, bootstrap=intervals)
    limits = {name: intervals.limits(values[:, 0]) for name, values in resampled.items()}
    for m, metric in enumerate(METRICS):
        table[f"{metric}_low"] = [limits[name][0][m] for name in groups]
        table[f"{metric}_high"] = [limits[name][1][m] for name in groups]
    ends = [f"{metric}_{end}" for metric in METRICS for end in ("low", "high")]
    table.loc[table["few"], ends] = np.nan
    return table
