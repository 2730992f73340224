"""Which events are alerts: the option ``--threshold``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ocsf_ssl_lib.errors import InputError

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector

__all__ = ["THRESHOLD_HELP", "Decision", "Rule", "decide"]

NAMES = ("contamination", "quantile", "per-day", "score")
THRESHOLD_HELP = (
    "What counts as an alert: contamination=0.01, the share of usual events, held out, that you are ready to look at; "
    "quantile=0.01, the same share without a promise; per-day=5 false alarms; or score=-3. Without it, what the model "
    "was trained with."
)


class Decision(NamedTuple):
    """The score below which an event is an alert, and how it was found."""

    threshold: float
    reason: str


class Rule(NamedTuple):
    """``--threshold NAME=NUMBER``, read before anything else happens."""

    name: str
    number: float

    @classmethod
    def parse(cls, text: str | None) -> Rule | None:
        """The option's text -> a rule; ``None`` stays ``None``.

        Raises:
            InputError: no such name, or no number.

        Example:
            >>> Rule.parse("per-day=5")
            Rule(name='per-day', number=5.0)
        """
        if text is None:
            return None
        name, _, number = text.partition("=")
        try:
            rule = cls(name.strip().replace("_", "-"), float(number))
        except ValueError:
            rule = cls("", math.nan)
        if rule.name not in NAMES or not math.isfinite(rule.number):
            known = ", ".join(f"{n}=NUMBER" for n in NAMES)
            raise InputError(f"--threshold must be one of {known}, however: {text!r}")
        return rule


def decide(rule: Rule | None, detector: OCSFAnomalyDetector) -> Decision:
    """The threshold that ``--threshold`` asks for.

    Raises:
        InputError: the model holds no calibration, or one that is too small for the rule.
    """
    if rule is None:
        return Decision(detector.offset_, f"contamination={detector.contamination:g} when the model was trained")
    if rule.name == "score":
        return Decision(rule.number, "named by you")
    calibration = detector.calibration_
    if calibration is None:
        raise InputError(
            f"--threshold {rule.name}: the model holds no calibration; train it again, or use score=NUMBER"
        )
    reason = f"{rule.name}={rule.number:g} on {len(calibration.scores_):,} held-out events"
    return Decision(calibration.threshold(**{rule.name.replace("-", "_"): rule.number}), reason)
