"""The main result of each experiment beside the best simple method: the table that the first chapter shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from ocsf_ssl_lib.plots.detection import is_rival
from ocsf_ssl_lib.plots.results import published_results

__all__ = ["Headline", "headlines"]

DETECTORS = ("kNN", "LOF", "isolation forest", "marginal frequency", "row count")
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
    events = read("simulated_detection").query("anomaly_type == 'all'")
    events = events.pivot(index="seed", columns="method", values="average_precision")
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
    return {
        "contrastive": duel(events, ["contrastive, mahalanobis"], [*DETECTORS, "untrained, mahalanobis"]),
        "masked": duel(events, ["masked, likelihood"], DETECTORS),
        "denoising": duel(events, ["denoising, likelihood"], DETECTORS),
        "heads": duel(_heads(read("pretext_ablation")), ["a hidden layer"], ["linear heads"]),
        "training": duel(*_training(read("training_ablation"))),
        "labels": duel(attack, PRETRAINED, CLASSIFIERS),
        "probe": duel(probe, ["contrastive", "masked", "denoising"], ["columns", "untrained"]),
        "auc": duel(auc, ["combined"], rivals),
        "precision": duel(precision, ["combined"], rivals),
        "explained": duel(_explained(read("explanations")), ["repair"], ["rarest value"]),
        "dirty": duel(dirty, ["combined"], ["kNN", "isolation forest"]),
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


def _heads(ablation: pd.DataFrame) -> pd.DataFrame:
    masked = ablation[ablation["task"] == "masked"]
    wide = masked.pivot(index="seed", columns="setting", values="average_precision")
    return wide.rename(columns={"hidden 256": "a hidden layer", "default": "linear heads"})


def _training(ablation: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Masked prediction, with a higher rate and for longer, and the methods that learn nothing."""
    longer = (ablation["task"] == "masked") & (ablation["group"] == "epochs")
    wide = ablation[longer | (ablation["task"] == "baseline")]
    wide = wide.pivot(index="seed", columns="setting", values="average_precision")
    wide = wide.rename(columns={"24, rate 0.003": "masked, trained longer"})
    simple = ablation.loc[ablation["task"] == "baseline", "setting"].unique()
    return wide, ["masked, trained longer"], [str(name) for name in simple]


def _explained(cases: pd.DataFrame) -> pd.DataFrame:
    """Share of exchanged fields that are among the first two named."""
    cases = cases[(cases["set"] == "exchanged") & (cases["group"] == "all")].dropna(subset="top2")
    share = cases.assign(share=cases["top2"] / cases["cases"])
    names = {"counterfactual": "repair", "marginal nats": "rarest value"}
    return share.pivot(index="seed", columns="method", values="share").rename(columns=names)
