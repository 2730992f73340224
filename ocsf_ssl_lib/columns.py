"""Stage 2a: which columns of a table of events a model should see, and why the others are left out.

A column is worth a place in the model when knowing the rest of the event can tell something about it, and it
can tell something about the rest. Constants, identifiers that never repeat, free text and second names of
another column cannot.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["PROTECTED_FIELDS", "ColumnChoice", "choose_columns", "default_protected", "epoch_milliseconds"]

# Fields whose value IS the meaning of an OCSF event: swapping success for failure does not give another view
# of the same event, it gives another event. Augmentation never touches them by default.
PROTECTED_FIELDS = re.compile(
    r"(^|[._])(status|status_id|status_code|status_detail|severity|severity_id|activity|activity_id|activity_name"
    r"|action|action_id|disposition|disposition_id|class_uid|class_name|category_uid|category_name|type_uid|type_name)$"
)

# The last part of the name of an integer column that is a code, not a quantity.
CODE_NAMES = re.compile(r"(^|[._])(\w*_id|id|uid|\w*_uid|pid|port|code|\w*_code|vlan|asn|number|version)$")

# Identities: the columns an analyst asks about first. They stay although most of their values are rare.
ENTITY_NAMES = re.compile(
    r"(^|\.)(user|actor|host|hostname|device|entity|src_endpoint|dst_endpoint|process|service)s?(\.|_|$)"
)
TIME_NAMES = re.compile(
    r"(^|[._])(time|timestamp|date|\w*_time|\w*_dt|\w*_at|ts|\w*_timestamp)(_dt|_ms|_ns|_us|_unix_nano)?$"
)

FEW_INTEGERS = 16  # an integer column with at most so many values is a code, whatever its name
TEXT_LENGTH = 80  # mean characters from which a mostly distinct text column counts as free text
NUMBER_SHARE = 0.99  # share of a text column's values that must parse as numbers to treat it as numbers
NEAR_UNIQUE = 0.5  # share of rows whose value never repeats from which a column is an identifier
ENTITY_NEAR_UNIQUE = 0.95  # the same for user, host and entity columns


@dataclass(frozen=True)
class ColumnChoice:
    """What ``choose_columns`` decided.

    Attributes:
        numerical: quantities, in the order of the table.
        categorical: categories, in the order of the table.
        time: the column with the time of the event, or None.
        report: DataFrame with ``column``, ``role`` (numerical, categorical, time, dropped) and ``reason``.
    """

    numerical: list[str]
    categorical: list[str]
    time: str | None
    report: pd.DataFrame


def epoch_milliseconds(column: pd.Series) -> pd.Series | None:
    """The column as epoch milliseconds (float64, NaN where missing), or None if it is not a time.

    Accepts epoch seconds, milliseconds, microseconds or nanoseconds between 2001 and 2100, datetimes, and text
    in ISO 8601.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        naive = column.dt.tz_convert(None) if getattr(column.dt, "tz", None) is not None else column
        return pd.Series(
            np.where(naive.isna(), np.nan, naive.astype("datetime64[ms]").astype("int64")),
            index=column.index,
            dtype="float64",
        )
    if pd.api.types.is_bool_dtype(column):
        return None
    if pd.api.types.is_numeric_dtype(column):
        values = column.astype("Float64").to_numpy("float64", na_value=np.nan)
        finite = values[np.isfinite(values)]
        if not finite.size:
            return None
        middle = float(np.median(finite))
        for unit in (1e-3, 1.0, 1e3, 1e6):  # units per millisecond: s, ms, us, ns
            if 978e9 * unit <= middle <= 4102e9 * unit:
                return pd.Series(np.where(np.isfinite(values), values / unit, np.nan), index=column.index)
        return None
    known = column.dropna()
    if known.empty or not all(isinstance(v, str) and re.match(r"\d{4}-\d\d-\d\d", v) for v in known.head(20)):
        return None
    parsed = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    if parsed.notna().sum() < NUMBER_SHARE * len(known):
        return None
    return epoch_milliseconds(parsed)


def default_protected(columns: list[str]) -> list[str]:
    """Those of ``columns`` that augmentation must not change (status, severity, activity, ... of OCSF)."""
    return [c for c in columns if PROTECTED_FIELDS.search(c.lower())]


def choose_columns(frame: pd.DataFrame) -> ColumnChoice:
    """Choose the columns a model sees from the data itself.

    Args:
        frame: events, one row each; any dtypes.

    Returns:
        The choice with one line of reason per column.
    """
    rows: list[tuple[str, str, str]] = []
    seen: dict[bytes, str] = {}
    time = _event_time(frame)
    for name in frame.columns:
        role, reason = _judge(name, frame[name], is_event_time=name == time)
        if role in ("numerical", "categorical"):
            # Two columns that split the rows into the same groups say the same thing: keep the first.
            codes = pd.factorize(_hashable(frame[name]))[0]
            key = hashlib.blake2b(codes.astype("<i8").tobytes(), digest_size=16).digest()
            if key in seen:
                role, reason = "dropped", f"repeats {seen[key]}: one value of it for each value there"
            else:
                seen[key] = name
        rows.append((name, role, reason))
    report = pd.DataFrame(rows, columns=["column", "role", "reason"])
    by_role = {role: report.loc[report.role == role, "column"].tolist() for role in ("numerical", "categorical")}
    return ColumnChoice(by_role["numerical"], by_role["categorical"], time, report)


def _hashable(column: pd.Series) -> pd.Series:
    """Lists and dicts as text, so that values can be counted."""
    if column.dtype == object and column.map(lambda v: isinstance(v, list | dict | set | np.ndarray)).any():
        return column.map(lambda v: v if v is None or isinstance(v, str | float | int) else str(v))
    return column


def _event_time(frame: pd.DataFrame) -> str | None:
    """OCSF's ``time`` if it is there, else the first column that looks like a time by name and value."""
    names = [c for c in frame.columns if str(c).lower() == "time"]
    names += [c for c in frame.columns if TIME_NAMES.search(str(c).lower()) and c not in names]
    return next((c for c in names if epoch_milliseconds(frame[c]) is not None), None)


def _judge(name: str, column: pd.Series, *, is_event_time: bool) -> tuple[str, str]:
    """The role of one column on its own, with the reason."""
    lower = str(name).lower()
    if is_event_time:
        return "time", "time of the event: gives hour of day and day of week"
    column = _hashable(column)
    counts = column.value_counts(dropna=True)
    known = int(counts.sum())
    if not known:
        return "dropped", "empty"
    if len(counts) == 1 and known == len(column):
        return "dropped", f"constant: always {str(counts.index[0])[:40]!r}"
    if TIME_NAMES.search(lower) and epoch_milliseconds(column) is not None:
        return "dropped", "another time: only differences between times would say something"
    if pd.api.types.is_bool_dtype(column):
        return "categorical", "true or false"
    once = float((counts == 1).sum()) / known
    is_entity = bool(ENTITY_NAMES.search(lower))
    limit = ENTITY_NEAR_UNIQUE if is_entity else NEAR_UNIQUE
    if pd.api.types.is_numeric_dtype(column):
        return _judge_number(lower, column, counts, once, limit)
    if len(counts) > FEW_INTEGERS and _share_of_numbers(column) >= NUMBER_SHARE and not CODE_NAMES.search(lower):
        return "numerical", "text that holds numbers"
    if once > limit:
        return "dropped", f"identifier: {once:.0%} of its values occur once"
    length = float(counts.index.astype(str).str.len().to_numpy().mean())
    if length > TEXT_LENGTH and len(counts) > 0.2 * known:
        return (
            "dropped",
            f"free text: {length:.0f} characters on average, {len(counts)} values in {known} rows",
        )
    kind = "identity of a user, host or service" if is_entity else "text"
    return "categorical", f"{kind}: {len(counts)} values"


def _judge_number(lower: str, column: pd.Series, counts: pd.Series, once: float, limit: float) -> tuple[str, str]:
    """A number is a quantity unless its name or its few values say that it is a code."""
    values = pd.to_numeric(pd.Series(counts.index), errors="coerce").to_numpy("float64", na_value=np.nan)
    finite = values[np.isfinite(values)]
    whole = bool(finite.size) and bool(np.all(finite == np.floor(finite)))
    if whole and CODE_NAMES.search(lower):
        if once > limit:
            return "dropped", f"identifier: {once:.0%} of its values occur once"
        return "categorical", f"code by its name: {len(counts)} values"
    if whole and len(counts) <= FEW_INTEGERS:
        return "categorical", f"whole numbers with {len(counts)} values"
    return "numerical", f"quantity: {len(counts)} values"


def _share_of_numbers(column: pd.Series) -> float:
    """Share of the known values that parse as finite numbers."""
    known = column.dropna()
    sample = known if len(known) <= 10_000 else known.sample(10_000, random_state=0)
    numbers = pd.to_numeric(sample, errors="coerce").to_numpy("float64", na_value=np.nan)
    return float(np.isfinite(numbers).mean()) if len(sample) else 0.0
