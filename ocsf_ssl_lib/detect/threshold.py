"""Stage 7c: from scores to decisions: thresholds and calibrated p-values, from events that were held out.

A score says which event is more unusual than another, and not how unusual. Held-out events give it a scale: the
p-value of an event is the share of events as unusual as it among them. Its promise, that at most one in a hundred usual
events has a p-value up to 0.01, rests on one assumption: the new events are exchangeable with the held-out ones. Events
the model was trained on are not, and neither are those of a later month if behaviour has drifted. Given new events that
are known, or believed, to be usual, ``Calibration.check`` says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from ocsf_ssl_lib.errors import InputError

__all__ = ["Calibration", "CalibrationCheck"]

# 0.8 MB in a saved model. The smallest p-value is then 1e-5, and the share of events under a threshold meant for 1 %
# is known to 0.03 % (one standard error): more scores would not change a decision.
MAX_SCORES = 100_000
DAY = 86_400_000  # milliseconds
ALPHA = 0.01  # level of the tests in ``check``
LEVELS = (0.001, 0.01, 0.05, 0.1)


@dataclass(frozen=True)
class CalibrationCheck:
    """Do p-values keep their promise on events known to be usual?

    Attributes:
        n_calibration: scores that the p-values compare with.
        n: events that were checked.
        levels: p-value -> share of the events with at most that p-value; it should not exceed the p-value by much.
        excess: the largest amount by which such a share exceeds the p-value, over all p-values.
        p_excess: how probable so large an excess is if nothing has changed.
        distance: the largest difference in either direction (Kolmogorov-Smirnov).
        p_distance: how probable so large a difference is if nothing has changed.
    """

    n_calibration: int
    n: int
    levels: dict[float, float]
    excess: float
    p_excess: float
    distance: float
    p_distance: float

    @property
    def super_uniform(self) -> bool:
        """No evidence of more small p-values than promised, that is of too many false alarms."""
        return self.p_excess >= ALPHA

    @property
    def exchangeable(self) -> bool:
        """No evidence of any change, in either direction."""
        return self.p_distance >= ALPHA

    def __str__(self) -> str:
        share = f"{self.levels[0.01]:.2%} of {self.n:,} events have a p-value of at most 0.01"
        if not self.super_uniform:
            return f"{share}: more than promised, usual events have become less usual; train or calibrate again"
        if not self.exchangeable:
            return f"{share}: scores have shifted, to the safe side; calibrate again to find as much as before"
        return f"{share}: as promised"


class Calibration:
    """Scores of held-out usual events, kept as the scale for new ones.

    An alert is an event whose score is *below* a threshold, as in ``OCSFAnomalyDetector.predict``.

    Args:
        max_scores: at most so many scores are kept, drawn at random from more.
        seed: of that draw.

    Attributes:
        scores_: (n,) float64, ascending.
        events_per_day_: how many events a day has; NaN if times are unknown.
        days_: time from the first to the last of them, in days; NaN if times are unknown.

    Example:
        >>> calibration = Calibration().fit(np.arange(99.0))
        >>> calibration.p_values(np.array([-1.0, 0.0, 49.0, 1000.0])).tolist()
        [0.01, 0.02, 0.51, 1.0]
        >>> calibration.threshold(contamination=0.05)  # five of a hundred: p-values 0.01 to 0.05
        4.0
    """

    def __init__(self, max_scores: int = MAX_SCORES, seed: int = 0) -> None:
        self.max_scores = max_scores
        self.seed = seed

    def fit(self, scores: np.ndarray, times: np.ndarray | None = None, *, share: float = 1.0) -> Calibration:
        """Take up scores of events that the model was not trained on.

        Args:
            scores: (N,), higher = more normal.
            times: (N,) epoch milliseconds, NaN where unknown; only a threshold per day needs them.
            share: how much of all events these are. If every tenth event was held out, a day has ten times as many
                events as are seen here, and ten times as many false alarms: 0.1.

        Raises:
            InputError: no score, one that is no finite number, or times of other events.
        """
        scores = _checked(scores)
        if not len(scores):
            raise InputError("no scores to calibrate with; hold out some events (validation_fraction)")
        if not np.isfinite(scores).all():
            raise InputError(f"a score to calibrate with is not finite: {scores[~np.isfinite(scores)][0]}")
        if not 0 < share <= 1:
            raise InputError(f"share must be above 0 and at most 1, however: {share}")
        self.days_ = self.events_per_day_ = math.nan
        if times is not None:
            if np.shape(times) != scores.shape:
                raise InputError(f"{len(scores)} scores but times of shape {np.shape(times)}; give one for each")
            known = np.asarray(times, np.float64)
            known = known[np.isfinite(known)]
            if len(known) and known.max() > known.min():
                self.days_ = float(known.max() - known.min()) / DAY
                self.events_per_day_ = len(scores) / share / self.days_
        if len(scores) > self.max_scores:
            scores = np.random.default_rng(self.seed).choice(scores, self.max_scores, replace=False)
        self.scores_ = np.sort(scores)
        return self

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        r"""Conformal p-values: (N,) scores -> (N,) in 1/(n+1)..1, small = unusual.

        .. math:: p(s) = \frac{1 + \#\{i : s_i \le s\}}{n + 1}

        With exchangeable events, ``P(p <= t) <= t`` for every ``t``, on average over calibration sets. See Bates,
        Candès, Lei, Romano and Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 51 (2023),
        section 2. The p-values of one batch share the calibration scores, so they are not independent of one another.
        """
        below = np.searchsorted(self.scores_, _checked(scores), side="right")
        return (1.0 + below) / (len(self.scores_) + 1)

    def threshold(
        self, *, contamination: float | None = None, quantile: float | None = None, per_day: float | None = None
    ) -> float:
        """The score below which an event is an alert; name one of the three.

        Args:
            contamination: share of usual events, held out, that you are ready to look at, as a promise: alert at
                ``p_values <= contamination``; of exchangeable usual events, at most that share on average. Refused if
                there are too few scores to promise so little.
            quantile: the same share without the promise: that quantile of the scores, interpolated between the nearest
                two, which can be had from any number of scores; what a detector's ``offset_`` is.
            per_day: at most so many false alarms a day on average, if days have as many events as those here.

        Raises:
            InputError: none or several are named, a value is out of range, or the scores are too few for it.
        """
        named = {"contamination": contamination, "quantile": quantile, "per_day": per_day}
        given = {name: value for name, value in named.items() if value is not None}
        if len(given) != 1:
            raise InputError(f"name one of contamination, quantile and per_day, however: {given or 'none'}")
        (name, value), *_ = given.items()
        if name == "per_day":
            return self._below(self._share_of_day(value), f"per_day={value:g}")
        if not 0 < value < 1:
            raise InputError(f"{name} must be above 0 and below 1, however: {value}")
        return self._below(value, f"{name}={value:g}") if name == "contamination" else self._quantile(value)

    def check(self, scores: np.ndarray) -> CalibrationCheck:
        """Compare scores of new events that are usual, or almost all of them, with those kept here.

        The test is the two-sample one of Kolmogorov and Smirnov on the scores. The one-sample test of p-values against
        the uniform distribution would take the calibration scores for the truth, and reject too often when they are
        few. Both expect independent events; a log repeats itself, so a p-value near ``ALPHA`` is no proof.

        Raises:
            InputError: no score, or one that is NaN.
        """
        scores = _checked(scores)
        if not len(scores):
            raise InputError("no scores to check the calibration with")
        p = self.p_values(scores)
        # "greater": the distribution function of the new scores lies above, that is they are lower.
        excess = ks_2samp(scores, self.scores_, alternative="greater", method="asymp")
        either = ks_2samp(scores, self.scores_, method="asymp")
        return CalibrationCheck(
            n_calibration=len(self.scores_),
            n=len(scores),
            levels={level: float((p <= level).mean()) for level in LEVELS},
            excess=float(excess.statistic),
            p_excess=float(excess.pvalue),
            distance=float(either.statistic),
            p_distance=float(either.pvalue),
        )

    def state(self) -> dict[str, np.ndarray]:
        """What was learned, as arrays: ``scores`` (n,), ``days`` and ``events_per_day`` ()."""
        return {
            "scores": self.scores_,
            "days": np.array(self.days_),
            "events_per_day": np.array(self.events_per_day_),
        }

    def load_state(self, state: dict[str, np.ndarray]) -> Calibration:
        """Take up what ``state`` gave."""
        self.scores_ = np.asarray(state["scores"], np.float64)
        self.days_, self.events_per_day_ = float(state["days"]), float(state["events_per_day"])
        return self

    def _below(self, share: float, asked: str) -> float:
        """The score below which p-values are at most ``share``, ties included."""
        n = len(self.scores_)
        # 1e-9: 0.07 * 100 is 7.000000000000001, and 0.29 * 100 is 28.999999999999996
        place = math.floor(share * (n + 1) + 1e-9)
        if place < 1:
            raise InputError(f"{asked} needs {math.ceil(1 / share) - 1:,} held-out events or more, there are {n:,}")
        return float(self.scores_[place - 1])

    def _quantile(self, share: float) -> float:
        return float(np.quantile(self.scores_, share))

    def _share_of_day(self, alarms: float) -> float:
        if not (alarms > 0 and math.isfinite(alarms)):
            raise InputError(f"per_day must be above 0, however: {alarms}")
        if math.isnan(self.events_per_day_):
            raise InputError("per_day needs the times of the held-out events, and they have none; use contamination")
        if alarms >= self.events_per_day_:
            raise InputError(f"per_day={alarms:g}, but a day has only {self.events_per_day_:,.1f} events")
        return alarms / self.events_per_day_


def _checked(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1:
        raise InputError(f"scores must have one number for each event, however: shape {scores.shape}")
    if np.isnan(scores).any():
        raise InputError(f"{int(np.isnan(scores).sum())} of {len(scores)} scores are NaN; every event needs a score")
    return scores
