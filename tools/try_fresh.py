"""Run notebooks as a stranger does.

    python tools/try_fresh.py [--like tools/colab.txt] [notebook ...]

Builds the wheel, makes an environment that holds Jupyter's runner and nothing else, or the packages of a file, and
runs each notebook (default: all) from top to bottom in an empty folder, on the CPU. The notebook's first cell installs
the package: here the wheel, on Colab the repository. It must leave what is there already as it is: Colab's kernel has
imported some of it before any cell runs. The time is compared with what the chapter promises: wall clock, or the
processor's time where that is less, since a machine that others use too is no fault of the chapter's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chapters import ROOT

JUPYTER = ("nbclient", "ipykernel")
INSTALLERS = {"pip", "setuptools"}
TIMEOUT = 900  # seconds for a cell; the first may fetch PyTorch

# A promise is a round figure, and the kernel has to start.
SLACK = 2.0
START = 20.0

# Longer phrases first: "a minute" is part of most.
PHRASES = {
    "a minute and a half": 90,
    "half a minute": 30,
    "a few seconds": 15,
    "a few minutes": 180,
    "two minutes": 120,
    "a minute": 60,
}


@dataclass(frozen=True)
class Run:
    """How a notebook fared: seconds promised, of wall clock and of the processor, and the error it ended in."""

    name: str
    promised: float | None
    seconds: float
    busy: float
    error: str = ""

    @property
    def late(self) -> bool:
        """Say whether it took much longer than promised."""
        return self.promised is not None and min(self.seconds, self.busy) > SLACK * self.promised + START


def promised_seconds(notebook: dict) -> float | None:
    """Return the time that a chapter's box promises for a run on a CPU, or None where no box does.

    Raises:
        ValueError: The box says it in words that are not in `PHRASES`.
    """
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    box = re.search(r"\*\*Time\*\*(.*)", text)
    if box is None:
        return None
    run = box[1].split("to read", 1)[-1]
    if number := re.search(r"(\d+) minutes? to run", run):
        return 60.0 * int(number[1])
    for phrase, seconds in PHRASES.items():
        if phrase in run:
            return float(seconds)
    raise ValueError(f"the time {run.strip()!r} is in none of the known forms: {', '.join(PHRASES)}, or '3 minutes'")


def build_wheel(folder: Path) -> Path:
    """Build the package's wheel into a folder and return its path."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def make_environment(folder: Path, packages: Sequence[str] = JUPYTER) -> Path:
    """Make an environment with these packages, by default Jupyter's runner alone; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def installed_versions(python: Path) -> dict[str, str]:
    """Return the version of every package in an environment."""
    command = [str(python), "-m", "pip", "list", "--format", "json"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {package["name"]: package["version"] for package in json.loads(listed)}


def replaced(before: dict[str, str], after: dict[str, str]) -> str:
    """Name the packages whose version has changed or that are gone: ``numpy 2.0.2 -> 2.4.6``, or "" if none has.

    The tools that a new environment begins with do not count: no kernel imports them, and PyTorch wants a newer one.
    """
    pairs = [(name, old, after.get(name, "gone")) for name, old in before.items() if name not in INSTALLERS]
    return ", ".join(f"{name} {old} -> {new}" for name, old, new in pairs if old != new)


def _processor_seconds() -> float:
    """Return what the processes started from here, and ended, have taken of the processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def execute(python: Path, notebook: dict, folder: Path, wheel: Path) -> tuple[float, float, str]:
    """Run a notebook in a folder.

    Returns:
        Seconds of wall clock, seconds of the processor, and the last lines of the error, if it ended in one.
    """
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "JUPYTER_PATH", "IPYTHONDIR")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"OCSF_SSL_WHEEL": str(wheel), "CUDA_VISIBLE_DEVICES": ""}
    folder.mkdir(parents=True)
    path = folder / "notebook.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    started, before = time.perf_counter(), _processor_seconds()
    command = [str(python.with_name("jupyter-execute")), f"--timeout={TIMEOUT}", str(path)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    error = "\n".join(done.stderr.splitlines()[-8:]) if done.returncode else ""
    return time.perf_counter() - started, _processor_seconds() - before, error


def run_all(notebooks: list[Path], folder: Path, packages: Sequence[str] = JUPYTER) -> list[Run]:
    """Run notebooks one after the other in one new environment, and print what each took."""
    wheel = build_wheel(folder / "dist")
    python = make_environment(folder / "env", packages)
    runs = []
    for path in notebooks:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if not runs:
            first = notebook | {"cells": notebook["cells"][:1]}
            there = installed_versions(python)
            seconds, busy, error = execute(python, first, folder / "first", wheel)
            if not error and (changed := replaced(there, installed_versions(python))):
                error = f"it replaced packages that a running kernel may have imported: {changed}"
            runs.append(Run("(first cell)", None, seconds, busy, error))
        runs.append(Run(path.stem, promised_seconds(notebook), *execute(python, notebook, folder / path.stem, wheel)))
        for run in runs[-2:] if len(runs) == 2 else runs[-1:]:
            promise = "-" if run.promised is None else f"{run.promised:.0f}"
            verdict = "failed" if run.error else "late" if run.late else "ok"
            times = f"{run.seconds:6.0f} s, processor {run.busy:6.0f} s"
            print(f"{run.name:32} {times}, promised {promise:>4} s: {verdict}", flush=True)
    return runs


def main() -> int:
    """Run, print, and return 1 when a notebook failed or took much longer than promised."""
    parser = argparse.ArgumentParser(description="Run notebooks in an environment of their own.")
    parser.add_argument("notebook", nargs="*", type=Path, help="default: all")
    parser.add_argument("--like", type=Path, help="requirements of the environment; default: Jupyter's runner alone")
    given = parser.parse_args()
    chosen = [path.resolve() for path in given.notebook]
    packages = JUPYTER if given.like is None else ("--requirement", str(given.like.resolve()))
    folder = Path(tempfile.mkdtemp(prefix="ocsf-fresh-"))
    try:
        runs = run_all(chosen or sorted((ROOT / "notebooks").glob("*.ipynb")), folder, packages)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for run in runs:
        if run.error:
            print(f"error: {run.name}:\n{run.error}", file=sys.stderr)
        elif run.late:
            print(f"error: {run.name} took {run.seconds:.0f} s and promises {run.promised:.0f} s", file=sys.stderr)
    return int(any(run.error or run.late for run in runs))


if __name__ == "__main__":
    sys.exit(main())
