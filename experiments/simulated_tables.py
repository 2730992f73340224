"""Ten labelled tables of our own making, each with another kind of anomaly: so that no choice is made for one table.

A table is drawn from a few hidden classes of rows, each with its own distribution of every column, so that columns
depend on one another. Then some rows are made anomalous.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from tables import Table

__all__ = ["SIMULATED", "simulated"]

Rng = np.random.Generator
Labelled = tuple[pd.DataFrame, np.ndarray]
TEST = 0.4  # share of the rows


def simulated(name: str, seed: int) -> Table:
    """A table by name: trained on normal rows, tested on both kinds."""
    frame, truth = SIMULATED[name](np.random.default_rng([seed, zlib.crc32(name.encode())]))
    train, test = train_test_split(np.arange(len(frame)), test_size=TEST, random_state=seed, stratify=truth)
    train = train[~truth[train]]
    numerical = [c for c in frame if pd.api.types.is_numeric_dtype(frame[c])]
    categorical = [c for c in frame if c not in numerical]
    return Table(frame.iloc[train], frame.iloc[test], truth[test], numerical, categorical)


def _categories(rng: Rng, n: int, widths: list[int], classes: int, contrast: float) -> tuple[np.ndarray, pd.DataFrame]:
    """The hidden class of each of n rows, and a column of each width; ``contrast`` between classes, in log odds."""
    hidden = rng.integers(classes, size=n)
    columns = {}
    for j, width in enumerate(widths):
        odds = contrast * rng.standard_normal((classes, width)) / 2 - np.arange(width) / 10
        share = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
        value = (rng.random(n)[:, None] > share[hidden].cumsum(axis=1)).sum(axis=1).clip(0, width - 1)
        columns[f"c{j}"] = value.astype(str)
    return hidden, pd.DataFrame(columns)


def contextual(rng: Rng) -> Labelled:
    """Two cells of a row come from other rows: every value is ordinary, the combination is not."""
    n = 12_000
    hidden, frame = _categories(rng, n, [4, 6, 12, 30, 4, 6, 12, 30, 4, 6], 8, 6)
    frame["n0"] = np.exp(rng.normal(hidden * 0.7, 0.5))
    frame["n1"] = rng.normal(hidden % 3, 0.4) + 0.2 * np.log(frame["n0"])
    truth = rng.random(n) < 0.03
    for row in np.flatnonzero(truth):
        for column in rng.choice(frame.columns, 2, replace=False):
            frame.loc[row, column] = frame[column].iat[rng.integers(n)]
    return frame, truth


def rare_values(rng: Rng) -> Labelled:
    """One value is among the rarest of its column."""
    n = 15_000
    hidden, frame = _categories(rng, n, [10, 40, 100, 10, 40, 100, 10, 40], 5, 4)
    frame["n0"] = np.exp(rng.normal(2 + hidden * 0.3, 1.0))
    truth = rng.random(n) < 0.02
    for row in np.flatnonzero(truth):
        column = rng.choice(frame.columns[:8])
        values = frame[column].value_counts().index
        frame.loc[row, column] = rng.choice(values[-max(1, len(values) // 5) :])
    return frame, truth


def heavy_tails(rng: Rng) -> Labelled:
    """Two numbers of lognormal columns are several times as large, or as small, as they were."""
    n = 10_000
    hidden, frame = _categories(rng, n, [3, 5, 8, 3], 4, 5)
    numbers = [f"n{j}" for j in range(8)]
    for column in numbers:
        frame[column] = np.exp(rng.normal(rng.normal(0, 1, 4)[hidden], 0.8))
    truth = rng.random(n) < 0.02
    for row in np.flatnonzero(truth):
        for column in rng.choice(numbers, 2, replace=False):
            frame.loc[row, column] *= np.exp(rng.normal(2.5, 0.8) * rng.choice([-1, 1], p=[0.2, 0.8]))
    return frame, truth


def port_scan(rng: Rng) -> Labelled:
    """Network flows; the attack is a burst of flows that are short, empty, and simpler than any other."""
    n, attacks = 20_000, 400
    kind = rng.choice(5, n, p=[0.4, 0.25, 0.2, 0.1, 0.05])
    usual = rng.random(n) < np.array([0.93, 0.95, 0.98, 0.4, 0.9])[kind]
    state = np.where(usual, "SF", rng.choice(["S0", "REJ", "RSTO", "S1"], n, p=[0.4, 0.3, 0.2, 0.1]))
    protocol = np.array(["tcp", "tcp", "udp", "tcp", "icmp"])[kind]
    long = rng.choice(["ShADadFf", "ShADadf", "ShADad"], n)
    tcp = np.select([state == "SF", state == "S0", state == "REJ"], [long, "S", "Sr"], "ShR")
    empty = np.isin(state, ["S0", "REJ"])
    sent = np.where(empty, 0, np.exp(rng.normal(np.array([6, 7, 3.7, 4, 4])[kind], 1))).round()
    received = np.where(empty, 0, np.exp(rng.normal(np.array([8, 8.5, 5, 4, 4])[kind], 1.2))).round()
    frame = pd.DataFrame(
        {
            "protocol": protocol,
            "service": np.array(["http", "ssl", "dns", "none", "none"])[kind],
            "state": state,
            "history": np.select([protocol == "udp", protocol == "icmp"], ["Dd", "D"], tcp),
            "duration": np.where(empty, 0, np.exp(rng.normal(np.array([0, 1.5, -3, -1, -2])[kind], 1.0))),
            "sent": sent,
            "received": received,
            "packets_sent": np.maximum(1, sent / 400).round(),
            "packets_received": np.where(empty, 0, np.maximum(1, received / 600).round()),
        }
    )
    truth = np.zeros(n, bool)
    truth[rng.choice(n, attacks, replace=False)] = True
    frame.loc[truth, ["protocol", "service", "state", "history"]] = ["tcp", "none", "S0", "S"]
    frame.loc[truth, ["duration", "sent", "received", "packets_received"]] = 0.0
    frame.loc[truth, "packets_sent"] = rng.choice([1.0, 2.0, 3.0], attacks, p=[0.1, 0.2, 0.7])
    return frame, truth


def few_rows(rng: Rng) -> Labelled:
    """A table of hundreds of rows; three cells of a row are drawn evenly from five values."""
    n = 900
    _, frame = _categories(rng, n, [2, 3, 5] * 3, 3, 4)
    truth = rng.random(n) < 0.06
    for row in np.flatnonzero(truth):
        for column in rng.choice(frame.columns, 3, replace=False):
            frame.loc[row, column] = str(rng.integers(5))
    return frame, truth


def many_columns(rng: Rng) -> Labelled:
    """200 columns of yes and no, driven by six hidden switches; anomalies obey half-changed rules."""
    n, width, switches = 5000, 200, 6
    on = rng.random((n, switches)) < 0.3
    rules, others = (rng.normal(0, 2, (switches, width)) * (rng.random((switches, width)) < 0.3) for _ in range(2))
    base = rng.normal(-2.5, 1.2, width)
    truth = rng.random(n) < 0.03
    odds = on @ rules + base
    odds[truth] = (on @ (rules + others) / 2 + base)[truth]
    cells = rng.random((n, width)) < 1 / (1 + np.exp(-odds))
    return pd.DataFrame(np.where(cells, "yes", "no"), columns=[f"b{j}" for j in range(width)]), truth


def unseen_class(rng: Rng) -> Labelled:
    """Rows of a ninth class, of which training has none."""
    n = 16_000
    hidden, frame = _categories(rng, n, [2, 3, 4, 8, 15, 2, 3, 4, 8, 15, 2, 3], 9, 3)
    middle = rng.normal(0, 1, (9, 5))
    for j in range(5):
        frame[f"n{j}"] = rng.normal(middle[hidden, j], 0.6)
    truth = hidden == 8
    keep = ~truth | (rng.random(n) < 0.25)
    return frame[keep].reset_index(drop=True), truth[keep]


def overlap(rng: Rng) -> Labelled:
    """Anomalies are ordinary rows of a tilted population: hardly to be told apart, by anyone."""
    n = 20_000
    _, frame = _categories(rng, n, [2, 3, 4, 12, 2, 3, 4, 12, 2, 3], 5, 2)
    values = frame.astype(int).to_numpy()
    tilt = values / values.max(axis=0) @ rng.normal(0, 1, values.shape[1])
    tilt = (tilt - tilt.mean()) / tilt.std()
    return frame, rng.random(n) < 1 / (1 + np.exp(3.2 - 1.2 * tilt))


def clusters(rng: Rng) -> Labelled:
    """Six clouds of ten numbers; anomalies lie between them."""
    n, classes, width = 8000, 6, 10
    hidden = rng.integers(classes, size=n)
    shape = rng.normal(0, 0.5, (classes, width, width))
    points = rng.normal(0, 3, (classes, width))[hidden]
    points = points + np.einsum("nij,nj->ni", shape[hidden], rng.normal(size=(n, width)))
    truth = rng.random(n) < 0.02
    anywhere = rng.uniform(points.min(axis=0), points.max(axis=0), (truth.sum(), width))
    points[truth] = 0.4 * anywhere + 0.6 * points[rng.permutation(n)[: truth.sum()]]
    frame = pd.DataFrame(points, columns=[f"n{j}" for j in range(width)])
    frame["kind"] = (hidden % 3).astype(str)
    frame["group"] = np.where(rng.random(n) < 0.9, hidden // 2, rng.integers(3, size=n)).astype(str)
    return frame, truth


def application(rng: Rng) -> Labelled:
    """An application's log: wrong hours, large answers, forbidden calls, foreign users."""
    n, users, endpoints = 25_000, 120, 40
    user = rng.zipf(1.3, n) % users
    team = user % 6
    shares = rng.dirichlet(np.full(endpoints, 0.15), 6)
    endpoint = (rng.random(n)[:, None] > shares[team].cumsum(axis=1)).sum(axis=1).clip(0, endpoints - 1)
    wrong = rng.choice(["404", "500", "403"], n, p=[0.6, 0.25, 0.15])
    hour = (rng.normal(9 + team, 2.5, n) % 24).astype(int)
    latency = np.exp(rng.normal(3 + endpoint % 5 * 0.4, 0.5))
    size = np.exp(rng.normal(6 + endpoint % 7 * 0.5, 0.7))
    method = np.array(["GET", "GET", "POST", "PUT"])[endpoint * 7 % 4]
    status = np.where(rng.random(n) < 0.96, "200", wrong)
    truth = rng.random(n) < 0.015
    kind = np.where(truth, rng.integers(4, size=n), -1)
    hour = np.where(kind == 0, (hour + 12) % 24, hour)
    endpoint = np.where(kind == 0, rng.integers(endpoints, size=n), endpoint)
    size = np.where(kind == 1, size * 30, size)
    status, method = np.where(kind == 2, "403", status), np.where(kind == 2, "PUT", method)
    user = np.where(kind == 3, rng.integers(users, size=n), user)
    latency = np.where(kind == 3, latency * 6, latency)
    columns = {"user": user, "endpoint": endpoint, "method": method, "status": status, "hour": hour}
    frame = pd.DataFrame(columns).astype(str)
    frame["latency"], frame["size"] = latency, size
    return frame, truth


SIMULATED: dict[str, Callable[[Rng], Labelled]] = {
    function.__name__: function
    for function in (
        *(contextual, rare_values, heavy_tails, port_scan, few_rows),
        *(many_columns, unseen_class, overlap, clusters, application),
    )
}
