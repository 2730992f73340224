"""Stage 8c: is one detector better than another, or were the events kind to it? Both rank the same events."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.evaluate.detection import FEW_POSITIVES
from ocsf_ssl_lib.evaluate.intervals import Bootstrap, bootstrap_figures
from ocsf_ssl_lib.evaluate.labels import check_ids, finite_scores, join_labels
from ocsf_ssl_lib.evaluate.ranking import METRICS, allowed_false_alarms, count_steps, figures, steps_of

__all__ = ["compare_detectors"]


def compare_detectors(
    first: pd.Series,
    second: pd.Series,
    labels: pd.DataFrame,
    *,
    k: int = 100,
    false_alarms: float = 0.01,
    days: float | None = None,
    intervals: Bootstrap | None = None,
) -> pd.DataFrame:
    """Differences between two rankings of the same events, with intervals and p-values: a paired comparison.

    Two intervals that overlap do not say that two detectors are alike: what is hard for one is mostly hard for the
    other. So each resample draws events, ranks *them* by both, and takes the difference.

    Args:
        first: scores, higher = more normal, indexed by ``metadata.uid``.
        second: scores of the same events, in any order and unit.
        labels: see ``detection_report``.
        k: see ``detection_report``.
        false_alarms: see ``detection_report``.
        days: see ``detection_report``.
        intervals: options of the bootstrap; default: ``Bootstrap()``.

    Returns:
        One row per type of anomaly and figure, with ``anomaly_type``, ``positives``, ``metric``, ``first``, ``second``,
        ``difference`` (first minus second), ``low``, ``high``, ``p_value`` (two-sided, twice the smaller share of
        resamples on either side of zero, each with one added, so that it is never 0; Davison & Hinkley, 1997, section
        4.4), ``few``. Where there are ``few``, ``low``, ``high`` and ``p_value`` are NaN, see ``detection_report``. The
        p-values are of single comparisons; among twenty of them one below 0.05 is to be expected.

    Raises:
        InputError: the two do not rank the same events, or what ``detection_report`` refuses.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, however: {k=}")
    intervals = intervals if intervals is not None else Bootstrap()
    events = join_labels(first, labels, "the first scores")
    other = _same_events(first, second)
    truth, groups = events.truth, events.groups()
    budget = allowed_false_alarms(false_alarms, days, int((~truth).sum()))
    steps = np.stack([steps_of(scores, truth) for scores in (events.scores, other)])
    n_steps = int(steps.max()) + 1
    resampled = bootstrap_figures(steps, truth, groups, k=k, budget=budget, bootstrap=intervals)
    rows = []
    for name, positive in groups.items():
        one, two = (
            figures(count_steps(s[positive], n_steps), count_steps(s[~truth], n_steps), k, budget)[0] for s in steps
        )
        differences = resampled[name][:, 0] - resampled[name][:, 1]
        low, high = intervals.limits(differences)
        p_values = _p_value(differences)
        positives = int(positive.sum())
        rows += [
            {
                "anomaly_type": name,
                "positives": positives,
                "metric": metric,
                "first": one[m],
                "second": two[m],
                "difference": one[m] - two[m],
                "low": low[m],
                "high": high[m],
                "p_value": p_values[m],
                "few": positives < FEW_POSITIVES,
            }
            for m, metric in enumerate(METRICS)
        ]
    table = pd.DataFrame(rows)
    table.loc[table["few"], ["low", "high", "p_value"]] = np.nan
    return table


def _same_events(first: pd.Series, second: pd.Series) -> np.ndarray:
    """The second scores in the order of the first."""
    check_ids("the second scores", second.index)
    for here, there, names in ((first, second, ("first", "second")), (second, first, ("second", "first"))):
        alone = here.index.difference(there.index, sort=False)
        if len(alone):
            raise InputError(
                f"{len(alone)} event(s) have a score among the {names[0]} but none among the {names[1]}, for example "
                f"{alone[0]!r}; compare the two on the same events"
            )
    return finite_scores(second.reindex(first.index))


def _p_value(differences: np.ndarray) -> np.ndarray:
    """(R, M) differences of resamples -> (M,) two-sided p-values."""
    below, above = (differences <= 0).sum(axis=0), (differences >= 0).sum(axis=0)
    return np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (len(differences) + 1))
