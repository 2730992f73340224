"""Does the detector, as it comes, rank better than others? On real, on simulated tables and on simulated events.

    python experiments/detection.py --tables FOLDER    # runs what is not in the results yet; needs pyod
    python experiments/detection.py --show             # prints the table

Real tables: ``tables.py`` names the files, nothing is shipped. Simulated tables: ``simulated_tables.py``. Simulated
events: 20 000 of all classes, split by time, anomalies left in training, unlabelled. Five seeds. Every detector has
its defaults; no table has settings of its own. ``combined`` is
``OCSFAnomalyDetector(numerical_cols=..., categorical_cols=..., random_state=seed).fit(train).score_samples(test)``;
rows that begin with ``part:`` or ``without:`` are one of its nine members, or the other eight, and ``combined, columns
only`` is the six that look at columns alone: what is left without a model. Seconds are of the processor, on one core.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from record import RESULTS, append, done
from rivals import rival_scores
from simulated_tables import SIMULATED, simulated
from sklearn.metrics import average_precision_score, roc_auc_score
from tables import TABLES, Table, load, table_arguments

from ocsf_ssl_lib import OCSFAnomalyDetector, OCSFPreprocessor, split_by_time
from ocsf_ssl_lib.events import simulate_events
from ocsf_ssl_lib.plots.detection import mean_ranks

NAME = "detection"
SEEDS = range(5)
EVENTS = 20_000
ANOMALY_RATE = 0.02
KEY = "metadata.uid"
FEW = 50  # anomalies: a table with fewer says little about a difference of 0.03


def events(seed: int) -> Table:
    """Simulated events, the later ones to test on; the columns are those the preprocessor chooses."""
    simulation = simulate_events(EVENTS, seed=seed, anomaly_rate=ANOMALY_RATE)
    train, test = split_by_time(simulation.frame)
    prep = OCSFPreprocessor().fit(train)
    truth = simulation.labels.set_index(KEY)["is_anomaly"].reindex(test[KEY]).to_numpy(bool)
    return Table(train, test, truth, prep.numerical_names_, prep.categorical_names_)


def our_scores(table: Table, seed: int) -> Iterator[tuple[str, np.ndarray, float]]:
    """The combined score, each of its members, and what is left without each."""
    start = time.process_time()
    names = {"numerical_cols": table.numerical, "categorical_cols": table.categorical}
    detector = OCSFAnomalyDetector(**names, random_state=seed, device="cpu").fit(table.train)  # type: ignore[arg-type]
    scores = detector.score_samples(table.test)
    yield "combined", scores, time.process_time() - start
    nats = detector.member_nats(table.test)
    columns = [name for name, member in detector.scorer_.members.items() if member.looks_at == "features"]
    yield "combined, columns only", -nats[columns].sum(axis=1).to_numpy(), np.nan
    for member, own in nats.items():
        yield f"part: {member}", -own.to_numpy(), np.nan
        yield f"without: {member}", -nats.drop(columns=member).sum(axis=1).to_numpy(), np.nan


def untrained_scores(table: Table, seed: int) -> Iterator[tuple[str, np.ndarray, float]]:
    """The baseline of every learned score: an encoder with random weights."""
    start = time.process_time()
    detector = OCSFAnomalyDetector(table.numerical, table.categorical, "untrained", random_state=seed, device="cpu")
    scores = detector.fit(table.train).score_samples(table.test)
    yield "untrained encoder, mahalanobis", scores, time.process_time() - start


def run(kind: str, name: str, table: Table, seed: int) -> None:
    """Measure what is missing of one table and seed."""

    def record(method: str, scores: np.ndarray, seconds: float) -> None:
        row = {"kind": kind, "table": name, "seed": seed, "method": method, "seconds": seconds}
        row |= {"n_train": len(table.train), "n_test": len(table.test), "positives": int(table.truth.sum())}
        row |= {"columns": len(table.numerical) + len(table.categorical)}
        row |= {"roc_auc": roc_auc_score(table.truth, -scores)}
        append(NAME, [row | {"average_precision": average_precision_score(table.truth, -scores)}])
        if not method.startswith(("part", "without")):
            print(f"{name} seed {seed}  {method:30s} {seconds:6.1f} s  {row['roc_auc']:.3f}", flush=True)

    def missing(method: str) -> bool:
        return not done(NAME, table=name, seed=seed, method=method)

    for scored in rival_scores(table.train, table.test, table.numerical, table.categorical, seed, missing):
        record(*scored)
    for method, function in (("untrained encoder, mahalanobis", untrained_scores), ("combined", our_scores)):
        if missing(method):
            for scored in function(table, seed):
                record(*scored)


def show() -> None:
    """Print figures per table, and ranks."""
    results = pd.read_csv(RESULTS / f"{NAME}.csv")
    parts = results["method"].str.startswith(("part", "without"))
    for figure in ("roc_auc", "average_precision"):
        wide = results[~parts].pivot_table(index="table", columns="method", values=figure)
        print(f"\n{figure}, mean over {results.seed.nunique()} seeds")
        print(wide.round(3).to_string())
    print("\nmean rank among the rivals; how far behind the best rival of each table, on average and at worst")
    print(mean_ranks(results).round(3).to_string())
    known = results[results["positives"] >= FEW]
    print(f"\nthe same, tables with {FEW} anomalies or more")
    print(mean_ranks(known).loc[lambda t: ~t.index.str.startswith(("part", "without"))].round(3).to_string())
    seconds = results[~parts].pivot_table(index="table", columns="method", values="seconds")
    print("\nseconds to fit and score\n" + seconds.round(1).to_string())


if __name__ == "__main__":
    arguments = table_arguments(__doc__).parse_args()
    if not arguments.show:
        torch.set_num_threads(1)
        here = [name for name, file in TABLES.items() if arguments.tables and (arguments.tables / file).is_file()]
        absent = ", ".join(sorted(TABLES.keys() - set(here))) or "none"
        print(f"real tables left out, since their files are not there: {absent}")
        for seed in SEEDS:
            for name in here:
                run("real", name, load(arguments.tables, name, seed), seed)
            run("events", "events", events(seed), seed)
            for name in SIMULATED:
                run("simulated", name, simulated(name, seed), seed)
    show()
