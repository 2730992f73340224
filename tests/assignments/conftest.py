"""Where assignments are graded in the tests: the checks that `make assignments` has built, and a sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from built import BUILT, MASTERS
from grading.checks import Checks, read_all
from grading.grade import find_place
from grading.sandbox import Place, find_isolation


@pytest.fixture(scope="session")
def known() -> dict[str, Checks]:
    """The checks of all assignments."""
    checks = read_all(BUILT)
    if sorted(checks) != MASTERS:
        pytest.fail(f"{BUILT} holds {sorted(checks)} and not {MASTERS}; run: make assignments")
    return checks


@pytest.fixture(scope="session")
def place() -> Place:
    """With namespaces where this machine allows them."""
    return find_place("namespaces" if find_isolation() else "none")


@pytest.fixture
def isolated(place: Place) -> Place:
    """For tests of what only namespaces give; on CI (the variable CI is set) their absence is a failure."""
    if place.isolation != "namespaces":
        absent = pytest.fail if os.environ.get("CI") else pytest.skip
        absent("this machine does not let a user make namespaces")
    return place


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """Write a submission with some cells."""

    def write(name: str, cells: list[str], assignment: str = "2-nt-xent") -> Path:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        notebook.metadata["otter"] = {"assignment_name": assignment}
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return write
