"""Every page of this book keeps the promises of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jupytext
import pytest
import yaml
from blocks import Block, split_blocks
from chapters import ROOT, environment_key, pages, repository_url
from check_site import check
from labels import Book
from page_header import HEADER

PAGES = sorted((ROOT / "book").glob("*.md"))
SITE = ROOT / "_build" / "html"


def _blocks(text: str) -> list[Block]:
    """All blocks of a page, those inside others too."""
    found = []
    for part in split_blocks(text):
        if isinstance(part, Block):
            found.append(part)
            if part.name not in ("", "code-cell", "code-block", "math", "literalinclude", "eval-rst"):
                found += _blocks("\n".join(part.body))
    return found


def test_table_of_contents_lists_every_page_once() -> None:
    listed = [page.name for page in pages()]
    assert sorted(listed) == [page.name for page in PAGES]
    assert listed[0] == "index.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_page_has_the_jupytext_header_and_one_title(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(HEADER), "copy the header from CONTRIBUTING.md"
    titles = [p for p in split_blocks(text[len(HEADER) :]) if isinstance(p, str) and p.startswith("# ")]
    assert len(titles) == 1


def _draws(source: str) -> bool:
    """Say whether a cell shows a figure: its last line is one, or calls what comes from the book's plots."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return False
    if "plt.show()" in source:
        return True
    last = tree.body[-1].value if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if isinstance(last, ast.Name):
        return last.id.startswith("fig")
    if not isinstance(last, ast.Call):
        return False
    called = ast.unparse(last.func).split(".")[0]
    drawing = {
        (name.asname or name.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ocsf_ssl_lib.plots")
        for name in node.names
    }
    return called in drawing - {"use_book_style", "box", "arrow", "label"}


def _described(page: Path) -> list[str]:
    """List the figures of a page that lack a caption or alternative text."""
    text = page.read_text(encoding="utf-8")
    found = []
    for cell in jupytext.reads(text, fmt="md:myst").cells:
        mystnb = cell.metadata.get("mystnb", {})
        caption = str(mystnb.get("figure", {}).get("caption", "")).strip()
        alt = str(mystnb.get("image", {}).get("alt", "")).strip()
        shows = cell.cell_type == "code" and bool(_draws(cell.source) or caption or alt)
        if shows and not (caption and len(alt) > 20):
            found.append(f"cell with {cell.source[:60]!r}: needs a caption, and a sentence of alternative text")
    for block in _blocks(text):
        if block.name == "figure" and not (block.options.get("alt") and any(map(str.strip, block.body))):
            found.append(f"figure {block.argument}")
        if block.name == "image" and not block.options.get("alt"):
            found.append(f"image {block.argument}")
    found += [m[0] for m in re.finditer(r"!\[\s*\]\([^)]*\)", text)]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_figure_has_a_caption_and_alternative_text(page: Path) -> None:
    assert _described(page) == []


@pytest.mark.parametrize(
    "sample",
    [
        "![](a.svg)",
        "```{figure} a.svg\nCaption only.\n```",
        "```{figure} a.svg\n:alt: Alternative text only.\n```",
        "```{image} a.svg\n```",
        "```{code-cell} python\nfrom ocsf_ssl_lib.plots import x\nx.draw()\n```",
        "```{code-cell} python\n---\nmystnb:\n  figure: {caption: C}\n---\nfig\n```",
    ],
)
def test_figure_without_caption_or_alternative_text_is_found(tmp_path: Path, sample: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(HEADER + "# T\n\n" + sample + "\n")
    assert _described(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_source_is_shown_by_name_and_not_by_line(page: Path) -> None:
    for block in _blocks(page.read_text(encoding="utf-8")):
        assert not (block.name == "literalinclude" and "lines" in block.options), block.argument


def test_repository_address_stands_in_the_configuration_alone() -> None:
    name = repository_url().removeprefix("https://")
    files = [*ROOT.glob("book/**/*.md"), *ROOT.glob("tools/*"), *ROOT.glob(".github/**/*.yml"), ROOT / "Makefile"]
    files += [*ROOT.glob("book/_ext/*.py"), *ROOT.glob("ocsf_ssl_lib/**/*.py")]
    holding = [f.name for f in files if f.is_file() and name in f.read_text(encoding="utf-8")]
    assert holding == []


def test_inventories_are_sorted_lists_that_sphinx_reads() -> None:
    mapping = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["intersphinx_mapping"]
    for _, file in mapping.values():
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        assert lines[0] == "# Sphinx inventory version 1"
        assert lines[3:] == sorted(set(lines[3:])), file
        assert all(len(line.split()) == 3 for line in lines[3:]), file


@pytest.fixture
def site() -> Path:
    """The built book, where it was built from what is here now."""
    stamp = ROOT / "_build" / ".environment_key"
    if not SITE.exists() or not stamp.exists() or stamp.read_text() != environment_key():
        pytest.skip("the book is not built: make book")
    return SITE


def test_built_pages_load_nothing_from_outside_and_describe_every_image(site: Path) -> None:
    assert check(site) == []


def test_notebooks_count_figures_and_exercises_as_the_built_book_does(site: Path) -> None:
    book = Book()
    text = "".join(file.read_text(encoding="utf-8") for file in (site / "book").glob("*.html"))
    for label, number in book.figures.items():
        slug = re.sub(r"[^a-z0-9]+", "-", label.lower())
        figure = re.search(rf'<figure[^>]*\bid="{slug}".*?caption-number">[^<\d]*(\d+)', text, flags=re.DOTALL)
        assert figure, label
        assert int(figure[1]) == number, label
    for label, (number, _) in book.exercises.items():
        assert re.search(rf'id="{label}".{{0,200}}?Exercise {number}\b', text, flags=re.DOTALL), label
