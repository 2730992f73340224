"""What `make assignments` leaves for the grader: the checks of one assignment, with their points."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "checks.json"


@dataclass(frozen=True)
class Case:
    """One check of a question.

    Attributes:
        points: what it is worth.
        hidden: whether students do not have it.
        failure_message: what to tell who fails it: the misconception behind it.
        success_message: what to tell who passes it.
    """

    points: float
    hidden: bool
    failure_message: str | None
    success_message: str | None


@dataclass(frozen=True)
class Question:
    """One question: its test file, and the cases in it."""

    name: str
    source: str
    cases: list[Case]

    @property
    def possible(self) -> float:
        return sum(case.points for case in self.cases)


@dataclass(frozen=True)
class Checks:
    """An assignment as the grader sees it.

    Attributes:
        assignment: its name, as it stands in the notebook's metadata.
        title: its heading.
        questions: in the order of the notebook.
        files: name -> text of what a student has beside the notebook.
    """

    assignment: str
    title: str
    questions: list[Question]
    files: dict[str, str]

    @property
    def possible(self) -> float:
        return sum(question.possible for question in self.questions)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Checks:
        data = json.loads(path.read_text(encoding="utf-8"))
        questions = [Question(q["name"], q["source"], [Case(**c) for c in q["cases"]]) for q in data["questions"]]
        return cls(data["assignment"], data["title"], questions, data["files"])


def read_all(folder: Path) -> dict[str, Checks]:
    """The checks of every assignment under a folder, by name."""
    found = [Checks.read(path) for path in sorted(folder.glob(f"*/{FILE}"))]
    return {checks.assignment: checks for checks in found}
