"""What do the options of training change? Simulated events, split by time, one option at a time, several seeds.

    python experiments/training_ablation.py            # runs what is not in the results yet
    python experiments/training_ablation.py --show     # prints the tables

Every setting keeps the defaults but for one option (two where its name says so) and is asked the same questions. What
the task reaches is measured on held-out events of the past, always in batches of 256 and, for the contrastive task,
with the views and the temperature of the default: losses at two temperatures, batch sizes or noise levels cannot be
compared. How well it detects is measured on the events of the future, from Mahalanobis distances of embeddings
(contrastive) or the likelihood of cells (masked). The encoder has two blocks in place of six, so that the whole
takes less than an hour on one core. Baselines that learn nothing see the same features.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from record import RESULTS, append, done
from sklearn.metrics import average_precision_score, roc_auc_score
from views import ViewsConfig

from ocsf_ssl_lib import (
    ContrastiveConfig,
    ContrastiveModel,
    EncoderConfig,
    MaskedFeatureConfig,
    OCSFDataset,
    OCSFPreprocessor,
    TrainingConfig,
    build_model,
    split_by_time,
    train_self_supervised,
)
from ocsf_ssl_lib.columns import default_protected
from ocsf_ssl_lib.detect.baselines import BASELINES, marginal_frequency, one_hot
from ocsf_ssl_lib.detect.embedding_scores import KNNScorer, MahalanobisScorer
from ocsf_ssl_lib.detect.likelihood_scores import LikelihoodScorer
from ocsf_ssl_lib.events import simulate_events
from ocsf_ssl_lib.pretext.base import SSLConfig, SSLModel
from ocsf_ssl_lib.pretraining import hold_out
from ocsf_ssl_lib.training import evaluate_loss

NAME = "training_ablation"
KEY = "metadata.uid"
EVENTS = 10_000
ANOMALY_RATE = 0.05  # enough anomalies in the smaller test part
SEEDS = range(30, 35)  # other logs than those of the tables in the chapters
EPOCHS, LONG = 8, 24
BATCH = 256
ENCODER = EncoderConfig(d_model=256, num_blocks=2)  # the default has 6 blocks
SLICE = 4096  # events per forward pass when nothing is learned
CONFIGS: dict[str, type[SSLConfig]] = {"contrastive": ContrastiveConfig, "masked": MaskedFeatureConfig}

Setting = tuple[str, str, str, dict[str, Any], dict[str, Any]]  # task, group, setting, options of task, of training


def of_training(task: str) -> list[Setting]:
    """Options that both tasks have."""
    options: dict[str, dict[str, dict[str, Any]]] = {
        "batch size": {f"{n}": {"batch_size": n} for n in (64, 1024)}
        | {"1024, rate doubled": {"batch_size": 1024, "learning_rate": 2e-3}},
        "learning rate": {f"{rate:g}": {"learning_rate": rate} for rate in (1e-4, 3e-3, 1e-2)},
        "schedule": {
            "constant": {"min_learning_rate": 1e-3, "warmup_fraction": 0.0},
            "no warm-up": {"warmup_fraction": 0.0},
            "no cosine": {"min_learning_rate": 1e-3},
        },
        "weight decay": {f"{decay:g}": {"weight_decay": decay} for decay in (0.0, 1e-2)},
        "precision": {"bf16": {"precision": "bf16"}},
        "epochs": {
            f"{LONG}": {"max_epochs": LONG},
            f"{LONG}, rate 0.003": {"max_epochs": LONG, "learning_rate": 3e-3},
        },
    }
    return [(task, group, name, {}, found) for group, some in options.items() for name, found in some.items()]


def of_encoder(task: str) -> list[Setting]:
    """Sizes of the encoder, and its dropout."""
    sizes: dict[str, tuple[str, tuple[Any, ...]]] = {
        "width": ("d_model", (64, 128)),
        "blocks": ("num_blocks", (1, 6)),
        "dropout": ("dropout", (0.0, 0.3)),
    }
    return [
        (task, group, f"{n}", {"encoder_config": ENCODER.model_copy(update={field: n})}, {})
        for group, (field, values) in sizes.items()
        for n in values
    ]


def of_contrast() -> list[Setting]:
    """Options of the contrastive task."""
    options: dict[str, tuple[str, tuple[Any, ...]]] = {
        "temperature": ("temperature", (0.05, 0.5, 1.0)),
        "noise": ("noise_level", (0.05, 0.3)),
        "swap": ("dropout_prob", (0.1, 0.6)),
        "swap kind": ("swap", ("uniform",)),
        "equal rows": ("exclude_duplicates", (False,)),
        "head": ("projection_dim", (None,)),
        "views": ("views", (3, 4)),
    }
    names = {False: "kept as negatives", None: "none"}
    scarf = {"one_sided": 0.6, "temperature": 1.0}
    return [
        *(
            ("contrastive", group, names.get(value, f"{value}"), {field: value}, {})
            for group, (field, values) in options.items()
            for value in values
        ),
        ("contrastive", "views", "one-sided, SCARF", scarf, {}),
    ]


SETTINGS: list[Setting] = [
    setting
    for task in CONFIGS
    for setting in (
        (task, "default", "default", {}, {}),
        *of_training(task),
        *of_encoder(task),
        *(of_contrast() if task == "contrastive" else ()),
    )
]


class Log:
    """The features of one simulated log: a training part, a validation part, and the future with its answers."""

    def __init__(self, seed: int) -> None:
        simulation = simulate_events(EVENTS, seed=seed, anomaly_rate=ANOMALY_RATE)
        past, future = split_by_time(simulation.frame)
        self.truth = simulation.labels.set_index(KEY)["is_anomaly"].loc[future[KEY]].to_numpy(bool)
        self.prep = OCSFPreprocessor().fit(past)
        self.past, self.future = (self.prep.transform(frame) for frame in (past, future))
        self.train, held = hold_out(OCSFDataset(self.past), 0.1, seed)
        assert held is not None
        self.validation, self.test = held, OCSFDataset(self.future)

    def build(self, task: str, seed: int, options: dict[str, Any]) -> SSLModel:
        """A model with fresh weights."""
        names = self.prep.categorical_names_
        protected = tuple(names.index(c) for c in default_protected(names)) if task == "contrastive" else ()
        kind = ViewsConfig if options.keys() & {"views", "one_sided"} else CONFIGS[task]
        config = kind(**{"encoder_config": ENCODER, "seed": seed, "protected": protected} | options)
        numbers = self.prep.numerical_names_
        return build_model(config, len(numbers), self.prep.cardinalities_, numbers + names)

    def detected(self, scores: np.ndarray) -> dict[str, float]:
        """How well scores (higher = more normal) of the future rank its anomalies."""
        return {
            "roc_auc": float(roc_auc_score(self.truth, -scores)),
            "average_precision": float(average_precision_score(self.truth, -scores)),
        }


@torch.no_grad()
def evidence(model: SSLModel, data: OCSFDataset) -> np.ndarray:
    """Embeddings, or surprise of cells if the model can say it."""
    function = getattr(model, "cell_surprise", model.featurize)
    model.eval()
    return np.concatenate([function(data[k : k + SLICE]).numpy() for k in range(0, len(data), SLICE)])


def reached(model: SSLModel, validation: OCSFDataset) -> dict[str, float]:
    """Loss and metrics of the task on held-out events, the same question for every setting."""
    judge = model
    if isinstance(model, ContrastiveModel):
        plain = ContrastiveConfig(encoder_config=model.config.encoder_config, protected=model.config.protected)
        judge = ContrastiveModel(model.encoder, plain)
        judge.decoder = model.decoder
    return evaluate_loss(judge, validation, BATCH)


def run(seed: int, log: Log, task: str, group: str, setting: str, options: dict[str, Any], how: dict[str, Any]) -> None:
    """Train and judge one setting on one log."""
    model = log.build(task, seed, options)
    plain: dict[str, Any] = {"max_epochs": EPOCHS, "batch_size": BATCH, "device": "cpu", "seed": seed}
    start = time.process_time()
    history = train_self_supervised(model, log.train, log.validation, TrainingConfig(**plain | how), progress=False)
    seconds = time.process_time() - start
    scorer = MahalanobisScorer() if task == "contrastive" else LikelihoodScorer()
    scores = scorer.fit(evidence(model, OCSFDataset(log.past))).score(evidence(model, log.test))
    row: dict[str, Any] = {"seed": seed, "task": task, "group": group, "setting": setting}
    row |= log.detected(scores) | reached(model, log.validation)
    row |= {"best_epoch": history.best_epoch, "epochs": len(history.frame), "seconds": seconds}
    append(NAME, [row])
    shown = ", ".join(f"{k} {v:.3f}" for k, v in row.items() if isinstance(v, float))
    print(f"seed {seed}  {task}, {group}: {setting}  {shown}", flush=True)


def baselines(seed: int, log: Log) -> None:
    """What methods without training reach on the same features; those that are in the results are not added again."""
    untrained = log.build("contrastive", seed, {})
    a, b = (evidence(untrained, OCSFDataset(part)) for part in (log.past, log.future))
    past, future = (one_hot(part, log.prep.cardinalities_) for part in (log.past, log.future))
    found: dict[str, Callable[[], np.ndarray]] = {
        "untrained encoder, Mahalanobis": lambda: MahalanobisScorer().fit(a).score(b),
        "untrained encoder, kNN": lambda: KNNScorer().fit(a).score(b),
        "kNN on the columns": lambda: BASELINES["kNN"](past, future, seed),
        "Mahalanobis on the columns": lambda: BASELINES["Mahalanobis"](past, future, seed),
        "marginal frequency": lambda: marginal_frequency(log.past, log.future),
    }
    head = {"seed": seed, "task": "baseline", "group": "baseline"}
    for name, score in found.items():
        if not done(NAME, **head, setting=name):
            append(NAME, [head | {"setting": name, "prevalence": log.truth.mean()} | log.detected(score())])


def show() -> None:
    """Print mean and standard deviation over seeds, per setting."""
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    figures = ["roc_auc", "average_precision", "validation_loss", "top1", "spread", "accuracy", "r2", "seconds"]
    print(f"mean ± standard deviation over {table.seed.nunique()} seeds")
    for task, some in table.groupby("task"):
        grouped = some.dropna(axis="columns", how="all").groupby(["group", "setting"], sort=False)
        columns = [c for c in figures if some[c].notna().any()]
        text = grouped[columns].mean().round(3).astype(str) + "±" + grouped[columns].std(ddof=1).round(3).astype(str)
        print(f"\n{task}\n{text.to_string()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the tables and stop")
    if not parser.parse_args().show:
        torch.set_num_threads(1)
        for seed in SEEDS:
            missing = [s for s in SETTINGS if not done(NAME, seed=seed, task=s[0], group=s[1], setting=s[2])]
            log = Log(seed)
            baselines(seed, log)
            for setting in missing:
                run(seed, log, *setting)
    show()
