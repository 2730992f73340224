"""Run everything that is not in the results yet, two experiments at a time, and say how long each took.

    python experiments/run_all.py                      # two at a time, each with one thread
    python experiments/run_all.py --jobs 1
    python experiments/run_all.py --tables FOLDER      # also the tables that tables.py names

Each experiment goes on where it stopped, so this may be stopped at any time. What an experiment prints stands in
``_build/experiments/<name>.log``. Those that need a package or files that the book does not need say so and are left
out: ``detection.py`` (pyod), ``umap_maps.py`` (umap-learn), ``table_detection.py`` (tables).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
LOGS = HERE.parent / "_build" / "experiments"
# The longest first, so that none of them runs on alone at the end.
EXPERIMENTS = (
    "simulated_detection",
    "table_detection",
    "detection",
    "pretext_ablation",
    "training_ablation",
    "explanations",
    "robustness",
    "label_efficiency",
    "tuning_order",
    "embedding_quality",
    "training_times",
    "umap_maps",
)
PACKAGES = {"detection": "pyod", "umap_maps": "umap"}
WITH_TABLES = ("detection", "table_detection")


def reason_to_skip(name: str, tables: Path | None) -> str | None:
    """What an experiment lacks, if anything."""
    package = PACKAGES.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        return f"needs the package {package}"
    if name == "table_detection" and tables is None:
        return "needs --tables"
    return None


def run(name: str, tables: Path | None) -> tuple[int, float]:
    """Run one experiment; its exit code, and its minutes."""
    extra = ["--tables", str(tables)] if tables is not None and name in WITH_TABLES else []
    one_thread = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    start = time.perf_counter()
    with (LOGS / f"{name}.log").open("w", encoding="utf-8") as log:
        command = [sys.executable, str(HERE / f"{name}.py"), *extra]
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=one_thread, check=False).returncode
    return code, (time.perf_counter() - start) / 60


def report(name: str, tables: Path | None) -> bool:
    """Run one experiment, or say why not; True unless it failed."""
    if reason := reason_to_skip(name, tables):
        print(f"{name:20} left out: {reason}", flush=True)
        return True
    code, minutes = run(name, tables)
    verdict = "" if code == 0 else f"  failed, see {LOGS / name}.log"
    print(f"{name:20} {minutes:6.1f} min{verdict}", flush=True)
    return code == 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="experiments at a time (2)")
    parser.add_argument("--tables", type=Path, help="folder with the files that tables.py names")
    arguments = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        well = list(pool.map(lambda name: report(name, arguments.tables), EXPERIMENTS))
    print(f"{'all':20} {(time.perf_counter() - start) / 60:6.1f} min")
    sys.exit(0 if all(well) else 1)
