"""Stage 2: a table of events -> numbers, category ids and a mask of what is missing; no NaN comes out.

``OCSFPreprocessor`` learns the columns, the distributions and the vocabularies from training events.
``OCSFDataset`` holds the result as tensors and hands out whole batches.
"""

from __future__ import annotations

import hashlib
import zoneinfo
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch.utils.data import Dataset

from ocsf_ssl_lib.batching import BatchPlan, checked_rank
from ocsf_ssl_lib.columns import NUMBER_SHARE, choose_columns, epoch_milliseconds
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.scaling import NumberScaler, as_numbers
from ocsf_ssl_lib.vocabulary import Vocabulary

__all__ = ["Batch", "FeatureArrays", "OCSFDataset", "OCSFPreprocessor"]

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class FeatureArrays(NamedTuple):
    """What the preprocessor gives.

    Attributes:
        numerical: (N, D_num) float32, scaled, 0 where missing.
        categorical: (N, D_cat) int64 category ids; 0 mask, 1 unknown, 2 missing, then values.
        missing_mask: (N, D_num) bool, True where the number is missing.
    """

    numerical: np.ndarray
    categorical: np.ndarray
    missing_mask: np.ndarray


class Batch(NamedTuple):
    """The same three as tensors: what a model is trained on."""

    numerical: torch.Tensor
    categorical: torch.Tensor
    missing_mask: torch.Tensor


# The result is three arrays and no one table: scikit-learn's set_output has nothing to wrap.
class OCSFPreprocessor(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Learn from events how to turn events into numbers and category ids.

    What happens to what was not there in training is part of the contract:

    ==============================  =================================================================
    at transform time               result
    ==============================  =================================================================
    a value never seen              id 1 (unknown)
    a value missing                 id 2 (missing); for a number 0 with ``missing_mask`` True
    a column never seen             ignored
    a column gone                   ``InputError``, or all missing with ``on_missing_column="missing"``
    an infinity                     the number just beyond the training extremes
    a time that is none             its hour and weekday are missing
    text in a column of numbers     parsed; what does not parse is missing, with one ``DataWarning``
    443, 443.0 and ``"443"``        one and the same category
    ==============================  =================================================================

    Args:
        numerical_cols: columns of quantities; ``None`` chooses them from the data.
        categorical_cols: columns of categories; ``None`` chooses them from the data. ``"time@hour"`` and
            ``"time@weekday"`` are derived from the column ``time`` (any column of times will do).
        scaling: ``quantile`` (normal scores of the ranks) or ``standard`` (zero mean, unit variance).
        max_categories: at most so many values per column, the most frequent ones.
        min_frequency: a value seen fewer times in training counts as unknown.
        on_missing_column: what to do at transform time when a training column is gone.
        timezone: where hour and weekday are read off, an IANA name.

    Attributes:
        numerical_names_: names of the D_num columns.
        categorical_names_: names of the D_cat columns.
        cardinalities_: number of ids of each categorical column, the three reserved ones included.
        vocabularies_: column -> ``Vocabulary``.
        column_report_: DataFrame (column, role, reason): why each column is in or out.

    Example:
        >>> import pandas as pd
        >>> df = pd.DataFrame({"user.name": ["ann", "bob", "ann", "bob"], "traffic.bytes": [10, 900, 30, 700]})
        >>> prep = OCSFPreprocessor(["traffic.bytes"], ["user.name"]).fit(df)
        >>> prep.transform(pd.DataFrame({"user.name": ["bob", "eve"], "traffic.bytes": [10, None]})).categorical
        array([[4],
               [1]])
    """

    def __init__(
        self,
        numerical_cols: Sequence[str] | None = None,
        categorical_cols: Sequence[str] | None = None,
        *,
        scaling: Literal["quantile", "standard"] = "quantile",
        max_categories: int = 1000,
        min_frequency: int = 2,
        on_missing_column: Literal["error", "missing"] = "error",
        timezone: str = "UTC",
    ) -> None:
        self.numerical_cols = numerical_cols
        self.categorical_cols = categorical_cols
        self.scaling = scaling
        self.max_categories = max_categories
        self.min_frequency = min_frequency
        self.on_missing_column = on_missing_column
        self.timezone = timezone

    def fit(self, frame: pd.DataFrame, y: Any = None) -> OCSFPreprocessor:
        """Choose the columns and learn their distributions and vocabularies.

        Args:
            frame: training events, at least two rows.
            y: ignored; scikit-learn's convention.

        Raises:
            InputError: fewer than two rows, an unknown column, or no column with anything to learn from.
        """
        self._check_options()
        _check_frame(frame)
        if len(frame) < 2:
            raise InputError(f"{len(frame)} event(s) to learn from; at least 2 are needed, and thousands make sense")
        self._choose(frame)
        numbers = self._numbers(frame)
        self.scaler_ = NumberScaler(self.scaling)
        if self.numerical_names_:
            self.scaler_.fit(numbers, self.numerical_names_)
        self.vocabularies_ = {
            name: Vocabulary.fit(self._category(frame, name), self.max_categories, self.min_frequency)
            for name in self.categorical_names_
        }
        self.cardinalities_ = [len(self.vocabularies_[name]) for name in self.categorical_names_]
        self.n_features_in_ = len(self.numerical_names_) + len(self.categorical_names_)
        return self

    def transform(self, frame: pd.DataFrame, *, quiet: bool = False) -> FeatureArrays:
        """Events -> ``FeatureArrays``; see the table above for what was not there in training.

        Args:
            frame: N events.
            quiet: no ``DataWarning``; for a stream, which would give it again for every part of a file.

        Raises:
            InputError: a training column is absent and ``on_missing_column`` is ``"error"``.
        """
        check_is_fitted(self, "vocabularies_")
        _check_frame(frame)
        self._require_columns(frame)
        numbers = self._numbers(frame, quiet)
        missing = np.isnan(numbers)
        scaled = self.scaler_.transform(numbers) if self.numerical_names_ else numbers.astype(np.float32)
        ids = [self.vocabularies_[n].encode(self._category(frame, n, time_share=0)) for n in self.categorical_names_]
        categorical = np.column_stack(ids) if ids else np.empty((len(frame), 0), np.int64)
        return FeatureArrays(scaled, categorical, missing)

    def input_columns(self, columns: Sequence[str]) -> list[str]:
        """Those of the table's ``columns`` that ``transform`` looks at; ``time`` for ``time@hour``.

        Raises:
            InputError: a training column is absent and ``on_missing_column`` is ``"error"``.
        """
        check_is_fitted(self, "vocabularies_")
        nothing = pd.DataFrame(columns=list(columns))
        self._require_columns(nothing)
        needed = dict.fromkeys(_source(c, nothing)[0] for c in self.numerical_names_ + self.categorical_names_)
        return [c for c in needed if c in nothing.columns]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the numerical, then of the categorical features."""
        check_is_fitted(self, "vocabularies_")
        return np.array(self.numerical_names_ + self.categorical_names_, dtype=object)

    def _check_options(self) -> None:
        if self.on_missing_column not in ("error", "missing"):
            raise InputError(f"on_missing_column must be 'error' or 'missing', however: {self.on_missing_column!r}")
        for name in ("max_categories", "min_frequency"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be positive, however: {getattr(self, name)}")
        for name in ("numerical_cols", "categorical_cols"):
            if isinstance(getattr(self, name), str):
                raise InputError(f"{name} must be a list of columns, however: {getattr(self, name)!r}")
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (ValueError, zoneinfo.ZoneInfoNotFoundError, OSError):
            raise InputError(
                f"no such time zone: {self.timezone!r}; give an IANA name such as 'Europe/Berlin'"
            ) from None

    def _choose(self, frame: pd.DataFrame) -> None:
        """Settle ``numerical_names_``, ``categorical_names_`` and ``column_report_``."""
        numerical = list(self.numerical_cols) if self.numerical_cols is not None else []
        categorical = list(self.categorical_cols) if self.categorical_cols is not None else []
        named = [*numerical, *categorical]
        twice = sorted({c for c in named if named.count(c) > 1})
        if twice:
            raise InputError(f"column named twice: {', '.join(twice)}; a column is either numerical or categorical")
        absent = [c for c in named if _source(c, frame)[0] not in frame.columns]
        if absent:
            raise InputError(f"no such column: {', '.join(absent)}; the events have {_some(frame.columns)}")
        rows = [(c, "numerical" if c in numerical else "categorical", "named by you") for c in named]
        if self.numerical_cols is None or self.categorical_cols is None:
            choice = choose_columns(frame.drop(columns=[c for c in named if c in frame.columns]))
            if self.numerical_cols is None:
                numerical = choice.numerical
            if self.categorical_cols is None:
                derived = [f"{choice.time}@hour", f"{choice.time}@weekday"] if choice.time else []
                derived = [c for c in derived if self._category(frame, c).nunique(dropna=False) > 1]
                categorical = choice.categorical + derived
                rows += [(c, "categorical", f"derived from {choice.time}") for c in derived]
            given = {"numerical": self.numerical_cols is not None, "categorical": self.categorical_cols is not None}
            rows = [
                (c, "dropped", f"not among the {role} columns you named") if given.get(role) else (c, role, reason)
                for c, role, reason in choice.report.itertuples(index=False, name=None)
            ] + rows
        if not numerical and not categorical:
            raise InputError(f"nothing to learn from: no column varies in a useful way in {_some(frame.columns)}")
        self.numerical_names_, self.categorical_names_ = numerical, categorical
        self.column_report_ = pd.DataFrame(rows, columns=["column", "role", "reason"])

    def _require_columns(self, frame: pd.DataFrame) -> None:
        needed = dict.fromkeys(_source(c, frame)[0] for c in self.numerical_names_ + self.categorical_names_)
        gone = [c for c in needed if c not in frame.columns]
        if gone and self.on_missing_column == "error":
            raise InputError(
                f"column(s) of the training events are absent: {', '.join(gone)}; add them, "
                "or treat them as missing (on_missing_column='missing', on the command line --missing-columns fill)"
            )

    def _numbers(self, frame: pd.DataFrame, quiet: bool = False) -> np.ndarray:
        """(N, D_num) float64, NaN where missing or not a number."""
        values = np.full((len(frame), len(self.numerical_names_)), np.nan)
        for k, name in enumerate(self.numerical_names_):
            if name in frame.columns:
                values[:, k] = as_numbers(frame[name], name, quiet=quiet)
        return values

    def _category(self, frame: pd.DataFrame, name: str, time_share: float = NUMBER_SHARE) -> pd.Series:
        """A column of the table, or one derived from a column of which ``time_share`` of the values are times."""
        source, part = _source(name, frame)
        if source not in frame.columns:
            return pd.Series([None] * len(frame), index=frame.index, dtype=object)
        if not part:
            return frame[source]
        times = epoch_milliseconds(frame[source], time_share)
        if times is None:
            if frame[source].isna().all() or time_share == 0:
                return pd.Series([None] * len(frame), index=frame.index, dtype=object)
            raise InputError(f"column {source!r} holds no times, so {name!r} cannot be derived from it")
        local = pd.to_datetime(times, unit="ms", utc=True, errors="coerce").dt.tz_convert(self.timezone)
        if part == "hour":
            return local.dt.strftime("%H")
        if part == "weekday":
            return local.dt.day_of_week.map(dict(enumerate(WEEKDAYS)))
        raise InputError(f"{name!r}: only @hour and @weekday can be derived from a time")


class OCSFDataset(Dataset):
    """Events as tensors.

    ``dataset[i]`` gives one row, as a ``DataLoader`` wants it. ``batches`` slices whole batches from the
    tensors instead, which spares the loader its row-by-row collation.

    Args:
        arrays: what ``OCSFPreprocessor.transform`` returned.

    Attributes:
        tensors: all events.
        names: of the numerical, then of the categorical columns, if they are known.
        rank: which of ``world`` processes takes its batches from here, see ``shard``.
        world: how many processes there are.
    """

    names: tuple[str, ...] = ()
    rank, world = 0, 1

    def __init__(self, arrays: FeatureArrays) -> None:
        self.tensors = Batch(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))

    @classmethod
    def from_frame(cls, preprocessor: OCSFPreprocessor, frame: pd.DataFrame) -> OCSFDataset:
        """Transform ``frame`` with a fitted preprocessor."""
        dataset = cls(preprocessor.transform(frame))
        dataset.names = tuple(preprocessor.get_feature_names_out())
        return dataset

    @classmethod
    def of(cls, tensors: Any) -> OCSFDataset:
        """A dataset of tensors that are there already: a ``Batch``, or a named tuple that begins like one."""
        dataset = object.__new__(cls)
        dataset.tensors = tensors
        return dataset

    def __len__(self) -> int:
        return len(self.tensors.categorical)

    def __getitem__(self, index: Any) -> Batch:
        return type(self.tensors)(*(t[index] for t in self.tensors))

    def to(self, device: torch.device | str) -> OCSFDataset:
        """The same events on another device."""
        moved = self.of(type(self.tensors)(*(t.to(device) for t in self.tensors)))
        moved.names, moved.rank, moved.world = self.names, self.rank, self.world
        return moved

    def rows(self, index: np.ndarray) -> OCSFDataset:
        """Some of the events, by position: (K,) int."""
        part = self.of(self[torch.from_numpy(index)])
        part.names = self.names
        return part

    def sample(self, rows: int | None = None) -> OCSFDataset:
        """The dataset itself: it is in memory. ``EventStream.sample`` gives a part; both serve ``SSLModel.prepare``."""
        return self

    def shard(self, rank: int, world: int) -> OCSFDataset:
        """The same events for one of ``world`` processes: ``batches`` gives its slice of each global batch.

        The length stays that of all events; see ``BatchPlan`` for who gets which.

        Raises:
            InputError: ``rank`` is not in 0..world-1.
        """
        shard = self.of(self.tensors)
        shard.names, (shard.rank, shard.world) = self.names, checked_rank(rank, world)
        return shard

    def fingerprint(self) -> str:
        """What tells this data from other data: its size, and a digest of up to 1000 rows."""
        rows = self[torch.linspace(0, len(self) - 1, min(len(self), 1000), dtype=torch.float64).long()]
        digest = hashlib.sha256(b"".join(t.cpu().numpy().tobytes() for t in rows)).hexdigest()
        return f"{len(self)} events, {digest[:16]}"

    def batches(self, batch_size: int, *, generator: torch.Generator | None = None, start: int = 0) -> Iterator[Batch]:
        """Every row once, ``batch_size`` rows at a time; shuffled when a (CPU) generator is given.

        A last batch of a single row joins the one before it: a contrastive loss needs a second row. The first
        ``start`` batches are left out, and cost nothing: the rest is what a whole epoch would have given.
        """
        plan = BatchPlan(len(self), batch_size, self.rank, self.world)
        order = torch.randperm(len(self), generator=generator) if generator else None
        order = order.to(self.tensors.categorical.device) if order is not None else None
        for k in range(start, plan.count):
            rows = plan.rows_of(k)
            yield self[rows] if order is None else self[order[rows]]

    def num_batches(self, batch_size: int) -> int:
        """How many batches ``batches`` gives."""
        return BatchPlan(len(self), batch_size, self.rank, self.world).count


def _check_frame(frame: Any) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"events must be a pandas DataFrame with named columns, however: {type(frame).__name__}")
    foreign = [c for c in frame.columns if not isinstance(c, str)]
    if foreign:
        raise InputError(f"column names must be text, however: {foreign[0]!r}; name the columns")
    if frame.columns.duplicated().any():
        names = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
        raise InputError(f"column name(s) used more than once: {', '.join(names)}; rename them")


def _source(name: str, frame: pd.DataFrame) -> tuple[str, str]:
    """The column a feature is read from, and what is derived from it: ``time@hour`` -> ``time``, ``hour``."""
    base, _, part = name.rpartition("@")  # but "@timestamp" and whatever stands in the table are columns themselves
    return (base, part) if base and name not in frame.columns else (name, "")


def _some(columns: pd.Index, limit: int = 12) -> str:
    shown = ", ".join(map(str, columns[:limit]))
    return f"{len(columns)} columns: {shown}{', ...' if len(columns) > limit else ''}"
