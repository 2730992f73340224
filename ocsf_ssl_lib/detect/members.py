"""Which member of the combined score finds an event most unusual, and what that means in words.

An event can rank first although every field fits the others: it lies in a thin place, or breaks a linear relation that
most events keep. An explanation that looks at fields alone has nothing to say of it; the members have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect.combined_score import CombinedScorer
    from ocsf_ssl_lib.detect.evidence import Evidence

__all__ = ["TOO_USUAL", "UNUSUAL", "StrongestMember", "strongest_members"]

REMARKABLE = -math.log(0.05)  # nats that one training event in 20 has: a member with less has noticed nothing

# What a low score of each member says of an event.
UNUSUAL = {
    "typicality": "its fields fit one another worse, or better, than those of nearly all events",
    "surprise": "one of its fields does not fit the others",
    "neighbours": "no event of the training looks like it as a whole",
    "density": "it lies farther from the events around it than these lie from one another",
    "marginal": "its values are rare, each on its own",
    "rarest": "one of its values is rare on its own",
    "linear": "its values break a linear relation that most events keep",
    "covariance": "values that nearly always go together do not in this event",
    "forest": "a few cuts through its values set it apart from all other events",
}
# What a high score says, for the members to which unusually ordinary is unusual, too.
TOO_USUAL = {
    "typicality": "its fields fit one another just as well as those of the median event, closer than nearly all do",
    "surprise": "its fields follow from one another more surely than those of nearly all events",
    "density": "it lies closer to the events around it than these lie to one another, like one of many copies",
    "rarest": "even its rarest value is more common than that of nearly all events",
}


@dataclass(frozen=True)
class StrongestMember:
    """The member of the combined score that finds an event most unusual.

    Attributes:
        name: of the member, see ``CombinedScorer``.
        nats: what it adds to the event's score, before the mean is taken; a training event has about 1.
        says: what that means; holds no value of the event.
    """

    name: str
    nats: float
    says: str

    @property
    def sentence(self) -> str:
        """Name, nats and meaning; or that even this member finds nothing, which is no reason to look for a meaning."""
        if self.nats < REMARKABLE:
            return f"No score finds it unusual: the strongest, {self.name}, has {self.nats:.1f} nats."
        return f"Most unusual by {self.name} ({self.nats:.1f} nats; a usual event has about 1): {self.says}."


def strongest_members(scorer: CombinedScorer, evidence: Evidence) -> list[StrongestMember]:
    """The strongest member for each of N events; of equals, the first."""
    scores = scorer.member_scores(evidence)
    names = list(scores)
    nats = np.stack([scorer.tails[name](scores[name]) for name in names], axis=1)
    found = []
    for row, best in enumerate(nats.argmax(axis=1)):
        name = names[best]
        at_upper_end = bool(scorer.tails[name].at_upper_end(scores[name][row : row + 1])[0])
        says = (TOO_USUAL if at_upper_end else UNUSUAL)[name]
        found.append(StrongestMember(name, float(nats[row, best]), says))
    return found
