"""The main result of each experiment beside the best simple method: the table that the first chapter shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from ocsf_ssl_lib.events.context import CONTEXTUAL
from ocsf_ssl_lib.events.scenarios import ATTACKS
from ocsf_ssl_lib.plots.detection import is_rival
from ocsf_ssl_lib.plots.results import published_results

__all__ = ["Headline", "headlines"]

NETWORK_LOGS = ("zeek_008", "zeek_010")
SPOKEN = {"untrained, knn": "untrained encoder, kNN", "untrained, mahalanobis": "untrained encoder, Mahalanobis"}
CLASSIFIERS = ("linear", "trees", "scratch")
PRETRAINED = tuple(f"{task}, {way}" for task in ("contrastive", "masked", "denoising") for way in ("frozen", "tuned"))
LABELS = 100  # of the label-efficiency curve: enough to learn from, few enough to be given by hand


@dataclass(frozen=True)
class Headline:
    """A learned method beside a simple one, in the same places (logs or tables).

    Attributes:
        learned: name of the learned method.
        learned_mean: its mean over the places.
        simple: name of the simple method with the best mean.
        simple_mean: its mean over the places.
        ahead: number of places where the learned method is ahead of that one.
        places: number of places.
    """

    learned: str
    learned_mean: float
    simple: str
    simple_mean: float
    ahead: int
    places: int

    @property
    def winner(self) -> str:
        """``learned`` or ``simple``, by the means as they are printed."""
        return "learned" if round(self.learned_mean, 3) > round(self.simple_mean, 3) else "simple"


def headlines(read: Callable[[str], pd.DataFrame] = published_results) -> dict[str, Headline]:
    """One main result per experiment; in all of them higher is better.

    The simple method, and of several pre-trained variants the learned one, is chosen by its mean over the very places
    that are reported. That flatters whichever side has more candidates.

    Args:
        read: name of an experiment -> its rows.

    Returns:
        Key of a row -> its two sides.

    Raises:
        FileNotFoundError: an experiment has no results.
    """
    simulated = read("simulated_detection").replace({"method": SPOKEN})
    events = simulated[simulated["anomaly_type"] == "all"]
    events = events.pivot(index="seed", columns="method", values="average_precision")
    outside = (
        read("table_detection")
        .replace({"method": SPOKEN})
        .pivot_table(index="table", columns="method", values="roc_auc")
    )
    detection = read("detection")
    auc, precision = (
        detection.pivot_table(index="table", columns="method", values=v) for v in ("roc_auc", "average_precision")
    )
    # Some were run only where there are numbers to scale: a mean over other tables could not be compared.
    rivals = [m for m in auc if is_rival(m) and auc[m].notna().all()]
    attack = read("label_efficiency").query("target == 'attack' and labels == @LABELS")
    attack = attack.pivot(index="seed", columns="method", values="average_precision")
    probe = read("embedding_quality").pivot_table(index="log", columns="task", values="probe")
    dirty = read("robustness").query("setting == 'contamination 5%'")
    dirty = dirty.pivot(index="seed", columns="method", values="average_precision")
    masked, explained = ["masked, likelihood"], read("explanations")
    return {
        "contrastive": duel(events, ["contrastive, mahalanobis"], _untaught(events)),
        "masked": duel(events, masked, _untaught(events)),
        "attacks": duel(_by_type(simulated, contextual=False), masked, _untaught(events)),
        "contextual": duel(_by_type(simulated, contextual=True), masked, _untaught(events)),
        "denoising": duel(events, ["denoising, likelihood"], _untaught(events)),
        "outside": duel(outside, masked, _untaught(outside)),
        "network": duel(outside.loc[list(NETWORK_LOGS)], masked, _untaught(outside)),
        "training": duel(*_training(read("training_ablation"))),
        "labels": duel(attack, PRETRAINED, CLASSIFIERS),
        "probe": duel(probe, ["contrastive", "masked", "denoising"], ["columns", "untrained"]),
        "auc": duel(auc, ["combined"], rivals),
        "precision": duel(precision, ["combined"], rivals),
        "explained": duel(_explained(explained, "exchanged"), ["repair"], ["rarest value"]),
        "scenario": duel(_explained(explained, "scenario"), ["repair"], ["rarest value"]),
        "dirty": duel(dirty, ["combined"], _untaught(dirty)),
    }


def duel(values: pd.DataFrame, learned: Sequence[str], simple: Sequence[str]) -> Headline:
    """The best of either side by its mean, and how often the learned one is ahead.

    Args:
        values: a row per place, a column per method. A place where a candidate has no value counts for nobody.
        learned: columns of the learned side.
        simple: columns of the simple side.
    """
    values = values[[*learned, *simple]].dropna()
    mean = values.mean()
    ours, theirs = mean[list(learned)].idxmax(), mean[list(simple)].idxmax()
    ahead = int((values[ours] > values[theirs]).sum())
    return Headline(str(ours), float(mean[ours]), str(theirs), float(mean[theirs]), ahead, len(values))


def _untaught(wide: pd.DataFrame) -> list[str]:
    """The methods that learn no representation: counts, distances on the columns, and an encoder with random weights.

    Whatever is trained is named "task, score"; ``combined`` holds trained members.
    """
    return [m for m in wide if m.startswith("untrained") or ("," not in m and is_rival(m))]


def _by_type(rows: pd.DataFrame, contextual: bool) -> pd.DataFrame:
    """ROC-AUC as a mean over the types of anomaly, each type counting alike: a row per seed, a column per method."""
    chosen = rows[rows["anomaly_type"].isin(list(CONTEXTUAL if contextual else ATTACKS))]
    return chosen.pivot_table(index="seed", columns="method", values="roc_auc")


def _training(ablation: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Masked prediction, with a higher rate and for longer, and the methods that learn nothing."""
    longer = (ablation["task"] == "masked") & (ablation["group"] == "epochs")
    wide = ablation[longer | (ablation["task"] == "baseline")]
    wide = wide.pivot(index="seed", columns="setting", values="average_precision")
    wide = wide.rename(columns={"24, rate 0.003": "masked, trained longer"})
    simple = ablation.loc[ablation["task"] == "baseline", "setting"].unique()
    return wide, ["masked, trained longer"], [str(name) for name in simple]


def _explained(cases: pd.DataFrame, which: str) -> pd.DataFrame:
    """Share of altered fields that are among the first two named, in one set of cases."""
    cases = cases[(cases["set"] == which) & (cases["group"] == "all")].dropna(subset="top2")
    share = cases.assign(share=cases["top2"] / cases["cases"])
    names = {"counterfactual": "repair", "marginal nats": "rarest value"}
    return share.pivot(index="seed", columns="method", values="share").rename(columns=names)
