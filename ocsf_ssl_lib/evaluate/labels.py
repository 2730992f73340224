"""Scores meet labels: joined by the event's id, never by position."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ocsf_ssl_lib.columns import KEY
from ocsf_ssl_lib.errors import InputError

__all__ = ["KEY", "Labelled", "check_ids", "finite_scores", "join_labels"]


class Labelled(NamedTuple):
    """Scored events with what is known about them, in the order of the scores."""

    scores: np.ndarray
    """(N,) float64, higher = more normal."""
    truth: np.ndarray
    """(N,) bool, True = anomaly."""
    kinds: np.ndarray
    """(N,) text: type of the anomaly, empty where there is none."""

    def groups(self) -> dict[str, np.ndarray]:
        """Name -> which events are its positives (N,): ``all`` of the anomalies first, then each type."""
        types = sorted({str(kind) for kind in self.kinds[self.truth] if kind})
        return {"all": self.truth} | {name: self.truth & (self.kinds == name) for name in types}


def join_labels(scores: pd.Series, labels: pd.DataFrame, name: str = "scores") -> Labelled:
    """Look up the label of each score by its id.

    Args:
        scores: one number per event, higher = more normal, indexed by ``metadata.uid``.
        labels: columns ``metadata.uid``, ``is_anomaly`` and, if there is one, ``anomaly_type``; may hold more events.
        name: what messages call the scores.

    Raises:
        InputError: an id that stands twice or has no label, a score that is not finite, or only one kind of event.
    """
    check_ids(name, scores.index)
    if KEY not in labels:
        raise InputError(f"labels have no column {KEY!r} to join them by; they have {', '.join(labels.columns)}")
    check_ids("labels", pd.Index(labels[KEY]))
    if "is_anomaly" not in labels:
        raise InputError(f"labels have no column 'is_anomaly'; they have {', '.join(labels.columns)}")
    known = labels.set_index(KEY).reindex(scores.index)
    if known["is_anomaly"].isna().any():
        raise InputError(f"event {scores.index[known['is_anomaly'].isna()][0]!r} has a score but no label")
    values = finite_scores(scores)
    foreign = known.loc[~known["is_anomaly"].isin([True, False]), "is_anomaly"]
    if len(foreign):  # bool('0') is True
        raise InputError(f"labels: is_anomaly must be true or false (1 or 0), however: {foreign.iloc[0]!r}")
    truth = known["is_anomaly"].to_numpy(bool)
    if truth.all() or not truth.any():
        raise InputError("the events are all of one kind: there is nothing to tell apart")
    kinds = np.full(len(truth), "", object)
    if "anomaly_type" in known:
        kinds = known["anomaly_type"].astype(object).where(known["anomaly_type"].notna(), "").to_numpy()
    return Labelled(values, truth, kinds.astype(str))


def finite_scores(scores: pd.Series) -> np.ndarray:
    """(N,) float64.

    Raises:
        InputError: a score is not a finite number.
    """
    values = scores.to_numpy("float64")
    if not np.isfinite(values).all():
        raise InputError(f"the score of event {scores.index[~np.isfinite(values)][0]!r} is not a finite number")
    return values


def check_ids(name: str, ids: pd.Index) -> None:
    """Each event has one id, and no two have the same.

    Raises:
        InputError: an id is missing or stands twice.
    """
    if ids.isna().any():
        raise InputError(f"{name}: {int(ids.isna().sum())} event(s) have no {KEY}; they cannot be joined")
    if ids.has_duplicates:
        raise InputError(f"{name}: event id {ids[ids.duplicated()][0]!r} twice")
