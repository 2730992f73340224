"""Training against PyTorch Tabular and TabularS3L: rows per second on W1 (``workload.py``), one thread each.

    make bench-peers
    python benchmarks/against_peers.py [--rounds 3] [--precision auto] [--only denoising] [--record]

Peers run in ``.venv-peers``, each measurement in a process of its own: peer, ours, peer, ours, ... in processor time.
The peers' figure is that of their training steps alone, and beside it the one with their loaders and trainer. Ours is
that of the whole public call, so the first ratio gives the peers an advantage.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

import machine

FOLDER = machine.ROOT / "benchmarks"
PEERS = machine.ROOT / ".venv-peers" / "bin" / "python"


@dataclass(frozen=True)
class Pair:
    """A peer's script with its options, and the task of ``ours.py`` that does the same work."""

    name: str
    script: str
    options: tuple[str, ...]
    task: str


PAIRS = (
    Pair("denoising", "pytorch_tabular_dae.py", (), "denoising, mse"),
    Pair("scarf as shipped", "tabulars3l_scarf.py", ("--steps", "6"), "scarf"),
    Pair("scarf mended", "tabulars3l_scarf.py", ("--mended", "--epochs", "2"), "scarf"),
    Pair(
        "scarf mended, 4 layers",
        "tabulars3l_scarf.py",
        ("--mended", "--epochs", "2", "--layers", "4"),
        "scarf, 4 layers",
    ),
)


@dataclass
class Speeds:
    """Rows per second of all rounds."""

    peer: list[float] = field(default_factory=list)
    peer_with_loading: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    versions: str = ""


def last_line(*command: str) -> dict:
    """Run a script in an empty folder (peers leave files behind) and read the line of JSON that it ends with.

    Raises:
        RuntimeError: it failed; shows what it said.
    """
    path = os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            command, cwd=empty, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path}
        )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(pair: Pair, rounds: int, precision: str) -> Speeds:
    """Processes in turn."""
    speeds = Speeds()
    for _ in range(rounds):
        peer = last_line(str(PEERS), str(FOLDER / "peers" / pair.script), *pair.options)
        ours = last_line(sys.executable, str(FOLDER / "ours.py"), pair.task, "--rounds", "2", "--precision", precision)
        speeds.peer += peer["rows_per_second"]
        speeds.peer_with_loading += peer["rows_per_second_with_loading"]
        speeds.ours += ours["rows_per_second"]
        speeds.versions = peer["versions"]
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="auto", choices=("fp32", "bf16", "auto"), help="of ours")
    parser.add_argument("--only", default="", help="pairs whose name begins so")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/results")
    options = parser.parse_args()
    if not PEERS.exists():
        parser.error(f"{PEERS} is not there; make the peers' environment with: make bench-peers")
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    print(machine.headline())
    rows: list[dict[str, object]] = []
    for pair in PAIRS:
        if not pair.name.startswith(options.only):
            continue
        speeds = compare(pair, options.rounds, options.precision)
        peer, loading, ours = map(statistics.median, (speeds.peer, speeds.peer_with_loading, speeds.ours))
        print(
            f"{pair.name:23s} peer {peer:>7,.0f} rows/s ({loading:>7,.0f} with loading)   ours {ours:>7,.0f}   "
            f"ratio {ours / peer:.2f} ({ours / loading:.2f})   {speeds.versions}"
        )
        rows.append(
            {
                "pair": pair.name,
                "peer_rows_per_second": peer,
                "peer_rows_per_second_with_loading": loading,
                "our_rows_per_second": ours,
                "ratio": ours / peer,
                "ratio_with_loading": ours / loading,
                "precision": options.precision,
                "rounds": options.rounds,
                "peer_versions": speeds.versions,
            }
        )
    if options.record:
        machine.record("against_peers", rows)


if __name__ == "__main__":
    main()
