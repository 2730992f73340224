"""The entries of ``book/claims.yml``: an empirical sentence, its rows of results, statistic and direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import stats

Value = str | int | float | bool

# What a statistic is compared with when the entry names nothing: no difference, half of the cases, equal.
REFERENCES = {"difference": 0.0, "share": 0.5, "ratio": 1.0, "rank_correlation": 0.0}


class ClaimError(Exception):
    """A claim that the results cannot answer or do not bear out; the message says what to do."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rows(Strict):
    """Some rows of a table of results, one number for each repetition.

    In the file the columns stand beside ``take``: ``{method: [kNN, LOF], take: max}``.
    """

    where: dict[str, Value | list[Value]]
    take: Literal["mean", "max", "min"] = Field(default="mean", description="of the values that a column lists")

    @model_validator(mode="before")
    @classmethod
    def _columns_beside_take(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {"where": {k: v for k, v in given.items() if k != "take"}, "take": given.get("take", "mean")}


class Claim(Strict):
    """One empirical sentence and the measurement behind it."""

    id: str
    page: str = Field(description="of the book, without an ending")
    text: str = Field(min_length=12, description="a part of the sentence, as the page's source has it")
    experiment: str = Field(description="experiments/results/<name>.csv")
    measure: str = Field(description="a column, or an expression of columns such as top2 / cases")
    statistic: Literal["mean", "difference", "ratio", "share", "rank_correlation", "rank", "winners"]
    of: Rows
    than: Rows | None = None
    among: dict[str, Value | list[Value]] = Field(default={}, description="holds for both sides")
    per: list[str] = Field(default=["seed"], description="what is paired, and what the interval is over")
    points: list[str] = Field(default=[], description="of a rank correlation")
    against: str | None = Field(default=None, description="the other measure of a rank correlation")
    direction: Literal["higher", "lower", "same", "unclear"]
    reference: float | None = None
    tolerance: float = Field(default=0.0, ge=0, description="higher, lower: by more than this; same: by at most this")
    clear: bool = Field(default=False, description="the whole interval lies on that side of the reference")
    repeats: str = Field(default="seed", description="the column that tells repetitions apart")
    seeds: int = Field(ge=1, description="the sentence wants so many repetitions at least")

    @model_validator(mode="after")
    def _fits(self) -> Claim:
        if (self.statistic in ("difference", "ratio", "share", "rank")) != (self.than is not None):
            raise ValueError(f"{self.id}: difference, ratio, share and rank need `than`; the others have none")
        if (self.statistic == "rank_correlation") != bool(self.points and self.against):
            raise ValueError(f"{self.id}: `points` and `against` belong to rank_correlation, and it needs both")
        if self.reference is None and self.statistic not in REFERENCES:
            raise ValueError(f"{self.id}: {self.statistic} needs a reference to be {self.direction} than")
        return self

    @property
    def compared_with(self) -> float:
        """The reference."""
        return REFERENCES[self.statistic] if self.reference is None else self.reference


class Figure(Strict):
    """A statistic with its 95 % interval (NaN where there is none)."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


def read_claims(path: Path) -> list[Claim]:
    """All entries of a file.

    Raises:
        ClaimError: two entries share an id.
        ValueError: an entry has an unknown field, or misses one.
    """
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    claims = [Claim(**entry) for entry in given["claims"]]
    twice = {c.id for c in claims if sum(c.id == other.id for other in claims) > 1}
    if twice:
        raise ClaimError(f"{path.name}: the id {min(twice)!r} stands there twice; give each entry its own")
    return claims


def statistic(claim: Claim, table: pd.DataFrame) -> Figure:
    """Compute what the entry asks for, and its interval over the repetitions.

    Raises:
        ClaimError: no such column or rows, or fewer repetitions than the entry states.
    """
    if claim.statistic == "rank_correlation":
        values = _correlations(claim, table)
    elif claim.statistic == "winners":
        wide = _values(claim, claim.of, table).unstack(claim.per)
        return Figure(value=float(wide.idxmax().nunique()))
    else:
        values = _paired(claim, table)
    if claim.statistic == "share":
        interval = stats.binomtest(int(values.sum()), len(values)).proportion_ci()
        return Figure(value=values.mean(), low=interval.low, high=interval.high)
    mean, n = float(values.mean()), len(values)
    half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n) if n > 1 else float("nan")
    return Figure(value=mean, low=mean - half, high=mean + half)


def _select(claim: Claim, rows: Rows, table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are meant, with a column ``value``."""
    for column, wanted in (claim.among | rows.where).items():
        if column not in table:
            raise ClaimError(f"{claim.experiment} has no column {column!r}; it has {', '.join(table.columns)}")
        names = [str(w) for w in (wanted if isinstance(wanted, list) else [wanted])]
        absent = set(names) - set(table[column].astype(str))
        if absent:
            raise ClaimError(f"{claim.experiment} has no row with {column} = {min(absent)!r}; run the experiment")
        table = table[table[column].astype(str).isin(names)]
    found = table[claim.repeats].nunique()
    if found < claim.seeds:
        raise ClaimError(f"rests on {found} values of {claim.repeats!r}, and the entry asks for {claim.seeds}")
    return table.assign(value=table.eval(claim.measure))


def _values(claim: Claim, rows: Rows, table: pd.DataFrame) -> pd.Series:
    """Means by ``per`` and by the columns for which several values are listed."""
    listed = [k for k, v in (claim.among | rows.where).items() if isinstance(v, list) and k not in claim.per]
    return _select(claim, rows, table).groupby([*claim.per, *listed])["value"].mean()


def _paired(claim: Claim, table: pd.DataFrame) -> pd.Series:
    """One number for each repetition: a value, or a comparison of two."""
    ours = _values(claim, claim.of, table).groupby(claim.per).agg(claim.of.take)
    if claim.than is None:
        return ours
    theirs = _values(claim, claim.than, table)
    if claim.statistic == "rank":
        wide = theirs.unstack(claim.per).T
        return 1 + wide.gt(ours, axis=0).sum(axis=1)
    theirs = theirs.groupby(claim.per).agg(claim.than.take)
    both = pd.concat([ours, theirs], axis=1, keys=["of", "than"])
    if both.isna().any(axis=None):
        missing = both.index[both.isna().any(axis=1)][0]
        raise ClaimError(f"one of the two sides has no row for {claim.per} = {missing}; run the experiment")
    if claim.statistic == "share":
        return (both["of"] > both["than"]).astype(float)
    return both["of"] / both["than"] if claim.statistic == "ratio" else both["of"] - both["than"]


def _correlations(claim: Claim, table: pd.DataFrame) -> pd.Series:
    """Spearman's rank correlation of two measures over the points, for each of ``per`` (once if that is empty)."""
    rows = _select(claim, claim.of, table)
    rows = rows.assign(other=rows.eval(str(claim.against)))
    means = rows.groupby([*claim.per, *claim.points])[["value", "other"]].mean()
    parts = [part for _, part in means.groupby(claim.per)] if claim.per else [means]
    return pd.Series([stats.spearmanr(part["value"], part["other"]).statistic for part in parts])
