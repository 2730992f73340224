"""Which experiment answers for which option, and what is not in the results yet.

    python experiments/plan.py

One line for each option: the experiment, the groups of its settings, how many settings, and how many seeds each of
them has, at least and at most. Below, for each experiment, the runs that are missing and about how long their training
takes, from the mean of the runs that are there.
"""

from __future__ import annotations

import pandas as pd
import pretext_ablation
import robustness
import training_ablation
import tuning_order
from record import RESULTS

# option -> experiment and groups of settings in its results
OPTIONS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "temperature": [("training_ablation", ("temperature",))],
    "batch size": [("training_ablation", ("batch size",))],
    "learning rate": [("training_ablation", ("learning rate", "schedule"))],
    "weight decay": [("training_ablation", ("weight decay",))],
    "dropout": [("training_ablation", ("dropout",))],
    "number of views": [("training_ablation", ("views",))],
    "tuning order": [("tuning_order", ("grid",))],
    "noise": [("training_ablation", ("noise",)), ("pretext_ablation", ("noise", "probability"))],
    "swap kind and rate": [("training_ablation", ("swap", "swap kind"))],
    "projection head": [("training_ablation", ("head",))],
    "mask rate": [("pretext_ablation", ("mask rate", "mask value"))],
    "head kind": [("pretext_ablation", ("heads", "numbers", "decoder"))],
    "task weights": [("pretext_ablation", ("task weights",))],
    "depth and width": [("training_ablation", ("blocks", "width"))],
    "epochs": [("training_ablation", ("epochs",))],
    "contamination": [("robustness", ("contamination",))],
}


def wanted() -> pd.DataFrame:
    """Every run of the ablations: experiment, group, setting (with its task), seed."""
    rows = []
    for module in (training_ablation, pretext_ablation):
        rows += [
            (module.NAME, group, f"{task}: {setting}", seed)
            for task, group, setting, *_ in module.SETTINGS
            for seed in module.SEEDS
        ]
    shares = [f"contamination {share:.0%}" for share in robustness.CONTAMINATIONS]
    rows += [(robustness.NAME, "contamination", share, seed) for share in shares for seed in robustness.SEEDS]
    grid = [", ".join(f"{value:g}" for value in c.values()) for c in tuning_order.combinations()]
    rows += [(tuning_order.NAME, "grid", setting, seed) for setting in grid for seed in tuning_order.SEEDS]
    return pd.DataFrame(rows, columns=["experiment", "group", "setting", "seed"])


def present() -> pd.DataFrame:
    """The runs that are in the results, with their seconds where they were measured."""
    parts = []
    for name in ("training_ablation", "pretext_ablation", "robustness", "tuning_order"):
        path = RESULTS / f"{name}.csv"
        if not path.exists():
            continue
        table = pd.read_csv(path).assign(experiment=name)
        if name == "robustness":
            table = table[table["setting"].str.startswith("contamination")].assign(group="contamination")
        elif name == "tuning_order":
            values = [table[option].map("{:g}".format) for option in tuning_order.GRID]
            table = table.assign(group="grid", setting=values[0].str.cat(values[1:], sep=", "))
        else:
            table["setting"] = table["task"] + ": " + table["setting"]
        parts.append(table.reindex(columns=["experiment", "group", "setting", "seed", "seconds"]))
    return pd.concat(parts).drop_duplicates(["experiment", "group", "setting", "seed"])


def plan() -> pd.DataFrame:
    """Each run that is wanted, with ``done`` and the seconds that it took, or is going to take."""
    runs = wanted().merge(present(), how="left", on=["experiment", "group", "setting", "seed"], indicator="there")
    runs["done"] = runs.pop("there") == "both"
    return runs.assign(seconds=runs["seconds"].fillna(runs.groupby("experiment")["seconds"].transform("mean")))


if __name__ == "__main__":
    runs = plan()
    for option, places in OPTIONS.items():
        for name, groups in places:
            some = runs[(runs["experiment"] == name) & runs["group"].isin(groups)]
            seeds = some.groupby(["group", "setting"])["done"].sum()
            counts = f"{len(seeds):3} settings, {seeds.min()} to {seeds.max()} seeds"
            print(f"{option:20} {name:18} {', '.join(groups):28} {counts}")
    for name, some in runs[~runs["done"]].groupby("experiment"):
        minutes = some["seconds"].sum(min_count=1) / 60
        known = "for a time not measured yet" if pd.isna(minutes) else f"about {minutes:.0f} minutes of one core"
        print(f"\n{name}: {len(some)} runs missing, {known}")
        for group, rows in some.groupby("group", sort=False):
            names = rows["setting"].unique()
            print(f"  {group}: {'; '.join(names[:5])}{' and more' if len(names) > 5 else ''}")
