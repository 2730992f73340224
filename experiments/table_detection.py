"""How well does each objective detect, by a score of its own, on labelled tables that nobody here wrote? Five seeds.

    python experiments/table_detection.py --tables FOLDER    # runs what is not in the results yet
    python experiments/table_detection.py --show             # prints the table

``tables.py`` names the files. All detectors see the same features; no table has settings of its own. ``detection.py``
measures the detector as it comes, with its combined score, against other detectors. Seconds are of the processor; in
rows from before 26 November 2026 they are of the clock.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from objectives import SOURCE_SIZE, baseline_scores, objective_scores
from record import RESULTS, append, done
from sklearn.metrics import average_precision_score, roc_auc_score
from tables import TABLES, load, table_arguments

from ocsf_ssl_lib import OCSFPreprocessor

NAME = "table_detection"
SEEDS = range(5)
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

    def record(method: str, scores: np.ndarray, seconds: float) -> None:
        row = {"table": table, "seed": seed, "method": method, "seconds": seconds, "n_train": len(train)}
        row |= {"n_test": len(test), "positives": int(truth.sum()), "roc_auc": roc_auc_score(truth, -scores)}
        append(NAME, [row | {"average_precision": average_precision_score(truth, -scores)}])
        print(f"{table} seed {seed}  {method:34s} {seconds:6.1f} s  {row['roc_auc']:.3f}", flush=True)

    def missing(method: str) -> bool:
        return not done(NAME, table=table, seed=seed, method=method)

    for scored in baseline_scores(a, b, prep.cardinalities_, seed, missing):
        record(*scored)
    options = {"numerical_cols": numerical, "categorical_cols": categorical, "random_state": seed, "device": "cpu"}
    options |= SOURCE_SIZE | {"max_epochs": 20}
    for name, (objective, score_names) in OBJECTIVES.items():
        for scored in objective_scores(name, objective, score_names, train, test, missing, **options):
            record(*scored)


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
    parser = table_arguments(__doc__)
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
