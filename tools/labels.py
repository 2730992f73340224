"""Numbers, titles and citations of the whole book, as Sphinx counts them, from its sources alone."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from blocks import Block, cell_header, split_blocks
from chapters import ROOT, book_url, has_code, pages
from pybtex.database import Entry, parse_file

TARGET = re.compile(r"^\(([\w.:+-]+)\)=\s*$")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
LABELLED_MATH = re.compile(r"\$\$[ \t]*\(([\w.:+-]+)\)[ \t]*$", re.MULTILINE)


class Book:
    """Numbers, titles and citations of the whole book, from its sources alone."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.titles: dict[str, str] = {}
        self.figures: dict[str, int] = {}
        self.exercises: dict[str, tuple[int, str]] = {}
        self.equations: dict[str, tuple[str, int]] = {}
        self.sections: dict[str, tuple[str, str]] = {}
        self.with_notebook: set[str] = set()
        self._figures = 0
        self._exercises = 0
        for page in pages(root):
            text = page.read_text(encoding="utf-8")
            if has_code(text):
                self.with_notebook.add(page.stem)
            self._read(page.stem, re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL))
        bibliography = root / "references.bib"
        self.references: dict[str, Entry] = (
            dict(parse_file(str(bibliography), bib_format="bibtex").entries) if bibliography.exists() else {}
        )
        self.inventory = self._inventories()

    def _read(self, page: str, text: str) -> None:
        pending: list[str] = []
        equations = 0

        def walk(parts: list[str | Block]) -> None:
            nonlocal equations
            for part in parts:
                if isinstance(part, str):
                    if target := TARGET.match(part):
                        pending.append(target[1])
                    elif heading := HEADING.match(part):
                        self.titles.setdefault(page, heading[1])
                        self.sections.update(dict.fromkeys(pending, (page, heading[1])))
                        pending.clear()
                    for label in LABELLED_MATH.findall(part):
                        equations += 1
                        self.equations[label] = (page, equations)
                    continue
                name = part.name
                if name == "code-cell":
                    options = yaml.safe_load(cell_header(part.lines)) or {}
                    figure = (options.get("mystnb") or {}).get("figure") or {}
                    if figure.get("caption"):
                        self._figures += 1
                        if figure.get("name"):
                            self.figures[str(figure["name"])] = self._figures
                elif name == "figure":
                    if any(line.strip() for line in part.body):
                        self._figures += 1
                        if part.options.get("name"):
                            self.figures[part.options["name"]] = self._figures
                elif name == "math" and part.options.get("label"):
                    equations += 1
                    self.equations[part.options["label"]] = (page, equations)
                elif name in ("exercise", "exercise-start"):
                    numbered = "nonumber" not in part.options
                    self._exercises += numbered
                    if part.options.get("label"):
                        number = self._exercises if numbered else 0
                        self.exercises[part.options["label"]] = (number, part.argument)
                if name and name not in ("code-cell", "code-block", "code", "literalinclude", "math", "raw"):
                    walk(split_blocks("\n".join(part.body)))

        walk(split_blocks(text))

    def _inventories(self) -> dict[str, str]:
        """Map the names of the local inventories to their addresses."""
        config = yaml.safe_load((self.root / "_config.yml").read_text(encoding="utf-8"))
        mapping = config.get("sphinx", {}).get("config", {}).get("intersphinx_mapping", {})
        found: dict[str, str] = {}
        for base, file in mapping.values():
            for line in (self.root / file).read_text(encoding="utf-8").splitlines():
                if line.strip() and not line.startswith("#"):
                    name, kind, location = line.split()
                    anchor = f"module-{name}" if kind == "mod" else name
                    found[name] = f"{base}/{location}#{anchor}"
        return found

    def figure_number(self, label: str | None) -> int | None:
        """Return the number of a figure that has a label."""
        return self.figures.get(str(label)) if label else None

    def link(self, page: str, anchor: str = "") -> str:
        """Return where a page is found from a notebook: the notebook beside it, or the book online."""
        if page in self.with_notebook:
            return f"{page}.ipynb"
        return f"{book_url(self.root)}book/{page}.html{anchor}"
