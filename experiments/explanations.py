"""Does an explanation name the field that was altered? Five seeds, by kind of field, against simpler rankings.

    python experiments/explanations.py            # runs what is not in the results yet
    python experiments/explanations.py --show     # prints the tables

Two sets of events in which the altered field is known:

exchanged   A normal test event of which one field holds the value of another test event of the same class, so that
            every value is as frequent as before. Such an exchange is at times an ordinary event: it counts only if the
            new value and another value of the event were never seen together in any normal event of the class,
            training and test, though by their frequencies at least five such events were to be expected (numbers in
            twentieths). The rule looks at no model; how many exchanges it leaves out is printed.
scenario    The simulator's contextual anomalies of the test period. Where it alters several fields at once, naming one
            of them counts.

A third set of results counts the user as well where the place (address, host, country) was exchanged: somebody at
another's place, and another at that place, are one and the same event, and it takes one field to repair the user.

A hit is an altered field among the first one, or two, that are named; 41 columns can be.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from record import RESULTS, append, done
from scipy.special import ndtri
from scipy.stats import binomtest
from sklearn.preprocessing import normalize

from ocsf_ssl_lib import (
    FeatureArrays,
    OCSFAnomalyDetector,
    explain_events,
    simulate_events,
    split_by_time,
)
from ocsf_ssl_lib.detect.neighbours import nearest
from ocsf_ssl_lib.events.context import CONTEXTUAL
from ocsf_ssl_lib.vocabulary import NUM_RESERVED

NAME = "explanations"
KEY = "metadata.uid"
EVENTS = 30_000
SEEDS = range(5)
EXCHANGES = 600  # of each seed, before the rule
REFERENCE = 5_000
LEAST_EXPECTED = 5.0  # events with both values, were they independent
DAY = 86_400_000
MANY_SUSPECTS = 10
PLACE = {"src_endpoint.ip", "src_endpoint.hostname", "src_endpoint.location.country", "device.hostname"}
USER = {"user.name", "actor.user.name"}
# Column of the explanation's table -> what it ranks by; the counterfactual is its own rank.
RANKINGS = {"units": "standardised nats", "nats": "nats", "marginal_nats": "marginal nats"}


def new_detector(seed: int) -> OCSFAnomalyDetector:
    """What is explained: the detector as it comes."""
    return OCSFAnomalyDetector(random_state=seed)


def run(seed: int) -> None:
    """Fit once, alter, explain, count."""
    if done(NAME, seed=seed):
        return
    simulation = simulate_events(EVENTS, seed=seed, anomaly_rate=0.02)
    train, test = split_by_time(simulation.frame)
    detector = new_detector(seed).fit(train)
    prep = detector.preprocessor_
    ordinary = train.sample(min(REFERENCE, len(train)), random_state=seed)
    reference = prep.transform(ordinary)
    normal = set(simulation.labels.loc[~simulation.labels["is_anomaly"], KEY])
    calm = test[test[KEY].isin(normal)]
    known = pd.concat([train[train[KEY].isin(normal)], calm])
    places, altered, fields, valid = exchange(detector, calm, known, np.random.default_rng(seed))
    print(f"seed {seed}: {valid.mean():.0%} of {len(valid)} exchanges make a pair of values never seen together")
    kept = altered[valid]
    truth = pd.Series(fields[valid])
    rows = hits(detector, kept, truth.map(lambda f: {f}), truth, reference)
    rows += restored(detector, calm.iloc[places[valid]], kept, fields[valid], ordinary)
    common: dict[str, object] = {"seed": seed, "set": "exchanged", "tried": len(valid)}
    results = [common | row for row in rows]
    cases, labels = scenarios(seed)
    truth = labels["altered_fields"].str.replace("time", "time@hour").str.split(",").map(set).reset_index(drop=True)
    group = (labels["anomaly_type"] + ": " + labels["altered_fields"]).reset_index(drop=True)
    common = {"seed": seed, "set": "scenario", "tried": len(cases)}
    results += [common | row for row in hits(detector, cases, truth, group, reference)]
    either = truth.map(lambda fields: fields | USER if fields & PLACE else fields)
    common["set"] = "scenario, place or user"
    results += [common | row for row in hits(detector, cases, either, group, reference)]
    append(NAME, results)


def exchange(
    detector: OCSFAnomalyDetector, calm: pd.DataFrame, known: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, pd.DataFrame, np.ndarray, np.ndarray]:
    """Rows of ``calm``, these rows with one field exchanged, which field, and whether the rule lets them count."""
    prep = detector.preprocessor_
    names = np.array(prep.numerical_names_ + prep.categorical_names_)
    codes, seen = codes_of(prep.transform(calm)), codes_of(prep.transform(known))
    kinds, kinds_seen = calm["class_uid"].to_numpy(), known["class_uid"].to_numpy()
    chosen: list[tuple[int, int, int]] = []
    while len(chosen) < EXCHANGES:
        place, column = int(rng.integers(len(calm))), int(rng.integers(len(names)))
        donor = int(rng.choice(np.flatnonzero(kinds == kinds[place])))
        values = codes[place, column], codes[donor, column]
        if min(values) >= 0 and values[0] != values[1] and names[column] != "time@weekday":
            chosen.append((place, column, donor))
    places, columns = (np.array([part[k] for part in chosen]) for k in (0, 1))
    altered = calm.iloc[places].reset_index(drop=True)
    valid = np.zeros(len(chosen), bool)
    for k, (place, column, donor) in enumerate(chosen):
        name = str(names[column]).removesuffix("@hour")
        value = calm[name].iloc[donor]
        if name != names[column]:  # the hour of another day
            value = altered[name].iloc[k] // DAY * DAY + value % DAY
        altered.loc[k, name] = value
        valid[k] = contradicts(seen[kinds_seen == kinds[place]], codes[place], column, codes[donor, column])
    return places, altered, names[columns], valid


def codes_of(arrays: FeatureArrays, bins: int = 20) -> np.ndarray:
    """(N, D) small integers; -1 for a cell without a known value. Numbers in ``bins`` parts of the training values."""
    numbers = np.searchsorted(ndtri(np.arange(1, bins) / bins), arrays.numerical)
    categories = np.where(arrays.categorical >= NUM_RESERVED, arrays.categorical, -1)
    return np.concatenate([np.where(arrays.missing_mask, -1, numbers), categories], axis=1)


def contradicts(seen: np.ndarray, event: np.ndarray, column: int, value: int) -> bool:
    """True if ``value`` and another value of ``event`` should have been seen together, and never were."""
    with_value = seen[:, column] == value
    together = (seen[with_value] == event).sum(axis=0)
    expected = with_value.sum() * (seen == event).mean(axis=0)
    never = (together == 0) & (expected >= LEAST_EXPECTED) & (event >= 0)
    never[column] = False
    return bool(never.any())


def scenarios(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contextual anomalies of the test period, of the company that the detector was trained on."""
    made = simulate_events(EVENTS, seed=seed, anomaly_rate=0.05, scenarios=list(CONTEXTUAL))
    _, test = split_by_time(made.frame)
    labels = made.labels.set_index(KEY).loc[test[KEY]]
    altered = labels["altered_fields"].ne("").to_numpy()
    return test[altered], labels[altered]


def hits(
    detector: OCSFAnomalyDetector, frame: pd.DataFrame, truth: pd.Series, group: pd.Series, reference: FeatureArrays
) -> list[dict[str, object]]:
    """Share of events of which an altered field is named first, or among the first two, per ranking and group."""
    table = explain_events(detector, frame, reference=reference, neighbours=0).table
    more = explain_events(detector, frame, reference=reference, neighbours=0, suspects=MANY_SUSPECTS).table
    ranks = {"counterfactual": table, f"counterfactual, {MANY_SUSPECTS} suspects": more}
    for column, method in RANKINGS.items():
        ranks[method] = table.assign(rank=table.groupby("row")[column].rank(ascending=False, method="first"))
    rows: list[dict[str, object]] = []
    for method, ranked in ranks.items():
        right = [name in truth[row] for row, name in zip(ranked["row"], ranked["column"], strict=True)]
        best = ranked[right].groupby("row")["rank"].min().reindex(range(len(frame)), fill_value=np.inf)
        for name, some in [("all", best), *best.groupby(group.to_numpy())]:
            figures = {"top1": int((some <= 1).sum()), "top2": int((some <= 2).sum())}
            rows.append({"group": name, "method": method, "cases": len(some)} | figures)
    return rows


def restored(
    detector: OCSFAnomalyDetector,
    original: pd.DataFrame,
    altered: pd.DataFrame,
    fields: np.ndarray,
    ordinary: pd.DataFrame,
) -> list[dict[str, object]]:
    """Share of events whose nearest ordinary event holds, in the altered field, what stood there before."""
    prep = detector.preprocessor_
    names = prep.numerical_names_ + prep.categorical_names_
    columns = np.array([names.index(f) for f in fields])
    events, reference = prep.transform(altered), prep.transform(ordinary)
    before, others = codes_of(prep.transform(original)), codes_of(reference)
    first = explain_events(detector, altered, reference=reference, fields=1, neighbours=0)
    blamed = np.array([names.index(event.cells[0].column) for event in first])
    a, b = (normalize(detector.transform(x)) for x in (altered, ordinary))
    found = {
        "all fields": nearest(events, reference, 1).rows[:, 0],
        "all fields but the one to blame": nearest(events, reference, 1, blamed).rows[:, 0],
        "embedding": (a @ b.T).argmax(axis=1),
    }
    rows: list[dict[str, object]] = []
    for method, near in found.items():
        same = before[np.arange(len(near)), columns] == others[near, columns]
        rows.append({"group": "all", "method": method, "cases": len(near), "restored": int(same.sum())})
    return rows


def show() -> None:
    """Print shares of all seeds together with 95 % intervals (Wilson: seeds count as one), and the range over seeds."""
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    for name, some in table.groupby("set"):
        tried = int(some.groupby("seed")["tried"].first().sum())
        whole = some[(some["group"] == "all") & some["top2"].notna()]
        events = int(whole.groupby("seed")["cases"].first().sum())
        print(f"\n{name}: {events} events of {tried} tried, {whole['seed'].nunique()} seeds")
        figures = {"top1": "first", "top2": "first two"}
        print(_by_method(whole, figures))
        near = some[some["restored"].notna()]
        if len(near):
            print("\nthe nearest ordinary event by ... holds what stood in the altered field before")
            print(_by_method(near, {"restored": "share"}))
        fields = some[(some["group"] != "all") & some["top2"].notna()].groupby(["group", "method"], sort=False)
        sums = fields[["top2", "cases"]].sum()
        wide = (sums["top2"] / sums["cases"]).unstack("method")
        wide.insert(0, "events", sums["cases"].unstack("method").iloc[:, 0].astype(int))
        print("\nfirst two, by altered field")
        print(wide.round(2).to_string())


def _by_method(rows: pd.DataFrame, figures: dict[str, str]) -> str:
    lines = [
        {"method": method} | {label: _share(some, figure) for figure, label in figures.items()}
        for method, some in rows.groupby("method", sort=False)
    ]
    return pd.DataFrame(lines).to_string(index=False)


def _share(rows: pd.DataFrame, figure: str) -> str:
    found, cases = int(rows[figure].sum()), int(rows["cases"].sum())
    interval = binomtest(found, cases).proportion_ci(method="wilson")
    seeds = rows[figure] / rows["cases"]
    return f"{found / cases:.3f} [{interval.low:.3f}, {interval.high:.3f}]  seeds {seeds.min():.3f}-{seeds.max():.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the tables and stop")
    arguments = parser.parse_args()
    if not arguments.show:
        for seed in SEEDS:
            run(seed)
    show()
