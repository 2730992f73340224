"""What comes out of grading: one table for the instructor, one page for each student."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grading.submission import Grade
from ocsf_ssl_lib.escaping import csv_safe

COLUMNS = ("submission", "assignment", "points", "possible", "reason", "notes", "report")


def table_of(grades: Sequence[Grade], reports: Sequence[str]) -> pd.DataFrame:
    """One row per submission; after `COLUMNS` the points of each question."""
    rows = []
    for grade, report in zip(grades, reports, strict=True):
        values = (
            grade.submission,
            grade.assignment,
            round(grade.points(), 2),
            grade.possible,
            grade.reason,
            "; ".join(grade.notes),
            report,
        )
        row: dict[str, object] = dict(zip(COLUMNS, values, strict=True))
        row |= {name: round(grade.points(name), 2) for name in grade.questions}
        rows.append(row)
    table = pd.DataFrame(rows)
    questions = sorted(c for c in table.columns if c not in COLUMNS)
    return table[[*COLUMNS, *questions]]


def file_name(submission: str) -> str:
    """A name for a submission's report: readable, unlike any other's, and no path."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", submission).strip("-.")[:60]
    return f"{readable}-{hashlib.sha256(submission.encode(errors='surrogateescape')).hexdigest()[:8]}.html"


def write_reports(grades: Sequence[Grade], folder: Path) -> Path:
    """Write ``grades.csv`` and ``reports/*.html``; give the table's path."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = pages.get_template("report.html")
    (folder / "reports").mkdir(parents=True, exist_ok=True)
    names = []
    for grade in grades:
        names.append(f"reports/{file_name(grade.submission)}")
        (folder / names[-1]).write_text(template.render(grade=grade), encoding="utf-8", errors="replace")
    path = folder / "grades.csv"
    csv_safe(table_of(grades, names)).to_csv(path, index=False, errors="replace")
    return path
