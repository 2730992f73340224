"""Fail when a notebook no longer says what its chapter says, or was not properly run.

    python tools/check_notebooks.py

Needs neither a build nor a run: the chapter is exported anew, without outputs, and compared.
nbval alone would not do: it passes a notebook that was never executed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from chapters import ROOT, executed_pages
from export_notebooks import ExportError, export
from labels import Book

MACHINE_PATH = re.compile(
    r"(?<![\w.:/])/(?:home|root|tmp|work|Users|private|var/folders|opt|mnt)/[\w.-]+|[A-Z]:\\\\?Users|site-packages"
)
RAW_MYST = re.compile(r"^\s*(?:`{3,}|~{3,}|:{3,})\{[\w:-]+\}|(?<!`)\{[\w:-]+\}`", re.MULTILINE)


def _texts(cell: Any) -> str:
    """Return all that a code cell has put out, as one text."""
    parts = []
    for output in cell.outputs:
        for mime, data in output.get("data", {}).items():
            if not mime.startswith("image/png"):
                parts.append(data if isinstance(data, str) else json.dumps(data))
        parts += [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
    return "\n".join(parts)


def problems_of(notebook: Any, expected: Any | None = None) -> list[str]:
    """List what is wrong with a notebook.

    Args:
        notebook: The notebook as it lies in the repository.
        expected: Its chapter, exported anew; without it only the notebook's own soundness is checked.

    Returns:
        One line for each problem; empty when all is well.
    """
    found = []
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            plain = re.sub(r"(`{3,}|~{3,})(?!\{).*?\1|(?<!\})(`+)[^`\n]+\2", "", cell.source, flags=re.DOTALL)
            if RAW_MYST.search(plain):
                found.append(f"cell {i}: a directive or role is left in the text")
        if MACHINE_PATH.search(cell.source):
            found.append(f"cell {i}: names a path of one machine")
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        if cell.execution_count is None:
            found.append(f"cell {i}: was not executed")
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in tags:
                found.append(f"cell {i}: ended in {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"cell {i}: wrote to stderr")
        if match := MACHINE_PATH.search(_texts(cell)):
            found.append(f"cell {i}: prints a path of one machine ({match[0]})")
    if expected is not None:
        found += _differences(notebook, expected)
    return found


def _differences(notebook: Any, expected: Any) -> list[str]:
    def parts(nb: Any) -> list[tuple[Any, ...]]:
        return [(c.cell_type, c.source, json.dumps(c.metadata, sort_keys=True), c.id) for c in nb.cells]

    have, want = parts(notebook), parts(expected)
    if have == want:
        return []
    for i, (a, b) in enumerate(zip(have, want, strict=False)):
        if a != b:
            what = next(n for n, x, y in zip(("kind", "text", "tags", "id"), a, b, strict=True) if x != y)
            return [f"cell {i}: its {what} differs from the chapter ({b[1].strip().splitlines()[0][:60]!r} expected)"]
    return [f"has {len(have)} cells, its chapter gives {len(want)}"]


def check(root: Path = ROOT) -> list[str]:
    """Check all notebooks against all chapters; return one line for each problem."""
    found = []
    try:
        book = Book(root)
    except Exception as error:
        return [f"the book cannot be read: {error}"]
    pages = {page.stem: page for page in executed_pages(root)}
    files = {path.stem: path for path in (root / "notebooks").glob("*.ipynb")}
    found += [f"notebooks/{name}.ipynb is missing" for name in sorted(pages.keys() - files.keys())]
    found += [f"notebooks/{name}.ipynb has no chapter" for name in sorted(files.keys() - pages.keys())]
    for name in sorted(pages.keys() & files.keys()):
        try:
            notebook = nbformat.read(files[name], as_version=4)
            expected = export(pages[name], book, glue=dict(notebook.metadata.get("ocsf_book", {}).get("glue", {})))
            problems = problems_of(notebook, expected)
        except (ExportError, ValueError, KeyError) as error:
            problems = [str(error)]
        found += [f"notebooks/{name}.ipynb: {problem}" for problem in problems]
    return found


def main() -> int:
    """Print the problems; return 1 when there are any."""
    found = check()
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        print("`make notebooks` writes them anew; see CONTRIBUTING.md", file=sys.stderr)
        return 1
    print(f"{len(executed_pages())} notebooks agree with their chapters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
