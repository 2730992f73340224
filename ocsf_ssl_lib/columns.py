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

__all__ = ["KEY", "PROTECTED_FIELDS", "ColumnChoice", "choose_columns", "default_protected", "epoch_milliseconds"]

KEY = "metadata.uid"  # what OCSF calls the id of an event

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
    r"(^|\.)(user(?!_agent)|actor|host|hostname|device|entity|src_endpoint|dst_endpoint|process|service)s?(\.|_|$)"
)
# Numbers that the operating system hands out and takes back: equal values say nothing.
RECYCLED_NAMES = re.compile(r"(^|[._])(pid|ppid|tid|\w*_pid)$")
TIME_NAMES = re.compile(
    r"(^|[._])(time|timestamp|date|\w*_time|\w*_dt|\w*_at|ts|\w*_timestamp)(_dt|_ms|_ns|_us|_unix_nano)?$"
)
# Times of the event itself; created_time, expiration_time and the like are times of something in it.
EVENT_TIME_NAMES = re.compile(
    r"^(time|time_dt|timestamp|@timestamp|ts|date|datetime|event_?time|start_?time(_unix_nano)?)$"
)

FEW_INTEGERS = 16  # an integer column with at most so many values is a code, whatever its name
TEXT_LENGTH = 80  # mean characters from which a mostly distinct text column counts as free text
NUMBER_SHARE = 0.99  # share of a text column's values that must parse as numbers to treat it as numbers
NEAR_UNIQUE = 0.5  # share of rows whose value never repeats from which a column is an identifier
ENTITY_NEAR_UNIQUE = 0.95  # the same for user, host and entity columns
FIRST_TIME, LAST_TIME = 978e9, 4102e9  # 2001 and 2100 in epoch milliseconds
MANY_VALUES = 1000  # if so many of its most frequent values cover less than half of the rows, no value is common


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


def epoch_milliseconds(column: pd.Series, share: float = NUMBER_SHARE) -> pd.Series | None:
    """The column as epoch milliseconds (float64, NaN where missing), or None if it is not a time.

    Accepts epoch seconds, milliseconds, microseconds or nanoseconds between 2001 and 2100 (the size of each value tells
    which), datetimes, and text in ISO 8601. A column may mix them, but at least ``share`` of its values must be times;
    the others become NaN.
    """
    if pd.api.types.is_bool_dtype(column):
        return None
    if pd.api.types.is_datetime64_any_dtype(column):
        naive = column.dt.tz_convert(None) if getattr(column.dt, "tz", None) is not None else column
        values = naive.astype("datetime64[ms]").astype("int64").to_numpy("float64")
        return pd.Series(np.where(naive.isna(), np.nan, values), index=column.index)
    known = column.dropna()
    # A look at a few values spares the parsing of every text column; some of them may be rubbish.
    if known.empty or (share > 0 and sum(map(_may_be_time, known.head(20))) < min(10, len(known))):
        return None
    numbers = pd.to_numeric(column, errors="coerce").to_numpy("float64", na_value=np.nan)
    result = np.full(len(column), np.nan)
    for unit in (1e-3, 1.0, 1e3, 1e6):  # units per millisecond: s, ms, us, ns; their ranges do not overlap
        fits = (numbers >= FIRST_TIME * unit) & (numbers <= LAST_TIME * unit)
        result[fits] = numbers[fits] / unit
    text = np.isnan(numbers) & column.notna().to_numpy()
    if text.any():
        parsed = pd.to_datetime(column[text].astype(str), errors="coerce", utc=True, format="ISO8601")
        result[text] = epoch_milliseconds(parsed)
    if np.isfinite(result).sum() < share * len(known):
        return None
    return pd.Series(result, index=column.index)


def _may_be_time(value: object) -> bool:
    return not isinstance(value, str) or bool(re.match(r"\d{4}-\d\d-\d\d|\d{10,19}$", value))


def default_protected(columns: list[str]) -> list[str]:
    """Those of ``columns`` that augmentation must not change by default: status, severity, activity, ... of OCSF.

    Other columns can be the meaning of an event to who reads it, and are not among these, since the published results
    were measured without them: ``connection_info.direction_id`` (inbound is not outbound), ``is_mfa`` (a second factor
    was asked for, or not), ``integrity_id`` (the rights that a process runs with) and ``user.type_id`` (a person, an
    administrator or the system). Protect those that your events have by name:
    ``OCSFAnomalyDetector(protected=["auto", "connection_info.direction_id"])``, or
    ``ocsf-ssl train --protect auto,connection_info.direction_id``.

    Example:
        >>> default_protected(["user.name", "status_id", "connection_info.direction_id"])
        ['status_id']
    """
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
    if column.dtype == object and column.map(lambda v: isinstance(v, list | tuple | dict | set | np.ndarray)).any():
        return column.map(lambda v: v if v is None or isinstance(v, str | float | int) else str(v))
    return column


def _event_time(frame: pd.DataFrame) -> str | None:
    """OCSF's ``time`` if it is there, else the first column that is a time by name and value."""
    names = [c for c in frame.columns if EVENT_TIME_NAMES.search(str(c).lower())]
    names.sort(key=lambda c: str(c).lower() != "time")
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
    named_so = TIME_NAMES.search(lower) or pd.api.types.is_datetime64_any_dtype(column)
    if named_so and epoch_milliseconds(column) is not None:
        return "dropped", "another time: only differences between times would say something"
    if pd.api.types.is_bool_dtype(column):
        return "categorical", "true or false"
    once = float((counts == 1).sum()) / known
    is_entity = bool(ENTITY_NAMES.search(lower)) and not lower.endswith("port")
    limit = ENTITY_NEAR_UNIQUE if is_entity else NEAR_UNIQUE
    if pd.api.types.is_numeric_dtype(column):
        return _judge_number(lower, counts, once, limit)
    if len(counts) > FEW_INTEGERS and _share_of_numbers(column) >= NUMBER_SHARE and not CODE_NAMES.search(lower):
        return "numerical", "text that holds numbers"
    if once > limit:
        return "dropped", f"identifier: {once:.0%} of its values occur once"
    length = float(counts.index.astype(str).str.len().to_numpy().mean())
    if length > TEXT_LENGTH and len(counts) > max(FEW_INTEGERS, 0.2 * known):
        return (
            "dropped",
            f"free text: {length:.0f} characters on average, {len(counts)} values in {known} rows",
        )
    kind = "identity of a user, host or service" if is_entity else "text"
    return "categorical", f"{kind}: {_number_of_values(counts)}"


def _number_of_values(counts: pd.Series) -> str:
    return "1 value" if len(counts) == 1 else f"{len(counts)} values"


def _judge_number(lower: str, counts: pd.Series, once: float, limit: float) -> tuple[str, str]:
    """A number is a quantity unless its name or its few values say that it is a code."""
    values = pd.to_numeric(pd.Series(counts.index), errors="coerce").to_numpy("float64", na_value=np.nan)
    finite = values[np.isfinite(values)]
    whole = bool(finite.size) and bool(np.all(finite == np.floor(finite)))
    if whole and RECYCLED_NAMES.search(lower):
        return "dropped", "number that the operating system hands out anew"
    if whole and CODE_NAMES.search(lower):
        if once > limit:
            return "dropped", f"identifier: {once:.0%} of its values occur once"
        if counts.iloc[:MANY_VALUES].sum() < counts.sum() / 2:
            return "dropped", f"identifier: {len(counts)} values, none of them common"
        return "categorical", f"code by its name: {_number_of_values(counts)}"
    if whole and len(counts) <= FEW_INTEGERS:
        return "categorical", f"whole numbers with {_number_of_values(counts)}"
    return "numerical", f"quantity: {_number_of_values(counts)}"


def _share_of_numbers(column: pd.Series) -> float:
    """Share of the known values that parse as finite numbers."""
    known = column.dropna()
    sample = known if len(known) <= 10_000 else known.sample(10_000, random_state=0)
    numbers = pd.to_numeric(sample, errors="coerce").to_numpy("float64", na_value=np.nan)
    return float(np.isfinite(numbers).mean()) if len(sample) else 0.0
