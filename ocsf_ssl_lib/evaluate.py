"""Stage 8: how good is a ranking? Figures per type of anomaly, joined by event id, never by position."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from ocsf_ssl_lib.columns import KEY
from ocsf_ssl_lib.errors import InputError

__all__ = ["FEW_POSITIVES", "detection_report", "split_by_time"]

FEW_POSITIVES = 20  # below this, figures move by 0.1 and more from seed to seed: claim nothing


def split_by_time(
    frame: pd.DataFrame, test_fraction: float = 0.3, time: str = "time"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The earlier events for training, the later ones for testing; equal times stay on one side.

    Args:
        frame: events with a column of times.
        test_fraction: share of the latest events, more than 0 and less than 1.
        time: that column.

    Returns:
        ``(train, test)``; every test event is later than every training event.
    """
    if not 0 < test_fraction < 1:
        raise InputError(f"test_fraction must be between 0 and 1, however: {test_fraction=}")
    if time not in frame.columns:
        raise InputError(f"no column {time!r} to split by; name the column that holds the time")
    if frame[time].isna().any():
        raise InputError(f"{int(frame[time].isna().sum())} events have no {time!r}; drop them before splitting by time")
    if frame.empty:
        raise InputError("no events to split")
    border = frame[time].sort_values().iloc[min(len(frame) - 1, int(len(frame) * (1 - test_fraction)))]
    return frame[frame[time] < border], frame[frame[time] >= border]


def detection_report(scores: pd.Series, labels: pd.DataFrame) -> pd.DataFrame:
    """ROC-AUC and average precision, for all anomalies and for each type against the normal events.

    Args:
        scores: one number per event, higher = more normal, indexed by ``metadata.uid``.
        labels: columns ``metadata.uid``, ``is_anomaly`` and, if there is one, ``anomaly_type``; may hold more events.

    Returns:
        One row per type, ``all`` first: ``anomaly_type``, ``positives``, ``prevalence`` (share of positives among the
        rows ranked, which is the average precision of a random ranking), ``roc_auc``, ``average_precision``, ``few``
        (fewer than ``FEW_POSITIVES``).

    Raises:
        InputError: an id that stands twice or has no label, a score that is not finite, or only one kind of event.
    """
    for name, ids in (("scores", scores.index), ("labels", labels.get(KEY))):
        if ids is None:
            raise InputError(f"labels have no column {KEY!r} to join them by; they have {', '.join(labels.columns)}")
        if ids.isna().any():
            raise InputError(f"{name}: {int(np.sum(ids.isna()))} event(s) have no {KEY}; they cannot be joined")
        twice = ids[ids.duplicated()]
        if len(twice):
            raise InputError(f"{name}: event id {twice[0] if isinstance(twice, pd.Index) else twice.iloc[0]!r} twice")
    if "is_anomaly" not in labels:
        raise InputError(f"labels have no column 'is_anomaly'; they have {', '.join(labels.columns)}")
    known = labels.set_index(KEY).reindex(scores.index)
    if known["is_anomaly"].isna().any():
        raise InputError(f"event {scores.index[known['is_anomaly'].isna()][0]!r} has a score but no label")
    values = -scores.to_numpy("float64")
    if not np.isfinite(values).all():
        raise InputError(f"the score of event {scores.index[~np.isfinite(values)][0]!r} is not a finite number")
    foreign = known.loc[~known["is_anomaly"].isin([True, False]), "is_anomaly"]
    if len(foreign):  # bool('0') is True
        raise InputError(f"labels: is_anomaly must be true or false (1 or 0), however: {foreign.iloc[0]!r}")
    truth = known["is_anomaly"].to_numpy(bool)
    if truth.all() or not truth.any():
        raise InputError("the events are all of one kind: there is nothing to tell apart")
    kinds = np.full(len(truth), "", object)
    if "anomaly_type" in known:
        kinds = known["anomaly_type"].astype(object).where(known["anomaly_type"].notna(), "").to_numpy()
    masks = {"all": np.ones(len(truth), bool)}
    masks |= {str(kind): ~truth | (kinds == kind) for kind in sorted(set(kinds[truth])) if kind}
    return pd.DataFrame([_figures(name, truth[mask], values[mask]) for name, mask in masks.items()])


def _figures(name: str, truth: np.ndarray, values: np.ndarray) -> dict[str, object]:
    return {
        "anomaly_type": name,
        "positives": int(truth.sum()),
        "prevalence": float(truth.mean()),
        "roc_auc": float(roc_auc_score(truth, values)),
        "average_precision": float(average_precision_score(truth, values)),
        "few": bool(truth.sum() < FEW_POSITIVES),
    }
