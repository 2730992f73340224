"""Say MyST Markdown in plain Markdown: what a directive or a role means, in words that Jupyter and Colab show.

Numbers and titles come from the sources of the whole book alone, in the order of its table of contents, as
Sphinx counts them. An unknown directive or role is an error: it would be unreadable in a notebook.
"""

from __future__ import annotations

import re
from pathlib import Path

from blocks import Block, MystError, included, split_blocks
from chapters import book_url, branch, repository_url
from labels import LABELLED_MATH, TARGET, Book
from pybtex.database import Entry

__all__ = ["Converter", "MystError", "authors"]

INLINE = re.compile(
    r"(?P<escaped>\\[`{])|(?P<role>\{[\w:.+-]+\})?(?P<tick>`+)(?P<body>(?:(?!\n\s*\n).)+?)(?<!`)(?P=tick)(?!`)",
    re.DOTALL,
)

KINDS = ("attention", "caution", "danger", "error", "hint", "important", "note", "seealso", "tip", "warning")
ADMONITIONS = {name: name.capitalize() for name in KINDS} | {"seealso": "See also"}
DROPPED = {"bibliography", "toctree", "tableofcontents", "eval-rst", "index", "contents"}
OBJECT_ROLES = {"func", "class", "meth", "attr", "mod", "obj", "data", "exc"}
PLAIN_ROLES = {"abbr": "{}", "sub": "<sub>{}</sub>", "sup": "<sup>{}</sup>", "kbd": "<kbd>{}</kbd>"}


class Converter:
    """Converts the Markdown of one chapter."""

    def __init__(self, book: Book, page: Path, glue: dict[str, str] | None = None) -> None:
        self.book = book
        self.page = page
        self.glue = glue or {}
        self.used: set[str] = set()

    # -- blocks ---------------------------------------------------------------------------------

    def convert(self, text: str) -> str:
        """Convert Markdown with directives and roles to Markdown without."""
        out: list[str] = []
        prose: list[str] = []

        def flush() -> None:
            if prose:
                out.append(self.prose("\n".join(prose)))
                prose.clear()

        for part in split_blocks(text):
            if isinstance(part, str):
                if TARGET.match(part) or part.startswith("%") or part.strip() == "+++":
                    continue
                prose.append(part)
            else:
                flush()
                out.append("\n".join(part.lines) if not part.name else self.directive(part))
        flush()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip("\n")

    def directive(self, block: Block) -> str:
        """Convert one directive."""
        name = block.name
        if name in DROPPED:
            return ""
        if name in ADMONITIONS or name == "admonition":
            return self._admonition(block)
        handler = getattr(self, "_" + name.replace("-", "_").replace(":", "_"), None)
        if handler is None:
            raise MystError(f"the notebooks cannot show the directive {{{name}}}")
        return f"\n{handler(block)}\n"

    def _inner(self, block: Block) -> str:
        return self.convert("\n".join(block.body))

    def _admonition(self, block: Block) -> str:
        body = self._inner(block)
        if block.name == "admonition":
            return self._quote(f"**{self.prose(block.argument)}**\n\n{body}")
        if block.argument:
            body = f"{self.prose(block.argument)}\n{body}"
        # A list, a quote, code or a formula cannot follow the title on its line.
        apart = re.match(r"[>|<`~$#]|[*+-] |\d+[.)] ", body)
        return self._quote(f"**{ADMONITIONS[block.name]}.**" + ("\n\n" if apart else " ") + body)

    @staticmethod
    def _quote(text: str) -> str:
        return "\n" + "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines()) + "\n"

    def _exercise_title(self, label: str) -> str:
        if label not in self.book.exercises:
            raise MystError(f"there is no exercise {label}")
        number, title = self.book.exercises[label]
        words = f"Exercise {number}" if number else "Exercise"
        return f"{words}: {self.prose(title)}" if title else words

    def _exercise(self, block: Block) -> str:
        if "label" not in block.options:
            raise MystError("an exercise needs a :label:")
        return f"**{self._exercise_title(block.options['label'])}**\n\n{self._inner(block)}"

    _exercise_start = _exercise

    def _exercise_end(self, block: Block) -> str:
        return ""

    def _solution(self, block: Block) -> str:
        title = f"Solution to {self._exercise_title(block.argument)}"
        return self._details(title, self._inner(block))

    def _solution_start(self, block: Block) -> str:
        return f"**Solution to {self._exercise_title(block.argument)}**\n\n{self._inner(block)}"

    def _solution_end(self, block: Block) -> str:
        return ""

    def _dropdown(self, block: Block) -> str:
        return self._details(self.prose(block.argument) or "Answer", self._inner(block))

    @staticmethod
    def _details(title: str, body: str) -> str:
        title = re.sub(r"`([^`]+)`", r"<code>\1</code>", title)
        return f"<details>\n<summary><b>{title}</b></summary>\n\n{body}\n\n</details>"

    def _math(self, block: Block) -> str:
        body = "\n".join([block.argument, *block.body]).strip()
        label = block.options.get("label")
        if "\\\\" in body and "\\begin{" not in body:
            body = f"\\begin{{split}}\n{body}\n\\end{{split}}"
        tag = f"\n\\tag{{{self.book.equations[label][1]}}}" if label else ""
        return f"$$\n{body}{tag}\n$$"

    def _literalinclude(self, block: Block) -> str:
        if "lines" in block.options:
            raise MystError("literalinclude by :lines: rots; use :pyobject: or :start-after:")
        path = (self.page.parent / block.argument).resolve()
        if not path.exists():
            raise MystError(f"literalinclude of a file that is not there: {block.argument}")
        text = included(path.read_text(encoding="utf-8"), block.options, block.argument)
        language = block.options.get("language", "python" if path.suffix == ".py" else "")
        caption = block.options.get("caption")
        lead = f"{self.prose(caption)}:\n\n" if caption else ""
        return f"{lead}```{language}\n{text}\n```"

    def _code_block(self, block: Block) -> str:
        caption = block.options.get("caption")
        lead = f"{self.prose(caption)}:\n\n" if caption else ""
        return f"{lead}```{block.argument}\n" + "\n".join(block.body) + "\n```"

    _code = _code_block
    _sourcecode = _code_block

    def _figure(self, block: Block) -> str:
        number = self.book.figure_number(block.options.get("name"))
        caption = " ".join(self._inner(block).split())
        lead = f"Fig. {number}. " if number else ""
        return f"{self._image(block)}\n\n*{lead}{caption}*"

    def _image(self, block: Block) -> str:
        address = block.argument
        if not re.match(r"^\w+://", address):
            path = (self.page.parent / address).resolve().relative_to(self.book.root.resolve()).as_posix()
            address = f"{repository_url(self.book.root)}/raw/{branch(self.book.root)}/{path}"
        return f"![{block.options.get('alt', '')}]({address})"

    def _tab_set(self, block: Block) -> str:
        return self._inner(block)

    def _tab_item(self, block: Block) -> str:
        return f"**{self.prose(block.argument)}**\n\n{self._inner(block)}"

    def _grid(self, block: Block) -> str:
        return self._inner(block)

    def _card(self, block: Block) -> str:
        title = f"**{self.prose(block.argument)}**\n\n" if block.argument else ""
        return title + self._inner(block)

    _grid_item_card = _card
    _grid_item = _grid
    _margin = _card
    _sidebar = _card

    def _epigraph(self, block: Block) -> str:
        return self._quote(self._inner(block))

    def _table(self, block: Block) -> str:
        caption = f"\n\n*{self.prose(block.argument)}*" if block.argument else ""
        return self._inner(block) + caption

    def _list_table(self, block: Block) -> str:
        rows: list[list[str]] = []
        for line in block.body:
            if match := re.match(r"^[*-]\s+-\s?(.*)$", line):
                rows.append([match[1]])
            elif match := re.match(r"^\s+-\s?(.*)$", line):
                rows[-1].append(match[1])
            elif line.strip():
                rows[-1][-1] += " " + line.strip()
        cells = [[self.prose(cell) for cell in row] for row in rows]
        lines = [f"| {' | '.join(row)} |" for row in cells]
        lines.insert(1, "|" + " --- |" * len(cells[0]))
        caption = f"\n\n*{self.prose(block.argument)}*" if block.argument else ""
        return "\n".join(lines) + caption

    def _glossary(self, block: Block) -> str:
        return self._inner(block)

    # -- words ----------------------------------------------------------------------------------

    def prose(self, text: str) -> str:
        """Convert roles, links to pages and labelled equations in running text; code spans stay as they are."""

        def inline(match: re.Match[str]) -> str:
            if match["escaped"] or not match["role"]:
                return match[0]
            return self.role(match["role"][1:-1], " ".join(match["body"].split()))

        pieces: list[str] = []
        position = 0
        for match in INLINE.finditer(text):
            pieces.append(self._links(text[position : match.start()]))
            pieces.append(inline(match))
            position = match.end()
        pieces.append(self._links(text[position:]))
        return "".join(pieces)

    def _links(self, text: str) -> str:
        if re.search(r"\{\{.*?\}\}", text) and "$" not in text:
            raise MystError(f"the notebooks cannot show a substitution: {text.strip()[:60]}")
        text = LABELLED_MATH.sub(lambda m: f"\\tag{{{self.book.equations[m[1]][1]}}}$$", text)
        if re.search(r"\]\(#", text):
            raise MystError(f"use a role for a link within the book: {text.strip()[:60]}")
        return re.sub(r"\]\((?:\./)?([\w-]+)\.md(#[\w-]+)?\)", lambda m: f"]({self.book.link(m[1])})", text)

    def role(self, name: str, body: str) -> str:
        """Convert one role to words."""
        title, target = body, body
        if match := re.match(r"^(.*?)\s*<([^<>]+)>$", body, flags=re.DOTALL):
            title, target = match[1], match[2]
        explicit = title != target
        name = name.removeprefix("py:").removeprefix("std:").removeprefix("prf:")
        if name.startswith("cite"):
            return self._cite(name, target)
        if name.startswith("glue"):
            return self._glued(target)
        if name == "eq":
            if target not in self.book.equations:
                raise MystError(f"there is no equation {target}")
            page, number = self.book.equations[target]
            if page == self.page.stem:
                return f"({number})"
            return f"({number}) of [{self.book.titles[page]}]({self.book.link(page)})"
        if name in ("ref", "numref"):
            return self._ref(name, title if explicit else "", target)
        if name == "doc":
            page = target.rsplit("/", 1)[-1].removesuffix(".md")
            if page not in self.book.titles:
                raise MystError(f"there is no page {target}")
            return f"[{title if explicit else self.book.titles[page]}]({self.book.link(page)})"
        if name == "term":
            return title
        if name == "math":
            return f"${body}$"
        if name in OBJECT_ROLES:
            return self._object(title, target, explicit)
        if name == "download":
            path = (self.page.parent / target).resolve().relative_to(self.book.root.resolve()).as_posix()
            return f"[{title}]({repository_url(self.book.root)}/raw/{branch(self.book.root)}/{path})"
        if name in PLAIN_ROLES:
            return PLAIN_ROLES[name].format(title)
        raise MystError(f"the notebooks cannot show the role {{{name}}}")

    def _ref(self, role: str, title: str, target: str) -> str:
        if target in self.book.figures:
            number = self.book.figures[target]
            if title:
                return title.replace("{number}", str(number)).replace("%s", str(number))
            return f"Fig. {number}"
        if target in self.book.exercises:
            return title or self._exercise_title(target).split(":")[0]
        if target in self.book.sections:
            page, heading = self.book.sections[target]
            words = title or self.prose(heading)
            return words if page == self.page.stem else f"[{words}]({self.book.link(page, '#' + target)})"
        raise MystError(f"there is no label {target}")

    def _object(self, title: str, target: str, explicit: bool) -> str:
        short = target.startswith(("~", "!"))
        hidden = target.startswith("!")
        target = target.lstrip("~!")
        words = title if explicit else (target.rsplit(".", 1)[-1] if short else target)
        if target.startswith("ocsf_ssl_lib"):
            address = f"{book_url(self.book.root)}book/api.html#{target}"
        else:
            address = self.book.inventory.get(target, "")
        return f"[`{words}`]({address})" if address and not hidden else f"`{words}`"

    def _glued(self, target: str) -> str:
        name, _, form = target.partition(":")
        if name not in self.glue:
            raise MystError(f"nothing is glued under the name {name}")
        self.used.add(name)
        value = self.glue[name]
        return format(float(value), form) if form else value

    def _cite(self, role: str, target: str) -> str:
        words = []
        textual = role in ("cite:t", "cite:ts", "cite:ct")
        for key in (part.strip() for part in target.split(",")):
            if key not in self.book.references:
                raise MystError(f"references.bib has no entry {key}")
            entry = self.book.references[key]
            fields = entry.fields
            address = fields.get("url") or (f"https://doi.org/{fields['doi']}" if "doi" in fields else "")
            if not address and "eprint" in fields:
                address = f"https://arxiv.org/abs/{fields['eprint']}"
            who, year = authors(entry), fields.get("year", "n.d.")
            text = f"{who} ({year})" if textual else f"{who}, {year}"
            words.append(f"[{text}]({address})" if address else text)
        return ", ".join(words) if textual else f"({'; '.join(words)})"


def authors(entry: Entry) -> str:
    """Name an entry's authors as a citation does."""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join([*p.prelast_names, *p.last_names]).replace("{", "").replace("}", "") for p in people]
    if not names:
        return entry.fields.get("key") or entry.fields.get("organization") or "Anonymous"
    if len(names) == 1:
        return names[0]
    return f"{names[0]} and {names[1]}" if len(names) == 2 else f"{names[0]} et al."
