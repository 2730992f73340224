"""Results on disk: one row per setting and seed, appended as they come, with where and when they were measured."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

import pandas as pd
import torch

import ocsf_ssl_lib

RESULTS = Path(os.environ.get("OCSF_RESULTS", Path(__file__).parent / "results"))  # elsewhere: to try something


def hardware() -> str:
    """Processor, cores and threads in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {torch.get_num_threads()} torch thread(s)"


def versions() -> str:
    """Of the package and of torch."""
    return f"ocsf_ssl_lib {ocsf_ssl_lib.__version__}, torch {torch.__version__.split('+')[0]}"


def append(name: str, rows: list[dict[str, object]], folder: Path = RESULTS) -> None:
    """Add rows to ``<folder>/<name>.csv``, each with date, hardware and versions; the file is replaced as a whole."""
    stamp = {"date": datetime.date.today().isoformat(), "hardware": hardware(), "versions": versions()}
    path = folder / f"{name}.csv"
    old = [pd.read_csv(path)] if path.exists() else []
    table = pd.concat([*old, pd.DataFrame([row | stamp for row in rows])], ignore_index=True)
    aside = path.with_suffix(".tmp")
    folder.mkdir(exist_ok=True)
    table.to_csv(aside, index=False, float_format="%.6g")
    aside.replace(path)


def done(name: str, **setting: object) -> bool:
    """True if ``results/<name>.csv`` has a row with these values: a run that was interrupted goes on from there."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return False
    table = pd.read_csv(path)
    match = pd.Series(True, index=table.index)
    for key, value in setting.items():
        match &= table[key] == value
    return bool(match.any())
