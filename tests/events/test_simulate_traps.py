"""Nothing trivial gives the anomalies away: no column, no gap, no small tree, no identifier, no order.

A public tutorial evaluated on a table in which one rule found every anomaly. These tests keep ours from that.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from ocsf_ssl_lib.events.simulate import Simulation, simulate_events

LIMIT = 0.9
QUANTITIES = ["time", "traffic.bytes_in", "traffic.bytes_out", "duration", "process.pid", "process.parent_process.pid"]
CONTEXTUAL = ["context_user", "context_service", "context_volume"]


class Table:
    """The events as codes and numbers, with two ways of halving them."""

    def __init__(self, made: Simulation) -> None:
        frame = made.frame.drop(columns="metadata.uid")
        frame["hour"] = frame["time"] // 3_600_000 % 24
        frame["weekday"] = (frame["time"] // 86_400_000 + 3) % 7
        self.made = made
        self.wrong = made.labels["is_anomaly"].to_numpy()
        self.kind = made.labels["anomaly_type"].to_numpy()
        self.numbers = {c: frame[c].astype("Float64").to_numpy("float64", na_value=np.nan) for c in QUANTITIES}
        self.codes = {c: pd.factorize(frame[c].astype(str))[0] for c in frame.columns.difference(QUANTITIES)}
        gaps = np.packbits(frame.isna().to_numpy(), axis=1)
        self.codes["missingness"] = np.unique(gaps, axis=0, return_inverse=True)[1].ravel()
        half = np.random.default_rng(0).random(len(frame)) < 0.5
        self.halves = {"random": half, "time": np.arange(len(frame)) < len(frame) // 2}

    def encoded(self, name: str, train: np.ndarray) -> np.ndarray:
        """The category as the smoothed share of anomalies it had in the training half."""
        rate = self.wrong[train].mean()
        known = pd.DataFrame({"code": self.codes[name][train], "wrong": self.wrong[train]}).groupby("code")["wrong"]
        shares = (known.sum() + 10 * rate) / (known.count() + 10)
        return pd.Series(self.codes[name]).map(shares).fillna(rate).to_numpy()


@pytest.fixture(scope="module", params=[42, 7])
def table(request: pytest.FixtureRequest) -> Table:
    return Table(simulate_events(40_000, seed=request.param))


@pytest.mark.parametrize("split", ["random", "time"])
def test_no_column_and_no_small_tree_separates_the_anomalies(table: Table, split: str) -> None:
    train = table.halves[split]
    test = ~train
    columns = {name: table.encoded(name, train) for name in table.codes}
    for name, values in table.numbers.items():
        columns[name] = np.nan_to_num(values, nan=-1.0)
    found = {}
    for name, values in columns.items():
        area = roc_auc_score(table.wrong[test], values[test])
        found[name] = max(area, 1 - area) if name in table.numbers else area
    matrix = np.column_stack(list(columns.values()))
    tree = DecisionTreeClassifier(max_depth=2, class_weight="balanced", random_state=0)
    tree.fit(matrix[train], table.wrong[train])
    found["tree of depth 2"] = roc_auc_score(table.wrong[test], tree.predict_proba(matrix[test])[:, 1])
    assert {name: area for name, area in found.items() if area > LIMIT} == {}
    assert found["missingness"] < 0.75


def test_time_and_uid_say_nothing(table: Table) -> None:
    time = table.numbers["time"]
    assert abs(roc_auc_score(table.wrong, time) - 0.5) < 0.08
    uid = table.made.frame["metadata.uid"]
    assert set(uid.str.len()) == {32}
    for part in (uid.str[:8], uid.str[-8:]):
        area = roc_auc_score(table.wrong, part.map(lambda text: int(text, 16)))
        assert abs(area - 0.5) < 0.09  # standard error 0.015 with 400 anomalies


def test_attackers_use_what_everybody_uses(table: Table) -> None:
    frame, wrong = table.made.frame, table.wrong
    columns = ["actor.user.name", "user.name", "src_endpoint.hostname", "device.hostname", "dst_endpoint.ip"]
    for name in [*columns, "dst_endpoint.port", "http_request.user_agent", "process.name", "api.operation"]:
        benign = set(frame.loc[~wrong, name].dropna())
        assert frame.loc[wrong, name].dropna().isin(benign).mean() > 0.97, name
    benign = set(frame.loc[~wrong, "src_endpoint.ip"].dropna())
    assert frame.loc[wrong, "src_endpoint.ip"].dropna().isin(benign).mean() > 0.85


def _rarity(codes: pd.DataFrame) -> np.ndarray:
    """Sum over the columns of the negative logarithm of each value's frequency."""
    return sum(-np.log(codes[c].map(codes[c].value_counts(normalize=True)).to_numpy()) for c in codes)


@pytest.fixture(scope="module", params=[42, 7])
def many_contextual(request: pytest.FixtureRequest) -> Table:
    """Contextual anomalies alone: enough that chance shows as chance."""
    return Table(simulate_events(20_000, seed=request.param, anomaly_rate=0.03, scenarios=CONTEXTUAL))


def test_contextual_anomalies_are_made_of_common_values(many_contextual: Table) -> None:
    table = many_contextual
    bins = {
        name: pd.qcut(values, 10, labels=False, duplicates="drop")
        for name, values in table.numbers.items()
        if name in ("traffic.bytes_in", "traffic.bytes_out", "duration")
    }
    codes = pd.DataFrame({**table.codes, **{k: np.nan_to_num(v, nan=-1) for k, v in bins.items()}})
    class_uid = table.made.frame["class_uid"].to_numpy()
    hot = OneHotEncoder(max_categories=50, min_frequency=20, dtype=np.float32).fit_transform(codes).tocsr()
    for kind in CONTEXTUAL:
        areas, sizes = {"rarity": [], "forest": []}, []
        # Within a class: that flows are more common than logons is no news about an anomaly.
        for one in np.unique(class_uid[table.kind == kind]):
            rows = np.flatnonzero((class_uid == one) & ((table.kind == kind) | ~table.wrong))
            wrong = table.kind[rows] == kind
            forest = IsolationForest(n_estimators=60, random_state=0).fit(hot[rows])
            areas["rarity"].append(roc_auc_score(wrong, _rarity(codes.iloc[rows].reset_index(drop=True))))
            areas["forest"].append(roc_auc_score(wrong, -forest.score_samples(hot[rows])))
            sizes.append(wrong.sum())
        for method, values in areas.items():
            area = np.average(values, weights=sizes)
            assert 0.38 < area < 0.62, (kind, method, area)
