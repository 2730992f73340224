"""Write every executed chapter as a notebook that Jupyter and Colab read: plain Markdown and code.

    python tools/export_notebooks.py [chapter ...]

Outputs come from the build of the book (``make book``); nothing is run a second time. What a notebook
cannot show (directives, roles, glue) is said in plain Markdown by `myst`. A notebook's metadata holds
the key of what its outputs were computed from, and the values glued into its prose, so that
`check_notebooks` can tell whether it still agrees with its chapter.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from chapters import ROOT, chapter_key, environment_key, executed_pages, repository_url
from jupyter_cache import get_cache
from labels import Book
from myst import Converter, MystError

KEPT_TAGS = ("nbval-ignore-output", "nbval-skip", "raises-exception", "hide-input", "hide-output", "hide-cell")
HIDES_INPUT = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
HIDES_OUTPUT = {"hide-output", "hide-cell"}

INSTALL = """\
# Installs the book's package where it is missing (Colab, for one). PyTorch stays as it is.
import importlib.util
import os
import subprocess
import sys
from importlib.metadata import version

if importlib.util.find_spec("ocsf_ssl_lib") is None:
    source = os.environ.get("OCSF_SSL_WHEEL", "git+{url}")
    torch = [f"torch=={{version('torch')}}"] if importlib.util.find_spec("torch") else []
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source, *torch], check=True)"""


class ExportError(Exception):
    """A chapter cannot be exported; the message says which and why."""


def is_glue(source: str) -> bool:
    """Say whether a cell does nothing but hand values to the prose."""
    return re.search(r"^\s*(from myst_nb import|import myst_nb)", source, flags=re.MULTILINE) is not None


def glued_values(cells: list[Any]) -> dict[str, str]:
    """Collect what an executed chapter's glue cells hand to its prose."""
    values: dict[str, str] = {}
    for cell in cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name is not None:
                data = output["data"]
                text = next(str(v) for k, v in data.items() if k.endswith("text/plain"))
                quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
                values[name] = text[1:-1] if quoted else text
    return values


def _outputs(executed: Any, count: int) -> list[Any]:
    """Copy a cell's outputs without what changes from run to run or is of no use outside the book."""
    outputs = []
    for output in copy.deepcopy(executed.get("outputs", [])):
        output.pop("id", None)
        if "metadata" in output:
            output["metadata"] = {}
        if "execution_count" in output:
            output["execution_count"] = count
        if output["output_type"] == "error":
            output["traceback"] = [f"{output['ename']}: {output['evalue']}"]  # no paths of this machine
        previous = outputs[-1] if outputs else None
        stream = bool(previous) and output["output_type"] == "stream" == previous["output_type"]
        if stream and previous["name"] == output["name"]:
            previous["text"] += output["text"]
            continue
        outputs.append(output)
    return outputs


def _metadata(cell: Any) -> dict[str, Any]:
    tags = cell.metadata.get("tags", [])
    metadata: dict[str, Any] = {}
    kept = [tag for tag in tags if tag in KEPT_TAGS]
    if kept:
        metadata["tags"] = kept
    hidden = {}
    if HIDES_INPUT & set(tags):
        hidden["source_hidden"] = True
    if HIDES_OUTPUT & set(tags):
        hidden["outputs_hidden"] = True
    if hidden:
        metadata["jupyter"] = hidden
    return metadata


def _identifier(kind: str, source: str, seen: dict[str, int]) -> str:
    """Name a cell after what it holds: the name survives changes elsewhere in the chapter."""
    name = hashlib.sha256(f"{kind}\0{source}".encode()).hexdigest()[:12]
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else f"{name}-{seen[name]}"


def export(
    page: Path,
    book: Book,
    *,
    executed: Any = None,
    glue: dict[str, str] | None = None,
    key: str = "",
) -> Any:
    """Convert one chapter.

    Args:
        page: The chapter's Markdown file.
        book: Numbers and titles of the whole book.
        executed: The same chapter as executed by the build; without it, cells have no outputs.
        glue: Values for the prose; found in `executed` when not given.
        key: Recorded in the notebook: what its outputs were computed from.

    Returns:
        The notebook.

    Raises:
        ExportError: The chapter has something that the exporter does not know, or was not executed as it stands.
    """
    source = jupytext.reads(page.read_text(encoding="utf-8"), fmt="md:myst")
    ran = [c for c in executed.cells if c.cell_type == "code"] if executed is not None else []
    code = [c for c in source.cells if c.cell_type == "code"]
    if executed is not None and [c.source.strip() for c in ran] != [c.source.strip() for c in code]:
        raise ExportError(f"{page.name}: the executed cells are not those of the chapter: run `make book`")
    values = glued_values(ran) if glue is None else glue
    converter = Converter(book, page, values)

    cells: list[Any] = []
    seen: dict[str, int] = {}
    count = 0

    def markdown(text: str) -> None:
        if text.strip():
            cell = nbformat.v4.new_markdown_cell(text.strip(), id=_identifier("markdown", text.strip(), seen))
            cells.append(cell)

    def add_code(text: str, metadata: dict[str, Any], result: Any) -> None:
        nonlocal count
        count += 1
        cell = nbformat.v4.new_code_cell(text, id=_identifier("code", text, seen), metadata=metadata)
        if result is not None:
            cell.execution_count = count
            cell.outputs = [nbformat.from_dict(o) for o in _outputs(result, count)]
        cells.append(cell)

    add_code(INSTALL.format(url=repository_url(book.root)), {}, {} if executed is not None else None)
    position = 0
    for cell in source.cells:
        if cell.cell_type == "raw":
            continue
        if cell.cell_type == "markdown":
            try:
                markdown(converter.convert(cell.source))
            except MystError as error:
                raise ExportError(f"{page.name}: {error}") from error
            continue
        result = ran[position] if executed is not None else None
        position += 1
        if is_glue(cell.source):
            continue
        if result is not None and result.get("execution_count") is None:
            raise ExportError(f"{page.name}: a cell was not executed: run `make book`")
        add_code(cell.source, _metadata(cell), result)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("caption"):
            number = book.figure_number(figure.get("name"))
            lead = f"Fig. {number}. " if number else ""
            markdown(f"*{lead}{' '.join(str(figure['caption']).split())}*")

    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.nbformat_minor = 5
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "ocsf_book": {"glue": {k: values[k] for k in sorted(converter.used)}, "key": key},
        }
    )
    return notebook


def executed_chapter(page: Path, root: Path = ROOT) -> Any:
    """Read what the build of the book kept of a chapter's run."""
    build = root / "_build"
    stamp = build / ".environment_key"
    problem = ExportError(f"{page.name}: not executed with the present package and data: run `make book`")
    if not stamp.exists() or stamp.read_text() != environment_key(root):
        raise problem
    source = jupytext.reads(page.read_text(encoding="utf-8"), fmt="md:myst")
    try:
        # The pages' own copies (_build/jupyter_execute) have lost what was glued.
        return get_cache(build / ".jupyter_cache").merge_match_into_notebook(source)[1]
    except KeyError:
        raise problem from None


def write(notebook: Any, path: Path) -> bool:
    """Write a notebook, the same bytes for the same content; say whether the file changed."""
    text = nbformat.writes(notebook, indent=1, sort_keys=True, ensure_ascii=False).rstrip() + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return True


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Export the chapters named, or all; remove notebooks that have no chapter any more."""
    parser = argparse.ArgumentParser(description="Write executed chapters as notebooks.")
    parser.add_argument("chapter", nargs="*", help="file name without .md; default: all")
    wanted = parser.parse_args(arguments).chapter
    book = Book(root)
    environment = environment_key(root)
    pages = executed_pages(root)
    failed = False
    for name in wanted:
        if name not in {page.stem for page in pages}:
            print(f"error: no executed chapter is called {name}", file=sys.stderr)
            failed = True
    for page in pages:
        if wanted and page.stem not in wanted:
            continue
        try:
            key = chapter_key(page.read_text(encoding="utf-8"), environment)
            notebook = export(page, book, executed=executed_chapter(page, root), key=key)
        except ExportError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
            continue
        path = root / "notebooks" / f"{page.stem}.ipynb"
        print(f"{'wrote' if write(notebook, path) else 'unchanged'} notebooks/{path.name}")
    if not wanted:
        for path in (root / "notebooks").glob("*.ipynb"):
            if path.stem not in {page.stem for page in pages}:
                path.unlink()
                print(f"removed notebooks/{path.name}: it has no chapter")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
