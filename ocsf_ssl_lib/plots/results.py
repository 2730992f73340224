"""The results of the experiments and benchmarks, wherever the package was installed from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

__all__ = ["published_results"]

PACKAGE = Path(__file__).parents[1]


def published_results(name: str) -> pd.DataFrame:
    """Rows that ``experiments/<name>.py`` or ``benchmarks/<name>.py`` measured: one per setting and seed.

    Args:
        name: of the experiment, without an ending.

    Raises:
        FileNotFoundError: no such experiment.
    """
    # In a clone they stand beside the package, in an installed package inside of it.
    beside = [PACKAGE.parent / folder / "results" for folder in ("experiments", "benchmarks")]
    for folder in (*beside, PACKAGE / "results"):
        if (folder / f"{name}.csv").is_file():
            return pd.read_csv(folder / f"{name}.csv")
    raise FileNotFoundError(f"no results of an experiment called {name!r}")
