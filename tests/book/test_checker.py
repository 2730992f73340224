"""A notebook that is stale, unexecuted or in error does not pass."""

from __future__ import annotations

from pathlib import Path

import chapters
import nbformat
import pytest
import run_notebooks
from check_notebooks import check
from check_site import page_problems
from export_notebooks import export, write
from labels import Book
from test_exporter import _executed


@pytest.fixture
def notebook(root: Path) -> Path:
    """The path of a good notebook of the second chapter."""
    made = export(root / "book" / "02-second.md", Book(root), executed=_executed(root))
    path = root / "notebooks" / "02-second.ipynb"
    write(made, path)
    assert check(root) == []
    return path


def _change(path: Path, change) -> None:
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def _error(notebook) -> None:
    notebook.cells[2].outputs = [nbformat.v4.new_output("error", ename="E", evalue="no", traceback=[])]


def _stream(name: str, text: str):
    def change(notebook) -> None:
        notebook.cells[2].outputs = [nbformat.v4.new_output("stream", name=name, text=text)]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n.cells[2].update(execution_count=None), "was not executed"),
        (lambda n: n.cells[0].update(execution_count=None), "was not executed"),
        (_error, "ended in E: no"),
        (_stream("stderr", "careful"), "wrote to stderr"),
        (_stream("stdout", "in /home/me/x.py"), "path of one machine"),
        (_stream("stdout", "in /home/ann/book/x.py"), "path of one machine"),
        (lambda n: n.cells[2].update(source="x = 7"), "text differs"),
        (lambda n: n.cells[3].metadata.update(tags=["nbval-skip"]), "tags differs"),
        (lambda n: n.cells.pop(), "its chapter gives"),
        (lambda n: n.metadata.ocsf_book.glue.update(two="3"), "text differs"),
        (lambda n: n.metadata.ocsf_book.glue.clear(), "nothing is glued"),
        (lambda n: n.cells[1].update(source="{eq}`x`"), "directive or role is left"),
    ],
)
def test_spoilt_notebook_is_found(root: Path, notebook: Path, change, message: str) -> None:
    _change(notebook, change)
    assert any(message in problem for problem in check(root)), check(root)


def test_chapter_that_moved_on_makes_its_notebook_stale(root: Path, notebook: Path) -> None:
    page = root / "book" / "02-second.md"
    page.write_text(page.read_text().replace("Second things", "Other things"))
    assert any("text differs" in problem for problem in check(root))


def test_missing_and_orphaned_notebooks_are_found(root: Path, notebook: Path) -> None:
    notebook.rename(notebook.with_name("03-gone.ipynb"))
    assert sorted(check(root)) == [
        "notebooks/02-second.ipynb is missing",
        "notebooks/03-gone.ipynb has no chapter",
    ]


def test_key_changes_with_package_pins_and_results(root: Path) -> None:
    keys = {chapters.environment_key(root)}
    (root / "ocsf_ssl_lib" / "m.py").write_text("x = 1\n")
    keys.add(chapters.environment_key(root))
    (root / "requirements.txt").write_text("a==2\n")
    keys.add(chapters.environment_key(root))
    for measured in ("experiments", "benchmarks"):
        (root / measured / "results").mkdir(parents=True)
        (root / measured / "results" / "r.csv").write_text("1\n")
        keys.add(chapters.environment_key(root))
    assert len(keys) == 5
    assert len({chapters.chapter_key(t, k) for t in "ab" for k in keys}) == 10


def test_changed_notebooks_are_chosen_and_always_one(root: Path, notebook: Path, monkeypatch) -> None:
    monkeypatch.setattr(run_notebooks, "ROOT", root)
    monkeypatch.setattr(run_notebooks, "environment_key", lambda: "now")
    current = chapters.chapter_key((root / "book" / "02-second.md").read_text(), "now")
    other = root / "notebooks" / "01-first.ipynb"
    for path, key in ((notebook, "old"), (other, "old")):
        other.write_text(notebook.read_text())
        _change(path, lambda n, key=key: n.metadata.ocsf_book.update(key=key))
    assert run_notebooks.choose([notebook, other]) == [notebook, other]
    _change(notebook, lambda n: n.metadata.ocsf_book.update(key=current))
    assert run_notebooks.choose([notebook, other]) == [other]
    assert run_notebooks.choose([notebook]) == [notebook]


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ('<script src="https://x.org/a.js"></script>', "loads https://x.org/a.js"),
        ('<link rel="stylesheet" href="//x.org/a.css">', "loads //x.org/a.css"),
        ('<style>@import url("https://x.org/a.css")</style>', "loads from outside"),
        ('<img src="a.png">', "without alternative text"),
        ('<img src="a.png" alt="../_images/a.png">', "described by its file name"),
        ('<svg class="book-figure" data-smallest-text-px="9"></svg>', "without alternative text"),
        ('<svg class="book-figure" aria-label="../_images/a.svg"></svg>', "without alternative text"),
        ('<svg class="book-figure" aria-label="a"></svg>', "without a caption"),
        ('<svg class="book-figure" aria-label="a" data-smallest-text-px="6.1"></svg>', "6.1 px"),
    ],
)
def test_page_that_loads_from_outside_or_hides_a_figure_is_found(html: str, message: str) -> None:
    assert any(message in problem for problem in page_problems(html))


def test_sound_page_passes() -> None:
    html = '<script src="a.js"></script><a href="https://x.org">x</a><link rel="canonical" href="https://x.org">'
    html += '<img src="a.png" alt="A box.">'
    html += '<figure><svg class="book-figure" aria-label="a" data-smallest-text-px="9"></svg></figure>'
    assert page_problems(html) == []
