"""Submissions that misbehave get 0 and a reason, and the rest of the folder is graded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from built import BUILT, PATIENT, ROOT, solution_path
from grading.checks import Checks
from grading.grade import grade_folder
from grading.sandbox import Limits, Place
from grading.submission import DECOYS, Grade, decoy, grade_notebook

pytestmark = pytest.mark.slow

QUICK = replace(PATIENT, seconds=40)
SOLUTION = "2-nt-xent"


def solution_cells() -> list[str]:
    return [c.source for c in nbformat.read(solution_path(SOLUTION), 4).cells if c.cell_type == "code"]


# What the submission does after a flawless solution, and why it gets nothing for it.
HOSTILE = {
    "prints a gigabyte": ("for _ in range(1000): print('x' * 1_000_000)", "printed more than 5 MB"),
    "deletes its folder": ("import shutil; shutil.rmtree('.', ignore_errors=True)", "deleted or changed files"),
    "rewrites the checks": (
        "open('tests/q1.py', 'w').write('')",
        "deleted or changed files that it was given: tests/q1",
    ),
    "reads the solutions": (
        f"open({str(solution_path(SOLUTION))!r}).read()",
        "looked for the grader's files",
    ),
    "writes its own results": ("open('results.json', 'w').write('{\"score\": 100}')", "looked for the grader's files"),
    "ends the process": ("import os; os._exit(0)", "ended the process"),
    "makes every comparison pass": (
        "import torch; torch.testing.assert_close = lambda *a, **k: None",
        "changed what the checks compare with",
    ),
    "makes every check pass": (
        "from otter.test_files import exception_test as e; e.test_case.call_func = lambda *a: None",
        "changed what the checks compare with",
    ),
    "answers in the grader's place": (
        """
import os
for d in range(3, 64):
    try:
        os.write(d, b'{"token": "", "passed": true}\\n')
    except OSError:
        pass
""",
        "wrote to the line",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_it_gets_nothing_and_is_told_why(
    case: str, known: dict[str, Checks], place: Place, write_notebook: Callable[..., Path]
) -> None:
    cell, reason = HOSTILE[case]
    grade = grade_notebook(write_notebook("s.ipynb", [*solution_cells(), cell]), "s", known, place, PATIENT)
    assert reason in grade.reason
    assert grade.points() == 0


def test_the_rest_of_the_folder_is_graded(
    known: dict[str, Checks], place: Place, tmp_path: Path, write_notebook: Callable[..., Path]
) -> None:
    folder = tmp_path / "all"
    write_notebook("all/a-loop.ipynb", ["import time", "while True: time.sleep(1)"])
    (folder / "b-broken.ipynb").write_text("{ this is no notebook")
    write_notebook("all/c-other.ipynb", ["x = 1"], assignment="9-unheard-of")
    (folder / "d-huge.ipynb").write_bytes(b" " * (11 << 20))
    write_notebook("all/e/good.ipynb", ["x = (", *solution_cells()])
    (folder / os.fsdecode(b"g-\xff\x1b[2J.ipynb")).write_text("")
    (folder / "f-link.ipynb").symlink_to(folder / "e" / "good.ipynb")
    grades = {g.submission: g for g in grade_folder(folder, BUILT, place, QUICK, jobs=2)}
    assert sorted(name[0] for name in grades) == ["a", "b", "c", "d", "e", "g"], "all but the link"
    expected = {"g": "not a notebook", "a": "did not end within 40 s", "b": "not a notebook", "c": "no known assignment", "d": "larger than"}
    for letter, reason in expected.items():
        (grade,) = [g for name, g in grades.items() if name.startswith(f"{letter}-")]
        assert reason in grade.reason
        assert grade.points() == 0
    good = grades["e/good.ipynb"]
    assert (good.reason, good.points()) == ("", good.possible)
    assert [e["cell"] for e in good.errors] == [1], "a cell that does not parse is named, and the others are run"


def test_every_decoy_fails_in_an_honest_process(known: dict[str, Checks], place: Place) -> None:
    from grading.sandbox import Sandbox

    with Sandbox(place, PATIENT, {}) as sandbox:
        sandbox.ask("cells", cells=["x = 1"])
        passed = [b for b in DECOYS if sandbox.ask("check", source=decoy(b), index=0, seconds=60)["passed"]]
        answers = sandbox.ask("check", source=decoy("pass"), index=0, seconds=60)
    assert passed == []
    assert answers["passed"] is True, "a check that holds does pass: the decoys fail for what they compare"


def run(cells: list[str], place: Place, limits: Limits, write: Callable[..., Path], known: dict[str, Checks]) -> Grade:
    return grade_notebook(write("s.ipynb", cells), "s", known, place, limits)


def sleeping() -> bool:
    """Whether the process that a submission has left behind still runs."""
    return "sleep 4321.5" in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_it_sees_neither_network_nor_files_and_leaves_nothing_behind(
    known: dict[str, Checks], isolated: Place, tmp_path: Path, write_notebook: Callable[..., Path], monkeypatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "the instructor's")
    (tmp_path / "private").write_text("private")
    cells = [
        "import os, socket, subprocess",
        f"print('FOUND', [p for p in ({str(tmp_path / 'private')!r}, {str(ROOT / 'assignments')!r}, '/etc/passwd', "
        f"{str(BUILT)!r}) if os.path.exists(p)])",
        "print('KEYS', [k for k in os.environ if 'SECRET' in k])",
        "socket.create_connection(('192.0.2.1', 80), 5)",
        f"open({str(ROOT / 'ocsf_ssl_lib' / 'planted.py')!r}, 'w')",
        "subprocess.run('mount -t tmpfs none /tmp', shell=True, check=True)",
        "subprocess.Popen(['sleep', '4321.5'], start_new_session=True)",
    ]
    grade = run(cells, isolated, PATIENT, write_notebook, known)
    assert "FOUND []" in grade.printed
    assert "KEYS []" in grade.printed
    assert {e["cell"] for e in grade.errors} == {4, 5, 6}
    assert "unreachable" in grade.errors[0]["error"]
    assert grade.notes == ["reached for the network"]
    patience = time.monotonic() + 30  # the kernel ends the processes of a namespace in its own time
    while sleeping() and time.monotonic() < patience:
        time.sleep(0.1)
    assert not sleeping()


def test_memory_and_files_are_limited(
    known: dict[str, Checks], isolated: Place, write_notebook: Callable[..., Path]
) -> None:
    cells = [
        "import os",
        "x = bytearray(8 << 30)",
        "open('big', 'wb').write(b'0' * (60 << 20))",
        "for k in range(10): open(f'part{k}', 'wb').write(b'0' * (40 << 20))",
        "for k in range(10): os.path.exists(f'part{k}') and os.remove(f'part{k}')",
        "for k in range(3000): open(f'small{k}', 'w').close()",
    ]
    grade = run(cells, isolated, PATIENT, write_notebook, known)
    errors = {e["cell"]: e["error"] for e in grade.errors}
    assert "MemoryError" in errors[2]
    assert "File too large" in errors[3]
    assert "No space left" in errors[4]
    assert "No space left" in errors[6]


@pytest.mark.skipif(os.geteuid() == 0, reason="the kernel does not limit the number of root's processes")
def test_processes_are_limited(
    known: dict[str, Checks], isolated: Place, write_notebook: Callable[..., Path]
) -> None:
    cells = [
        "import subprocess",
        "children = []\nfor k in range(200): children.append(subprocess.Popen(['sleep', '60']))",
        "print('STARTED', len(children))",
    ]
    grade = run(cells, isolated, PATIENT, write_notebook, known)
    assert "Resource temporarily unavailable" in grade.errors[0]["error"]
    assert int(grade.printed.split("STARTED")[1].split()[0]) < 64


def test_make_grade_writes_a_table_and_refuses_an_empty_folder(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "grading.grade",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--isolation",
        "none",
    ]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tools'}:{ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"error: no notebook (*.ipynb) in {tmp_path}")
    (tmp_path / "ann.ipynb").write_text("nothing")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "not a notebook" in (tmp_path / "out" / "grades.csv").read_text()
