"""What if training holds anomalies, if rows repeat, and do p-values keep their promise? Simulated events, five seeds.

    python experiments/robustness.py            # runs what is not in the results yet
    python experiments/robustness.py --show     # prints the tables

Events are split by time; the test events are the same for every setting of a seed, 2 % of them anomalies.

``contamination 0 %``, ``1 %``, ``5 %``: so many of the training events are anomalies, unlabelled.
``copies``: half of the training events are copies of 20 events. ``bursts``: every test anomaly comes ten times.
``p-values``: share of *usual* test events with a p-value up to 0.01 and 0.05, of events split by time and at random.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from record import RESULTS, append, done
from sklearn.metrics import average_precision_score, roc_auc_score

from ocsf_ssl_lib import OCSFAnomalyDetector, split_by_time
from ocsf_ssl_lib.detect.baselines import BASELINES, one_hot
from ocsf_ssl_lib.events import simulate_events

NAME = "robustness"
KEY = "metadata.uid"
EVENTS = 24_000
ANOMALY_RATE = 0.06  # enough of them for 5 % of the training events
TEST_RATE = 0.02
SEEDS = range(5)
CONTAMINATIONS = (0.0, 0.01, 0.05)
COPIED, BURST = 20, 10
LEVELS = (0.01, 0.05)
Split = tuple[str, pd.DataFrame, pd.DataFrame, np.ndarray]


def settings(seed: int) -> Iterator[Split]:
    """Setting, training events, test events, and which of these are anomalies."""
    simulation = simulate_events(EVENTS, seed=seed, anomaly_rate=ANOMALY_RATE)
    labels = simulation.labels.set_index(KEY)["is_anomaly"]
    rng = np.random.default_rng(seed)

    def thinned(frame: pd.DataFrame, rate: float) -> pd.DataFrame:
        """All usual events, and as many of the anomalies as make up a share of ``rate``."""
        truth = labels.reindex(frame[KEY]).to_numpy(bool)
        anomalies = np.flatnonzero(truth)
        wanted = min(len(anomalies), round(rate / (1 - rate) * (~truth).sum()))
        kept = np.concatenate([np.flatnonzero(~truth), rng.choice(anomalies, wanted, replace=False)])
        return frame.iloc[np.sort(kept)]

    train, test = split_by_time(simulation.frame)
    test = thinned(test, TEST_RATE)
    truth = labels.reindex(test[KEY]).to_numpy(bool)
    for rate in CONTAMINATIONS:
        yield f"contamination {rate:.0%}", thinned(train, rate), test, truth
    usual = thinned(train, 0.0)
    few = rng.choice(len(usual), COPIED, replace=False)
    copies = np.concatenate([np.arange(len(usual)), rng.choice(few, len(usual))])
    yield "copies", usual.iloc[copies].reset_index(drop=True), test, truth
    times = np.where(truth, BURST, 1)
    yield "bursts", usual, test.loc[test.index.repeat(times)], np.repeat(truth, times)
    everything = thinned(simulation.frame, 0.0)
    mixed = rng.permutation(len(everything))
    border = int(len(everything) * 0.7)
    nothing = np.zeros(len(everything) - border, bool)
    yield "p-values, at random", everything.iloc[mixed[:border]], everything.iloc[mixed[border:]], nothing


def run(seed: int) -> None:
    """Measure what is missing of one seed."""
    for name, train, test, truth in settings(seed):
        if done(NAME, seed=seed, setting=name):
            continue
        start = time.process_time()
        detector = OCSFAnomalyDetector(random_state=seed, device="cpu").fit(train)
        scores = {"combined": detector.score_samples(test)}
        p = detector.p_values(test)[~truth]
        share = {f"p<={level}": float((p <= level).mean()) for level in LEVELS}
        prep = detector.preprocessor_
        if truth.any():
            dense = [one_hot(prep.transform(part), prep.cardinalities_) for part in (train, test)]
            scores |= {method: baseline(*dense, seed) for method, baseline in BASELINES.items()}
        seconds, rows = time.process_time() - start, []
        for method, values in scores.items():
            row: dict[str, object] = {"seed": seed, "setting": name, "method": method, "positives": int(truth.sum())}
            row["seconds"] = seconds  # of all methods together
            if truth.any():
                row |= {"roc_auc": roc_auc_score(truth, -values)}
                row |= {"average_precision": average_precision_score(truth, -values)}
            rows.append(row | (share if method == "combined" else {}))
        append(NAME, rows)
        print(f"seed {seed}  {name:24s} {rows[0]}", flush=True)


def show() -> None:
    """Print means and standard deviations over seeds."""
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    for figure in ("roc_auc", "average_precision"):
        grouped = table.dropna(subset=figure).groupby(["setting", "method"])[figure]
        text = grouped.mean().map("{:.3f}".format) + " ± " + grouped.std().map("{:.3f}".format)
        print(f"\n{figure}, mean ± standard deviation over {table.seed.nunique()} seeds\n{text.unstack().to_string()}")
    ours = table[table.method == "combined"].groupby("setting")[[f"p<={level}" for level in LEVELS]].mean()
    print("\nshare of usual test events with a p-value up to 0.01 and 0.05\n" + ours.round(4).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the tables and stop")
    arguments = parser.parse_args()
    if not arguments.show:
        torch.set_num_threads(1)
        for seed in SEEDS:
            run(seed)
    show()
