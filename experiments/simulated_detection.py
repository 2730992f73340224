"""How well does each detector rank the simulated anomalies? Five seeds, split by time, per type of anomaly.

    python experiments/simulated_detection.py            # runs what is not in the results yet
    python experiments/simulated_detection.py --show     # prints the table

Train on the first 70 % of the time, anomalies included and unlabelled; test once on the rest. All detectors see the
same features; all that look for neighbours, on the columns or on embeddings, compare with at most
``embedding_scores.MAX_REFERENCE`` training rows. Encoders have the size and the rate of the texts this book grew from,
so that objectives are compared and not options; ``combined`` is the detector as it comes. Seconds are of the
processor; in rows from before 26 November 2026 they are of the clock.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch
from objectives import SOURCE_SIZE, baseline_scores, objective_scores
from record import RESULTS, append, done

from ocsf_ssl_lib import OCSFAnomalyDetector, OCSFPreprocessor, detection_report, split_by_time
from ocsf_ssl_lib.events import simulate_events

NAME = "simulated_detection"
KEY = "metadata.uid"
EVENTS = 50_000
ANOMALY_RATE = 0.02  # enough of each type among the test events to say something
SEEDS = range(5)
# What is trained -> the detector's objective, and its scores; the detector is fitted for the first of them.
EMBEDDING_SCORES = ("mahalanobis", "knn")
OBJECTIVES = {
    "untrained": ("untrained", EMBEDDING_SCORES),
    "contrastive": ("contrastive", EMBEDDING_SCORES),
    "masked": ("masked", ("likelihood", *EMBEDDING_SCORES)),
    "denoising": ("denoising", ("likelihood", *EMBEDDING_SCORES)),
    "contrastive + masked": ("multitask", ("likelihood", *EMBEDDING_SCORES)),
}


def run(seed: int, events: int, epochs: int) -> None:
    """Measure what is missing of one seed."""
    simulation = simulate_events(events, seed=seed, anomaly_rate=ANOMALY_RATE)
    train, test = split_by_time(simulation.frame)
    prep = OCSFPreprocessor().fit(train)
    a, b = prep.transform(train), prep.transform(test)

    def record(method: str, scores: np.ndarray, seconds: float) -> None:
        report = detection_report(pd.Series(scores, index=test[KEY].to_numpy()), simulation.labels)
        size = {"seed": seed, "method": method, "events": events, "seconds": seconds}
        append(NAME, [size | {str(k): v for k, v in row.items()} for row in report.to_dict("records")])
        print(f"seed {seed}  {method:24s} {seconds:7.1f} s  {report.roc_auc[0]:.3f} {report.average_precision[0]:.3f}")

    def missing(method: str) -> bool:
        return not done(NAME, seed=seed, method=method)

    for scored in baseline_scores(a, b, prep.cardinalities_, seed, missing):
        record(*scored)
    for name, (objective, score_names) in OBJECTIVES.items():
        options = SOURCE_SIZE | {"max_epochs": epochs, "random_state": seed}
        for scored in objective_scores(name, objective, score_names, train, test, missing, **options):
            record(*scored)
    if missing("combined"):
        start = time.process_time()
        scores = OCSFAnomalyDetector(random_state=seed, device="cpu").fit(train).score_samples(test)
        record("combined", scores, time.process_time() - start)


def show() -> None:
    """Print mean and standard deviation over seeds, per method and type."""
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    for figure in ("roc_auc", "average_precision"):
        grouped = table.groupby(["method", "anomaly_type"])[figure]
        text = grouped.mean().map("{:.2f}".format) + "±" + grouped.std(ddof=1).map("{:.2f}".format)
        wide = text.unstack("anomaly_type")
        print(f"\n{figure}, mean ± standard deviation over {table.seed.nunique()} seeds")
        print(wide[["all", *[c for c in wide.columns if c != "all"]]].to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the table and stop")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    if not arguments.show:
        torch.set_num_threads(1)
        for seed in SEEDS:
            run(seed, arguments.events, arguments.epochs)
    show()
