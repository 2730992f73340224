"""Grade one notebook: read it, run it in a sandbox, run every check, and say what came out.

The checks share a process with the submission, since they call its functions. A submission could therefore lie about
them, by replacing what they compare with. Against that stand: checks sent one at a time, after all its cells have run,
from files that it never sees; decoys among them, which compare what is unequal and must fail; and a line to the grader
on which every answer needs a token. That stops the simple forgeries. It does not stop somebody who writes a program
against this file, and such a program is there to be read in the notebook.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from grading.checks import Checks, Question
from grading.sandbox import Broken, Limits, Place, Sandbox

LARGEST_NOTEBOOK = 10 << 20  # bytes
LONGEST_SHOWN = 300  # characters of what a check says of itself
CALL_OF_CHECK = re.compile(r"grader\.(check|check_all|export)\(.*\)")

# Each compares what is unequal, in one of the ways in which checks compare. None may pass.
DECOYS = (
    "assert 1 == 2",
    "import torch; torch.testing.assert_close(torch.zeros(2), torch.ones(2))",
    "import torch; assert torch.equal(torch.zeros(2), torch.ones(2))",
    "import torch; assert torch.allclose(torch.zeros(2), torch.ones(2))",
    "import numpy as np; np.testing.assert_allclose([0.0], [1.0])",
    "import math; assert math.isclose(0.0, 1.0)",
    "assert abs(-1.0) < 0.5 or all([False]) or not any([True]) or isinstance(1, str)",
)


@dataclass
class CaseResult:
    """How one check came out."""

    points: float
    possible: float
    passed: bool
    hidden: bool
    message: str


@dataclass
class Grade:
    """What one submission gets.

    Attributes:
        submission: its name.
        assignment: which assignment it is, if that could be told.
        title: of the assignment.
        reason: why it gets 0 as a whole; empty if it does not.
        questions: the checks of each question.
        errors: cells that failed.
        notes: what a human should look at.
        printed: the end of its output.
    """

    submission: str
    assignment: str = ""
    title: str = ""
    possible: float = 0.0
    reason: str = ""
    questions: dict[str, list[CaseResult]] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    printed: str = ""

    def points(self, question: str | None = None) -> float:
        """Of one question, or of all."""
        if self.reason:
            return 0.0
        chosen = self.questions if question is None else {question: self.questions.get(question, [])}
        return sum(case.points for cases in chosen.values() for case in cases)


def read_notebook(path: Path, known: dict[str, Checks]) -> tuple[list[str], Checks]:
    """The code cells of a notebook, and the checks of its assignment.

    Raises:
        Broken: it is no notebook, or of no known assignment.
    """
    if path.stat().st_size > LARGEST_NOTEBOOK:
        raise Broken(f"the file is larger than {LARGEST_NOTEBOOK >> 20} MB")
    try:
        notebook = nbformat.read(path, as_version=4)
        name = str(notebook.metadata.get("otter", {}).get("assignment_name", ""))
        cells = [str(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    except Exception as error:  # nbformat raises whatever its parsers raise
        raise Broken(f"the file is not a notebook ({type(error).__name__})") from None
    if name not in known:
        raise Broken(
            f"the notebook is of no known assignment ({name[:60] or 'none named'!r}); known: {', '.join(known)}"
        )
    return [cell for cell in cells if not only_calls_checks(cell)], known[name]


def only_calls_checks(cell: str) -> bool:
    """Whether a cell does nothing but call the visible checks, which are run again later."""
    lines = [line.strip() for line in cell.splitlines() if line.strip()]
    return bool(lines) and all(CALL_OF_CHECK.fullmatch(line) for line in lines)


def decoy(body: str) -> str:
    """A test file in Otter's format with one case, which has to fail."""
    lines = ["from otter.test_files import test_case", "OK_FORMAT = False", 'name = "q"', "points = 1"]
    return "\n".join([*lines, "@test_case()", "def test_values():", *(f"    {b}" for b in body.split("; "))])


def check_question(sandbox: Sandbox, question: Question, seconds: int) -> list[CaseResult]:
    results = []
    for index, case in enumerate(question.cases):
        answer = sandbox.ask("check", source=question.source, index=index, seconds=seconds)
        passed = answer.get("passed") is True
        said = case.success_message if passed else case.failure_message
        own = "" if passed else str(answer.get("message", ""))
        own = own if len(own) <= LONGEST_SHOWN else f"{own[:LONGEST_SHOWN]}…"  # whole tensors help nobody
        message = "\n".join(part for part in (said, own) if part)
        results.append(CaseResult(case.points * passed, case.points, passed, case.hidden, message))
    return results


def _run(cells: list[str], checks: Checks, place: Place, limits: Limits, grade: Grade) -> None:
    with Sandbox(place, limits, checks.files) as sandbox:
        try:
            errors = sandbox.ask("cells", cells=cells)["errors"]
            grade.errors = [{"cell": int(e["cell"]), "error": str(e["error"])} for e in errors]
            decoys = random.sample(DECOYS, len(DECOYS))
            for question in checks.questions:
                grade.questions[question.name] = check_question(sandbox, question, limits.check_seconds)
                share = [decoys.pop() for _ in range(len(DECOYS) // len(checks.questions)) if decoys]
                _must_fail(sandbox, share if question is not checks.questions[-1] else share + decoys)
            end = sandbox.ask("end")
            _judge(end, grade)
        finally:
            grade.printed = sandbox.printed.decode(errors="replace")


def _must_fail(sandbox: Sandbox, bodies: list[str]) -> None:
    for body in bodies:
        answer = sandbox.ask("check", source=decoy(body), index=0, seconds=10)
        if answer.get("passed") is not False:
            raise Broken("changed what the checks compare with: a check that has to fail was passed")


def _judge(end: dict[str, Any], grade: Grade) -> None:
    """What was noticed: reasons for 0, and notes."""
    if damaged := end.get("damaged"):
        raise Broken(f"deleted or changed files that it was given: {', '.join(map(str, damaged))}")
    seen = [str(note) for note in end.get("seen", [])]
    if touched := [note for note in seen if note.startswith("touched")]:
        raise Broken(f"looked for the grader's files: {'; '.join(touched)}")
    grade.notes += seen


def grade_notebook(path: Path, name: str, known: dict[str, Checks], place: Place, limits: Limits) -> Grade:
    """Grade one submission; whatever it does, this returns."""
    grade = Grade(name)
    try:
        cells, checks = read_notebook(path, known)
        grade.assignment, grade.title, grade.possible = checks.assignment, checks.title, checks.possible
        _run(cells, checks, place, limits, grade)
    except (Broken, OSError) as error:
        grade.reason = str(error)
    except (LookupError, TypeError, ValueError, AttributeError):  # only a forged answer has another form
        grade.reason = "wrote to the line between the checks and the grader"
    return grade
