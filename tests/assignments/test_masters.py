"""The solution gets everything, the untouched notebook nothing, and a wrong answer what it deserves and is told why."""

from __future__ import annotations

from itertools import groupby

import nbformat
import pytest
from built import MASTERS, PATIENT, solution_path, student_path
from grading.checks import Checks
from grading.sandbox import Place, Sandbox
from grading.submission import check_question, grade_notebook
from wrong_answers import WRONG_ANSWERS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", MASTERS)
def test_the_solution_gets_full_points(name: str, known: dict[str, Checks], place: Place) -> None:
    grade = grade_notebook(solution_path(name), name, known, place, PATIENT)
    failed = [(q, case.message) for q, cases in grade.questions.items() for case in cases if not case.passed]
    assert (grade.reason, grade.errors, failed, grade.notes) == ("", [], [], [])
    assert grade.points() == grade.possible == known[name].possible > 0


@pytest.mark.parametrize("name", MASTERS)
def test_the_untouched_notebook_gets_nothing(name: str, known: dict[str, Checks], place: Place) -> None:
    grade = grade_notebook(student_path(name), name, known, place, PATIENT)
    passed = [(q, k) for q, cases in grade.questions.items() for k, case in enumerate(cases) if case.passed]
    assert (grade.reason, grade.errors, passed) == ("", [], [])
    assert grade.questions.keys() == {q.name for q in known[name].questions}


@pytest.mark.parametrize("name", MASTERS)
def test_a_wrong_answer_gets_its_points_and_its_message(name: str, known: dict[str, Checks], place: Place) -> None:
    cells = [c.source for c in nbformat.read(solution_path(name), 4).cells if c.cell_type == "code"]
    cells = [c for c in cells if not c.startswith("grader.check")]
    questions = {q.name: q for q in known[name].questions}
    wrongs = WRONG_ANSWERS[name]
    counts = {q: len(list(group)) for q, group in groupby(wrongs, key=lambda w: w.question)}
    assert counts.keys() == questions.keys(), "a question has no wrong answers"
    assert min(counts.values()) >= 2, "fewer than two wrong answers to a question"
    surprises = []
    with Sandbox(place, PATIENT, known[name].files) as sandbox:
        sandbox.ask("cells", cells=cells)
        for wrong in wrongs:
            (right,) = [c for c in cells if wrong.old in c]
            sandbox.ask("cells", cells=[right.replace(wrong.old, wrong.new)])
            results = check_question(sandbox, questions[wrong.question], PATIENT.check_seconds)
            sandbox.ask("cells", cells=[right])
            points = sum(case.points for case in results)
            said = [case.message for case in results if not case.passed]
            if points != wrong.points or not any(wrong.says in message for message in said):
                surprises.append((wrong.question, wrong.new, points, said))
    assert not surprises
