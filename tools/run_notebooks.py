"""Run notebooks under nbval: strictly, except for cells tagged otherwise.

    python tools/run_notebooks.py [--all] [notebook ...]

A notebook records the key of the chapter, package, pins and experiment results that its outputs were
computed from. Those whose key is no longer the present one are run, and the shortest of the others, so
that nbval itself is never idle. One is run a second time with AVX-512 switched off: results that only
hold on one kind of processor shall not pass. What passed is remembered in ``.make/`` until a key changes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from chapters import ROOT, chapter_key, environment_key, kernel_environment

PASSED = ROOT / ".make" / "notebooks-passed"
TIMEOUT = "600"


def recorded_key(notebook: Path) -> str:
    """Return the key that a notebook's outputs were computed from."""
    metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    return str(metadata.get("ocsf_book", {}).get("key", ""))


def present_key(notebook: Path, environment: str) -> str:
    """Return the key that its outputs would be computed from today."""
    chapter = ROOT / "book" / f"{notebook.stem}.md"
    return chapter_key(chapter.read_text(encoding="utf-8"), environment) if chapter.exists() else "none"


def choose(notebooks: list[Path]) -> list[Path]:
    """Choose the notebooks whose chapter, package or data changed, and always at least one."""
    environment = environment_key()
    changed = [n for n in notebooks if recorded_key(n) != present_key(n, environment)]
    return changed or notebooks[:1]


def run(notebooks: list[Path], *, avx2: bool = False) -> int:
    """Run nbval over notebooks; one kernel after the other, on one thread each."""
    environment = {**os.environ, **kernel_environment()}
    if avx2:
        environment["ATEN_CPU_CAPABILITY"] = "avx2"
    workers = min(2, len(notebooks), os.cpu_count() or 1)
    command = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider"]
    command += ["--nbval-sanitize-with", str(ROOT / "tools" / "nbval_sanitize.cfg")]
    command += ["--nbval-cell-timeout", TIMEOUT]
    if workers > 1:
        command += ["-n", str(workers), "--dist", "loadfile"]
    command += [str(n) for n in notebooks]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Choose, run, remember."""
    parser = argparse.ArgumentParser(description="Run notebooks under nbval.")
    parser.add_argument("--all", action="store_true", help="run every notebook, whether it changed or not")
    parser.add_argument("notebook", nargs="*", type=Path)
    arguments = parser.parse_args()
    every = sorted((ROOT / "notebooks").glob("*.ipynb"), key=lambda p: (p.stat().st_size, p.name))
    if not every:
        print("error: there are no notebooks; `make notebooks` writes them", file=sys.stderr)
        return 1
    chosen = [n.resolve() for n in arguments.notebook] or (every if arguments.all else choose(every))
    # The name of what passed holds everything that the result depends on, the notebook's own text included.
    digest = hashlib.sha256(environment_key().encode() + str(chosen).encode())
    for notebook in chosen:
        digest.update(notebook.read_bytes())
    digest.update((ROOT / "tools" / "nbval_sanitize.cfg").read_bytes())
    memory = PASSED / digest.hexdigest()[:16]
    if memory.exists() and not arguments.all and not arguments.notebook:
        print(f"nbval: {', '.join(n.stem for n in chosen)}: passed before, nothing has changed")
        return 0
    started = time.perf_counter()
    print(f"nbval: {', '.join(n.stem for n in chosen)}", flush=True)
    code = run(chosen)
    if code == 0:
        print(f"nbval, AVX-512 off: {chosen[0].stem if not arguments.all else 'all'}", flush=True)
        code = run(chosen if arguments.all else chosen[:1], avx2=True)
    if code == 0:
        PASSED.mkdir(parents=True, exist_ok=True)
        memory.touch()
        print(f"nbval: {len(chosen)} passed in {time.perf_counter() - started:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
