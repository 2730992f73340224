"""What do the measures of an embedding say, and do they agree? Five simulated logs, split by time.

    python experiments/embedding_quality.py            # runs what is not in the results yet
    python experiments/embedding_quality.py --show     # prints the table

Each encoder is trained twice on each log, with two seeds, on events without the columns that say who acted. Measured on
the later normal events: what needs no labels (alignment, uniformity, effective rank, and how far the two trainings
agree), what needs labels that no encoder has seen (the department of the user: neighbour purity on distinct events, and
a linear probe), and what the embedding is for (average precision of the later anomalies by Mahalanobis distance).
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from record import RESULTS, append, done
from sklearn.metrics import average_precision_score

from ocsf_ssl_lib import (
    ContrastiveConfig,
    DenoisingConfig,
    EncoderConfig,
    MaskedFeatureConfig,
    OCSFDataset,
    OCSFPreprocessor,
    TabularAugmentation,
    TrainingConfig,
    alignment,
    build_model,
    effective_rank,
    linear_cka,
    linear_probe,
    neighbour_overlap,
    neighbour_purity,
    simulate_events,
    split_by_time,
    train_self_supervised,
    uniformity,
)
from ocsf_ssl_lib.detect.baselines import one_hot
from ocsf_ssl_lib.detect.scores import MahalanobisScorer
from ocsf_ssl_lib.features import Batch, FeatureArrays
from ocsf_ssl_lib.pretext.base import SSLConfig

NAME = "embedding_quality"
KEY = "metadata.uid"
DEPARTMENT = "actor.user.org.ou_name"
WHO = ("actor.", "user.", "device.hostname", "src_endpoint.hostname", "src_endpoint.ip")
EVENTS = 8_000
ANOMALY_RATE = 0.05
LOGS = range(50, 55)  # other logs than those of the other experiments
SEEDS = (0, 1)
EPOCHS = 6
NEIGHBOURS = 10
ENCODER = EncoderConfig(d_model=64, num_blocks=2)
TASKS: dict[str, type[SSLConfig] | None] = {
    "columns": None,  # no encoder: scaled numbers and one-hot categories
    "untrained": ContrastiveConfig,
    "contrastive": ContrastiveConfig,
    "masked": MaskedFeatureConfig,
    "denoising": DenoisingConfig,
}


class Log(NamedTuple):
    """A log as every encoder gets it."""

    prep: OCSFPreprocessor
    train: OCSFDataset
    test: OCSFDataset
    department: np.ndarray  # of the later events, missing where there is no user
    anomaly: np.ndarray  # of the later events
    distinct: np.ndarray  # rows of the later normal events with a department, the first of equal ones


def make_log(seed: int) -> Log:
    simulation = simulate_events(EVENTS, seed=seed, anomaly_rate=ANOMALY_RATE)
    past, future = split_by_time(simulation.frame)
    seen = [part.drop(columns=[c for c in part if c.startswith(WHO)]) for part in (past, future)]
    prep = OCSFPreprocessor().fit(seen[0])
    train, test = (OCSFDataset.from_frame(prep, part) for part in seen)
    anomaly = simulation.labels.set_index(KEY)["is_anomaly"].loc[future[KEY]].to_numpy(bool)
    department = future[DEPARTMENT].to_numpy(object)
    asked = np.flatnonzero(~anomaly & future[DEPARTMENT].notna().to_numpy())
    rows = pd.DataFrame(np.column_stack([tensor.numpy()[asked] for tensor in test.tensors]))
    return Log(prep, train, test, department, anomaly, asked[~rows.duplicated().to_numpy()])


class Encoded(NamedTuple):
    """Embeddings (N, d) of the training events, of the later ones, and of two views of the later ones."""

    train: np.ndarray
    test: np.ndarray
    views: tuple[np.ndarray, np.ndarray]


def encode(log: Log, task: str, seed: int) -> Encoded:
    cards = log.prep.cardinalities_
    batch = log.test.tensors
    draws = torch.Generator().manual_seed(0)  # the same views for every encoder
    views = TabularAugmentation()(batch.numerical, batch.categorical, cards, draws)
    config = TASKS[task]
    if config is None:

        def flat(numerical: torch.Tensor, categorical: torch.Tensor, missing: torch.Tensor) -> np.ndarray:
            return one_hot(FeatureArrays(numerical.numpy(), categorical.numpy(), missing.numpy()), cards)
    else:
        model = build_model(config(encoder_config=ENCODER, seed=seed), len(log.prep.numerical_names_), cards)
        if task != "untrained":
            training = TrainingConfig(max_epochs=EPOCHS, device="cpu")
            train_self_supervised(model, log.train, config=training, progress=False)
        model.eval()

        @torch.inference_mode()
        def flat(numerical: torch.Tensor, categorical: torch.Tensor, missing: torch.Tensor) -> np.ndarray:
            return model.featurize(Batch(numerical, categorical, missing)).numpy()

    first, second = (flat(*view, batch.missing_mask) for view in views)
    return Encoded(flat(*log.train.tensors), flat(*batch), (first, second))


def measure(log: Log, encoded: Encoded) -> dict[str, float]:
    rows, half = log.distinct, len(log.distinct) // 2
    z, labels = encoded.test[rows], log.department[rows]
    score = MahalanobisScorer().fit(encoded.train).score(encoded.test)
    purity = neighbour_purity(z, labels, NEIGHBOURS)
    return {
        "alignment": alignment(*(view[rows] for view in encoded.views)),
        "uniformity": uniformity(z),
        "effective_rank": effective_rank(z),
        "purity": purity["purity"].mean(),
        "purity_by_chance": purity["chance"].mean(),
        "probe": linear_probe(z[:half], labels[:half], z[half:], labels[half:]),
        "probe_by_chance": 1 / len(purity),
        "average_precision": average_precision_score(log.anomaly, -score),
        "prevalence": log.anomaly.mean(),
        "dimensions": z.shape[1],
    }


def run(seed: int, task: str) -> None:
    log = make_log(seed)
    start = time.perf_counter()
    trainings = [encode(log, task, seed=s) for s in (SEEDS if TASKS[task] else SEEDS[:1])]
    agreement = {}
    if len(trainings) == 2:
        pair = [encoded.test[log.distinct] for encoded in trainings]
        agreement = {"overlap": neighbour_overlap(*pair, k=NEIGHBOURS), "cka": linear_cka(*pair)}
        agreement["overlap_by_chance"] = NEIGHBOURS / (len(log.distinct) - 1)
    for training, encoded in zip(SEEDS, trainings, strict=False):
        row = {"log": seed, "task": task, "seed": training, "events": len(log.distinct)}
        row |= measure(log, encoded) | agreement | {"seconds": time.perf_counter() - start}
        append(NAME, [row])
        print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)


def show() -> None:
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    figures = ["alignment", "uniformity", "effective_rank", "overlap", "cka", "purity", "probe", "average_precision"]
    grouped = table.groupby("task", sort=False)[figures]
    print(f"mean ± standard deviation over {table.log.nunique()} logs and {table.seed.nunique()} seeds")
    print((grouped.mean().round(3).astype(str) + "±" + grouped.std(ddof=1).round(3).astype(str)).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the table and stop")
    if not parser.parse_args().show:
        torch.set_num_threads(1)
        for seed in LOGS:
            for task in TASKS:
                if not done(NAME, log=seed, task=task):
                    run(seed, task)
    show()
