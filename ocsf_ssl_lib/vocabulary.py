"""Stage 2b: category values <-> category ids, with ids reserved for mask, unknown and missing.

A key must not depend on the dtype of the day: an integer column becomes a float column as soon as one value is
missing, and ``'1.0'`` would then be another category than ``'1'``. Keys are therefore canonical text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "MASK_ID",
    "MISSING_ID",
    "NUM_RESERVED",
    "UNKNOWN_ID",
    "Vocabulary",
    "canonical_key",
    "canonical_keys",
]

MASK_ID = 0  # a value that is hidden from the model
UNKNOWN_ID = 1  # a value that was not in the training data, or was too rare there
MISSING_ID = 2  # no value in the event
NUM_RESERVED = 3


def canonical_key(value: Any) -> str | None:
    """The text under which a category value is known; None for a missing value.

    >>> canonical_key(443), canonical_key(443.0), canonical_key("443"), canonical_key(True), canonical_key(float("nan"))
    ('443', '443', '443', 'true', None)
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        if math.isnan(value):
            return None
        if math.isfinite(value) and value == int(value):
            return str(int(value))
        return str(value)  # not repr(float(value)): a float32 0.1 is '0.1' too
    if isinstance(value, list | tuple | dict | np.ndarray):
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return str(value)


def canonical_keys(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Factorise a column by canonical key.

    Returns:
        ``codes`` (N,) int64, -1 where missing, and ``keys`` (K,) object, in order of first appearance.
    """
    plain = pd.api.types.infer_dtype(column, skipna=True) if column.dtype == object else "typed"
    if plain not in ("typed", "string", "empty"):
        # Python says 1 == True == 1.0: mixed objects must become text before they are compared.
        column = column.map(canonical_key)
    raw_codes, raw_values = pd.factorize(column)
    keys = [canonical_key(v) for v in raw_values]
    merged, names = pd.factorize(np.array([*keys, None], dtype=object))  # '1' and 1.0 meet here
    codes = merged[:-1][raw_codes] if len(keys) else np.full(len(column), -1)
    return np.where(raw_codes < 0, -1, codes).astype(np.int64), np.asarray(names, dtype=object)


class Vocabulary:
    """The values of one categorical column.

    Args:
        values: canonical keys, most frequent first; the first gets id ``NUM_RESERVED``.
    """

    def __init__(self, values: Sequence[str]) -> None:
        self.values = list(values)
        self._index = pd.Index(self.values, dtype=object)

    @classmethod
    def fit(cls, column: pd.Series, max_categories: int, min_frequency: int) -> Vocabulary:
        """Keep the most frequent values: at most ``max_categories``, each seen at least ``min_frequency`` times."""
        codes, keys = canonical_keys(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(keys))
        # Ties are broken by the value itself, so that the order of the rows does not matter.
        order = sorted(range(len(keys)), key=lambda i: (-counts[i], keys[i]))
        return cls([str(keys[i]) for i in order[:max_categories] if counts[i] >= min_frequency])

    def __len__(self) -> int:
        """Number of ids, the reserved ones included."""
        return len(self.values) + NUM_RESERVED

    def encode(self, column: pd.Series) -> np.ndarray:
        """Column of any dtype -> ids (N,) int64."""
        codes, keys = canonical_keys(column)
        found = self._index.get_indexer(pd.Index(keys, dtype=object)) if len(keys) else np.empty(0, np.int64)
        ids = np.where(found >= 0, found + NUM_RESERVED, UNKNOWN_ID)
        return np.where(codes < 0, MISSING_ID, ids[codes] if len(keys) else MISSING_ID).astype(np.int64)

    def decode(self, identifier: int) -> str:
        """Id -> value, or ``<mask>``, ``<unknown>``, ``<missing>``."""
        if identifier < NUM_RESERVED:
            return ("<mask>", "<unknown>", "<missing>")[identifier]
        return self.values[identifier - NUM_RESERVED]
