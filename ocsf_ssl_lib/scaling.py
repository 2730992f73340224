"""Stage 2c: quantities -> numbers, and numbers of about unit size: one huge value must not squeeze the rest."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from ocsf_ssl_lib.errors import DataWarning, InputError

__all__ = ["NumberScaler", "as_numbers"]

MAX_QUANTILES = 1000  # landmarks of the empirical distribution; finer ones changed nothing on 100 000 rows
SUBSAMPLE = 200_000  # rows that place the landmarks
STANDARD_CLIP = 10.0  # standard deviations; an infinity lands here
RANK_ERROR = 1e-6  # of a rank that was a float32 normal score
SMALLEST = 1e-100  # what is nearer to 0 counts as 0: a difference of two such numbers is no number to divide by
LARGEST = 1e100  # what is larger counts as this: its square can still be summed, an infinity becomes comparable


class NumberScaler:
    """Column-wise scaling of numbers with missing values.

    ``quantile`` replaces a value by the normal quantile of its rank among the training values. Ties get the
    middle of their ranks: scikit-learn alone sends a column that is 60 % zeros to -5.2, its lower bound, and
    this class to -0.52, the middle of the lowest 60 %. ``standard`` subtracts the mean and divides by the
    standard deviation.

    Missing values become 0 (the middle) in the output: the caller keeps the mask that tells them apart.
    Infinities and values outside the training range land just beyond the training extremes.
    """

    def __init__(self, scaling: Literal["quantile", "standard"] = "quantile", *, random_state: int = 42) -> None:
        if scaling not in ("quantile", "standard"):
            raise InputError(f"scaling must be 'quantile' or 'standard', however: scaling={scaling!r}")
        self.scaling = scaling
        self.random_state = random_state
        self.estimator: Any = None
        self.ranks: dict[str, list[float]] = {}

    def fit(self, values: np.ndarray, names: list[str]) -> NumberScaler:
        """Learn the distribution of each column of ``values`` (N, D) float64, NaN where missing.

        Raises:
            InputError: a column without a single finite number.
        """
        finite = np.where(np.isfinite(values), _bounded(values), np.nan)
        known = np.isfinite(finite).sum(axis=0)
        for name, count in zip(names, known, strict=True):
            if not count:
                raise InputError(f"numerical column {name!r} holds no finite number; leave it out of numerical_cols")
        if self.scaling == "standard":
            self.estimator = StandardScaler().fit(finite)
            return self
        self.estimator = QuantileTransformer(
            n_quantiles=min(MAX_QUANTILES, len(values)), subsample=SUBSAMPLE, random_state=self.random_state
        ).fit(finite)
        low, high = np.nanmin(finite, axis=0), np.nanmax(finite, axis=0)
        self.ranks = {
            "low": low.tolist(),
            "high": high.tolist(),
            "low_share": ((finite == low).sum(axis=0) / known).tolist(),
            "high_share": ((finite == high).sum(axis=0) / known).tolist(),
            "edge": (0.25 / known).tolist(),  # the rank of what lies beyond: half way from the extreme to 0 or 1
        }
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        """(N, D) float64 with NaN where missing -> (N, D) float32 without NaN."""
        if not len(values):
            return values.astype(np.float32)
        missing = np.isnan(values)
        finite = _bounded(values)
        if self.scaling == "standard":
            scaled = np.asarray(self.estimator.transform(finite))
            return np.where(missing, 0.0, np.clip(scaled, -STANDARD_CLIP, STANDARD_CLIP)).astype(np.float32)
        rank = np.asarray(self.estimator.transform(finite))
        r = {k: np.asarray(v) for k, v in self.ranks.items()}
        # The ends have the middle of their ties, and nothing between them lies further out. A constant column is at
        # both ends at once: its middle rank is 1/2.
        at_low, at_high = finite == r["low"], finite == r["high"]
        rank = np.where(at_low, 0.0, np.where(at_high, 1.0, rank))
        rank = np.clip(rank, r["low_share"] / 2, 1 - r["high_share"] / 2)
        rank = np.where(finite < r["low"], r["edge"], np.where(finite > r["high"], 1 - r["edge"], rank))
        rank = np.clip(rank, r["edge"], 1 - r["edge"])
        return np.where(missing, 0.0, ndtri(np.where(missing, 0.5, rank))).astype(np.float32)

    def inverse_transform(self, scaled: np.ndarray) -> np.ndarray:
        """(N, D) scaled numbers -> (N, D) float64 in the units of the training values.

        An infinity becomes the smallest or the largest training value with ``quantile``, and stays one with
        ``standard``. NaN stays NaN.
        """
        if not len(scaled):
            return scaled.astype(np.float64)
        scaled = scaled.astype(np.float64)
        if self.scaling == "standard":
            return scaled * self.estimator.scale_ + self.estimator.mean_
        rank = ndtr(scaled)  # NaN stays NaN
        values = np.asarray(self.estimator.inverse_transform(rank))
        r = {k: np.asarray(v) for k, v in self.ranks.items()}
        # The ends have the middle of their ties, see ``transform``; the landmarks alone would put them further in.
        values = np.where(rank <= r["low_share"] / 2 + RANK_ERROR, r["low"], values)
        return np.where(rank >= 1 - r["high_share"] / 2 - RANK_ERROR, r["high"], values)


def _bounded(values: np.ndarray) -> np.ndarray:
    """Numbers that can be squared, and divided by one another; NaN stays NaN."""
    return np.where(np.abs(values) < SMALLEST, 0.0, np.clip(values, -LARGEST, LARGEST))


def as_numbers(column: pd.Series, name: str, *, quiet: bool = False) -> np.ndarray:
    """Any dtype -> float64 with NaN; says so, unless ``quiet``, when something that was there is not a number."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("Float64").to_numpy("float64", na_value=np.nan)
    if pd.api.types.is_timedelta64_dtype(column):
        return column.dt.total_seconds().to_numpy("float64")
    if pd.api.types.is_datetime64_any_dtype(column) and column.notna().any():
        raise InputError(
            f"numerical column {name!r} holds times; take '{name}@hour' and '{name}@weekday' as categories"
        )
    if column.isna().all():
        return np.full(len(column), np.nan)
    try:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy("float64", na_value=np.nan)
    except OverflowError:  # an integer of more than 308 digits
        numbers = np.array([_as_number(v) for v in column])
    lost = column.notna().to_numpy() & np.isnan(numbers)
    if lost.any() and not quiet:
        example = column.to_numpy(dtype=object)[lost][0]
        warnings.warn(
            f"numerical column {name!r}: {int(lost.sum())} of {len(column)} values are not numbers "
            f"(such as {str(example)[:40]!r}) and count as missing",
            DataWarning,
            stacklevel=4,
        )
    return numbers


def _as_number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan
