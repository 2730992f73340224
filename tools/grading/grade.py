"""Grade a folder of notebooks: ``make grade SUBMISSIONS=folder``.

python -m grading.grade SUBMISSIONS [--checks FOLDER] [--out FOLDER] [--seconds N] [--jobs N] [--isolation none]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from grading.checks import read_all
from grading.report import write_reports
from grading.sandbox import Isolation, Limits, Place, Refused, find_isolation
from grading.submission import Grade, grade_notebook
from ocsf_ssl_lib.escaping import plain_text

ROOT = Path(__file__).resolve().parents[2]
NO_ISOLATION = (
    "this machine does not let a user make namespaces (Linux with util-linux is needed; on Ubuntu 24.04: "
    "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0). Submissions would reach the network and your files. "
    "Grade in a virtual machine, or take the risk with: make grade ISOLATION=none ..."
)


def find_place(isolation: Isolation, root: Path = ROOT) -> Place:
    """This interpreter's environment for submissions, Otter's beside it, and how submissions are shut in.

    Raises:
        Refused: an environment is missing, or there can be no isolation and nobody said that there need be none.
    """
    grading = root / ".venv-grading" / "bin" / "python"
    course = Path(sys.executable)
    asked = {}
    for python in (grading, course):
        if not python.exists():
            raise Refused(f"{python} is missing; run: make assignments")
        code = "import sysconfig; print(sysconfig.get_path('purelib'), sysconfig.get_python_version())"
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        asked[python] = done.stdout.rsplit(maxsplit=1)
    if asked[grading][1].strip() != asked[course][1].strip():
        raise Refused(
            f"this is Python {asked[course][1].strip()} and .venv-grading has {asked[grading][1].strip()}; "
            "delete .venv-grading and run: make assignments"
        )
    if isolation == "namespaces" and not find_isolation():
        raise Refused(NO_ISOLATION)
    return Place(course, Path(asked[grading][0]), root, isolation)


def submissions_in(folder: Path) -> list[Path]:
    """Every notebook under a folder. Links are not followed: what they lead to was not sent in.

    Raises:
        Refused: there is no such folder, or no notebook in it.
    """
    if not folder.is_dir():
        raise Refused(f"no folder {folder}; give the one that holds the notebooks: make grade SUBMISSIONS=folder")
    found = sorted(
        p for p in folder.rglob("*.ipynb") if p.is_file() and not p.is_symlink() and ".ipynb_checkpoints" not in p.parts
    )
    if not found:
        raise Refused(f"no notebook (*.ipynb) in {folder}")
    return found


def grade_folder(folder: Path, checks: Path, place: Place, limits: Limits, jobs: int = 1) -> list[Grade]:
    """Grade every notebook of a folder; one that misbehaves does not keep the others from their grades."""
    known = read_all(checks)
    if not known:
        raise Refused(f"no checks in {checks}; run: make assignments")
    paths = submissions_in(folder)

    def one(path: Path) -> Grade:
        start = time.perf_counter()
        grade = grade_notebook(path, str(path.relative_to(folder)), known, place, limits)
        outcome = f"0: {grade.reason}" if grade.reason else f"{grade.points():g} of {grade.possible:g}"
        print(
            f"{plain_text(grade.submission)}: {plain_text(outcome)} ({time.perf_counter() - start:.0f} s)", flush=True
        )
        return grade

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, paths))


def main(arguments: list[str] | None = None) -> int:
    """Grade, and say where the results are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--checks", type=Path, default=ROOT / "dist" / "assignments")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "grades")
    parser.add_argument("--seconds", type=int, default=Limits.seconds, help="for one submission")
    parser.add_argument("--jobs", type=int, default=1, help="submissions at a time")
    parser.add_argument("--isolation", choices=["namespaces", "none"], default="namespaces")
    options = parser.parse_args(arguments)
    try:
        place = find_place(options.isolation)
        if place.isolation == "none":
            print("warning: submissions can reach the network and your files", file=sys.stderr)
        if os.geteuid() == 0:
            print("warning: the kernel does not limit the number of root's processes", file=sys.stderr)
        limits = replace(Limits(), seconds=options.seconds)
        grades = grade_folder(options.submissions, options.checks, place, limits, options.jobs)
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(grades)} submissions: {write_reports(grades, options.out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
