"""Stage 8f: do scores of today still mean what they meant? Drift between two periods, and whether to retrain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import betabinom, chi2, ks_2samp

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.evaluate.labels import finite_scores

__all__ = ["Drift", "score_drift"]

BINS = 10
LITTLE, MUCH = 0.1, 0.25
"""Limits of the population stability index that banks use for scorecards (as Yurdakul & Naranjo, 2020, report them)."""
CHANCE = 0.001  # scores that did not drift pass a limit of chance so rarely: one day in three years
ALARM_SHARE = 0.01  # the lowest scores of the old period: what a detector's default contamination flags
ALARM_FACTOR = 2.0  # twice, or half, the alarms is what the people who read them notice
Verdict = Literal["keep", "look", "retrain"]
QUANTILES = (0.001, 0.01, 0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Drift:
    """How scores of two periods differ.

    Attributes:
        old_events: number of scores of the old period.
        new_events: number of scores of the new period.
        ks: largest difference between the two distribution functions (two-sample Kolmogorov-Smirnov), 0 to 1.
        ks_p_value: its p-value. With many events any difference is significant; the verdict does not use it.
        psi: population stability index over tenths of the old scores.
        psi_by_chance: what ``psi`` exceeds once in a thousand when nothing drifted.
        alarm_ratio: how many times more of the new events fall below the old threshold (the lowest hundredth).
        alarm_p_value: probability of a ratio at least as far from 1 when nothing drifted.
        quantiles: table of ``quantile``, ``old``, ``new``.
        verdict: keep, look or retrain.
        advice: what to do, in a sentence or two.
    """

    old_events: int
    new_events: int
    ks: float
    ks_p_value: float
    psi: float
    psi_by_chance: float
    alarm_ratio: float
    alarm_p_value: float
    quantiles: pd.DataFrame
    verdict: Verdict
    advice: str


def score_drift(old: pd.Series, new: pd.Series) -> Drift:
    """Compare the scores that one model gave to events of two periods.

    Two things can go wrong, and they call for different acts. The bulk of the scores moves when the usual has changed:
    measured by the population stability index (PSI), the symmetrised Kullback-Leibler divergence over tenths of the old
    scores. The lowest scores alone move when there is more of the unusual: measured by the share of new events below
    the old threshold. The verdict is

    * *retrain* when the PSI is above 0.25;
    * *look* when it is above 0.1, or when alarms have doubled or halved;
    * *keep* otherwise,

    each only if chance alone would not do it once in a thousand. The limits 0.1 and 0.25 are conventions that ignore
    how many events there are; Yurdakul & Naranjo (2020) derive that without drift PSI / (1/n + 1/m) has about a
    chi-squared distribution with one degree of freedom fewer than bins, which is the limit of chance used here. How
    many new scores fall below the j-th lowest of n old ones has, without drift, a beta-binomial distribution.

    Args:
        old: scores of the period that the threshold is from, events the model was not trained on, higher = more normal.
        new: scores of the later period, by the same model.

    Raises:
        InputError: fewer than 100 scores in a period, or one that is not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> old, new = pd.Series(rng.normal(size=5000)), pd.Series(rng.normal(size=5000))
        >>> score_drift(old, new).verdict, score_drift(old, new - 1).verdict
        ('keep', 'retrain')
    """
    for name, scores in (("old", old), ("new", new)):
        if len(scores) < BINS**2:
            raise InputError(
                f"the {name} period has {len(scores)} scores; drift needs {BINS**2} or more, take more days"
            )
    before, after = finite_scores(old), finite_scores(new)
    psi, bins = _stability_index(before, after)
    by_chance = float(chi2.ppf(1 - CHANCE, max(1, bins - 1)) * (1 / len(before) + 1 / len(after)))
    ratio, alarm_p = _alarms(before, after)
    ks = ks_2samp(before, after)
    verdict, advice = _judge(psi, by_chance, ratio, alarm_p)
    return Drift(
        old_events=len(before),
        new_events=len(after),
        ks=float(ks.statistic),
        ks_p_value=float(ks.pvalue),
        psi=psi,
        psi_by_chance=by_chance,
        alarm_ratio=ratio,
        alarm_p_value=alarm_p,
        quantiles=pd.DataFrame(
            {"quantile": QUANTILES, "old": np.quantile(before, QUANTILES), "new": np.quantile(after, QUANTILES)}
        ),
        verdict=verdict,
        advice=advice,
    )


def _stability_index(old: np.ndarray, new: np.ndarray) -> tuple[float, int]:
    """PSI, and the number of bins: fewer than ``BINS`` if scores repeat."""
    edges = np.unique(np.quantile(old, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, s, side="left"), minlength=len(edges) + 1) for s in (old, new)]
    counts = [c for c in np.transpose(counts) if c.any()]
    # Half an event more in each bin: one that is empty in one period would make the index infinite.
    p, q = (np.transpose(counts) + 0.5) / (np.sum(counts, axis=0) + 0.5 * len(counts))[:, None]
    return float(((p - q) * np.log(p / q)).sum()), len(counts)


def _alarms(old: np.ndarray, new: np.ndarray) -> tuple[float, float]:
    """How many times more alarms the old threshold raises, and how likely that is without drift."""
    threshold = np.quantile(old, ALARM_SHARE)
    flagged_old, flagged_new = int((old <= threshold).sum()), int((new <= threshold).sum())
    expected = betabinom(len(new), flagged_old, len(old) + 1 - flagged_old)
    p_value = 2 * min(expected.cdf(flagged_new), expected.sf(flagged_new - 1))
    return (flagged_new / len(new)) / (flagged_old / len(old)), float(min(1.0, p_value))


def _judge(psi: float, by_chance: float, ratio: float, alarm_p: float) -> tuple[Verdict, str]:
    moved = psi > by_chance
    alarms = alarm_p < CHANCE and not 1 / ALARM_FACTOR < ratio < ALARM_FACTOR
    attacks = "Take out what proves to be an attack before you train: a model learns as normal whatever it is shown."
    if psi > MUCH and moved:
        return "retrain", (
            f"Retrain: the usual has changed (PSI {psi:.2f}, above {MUCH}). Until then the threshold raises "
            f"{ratio:.1f} times the alarms of before. {attacks}"
        )
    if alarms and ratio >= ALARM_FACTOR:
        return "look", (
            f"Look at the alarms first: there are {ratio:.1f} times as many as before, while most scores have hardly "
            f"moved (PSI {psi:.2f}). Retrain only if they are harmless. {attacks}"
        )
    if alarms:
        return "look", (
            f"Look for a source that fell silent or a field that is no longer filled: alarms are down to {ratio:.1f} "
            f"times those of before (PSI {psi:.2f}). If all is well, set the threshold anew."
        )
    if psi > LITTLE and moved:
        return "look", (
            f"Look at what is new in the log: scores have moved somewhat (PSI {psi:.2f}, between {LITTLE} and {MUCH}). "
            "Set the threshold anew, and compare again next week."
        )
    if by_chance > MUCH:
        return "keep", f"Nothing to be seen, but with so few events little could be (PSI by chance: {by_chance:.2f})."
    return "keep", f"Keep the model: scores mean what they meant (PSI {psi:.2f}, alarms {ratio:.1f} times)."
