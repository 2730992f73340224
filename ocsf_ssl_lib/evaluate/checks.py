"""Stage 8a: is a measurement sound? Checks of the split and of the labels, before any figure is believed.

Each catches a mistake that raises no error and makes a detector look better than it is: test events that were trained
on, test rows that training knows by heart, a test period that is not later, a column that gives the label away. See Arp
et al., "Dos and Don'ts of Machine Learning in Computer Security" (2022), on how common such mistakes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ocsf_ssl_lib.columns import KEY
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.vocabulary import canonical_keys

__all__ = ["MISSING_PATTERN", "SplitCheck", "check_split", "single_column_auc"]

MISSING_PATTERN = "(which values are missing)"
"""Name under which ``single_column_auc`` reports the pattern of missing values."""

BINS = 20  # of a number: any relation with the label shows, not only a monotonic one
PRIOR = 10.0  # events that a value's share of anomalies is smoothed with: a value seen once says little


@dataclass(frozen=True)
class SplitCheck:
    """What training and test events have in common.

    Attributes:
        n_train: training events.
        n_test: test events.
        same_ids: test events whose id is among the training events; None without ids.
        not_later: test events that are no later than the last training event; None without times.
        equal_rows: test events that equal a training event in every column compared.
    """

    n_train: int
    n_test: int
    same_ids: int | None
    not_later: int | None
    equal_rows: int

    @property
    def sound(self) -> bool:
        """Whether no test event was trained on and all are later; equal rows alone are no fault, logs repeat."""
        return not self.same_ids and not self.not_later

    def __str__(self) -> str:
        said = []
        if self.same_ids:
            said.append(f"{self.same_ids:,} of them are training events")
        if self.not_later:
            said.append(f"{self.not_later:,} are no later than the last training event")
        said.append(f"{self.equal_rows:,} ({self.equal_rows / self.n_test:.0%}) equal a training event")
        return f"{self.n_test:,} test events: {', '.join(said)}"


def check_split(
    train: pd.DataFrame, test: pd.DataFrame, *, columns: Sequence[str] | None = None, time: str = "time"
) -> SplitCheck:
    """Count what training and test events have in common.

    Args:
        train: events to learn from.
        test: events to measure on.
        columns: that make two events equal; ``None`` takes all that both tables have, but id and time.
        time: column of times; without it in both tables the order is not checked.

    Raises:
        InputError: no events on a side, or a column that a side does not have.

    Example:
        >>> train = pd.DataFrame({"time": [1, 2], "user": ["ann", "bob"]})
        >>> test = pd.DataFrame({"time": [2, 3], "user": ["ann", "eve"]})
        >>> print(check_split(train, test))
        2 test events: 1 are no later than the last training event, 1 (50%) equal a training event
    """
    for name, side in (("train", train), ("test", test)):
        if side.empty:
            raise InputError(f"no events in {name}: nothing to check")
        absent = [c for c in columns or () if c not in side]
        if absent:
            raise InputError(f"{name} has no column {', '.join(absent)}")
    if columns is None:
        columns = [c for c in train.columns if c in test and c not in (KEY, time)]
    if not columns:
        raise InputError("train and test have no column in common that says whether two events are equal")
    both = [np.concatenate([_values(side[c]) for side in (train, test)]) for c in columns]
    codes = np.column_stack([pd.factorize(values)[0] for values in both])
    row = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    return SplitCheck(
        n_train=len(train),
        n_test=len(test),
        same_ids=int(test[KEY].isin(train[KEY]).sum()) if KEY in train and KEY in test else None,
        not_later=int((test[time] <= train[time].max()).sum()) if time in train and time in test else None,
        equal_rows=int(np.isin(row[len(train) :], row[: len(train)]).sum()),
    )


def single_column_auc(frame: pd.DataFrame, truth: np.ndarray) -> pd.Series:
    """How well each column alone tells anomalies from other events, for somebody who has labels: its ROC-AUC.

    A value counts by the share of anomalies among the events that have it, learned on one half of the events and tried
    on the other, in turn. The halves are the first and the second in the order of the rows: in a log sorted by time,
    the events of one attack fall into one half. A column near 1 gives the label away, and a detector that sees it is
    measured on nothing else.

    Args:
        frame: N events, labels left out.
        truth: (N,) True for anomalies.

    Returns:
        ROC-AUC by column, the best first; ``MISSING_PATTERN`` for which values are missing. 0.5 is a toss of a coin.

    Raises:
        InputError: labels of other events, or fewer than two events of a kind.

    Example:
        >>> leaky = pd.DataFrame({"rule": ["", "r7"] * 20, "port": [443, 443, 22, 22] * 10})
        >>> single_column_auc(leaky, np.array([False, True] * 20)).round(2).to_dict()
        {'rule': 1.0, 'port': 0.5, '(which values are missing)': 0.5}
    """
    truth = np.asarray(truth, bool)
    if truth.shape != (len(frame),):
        raise InputError(f"{len(frame)} events but labels of shape {truth.shape}; give one for each event")
    if min(truth.sum(), (~truth).sum()) < 2:
        raise InputError("at least two anomalies and two other events are needed: one of each to learn from")
    # Half of each kind, so that a table sorted by label has anomalies in both halves.
    place = np.where(truth, np.cumsum(truth) / truth.sum(), np.cumsum(~truth) / (~truth).sum())
    second = place > 0.5
    found = {str(c): _separation(_codes(frame[c]), truth, second) for c in frame.columns}
    gaps = np.unique(frame.isna().to_numpy(), axis=0, return_inverse=True)[1].ravel()
    found[MISSING_PATTERN] = _separation(gaps, truth, second)
    return pd.Series(found, name="roc_auc").sort_values(ascending=False, kind="stable")


def _codes(column: pd.Series) -> np.ndarray:
    """(N,) int: a category as it is, a number of many values by its interval; -1 where it is missing."""
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if number and column.nunique() > BINS:
        cut = pd.qcut(column.astype("float64"), BINS, labels=False, duplicates="drop")
        return cut.fillna(-1).to_numpy(np.int64)
    return canonical_keys(column)[0]


def _values(column: pd.Series) -> np.ndarray:
    """(N,) text, the same whatever the type of the column; None where missing."""
    codes, keys = canonical_keys(column)
    return np.append(keys, [None])[codes]


def _separation(codes: np.ndarray, truth: np.ndarray, second: np.ndarray) -> float:
    """ROC-AUC of the anomaly rate of a value, learned on the other half."""
    areas = []
    codes = codes + 1  # a missing value is a value of its own
    for half in (second, ~second):
        size = np.bincount(codes[half], minlength=codes.max() + 1)
        hits = np.bincount(codes[half], weights=truth[half], minlength=codes.max() + 1)
        rate = (hits + PRIOR * truth[half].mean()) / (size + PRIOR)
        areas.append(roc_auc_score(truth[~half], rate[codes[~half]]))
    return float(np.mean(areas))
