"""Make student notebooks and checks from the masters, with Otter-Grader: ``make assignments``.

    python -m grading.build [--masters FOLDER] [--class-seed N] [--secret-seed N] [--check]

``dist/assignments/NAME/`` gets ``student/`` (what to hand out), ``autograder/`` (the notebook with its solutions, and
Otter's own archive, for Gradescope and the like) and ``checks.json`` (for ``make grade``). With the masters' own seeds
``assignments/student/`` is renewed too: the copies that Colab opens, and that the package carries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from chapters import ROOT, repository_url
from export_notebooks import INSTALL

from grading.checks import Case, Checks, Question

MASTERS = ROOT / "assignments"
PUBLISHED = MASTERS / "student"
BUILT = ROOT / "dist" / "assignments"
GRADING_PYTHON = ROOT / ".venv-grading" / "bin" / "python"

# The checks stand beside the notebook or, when somebody has the notebook alone, in the installed package.
START = """
if importlib.util.find_spec("otter") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "{otter}"], check=True)

import importlib.resources

import otter

tests = "tests"
if not os.path.isdir(tests):
    tests = str(importlib.resources.files("ocsf_ssl_lib") / "assignments" / "{name}" / "tests")
grader = otter.Notebook(tests_dir=tests)"""


class BuildError(Exception):
    """A master cannot be built; the message says which and why."""


def otter_pin(root: Path = ROOT) -> str:
    """The version of Otter that everybody uses, as pip writes it."""
    lines = (root / "requirements-grading.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("otter-grader=="))


def seeded(text: str, seeds: dict[str, int | None]) -> str:
    """The master with other seeds: every line ``NAME = number`` gets the number of that name."""
    for name, seed in seeds.items():
        if seed is not None:
            text = re.sub(rf"^(\s*{name} = )\d+", rf"\g<1>{seed}", text, flags=re.MULTILINE)
    return text


def _otter_assign(master: Path, out: Path) -> None:
    """Run ``otter assign`` on a notebook."""
    command = [str(GRADING_PYTHON), "-m", "otter", "assign", "--no-run-tests", str(master), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=master.parent)
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise BuildError(f"{master.stem}: otter assign failed: {' '.join(last)}")


def _stable(notebook: Any, name: str) -> Any:
    """Names of cells that do not change from build to build, no outputs, and a first cell that installs."""
    install = INSTALL.format(url=repository_url()) + START.format(otter=otter_pin(), name=name)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(install))
    for position, cell in enumerate(notebook.cells):
        cell.id = hashlib.sha256(f"{position}\0{cell.source}".encode()).hexdigest()[:12]
        cell.metadata = nbformat.NotebookNode()
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "otter": {"assignment_name": name},
        }
    )
    return notebook


def build(master: Path, out: Path, seeds: dict[str, int | None]) -> Checks:
    """Build one assignment into the folder ``out``.

    Raises:
        BuildError: Otter refuses the master, or a solution is left in what students get.
    """
    name = master.stem
    with tempfile.TemporaryDirectory() as temporary:
        text = seeded(master.read_text(encoding="utf-8"), seeds)
        source = Path(temporary) / f"{name}.ipynb"
        jupytext.write(jupytext.reads(text, fmt="md:myst"), source)
        made = Path(temporary) / "made"
        _otter_assign(source, made)
        shutil.rmtree(out, ignore_errors=True)
        student = out / "student"
        (student / "tests").mkdir(parents=True)
        nbformat.write(_stable(nbformat.read(made / "student" / source.name, 4), name), student / source.name)
        for path in sorted((made / "student" / "tests").glob("*.py")):
            (student / "tests" / path.name).write_text(path.read_text().rstrip() + "\n", encoding="utf-8")
        (out / "autograder").mkdir()
        nbformat.write(
            _stable(nbformat.read(made / "autograder" / source.name, 4), name), out / "autograder" / source.name
        )
        for archive in (made / "autograder").glob("*.zip"):  # its name holds the time: ours does not
            shutil.copyfile(archive, out / "autograder" / f"{name}.zip")
        tests = sorted((made / "autograder" / "tests").glob("*.py"))
        described = subprocess.run(
            [GRADING_PYTHON, Path(__file__).with_name("describe.py"), *tests],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    questions = [Question(q["name"], q["source"], [Case(**c) for c in q["cases"]]) for q in json.loads(described)]
    files = {f"tests/{p.name}": p.read_text(encoding="utf-8") for p in sorted((student / "tests").glob("*.py"))}
    title = re.search(r"^# (?!ASSIGNMENT CONFIG|BEGIN |END )(.+)$", text, flags=re.MULTILINE)
    checks = Checks(name, title.group(1) if title else name, questions, files)
    checks.write(out)
    no_solution_in(student)
    return checks


def no_solution_in(student: Path) -> None:
    for path in sorted(student.rglob("*")):
        if path.is_file() and (found := re.search(r"# *(BEGIN |END )?SOLUTION|hidden=True", path.read_text())):
            raise BuildError(f"{path.name}: {found.group(0)!r} is left in what students get")


def differences(built: Path, published: Path) -> list[str]:
    """Files that differ between two folders, or that only one of them has."""
    names = {p.relative_to(folder) for folder in (built, published) for p in folder.rglob("*") if p.is_file()}
    return [str(n) for n in sorted(names) if _read(built / n) != _read(published / n)]


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def masters_in(folder: Path) -> list[Path]:
    """The masters of a folder, in order.

    Raises:
        BuildError: there is none.
    """
    found = sorted(p for p in folder.glob("*.md") if re.match(r"\d", p.name))
    if not found:
        raise BuildError(f"no masters in {folder}: their names begin with a number, as in 1-augmentation.md")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Build all masters of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masters", type=Path, default=MASTERS)
    parser.add_argument("--class-seed", type=int)
    parser.add_argument("--secret-seed", type=int)
    parser.add_argument("--check", action="store_true", help="only say whether assignments/student is up to date")
    options = parser.parse_args(arguments)
    seeds = {"CLASS_SEED": options.class_seed, "SECRET_SEED": options.secret_seed}
    own = options.masters.resolve() == MASTERS and not any(seed is not None for seed in seeds.values())
    stale = []
    try:
        for master in masters_in(options.masters):
            out = BUILT / master.stem
            checks = build(master, out, seeds)
            published = PUBLISHED / master.stem
            if options.check:
                stale += [f"{master.stem}/{n}" for n in differences(out / "student", published)]
                continue
            if own:
                shutil.rmtree(published, ignore_errors=True)
                shutil.copytree(out / "student", published)
            print(f"{master.stem}: {len(checks.questions)} questions, {checks.possible:g} points")
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if stale:
        print(f"error: out of date in assignments/student: {', '.join(stale)}; run: make assignments", file=sys.stderr)
        return 1
    if not options.check:
        print(f"Student notebooks and checks are in {BUILT.relative_to(ROOT)}.")
        if options.secret_seed is None:
            print("The log of the anomaly hunt is the public one; for a class: make assignments SECRET_SEED=number")
    return 0


if __name__ == "__main__":
    sys.exit(main())
