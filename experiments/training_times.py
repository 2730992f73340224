"""How long does training take? One epoch at several sizes of log, with everything at its default, on one thread.

    python experiments/training_times.py                              # runs what is not in the results yet
    python experiments/training_times.py --events 10000 1000000       # these sizes
    python experiments/training_times.py --show                       # prints the table

Simulated events, in memory. Seconds are processor time of one thread, which is what a machine takes that does nothing
else; other programs on the machine do not count. Small logs run several epochs, and the median counts.
"""

from __future__ import annotations

import argparse
import time

import pandas as pd
import torch
from record import RESULTS, append, done

from ocsf_ssl_lib import (
    MaskedFeatureConfig,
    OCSFDataset,
    OCSFPreprocessor,
    TrainingConfig,
    build_model,
    train_self_supervised,
)
from ocsf_ssl_lib.events import simulate_events

NAME = "training_times"
EVENTS = (10_000, 100_000)
STEADY = 50_000  # events: so many are trained on at least
PRECISIONS = ("fp32", "bf16")


def run(events: int, seed: int = 0) -> None:
    """Preprocess once, train with each precision."""
    frame = simulate_events(events, seed=seed).frame
    start = time.process_time()
    prep = OCSFPreprocessor().fit(frame)
    data = OCSFDataset.from_frame(prep, frame)
    preprocessing = time.process_time() - start
    del frame
    epochs = max(1, STEADY // events)
    for precision in PRECISIONS:
        if done(NAME, events=events, precision=precision):
            continue
        config = MaskedFeatureConfig(seed=seed)
        model = build_model(config, len(prep.numerical_names_), prep.cardinalities_)
        seconds = []
        for _ in range(epochs):
            how = TrainingConfig(max_epochs=1, device="cpu", precision=precision)
            start = time.process_time()
            train_self_supervised(model, data, config=how, progress=False)
            seconds.append(time.process_time() - start)
        median = float(pd.Series(seconds).median())
        row: dict[str, object] = {"task": "masked", "events": events, "precision": precision, "seed": seed}
        row |= {"preprocessing_seconds": preprocessing, "epoch_seconds": median, "epochs_run": epochs}
        append(NAME, [row | {"events_per_second": events / median}])
        print(f"{events:>10,} events  {precision}  {median:8.1f} s  {events / median:7,.0f} events/s", flush=True)


def show() -> None:
    """Print the table."""
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    wide = table.pivot_table(index="events", columns="precision", values=["epoch_seconds", "events_per_second"])
    print(wide.round(1).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the table and stop")
    parser.add_argument("--events", type=int, nargs="+", default=list(EVENTS))
    arguments = parser.parse_args()
    if not arguments.show:
        torch.set_num_threads(1)
        for events in arguments.events:
            if not all(done(NAME, events=events, precision=p) for p in PRECISIONS):
                run(events)
    show()
