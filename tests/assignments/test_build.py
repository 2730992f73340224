"""Building: seeds, what is handed out, and what must not be in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from built import BUILT, MASTERS, ROOT, student_path
from grading.build import BuildError, differences, masters_in, no_solution_in, seeded
from grading.checks import Checks


def test_seeds_replace_those_of_the_master_everywhere() -> None:
    text = "CLASS_SEED = 2026\n    SECRET_SEED = 7\nOTHER_SECRET_SEED = 7\nsimulate(seed=CLASS_SEED)\n"
    expected = "CLASS_SEED = 5\n    SECRET_SEED = 99\nOTHER_SECRET_SEED = 7\nsimulate(seed=CLASS_SEED)\n"
    assert seeded(text, {"CLASS_SEED": 5, "SECRET_SEED": 99}) == expected
    assert seeded(text, {"CLASS_SEED": None, "SECRET_SEED": None}) == text


def test_a_solution_in_a_student_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("x = ...\n")
    no_solution_in(tmp_path)
    for leak in ("y = 1 # SOLUTION", "# BEGIN SOLUTION", "@test_case(points=1, hidden=True)"):
        (tmp_path / "a.ipynb").write_text(leak)
        with pytest.raises(BuildError, match="is left in what students get"):
            no_solution_in(tmp_path)


def test_a_folder_without_masters_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no masters in"):
        masters_in(tmp_path)


def test_differences_are_told_by_file(tmp_path: Path) -> None:
    for folder, files in (
        ("a", {"same": "1", "changed": "1", "new": "1"}),
        ("b", {"same": "1", "changed": "2", "old": "1"}),
    ):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    assert differences(tmp_path / "a", tmp_path / "b") == ["changed", "new", "old"]


def test_published_notebooks_are_those_of_the_masters() -> None:
    assert sorted(p.name for p in (ROOT / "assignments" / "student").iterdir()) == MASTERS


@pytest.mark.slow
@pytest.mark.parametrize("name", MASTERS)
def test_what_students_get(name: str, known: dict[str, Checks]) -> None:
    assert differences(BUILT / name / "student", ROOT / "assignments" / "student" / name) == []
    text = student_path(name).read_text(encoding="utf-8")
    master = (ROOT / "assignments" / f"{name}.md").read_text(encoding="utf-8")
    for question in known[name].questions:
        assert any(case.hidden for case in question.cases), f"{question.name} has no hidden check"
        assert any(not case.hidden for case in question.cases), f"{question.name} has no visible check"
        assert all(case.failure_message for case in question.cases), f"{question.name}: a check without a message"
    assert f"**Points** {known[name].possible:g}." in text, "the page says another sum of points"
    page = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{name}`:.*\| (\d+) \|$", page, flags=re.MULTILINE)
    assert row, "it is missing in the table of the instructor's page"
    assert int(row.group(1)) == known[name].possible
    for body in re.findall(r"^ +# BEGIN SOLUTION[^`]*?# END SOLUTION", master, flags=re.MULTILINE):
        lines = [line.strip() for line in body.splitlines() if len(line.strip()) > 25]
        assert not [line for line in lines if line in text], "a line of a solution is in the student's notebook"
