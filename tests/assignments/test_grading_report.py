"""The table and the pages: what stands in them, and that a submission cannot write anything else into them."""

from __future__ import annotations

from pathlib import Path

import built  # noqa: F401  (finds the tools)
import pandas as pd
from grading.report import file_name, write_reports
from grading.submission import CaseResult, Grade, only_calls_checks


def grade(**changes: object) -> Grade:
    cases = {
        "q1": [CaseResult(1.0, 1.0, True, False, ""), CaseResult(0.0, 2.0, False, True, "Divide by <b>N</b>")],
        "q2": [CaseResult(0.5, 0.5, True, True, "")],
    }
    return Grade("ann/hw.ipynb", "2-nt-xent", "NT-Xent", 3.5, questions=cases, **changes)  # type: ignore[arg-type]


def test_the_table_has_points_of_questions_and_reasons(tmp_path: Path) -> None:
    path = write_reports([grade(), grade(reason="printed more than 5 MB")], tmp_path)
    table = pd.read_csv(path)
    assert table[["points", "possible", "q1", "q2"]].values.tolist() == [[1.5, 3.5, 1.0, 0.5], [0, 3.5, 0, 0]]
    assert table["reason"][1] == "printed more than 5 MB"
    assert (tmp_path / table["report"][0]).exists()


def test_what_a_submission_says_stays_text(tmp_path: Path) -> None:
    bad = Grade("=HYPERLINK(1)", reason="<script>alert(1)</script>", printed="\ud800<img src=x>", notes=["+1"])
    path = write_reports([bad], tmp_path)
    table = pd.read_csv(path)
    assert table["submission"][0] == "'=HYPERLINK(1)"
    assert table["notes"][0] == "'+1"
    page = (tmp_path / table["report"][0]).read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<img" not in page


def test_the_report_shows_each_check_with_its_message(tmp_path: Path) -> None:
    page = (tmp_path / pd.read_csv(write_reports([grade()], tmp_path))["report"][0]).read_text(encoding="utf-8")
    assert "1.5 of 3.5 points" in page
    assert "2 (hidden)" in page
    assert "Divide by &lt;b&gt;N&lt;/b&gt;" in page


def test_cells_that_only_call_checks_are_told_from_others() -> None:
    assert only_calls_checks('grader.check("q1")\n\n grader.check_all()')
    assert not only_calls_checks('x = grader.check("q1")')
    assert not only_calls_checks('grader.check("q1"); x = 1')
    assert not only_calls_checks("")
    assert not only_calls_checks("grader.check()" * 5000 + "!"), "and that takes no time"


def test_names_of_reports_are_no_paths_and_do_not_collide() -> None:
    names = {file_name(n) for n in ("../../etc/passwd", "a/b.ipynb", "a-b.ipynb", "a b.ipynb", "..", "é" * 300)}
    assert len(names) == 6
    assert all("/" not in n and not n.startswith(".") and len(n) < 90 for n in names)
