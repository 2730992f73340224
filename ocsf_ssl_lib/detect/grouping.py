"""Stage 7d: near-identical alerts become one line, so that a burst does not fill the list.

Two events are near-identical if they agree in every column the model sees: equal categories, numbers in the same bin of
the model's own scale. Ids and times are not compared. Events that agree and follow one another closely are one group.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ocsf_ssl_lib.columns import KEY
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import OCSFPreprocessor
from ocsf_ssl_lib.period import Period
from ocsf_ssl_lib.vocabulary import canonical_keys

__all__ = ["GAP", "group_alerts", "group_ids", "one_by_one"]

GAP = 3_600_000.0  # milliseconds: alerts an hour apart are two incidents to an analyst
BIN = 1.0  # of the scaled numbers, whose spread is about 1: five or six bins hold almost all of a column


def group_ids(
    events: pd.DataFrame, preprocessor: OCSFPreprocessor, *, gap: float = GAP, ignore: Sequence[str] = ()
) -> np.ndarray:
    """Number the groups of near-identical events.

    Args:
        events: N events, usually the alerts only.
        preprocessor: fitted; says which columns count, and how numbers are scaled.
        gap: milliseconds; a longer pause between near-identical events starts another group. Events without a time
            are a group of their own, whatever their distance.
        ignore: columns of the model that may differ within a group (``dst_endpoint.port``: a port scan is one line).

    Returns:
        (N,) int64 in 0..G-1, numbered by the first row of each group.

    Raises:
        InputError: ``gap`` is negative, or ``ignore`` names a column that the model does not see.
    """
    if not gap >= 0:
        raise InputError(f"gap must be 0 milliseconds or more, however: {gap}")
    key = _keys(events, preprocessor, ignore)
    times = Period.times(events).to_numpy("float64")
    order = np.lexsort((times, key))  # NaN comes last within a key
    pause = np.diff(times[order], prepend=np.nan)
    known = np.isfinite(times[order])
    begins = (np.diff(key[order], prepend=-1) != 0) | (known != np.roll(known, 1)) | (pause > gap)
    found = np.empty(len(events), np.int64)
    found[order] = np.cumsum(begins) - 1
    return pd.factorize(found)[0].astype(np.int64)


def group_alerts(
    events: pd.DataFrame,
    scores: np.ndarray,
    preprocessor: OCSFPreprocessor,
    *,
    gap: float = GAP,
    ignore: Sequence[str] = (),
) -> pd.DataFrame:
    """One row for each group of near-identical events, the most unusual first.

    Args:
        events: N events.
        scores: (N,), higher = more normal.
        preprocessor: see ``group_ids``.
        gap: see ``group_ids``.
        ignore: see ``group_ids``.

    Returns:
        ``row`` (position in ``events`` of the one with the worst score, which stands for the group), ``score`` (its),
        ``count``, ``first`` and ``last`` (epoch milliseconds, NaN without times), ``varies`` (tuple of the columns with
        more than one value in the group, ``time`` and ``metadata.uid`` left out).

    Raises:
        InputError: scores of other events, or see ``group_ids``.
    """
    scores = np.asarray(scores, np.float64)
    if scores.shape != (len(events),):
        raise InputError(f"{len(events)} events but scores of shape {scores.shape}; give one for each event")
    group = group_ids(events, preprocessor, gap=gap, ignore=ignore)
    table = pd.DataFrame({"row": np.arange(len(events)), "score": scores, "time": Period.times(events).to_numpy()})
    # Sorted by score, then by position: the first of each group is its worst, and the first groups are the worst.
    table = table.assign(group=group).sort_values("score", kind="stable")
    result = table.groupby("group", sort=False).agg(
        row=("row", "first"),
        score=("score", "first"),
        count=("row", "size"),
        first=("time", "min"),
        last=("time", "max"),
    )
    varies = _varying(events, group)
    return result.assign(varies=[varies[g] for g in result.index]).reset_index(drop=True)


def one_by_one(events: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """The same table as ``group_alerts`` with a row for each event, the most unusual first.

    Args:
        events: N events.
        scores: (N,), higher = more normal.
    """
    times = Period.times(events).to_numpy()
    table = pd.DataFrame({"row": np.arange(len(events)), "score": np.asarray(scores, np.float64), "count": 1})
    table = table.assign(first=times, last=times, varies=[()] * len(events))
    return table.sort_values("score", kind="stable", ignore_index=True)


def _keys(events: pd.DataFrame, preprocessor: OCSFPreprocessor, ignore: Sequence[str]) -> np.ndarray:
    """(N,) int64, equal for near-identical events."""
    names = preprocessor.categorical_names_ + preprocessor.numerical_names_
    foreign = [c for c in ignore if c not in names]
    if foreign:
        raise InputError(f"ignore: no column of the model: {', '.join(foreign)}; it sees {', '.join(names)}")
    arrays = preprocessor.transform(events, quiet=True)
    bins = np.where(arrays.missing_mask, np.iinfo(np.int64).min, np.floor(arrays.numerical / BIN).astype(np.int64))
    columns = [bins[:, k] for k, name in enumerate(preprocessor.numerical_names_) if name not in ignore]
    # The values themselves and not their ids: two values never seen in training have the same id.
    named = [c for c in preprocessor.categorical_names_ if c not in ignore and c in events.columns]
    columns += [canonical_keys(events[name])[0] for name in named]
    key = np.zeros(len(events), np.int64)
    for column in columns:  # pair the key so far with one more column, and number the pairs anew
        codes, distinct = pd.factorize(column)
        key = pd.factorize(key * max(len(distinct), 1) + codes)[0].astype(np.int64)
    return key


def _varying(events: pd.DataFrame, group: np.ndarray) -> list[tuple[str, ...]]:
    """For each group the columns in which its events differ."""
    if not len(events):
        return []
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    found: list[list[str]] = [[] for _ in starts]
    for name in events.columns.difference(["time", KEY], sort=False):
        column = events[name]
        # Numbers as they are: a key of text for each of them would take most of the time.
        codes = pd.factorize(column)[0] if pd.api.types.is_numeric_dtype(column) else canonical_keys(column)[0]
        codes = codes[order]
        differs = np.maximum.reduceat(codes, starts) != np.minimum.reduceat(codes, starts)
        for g in np.flatnonzero(differs):
            found[g].append(str(name))
    return [tuple(names) for names in found]
