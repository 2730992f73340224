"""Labelled tables that are not ours: ARFF tables with an outlier class, Zeek connection logs with labels.

Nothing is downloaded and nothing is shipped: put the files into a folder, under the names below.

``bank-additional-ful-nominal.arff``, ``cmc-nominal.arff``, ``solar-flare_FvsAll-cleaned.arff`` and
``AID362red_train_allpossiblenominal.arff`` are the categorical tables of Guansong Pang's ADRepository
(github.com/GuansongPang/ADRepository-Anomaly-detection-datasets). ``zeek_008.conn.log.labeled`` and
``zeek_010.conn.log.labeled`` are labelled Zeek logs of captures with malware, as the Stratosphere laboratory
publishes them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.io import arff
from sklearn.model_selection import train_test_split

__all__ = ["TABLES", "Table", "load", "table_arguments"]

# ARFF file -> the value of the last column that means normal
NORMAL = {
    "bank-additional-ful-nominal.arff": "no",
    "cmc-nominal.arff": "0",
    "solar-flare_FvsAll-cleaned.arff": "0",
    "AID362red_train_allpossiblenominal.arff": "Inactive",
}
TABLES = {
    "cmc": "cmc-nominal.arff",
    "solar": "solar-flare_FvsAll-cleaned.arff",
    "aid362": "AID362red_train_allpossiblenominal.arff",
    "zeek_008": "zeek_008.conn.log.labeled",
    "zeek_010": "zeek_010.conn.log.labeled",
    "bank": "bank-additional-ful-nominal.arff",
}
ZEEK_NUMBERS = (
    *("duration", "orig_bytes", "resp_bytes", "missed_bytes"),
    *("orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"),
)
# Addresses, ports and directions give the label away: the infected host is one address.
ZEEK_LEFT_OUT = re.compile(r"ts|uid|id\..*|local_.*|label|detailed.?label|tunnel_parents")
ZEEK_MALICIOUS_SHARE = 0.02  # of the test rows


class Table(NamedTuple):
    """Normal rows to train on, rows to test on, and which of those are anomalies."""

    train: pd.DataFrame
    test: pd.DataFrame
    truth: np.ndarray
    numerical: list[str]
    categorical: list[str]


def table_arguments(doc: str | None) -> argparse.ArgumentParser:
    """The options of an experiment on these tables."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the table and stop")
    parser.add_argument("--tables", type=Path, help="folder with the files that tables.py names")
    return parser


def load(folder: Path, name: str, seed: int) -> Table:
    """A table, split by seed.

    ARFF: stratified 70/30, trained on the normal rows of the 70 %. Zeek: benign rows split in half, malicious ones
    drawn down to 2 % of the test rows.
    """
    path = folder / TABLES[name]
    split: Callable[[Path, int], Table] = _zeek if path.name.endswith(".labeled") else _arff
    return split(path, seed)


def _arff(path: Path, seed: int) -> Table:
    data, meta = arff.loadarff(path)
    frame = pd.DataFrame(data)
    for column in frame.columns[[kind == "nominal" for kind in meta.types()]]:
        frame[column] = frame[column].str.decode("utf-8").str.strip("'")
    label = frame.columns[-1]
    truth = (frame[label] != NORMAL[path.name]).to_numpy()
    roles = dict(zip(meta.names(), meta.types(), strict=True))
    del roles[label]
    train, test = train_test_split(np.arange(len(frame)), test_size=0.3, random_state=seed, stratify=truth)
    train = train[~truth[train]]
    rows = frame.drop(columns=label)
    names = {kind: [c for c, k in roles.items() if k == kind] for kind in ("numeric", "nominal")}
    return Table(rows.iloc[train], rows.iloc[test], truth[test], names["numeric"], names["nominal"])


def _zeek(path: Path, seed: int) -> Table:
    names: list[str] = []
    rows = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#fields"):
                names = re.split(r"\s+", line.strip())[1:]
            elif not line.startswith("#"):
                rows.append(re.split(r"\t|\s{2,}", line.rstrip("\n"))[: len(names)])
    frame = pd.DataFrame(rows, columns=names).replace({"-": None, "(empty)": None})
    frame = frame[frame["label"].str.lower() != "background"].reset_index(drop=True)
    truth = (frame["label"].str.lower() != "benign").to_numpy()
    frame = frame[[c for c in frame.columns if not ZEEK_LEFT_OUT.fullmatch(c)]]
    numerical = [c for c in frame.columns if c in ZEEK_NUMBERS]
    for column in numerical:
        frame[column] = pd.to_numeric(frame[column])
    rng = np.random.default_rng(seed)
    benign, malicious = rng.permutation(np.flatnonzero(~truth)), rng.permutation(np.flatnonzero(truth))
    train, test = np.split(benign, [len(benign) // 2])
    wanted = max(1, round(len(test) * ZEEK_MALICIOUS_SHARE / (1 - ZEEK_MALICIOUS_SHARE)))
    test = np.concatenate([test, malicious[:wanted]])
    categorical = [c for c in frame.columns if c not in numerical]
    return Table(frame.iloc[train], frame.iloc[test], truth[test], numerical, categorical)
