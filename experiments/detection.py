"""How well does each objective detect on labelled tables that nobody here wrote? Three seeds, defaults only.

    python experiments/detection.py --tables FOLDER    # runs what is not in the results yet
    python experiments/detection.py --show             # prints the table

``tables.py`` names the files. All detectors see the same features. Options are the defaults everywhere; no table has
settings of its own.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from record import RESULTS, append, done
from sklearn.metrics import average_precision_score, roc_auc_score
from tables import TABLES, load

from ocsf_ssl_lib import OCSFAnomalyDetector, OCSFPreprocessor
from ocsf_ssl_lib.detect.baselines import BASELINES, marginal_frequency, one_hot, row_count
from ocsf_ssl_lib.detect.scores import SCORERS

NAME = "table_detection"
SEEDS = range(3)
OBJECTIVES = {
    "untrained": ("untrained", ("mahalanobis",)),
    "contrastive": ("contrastive", ("mahalanobis",)),
    "masked": ("masked", ("likelihood", "mahalanobis")),
    "denoising": ("denoising", ("likelihood", "mahalanobis")),
    "contrastive + masked": ("multitask", ("mahalanobis",)),
}


def run(folder: Path, table: str, seed: int) -> None:
    """Measure what is missing of one table and seed."""
    train, test, truth, numerical, categorical = load(folder, table, seed)
    prep = OCSFPreprocessor(numerical, categorical).fit(train)
    a, b = prep.transform(train), prep.transform(test)
    dense = one_hot(a, prep.cardinalities_), one_hot(b, prep.cardinalities_)

    def record(method: str, scores: np.ndarray, seconds: float) -> None:
        row = {"table": table, "seed": seed, "method": method, "seconds": seconds, "n_train": len(train)}
        row |= {"n_test": len(test), "positives": int(truth.sum()), "roc_auc": roc_auc_score(truth, -scores)}
        append(NAME, [row | {"average_precision": average_precision_score(truth, -scores)}])
        print(f"{table} seed {seed}  {method:34s} {seconds:6.1f} s  {row['roc_auc']:.3f}", flush=True)

    def missing(method: str) -> bool:
        return not done(NAME, table=table, seed=seed, method=method)

    for method, function in (("marginal frequency", marginal_frequency), ("row count", row_count)):
        if missing(method):
            start = time.perf_counter()
            scores = function(a, b)
            record(method, scores, time.perf_counter() - start)
    for method, baseline in BASELINES.items():
        if missing(method):
            start = time.perf_counter()
            scores = baseline(*dense, seed)
            record(method, scores, time.perf_counter() - start)
    for name, (objective, scores_of) in OBJECTIVES.items():
        if all(not missing(f"{name}, {score}") for score in scores_of):
            continue
        start = time.perf_counter()
        options = {"objective": objective, "score": scores_of[0], "random_state": seed, "device": "cpu"}
        detector = OCSFAnomalyDetector(numerical, categorical, **options).fit(train)
        fitted = time.perf_counter() - start
        for score in scores_of:
            start = time.perf_counter()
            if score == scores_of[0]:
                scores = detector.score_samples(test)
            else:
                scores = SCORERS[score]().fit(detector.transform(train)).score(detector.transform(test))
            record(f"{name}, {score}", scores, fitted + time.perf_counter() - start)


def show() -> None:
    """Print means over seeds, per method and table, and mean ranks."""
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    for figure in ("roc_auc", "average_precision"):
        wide = table.pivot_table(index="method", columns="table", values=figure)
        wide["mean rank"] = wide.rank(ascending=False).mean(axis=1)
        print(f"\n{figure}, mean over {table.seed.nunique()} seeds")
        print(wide.sort_values("mean rank").round(3).to_string())
    seconds = table.pivot_table(index="method", columns="table", values="seconds")
    print("\nseconds to fit and score\n" + seconds.round(1).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the table and stop")
    parser.add_argument("--tables", type=Path, help="folder with the files that tables.py names")
    arguments = parser.parse_args()
    if not arguments.show:
        if arguments.tables is None:
            parser.error("give --tables FOLDER, or --show")
        torch.set_num_threads(1)
        absent = [file for file in TABLES.values() if not (arguments.tables / file).is_file()]
        if absent:
            print(f"left out, since {arguments.tables} lacks them: {', '.join(absent)}")
        for name, file in TABLES.items():
            for seed in SEEDS if file not in absent else ():
                run(arguments.tables, name, seed)
    show()
