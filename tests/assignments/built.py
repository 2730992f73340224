"""What `make assignments` has built, for the tests."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [p for p in [str(ROOT / "tools")] if p not in sys.path]

from grading.sandbox import Limits  # noqa: E402

BUILT = ROOT / "dist" / "assignments"
MASTERS = sorted(p.stem for p in (ROOT / "assignments").glob("[0-9]*.md"))
PATIENT = Limits(seconds=900, check_seconds=400)  # other tests run beside


def solution_path(assignment: str) -> Path:
    return BUILT / assignment / "autograder" / f"{assignment}.ipynb"


def student_path(assignment: str) -> Path:
    return BUILT / assignment / "student" / f"{assignment}.ipynb"
