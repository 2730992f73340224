"""How many labels does pre-training save? Five seeds of simulated events, split by time.

    python experiments/label_efficiency.py            # runs what is not in the results yet
    python experiments/label_efficiency.py --show     # prints the table

Three questions. ``department``: whose event is it? Eight classes, from what the event does: everything that names the
user or the host is left out. ``bytes_out``: the log10 of the bytes that a network flow sent, from its other fields; the
other traffic counters are left out. ``attack``: is the event an attack? The labelled events are half attacks, half
normal ones, as after a triage.

Pre-training sees all events of the first 70 % of the time, without labels; the labelled ones are among them. The test
part is later, as it comes. All methods see the same features and the same labelled events. Epochs and learning rates
were fixed on seed 100, whose results are not used.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import torch
from record import RESULTS, append, done
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from ocsf_ssl_lib import (
    ContrastiveConfig,
    DenoisingConfig,
    EncoderConfig,
    FineTuneConfig,
    MaskedFeatureConfig,
    OCSFPreprocessor,
    Pretrained,
    TrainingConfig,
    create_finetune_model,
    finetune,
    pretrain,
    split_by_time,
)
from ocsf_ssl_lib.columns import default_protected
from ocsf_ssl_lib.detect.baselines import one_hot
from ocsf_ssl_lib.events import simulate_events
from ocsf_ssl_lib.pretext.base import SSLConfig

NAME = "label_efficiency"
KEY = "metadata.uid"
EVENTS = 20_000
ANOMALY_RATE = 0.05  # so that 500 attacks can be labelled
SEEDS = range(20, 25)  # other logs than those of the detection tables
LABELS = (10, 30, 100, 300, 1000)
ENCODER = EncoderConfig(d_model=64, num_blocks=2)  # of the size of the questions
PRETRAINING = TrainingConfig(max_epochs=8, device="cpu")
EPOCHS, LEAST_STEPS = 30, 300  # of fine-tuning; no label can be spared for a validation set
BATCH = 32
LEARNING_RATE = {"frozen": 1e-2, "tuned": 1e-3}  # a head alone bears a larger step than a whole network
FIGURE = {"department": "accuracy", "bytes_out": "r2", "attack": "average_precision"}
DEPARTMENT = "actor.user.org.ou_name"
LEFT_OUT = {
    "department": ("actor.", "user.", "device.hostname", "src_endpoint.hostname", "src_endpoint.ip"),
    "bytes_out": ("traffic.",),
    "attack": (),
}
TASKS: dict[str, type[SSLConfig]] = {
    "contrastive": ContrastiveConfig,
    "masked": MaskedFeatureConfig,
    "denoising": DenoisingConfig,
}
Predict = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # labelled rows, their answers, seed -> test answers


def question(target: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, np.ndarray]:
    """Training and test events without the answer, and the answers."""
    simulation = simulate_events(EVENTS, seed=seed, anomaly_rate=ANOMALY_RATE)
    frame = simulation.frame.set_index(KEY, drop=False)
    if target == "attack":
        answer = simulation.labels.set_index(KEY)["is_anomaly"]
    elif target == "bytes_out":
        answer = np.log10(frame["traffic.bytes_out"].dropna() + 1)
    else:
        answer = frame[DEPARTMENT].dropna()
    parts = split_by_time(frame.loc[frame.index.isin(answer.index)])
    train, test = (part.drop(columns=[c for c in part if c.startswith(LEFT_OUT[target])]) for part in parts)
    return train, test, answer.loc[train.index].to_numpy(), answer.loc[test.index].to_numpy()


def labelled(target: str, answers: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Positions of the labelled events; smaller sets are parts of larger ones."""
    rng = np.random.default_rng(seed)
    if target != "attack":
        return rng.permutation(len(answers))[:number]
    yes, no = (rng.permutation(np.flatnonzero(answers == kind)) for kind in (True, False))
    return np.concatenate([yes[: number // 2], no[: number // 2]])


def classical(target: str, prep: OCSFPreprocessor, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Predict]:
    """Trees and a linear model on the very same features."""
    arrays = prep.transform(train), prep.transform(test)
    dense = [one_hot(a, prep.cardinalities_) for a in arrays]
    # Trees take categories as they are, up to 255 of them; a column with more counts as numbers.
    raw = [np.column_stack([np.where(a.missing_mask, np.nan, a.numerical), a.categorical]) for a in arrays]
    numbers = arrays[0].numerical.shape[1]
    few = [numbers + k for k, c in enumerate(prep.cardinalities_) if c <= 255]

    def trees(rows: np.ndarray, answers: np.ndarray, seed: int) -> np.ndarray:
        kind = HistGradientBoostingRegressor if target == "bytes_out" else HistGradientBoostingClassifier
        smallest_leaf = max(1, min(20, len(rows) // 10))  # with the default of 20, ten labels make no split
        model = kind(categorical_features=few, random_state=seed, min_samples_leaf=smallest_leaf)
        return guess(model.fit(raw[0][rows], answers), raw[1])

    def linear(rows: np.ndarray, answers: np.ndarray, seed: int) -> np.ndarray:
        model = RidgeCV(np.logspace(-2, 3, 6)) if target == "bytes_out" else LogisticRegression(max_iter=1000)
        return guess(model.fit(dense[0][rows], answers), dense[1])

    def guess(model: Any, features: np.ndarray) -> np.ndarray:
        return model.predict_proba(features)[:, 1] if target == "attack" else model.predict(features)

    return {"trees": trees, "linear": linear}


def neural(pretrained: Pretrained, target: str, way: str, train: pd.DataFrame, test: pd.DataFrame) -> Predict:
    """A head on the encoder: the encoder frozen, or tuned with it."""

    def predict(rows: np.ndarray, answers: np.ndarray, seed: int) -> np.ndarray:
        config = FineTuneConfig(frozen=way == "frozen", learning_rate=LEARNING_RATE[way], seed=seed)
        kind: dict[str, Any] = {"regression": True}
        if target != "bytes_out":
            kind = {"num_classes": max(2, len(np.unique(answers)))}
        model = create_finetune_model(pretrained, config=config, **kind)
        epochs = max(EPOCHS, math.ceil(LEAST_STEPS / math.ceil(len(rows) / BATCH)))
        training = TrainingConfig(max_epochs=epochs, batch_size=BATCH, device="cpu")
        finetune(model, train.iloc[rows], answers, training, progress=False)
        return model.predict_proba(test)[:, 1] if target == "attack" else model.predict(test)

    return predict


def figures(target: str, truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """What the results hold of one prediction; ``prevalence`` is what a constant answer reaches."""
    row = dict.fromkeys(("accuracy", "r2", "average_precision", "roc_auc", "prevalence"), np.nan)
    if target == "attack":
        row |= {"average_precision": average_precision_score(truth, guess), "roc_auc": roc_auc_score(truth, guess)}
        return row | {"prevalence": truth.mean()}
    if target == "department":
        return row | {
            "accuracy": np.mean(guess == truth),
            "prevalence": pd.Series(truth).value_counts(normalize=True).max(),
        }
    return row | {"r2": r2_score(truth, guess)}


def run(target: str, seed: int, labels: Iterable[int] = LABELS) -> None:
    """Measure what is missing of one seed."""
    train, test, answers, truth = question(target, seed)
    prep = OCSFPreprocessor().fit(train)

    def measure(method: str, predict: Predict) -> None:
        for number in labels:
            rows = labelled(target, answers, number, seed)
            start = time.perf_counter()
            guess = predict(rows, answers[rows], seed)
            row = {"seed": seed, "target": target, "method": method, "labels": number, "test": len(truth)}
            found = figures(target, truth, guess)
            append(NAME, [row | found | {"seconds": time.perf_counter() - start}])
            print(f"seed {seed}  {target}  {method:22s} {number:5d} labels  {found[FIGURE[target]]:.3f}", flush=True)

    def missing(method: str) -> bool:
        return not done(NAME, seed=seed, target=target, method=method, labels=LABELS[-1])

    for method, predict in classical(target, prep, train, test).items():
        if missing(method):
            measure(method, predict)
    protected = tuple(prep.categorical_names_.index(c) for c in default_protected(prep.categorical_names_))
    for task in (None, *TASKS):
        names = {"untrained, frozen": "frozen", "scratch": "tuned"}
        if task is not None:
            names = {f"{task}, frozen": "frozen", f"{task}, tuned": "tuned"}
        if not any(map(missing, names)):
            continue
        options = {"encoder_config": ENCODER, "seed": seed, "protected": protected if task == "contrastive" else ()}
        training = PRETRAINING if task is not None else TrainingConfig(max_epochs=0, device="cpu")
        config = TASKS[task or "masked"](**options)
        pretrained = pretrain(train, config, training, preprocessor=prep, progress=False)
        for method, way in names.items():
            if missing(method):
                measure(method, neural(pretrained, target, way, train, test))


def show() -> None:
    """Print mean and standard deviation over seeds."""
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    for target, figure in FIGURE.items():
        grouped = table[table["target"] == target].groupby(["method", "labels"])[figure]
        text = grouped.mean().map("{:.3f}".format) + "±" + grouped.std(ddof=1).map("{:.3f}".format)
        print(f"\n{target}: {figure}, mean ± standard deviation over {table.seed.nunique()} seeds")
        print(text.unstack("labels").to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the table and stop")
    if not parser.parse_args().show:
        torch.set_num_threads(1)
        for seed in SEEDS:
            for target in FIGURE:
                run(target, seed)
    show()
