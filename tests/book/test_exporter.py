"""What a chapter says in MyST, its notebook says in plain Markdown."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
from export_notebooks import ExportError, export, write
from labels import Book
from myst import Converter, MystError

from ocsf_ssl_lib.plots.explorers import temperature


@pytest.fixture
def convert(root: Path):
    converter = Converter(Book(root), root / "book" / "02-second.md", {"two": "2", "pi": "3.14159"})
    return converter.convert


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("```{note}\nMind *this*.\n```", "> **Note.** Mind *this*."),
        (":::{warning}\nOne.\n\nTwo.\n:::", "> **Warning.** One.\n>\n> Two."),
        ("```{admonition} A title\n:class: tip\n\n* a\n* b\n```", "> **A title**\n>\n> * a\n> * b"),
        (":::{note}\nSee\n```{tip}\nInner.\n```\n:::", "> **Note.** See\n>\n> > **Tip.** Inner."),
        ("::::{note}\n:::{tip}\nIn.\n:::\n::::", "> **Note.**\n>\n> > **Tip.** In."),
        ("```{math}\n:label: eq-01-a\na = b\n```", "$$\na = b\n\\tag{1}\n$$"),
        ("```{math}\na &= b \\\\\n&= c\n```", "$$\n\\begin{split}\na &= b \\\\\n&= c\n\\end{split}\n$$"),
        ("```{exercise} Any\n:label: ex-01-a\n\nDo $x$.\n```", "**Exercise 1**\n\nDo $x$."),
        (
            "````{solution} ex-01-a\n:class: dropdown\n\nSo:\n\n```python\n1\n```\n````",
            "<details>\n<summary><b>Solution to Exercise 1</b></summary>\n\nSo:\n\n```python\n1\n```\n\n</details>",
        ),
        ("```{solution-start} ex-01-a\n:class: dropdown\n```", "**Solution to Exercise 1**"),
        ("```{solution-end}\n```", ""),
        (
            ":::{dropdown} Why `x`?\nBecause.\n:::",
            "<details>\n<summary><b>Why <code>x</code>?</b></summary>\n\nBecause.\n\n</details>",
        ),
        (
            "````{tab-set}\n```{tab-item} CPU\nSlow.\n```\n```{tab-item} GPU\nFast.\n```\n````",
            "**CPU**\n\nSlow.\n\n**GPU**\n\nFast.",
        ),
        (
            "```{literalinclude} ../ocsf_ssl_lib/m.py\n:pyobject: g\n:caption: The `g`\n```",
            "The `g`:\n\n```python\n@staticmethod\ndef g():\n    return 2\n```",
        ),
        (
            "```{literalinclude} ../ocsf_ssl_lib/m.py\n:pyobject: A.f\n:dedent:\n```",
            "```python\ndef f(self):\n    return 1\n```",
        ),
        ("```{code-block} bash\nls\n```", "```bash\nls\n```"),
        (
            "```{figure} _images/one.svg\n:name: fig-01-one\n:alt: A box.\n\nA box.\n```",
            "![A box.](https://github.com/who/what/raw/main/book/_images/one.svg)\n\n*Fig. 1. A box.*",
        ),
        ("```{list-table} T\n* - a\n  - b\n* - 1\n  - 2\n```", "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n*T*"),
        ("```{bibliography}\n:style: plain\n```", ""),
        ("(sec-x)=\n% a comment\nText.", "Text."),
        ('```python\nf"{note}`x`"\n```', '```python\nf"{note}`x`"\n```'),
    ],
)
def test_directive_becomes_markdown(convert, myst: str, plain: str) -> None:
    got = "\n".join(line.rstrip() for line in convert(myst).strip().splitlines())
    assert got == plain


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("{cite:p}`one2020`", "([One, 2020](https://doi.org/10.1/one))"),
        ("{cite:p}`one2020,three2021`", "([One, 2020](https://doi.org/10.1/one); A et al., 2021)"),
        ("{cite:t}`two2022`", "[van Two and Other (2022)](https://arxiv.org/abs/1.2)"),
        ("{eq}`eq-01-a`", "(1) of [First things](https://who.github.io/what/book/01-first.html)"),
        ("{numref}`fig-02-two`", "Fig. 2"),
        ("{numref}`Figure {number} <fig-01-one>`", "Figure 1"),
        ("{ref}`ex-01-a`", "Exercise 1"),
        (
            "{ref}`sec-01-begin`",
            "[The beginning](https://who.github.io/what/book/01-first.html#sec-01-begin)",
        ),
        ("{doc}`01-first`", "[First things](https://who.github.io/what/book/01-first.html)"),
        ("{doc}`there <02-second>`", "[there](02-second.ipynb)"),
        ("[x](02-second.md)", "[x](02-second.ipynb)"),
        ("{term}`views <view>`", "views"),
        ("{glue:text}`two`", "2"),
        ("{glue:text}`pi:.2f`", "3.14"),
        ("{func}`~t.f`", "[`f`](https://t.org/api.html#t.f)"),
        ("{func}`unknown.f`", "`unknown.f`"),
        (
            "{class}`~ocsf_ssl_lib.m.A`",
            "[`A`](https://who.github.io/what/book/api.html#ocsf_ssl_lib.m.A)",
        ),
        ("{math}`a^2`", "$a^2$"),
        ("`{eq}` stays, ``{cite:p}`x` `` too", "`{eq}` stays, ``{cite:p}`x` `` too"),
        ("$a$ and $$b$$ stay", "$a$ and $$b$$ stay"),
    ],
)
def test_role_becomes_words(convert, myst: str, plain: str) -> None:
    assert convert(myst) == plain


@pytest.mark.parametrize(
    ("myst", "message"),
    [
        ("```{mermaid}\na\n```", "directive {mermaid}"),
        ("{unknown}`a`", "role {unknown}"),
        ("{cite:p}`nobody`", "no entry nobody"),
        ("{eq}`eq-none`", "no equation eq-none"),
        ("{glue:text}`none`", "nothing is glued"),
        ("{ref}`none`", "no label none"),
        ("```{note}\nopen", "never closed"),
        ("```{dropdown} Why `x`?\nBecause.\n```", "needs a colon fence"),
        ("```{literalinclude} ../ocsf_ssl_lib/m.py\n:lines: 1-2\n```", ":lines: rots"),
        ("```{literalinclude} ../ocsf_ssl_lib/m.py\n:pyobject: gone\n```", "has no gone"),
    ],
)
def test_what_a_notebook_cannot_show_is_refused(convert, myst: str, message: str) -> None:
    with pytest.raises(MystError, match=message.replace("{", r"\{")):
        convert(myst)


def _executed(root: Path, value: str = "2"):
    """The second chapter as a build leaves it."""
    notebook = jupytext.reads((root / "book" / "02-second.md").read_text(), fmt="md:myst")
    code = [c for c in notebook.cells if c.cell_type == "code"]
    for i, cell in enumerate(code, 1):
        cell.execution_count = i + 4
    code[0].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=5)]
    code[2].outputs = [
        nbformat.v4.new_output(
            "display_data",
            {"application/papermill.record/text/plain": value},
            metadata={"scrapbook": {"name": "two", "mime_prefix": "application/papermill.record/"}},
        )
    ]
    return notebook


def test_notebook_installs_the_package_first_from_the_address_in_the_configuration(root: Path) -> None:
    first = export(root / "book" / "02-second.md", Book(root), executed=_executed(root)).cells[0]
    assert "git+https://github.com/who/what" in first.source
    assert "OCSF_SSL_WHEEL" in first.source
    assert "torch==" in first.source
    compile(first.source, "first cell", "exec")


def test_notebook_keeps_outputs_and_counts_and_says_glued_values_in_prose(root: Path) -> None:
    notebook = export(root / "book" / "02-second.md", Book(root), executed=_executed(root))
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, 2, 3]
    assert code[1].outputs[0].data["text/plain"] == "1"
    assert code[1].outputs[0].execution_count == 2
    assert not any("glue" in c.source for c in notebook.cells)
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert "It is 2." in text
    assert "*Fig. 2. The value of x.*" in text
    assert code[2].metadata == {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}
    assert notebook.metadata.kernelspec.name == "python3"
    nbformat.validate(notebook)


def test_glued_strings_lose_their_quotes(root: Path) -> None:
    notebook = export(root / "book" / "02-second.md", Book(root), executed=_executed(root, "'2 %'"))
    assert "It is 2 %." in notebook.cells[-1].source


def test_export_is_the_same_every_time_and_cell_names_survive_an_insertion(root: Path, tmp_path: Path) -> None:
    page = root / "book" / "02-second.md"
    first = export(page, Book(root), executed=_executed(root))
    assert write(first, tmp_path / "a.ipynb")
    assert not write(export(page, Book(root), executed=_executed(root)), tmp_path / "a.ipynb")
    page.write_text(page.read_text().replace("# Second things\n", "# Second things\n\n+++\n\nMore.\n"))
    second = export(page, Book(root), executed=_executed(root))
    names = {c.id for c in first.cells if c.cell_type == "code"}
    assert names == {c.id for c in second.cells if c.cell_type == "code"}


def test_explorer_stands_in_the_notebook_as_its_picture(root: Path) -> None:
    explorer = temperature(np.eye(4), ["one", "two"])
    executed = _executed(root)
    drawn = {"image/svg+xml": explorer._repr_svg_(), "text/plain": repr(explorer)}
    [c for c in executed.cells if c.cell_type == "code"][1].outputs = [
        nbformat.v4.new_output("execute_result", data=drawn, execution_count=9)
    ]
    notebook = export(root / "book" / "02-second.md", Book(root), executed=executed)
    at = next(
        k for k, cell in enumerate(notebook.cells) if cell.get("outputs") and "image/svg+xml" in str(cell.outputs)
    )
    data = notebook.cells[at].outputs[0].data
    assert data["text/plain"] == "Explorer('temperature')"
    assert ElementTree.fromstring(data["image/svg+xml"]).tag.endswith("svg")
    assert "<script" not in data["image/svg+xml"]
    assert notebook.cells[at + 1].source == "*Fig. 2. The value of x.*"
    nbformat.validate(notebook)


def test_paths_in_a_traceback_are_left_out(root: Path) -> None:
    executed = _executed(root)
    next(c for c in executed.cells if c.cell_type == "code").outputs = [
        nbformat.v4.new_output("error", ename="E", evalue="no", traceback=["/home/me/x.py", "E: no"])
    ]
    notebook = export(root / "book" / "02-second.md", Book(root), executed=executed)
    assert notebook.cells[2].outputs[0].traceback == ["E: no"]


def test_results_of_another_text_are_refused(root: Path) -> None:
    executed = _executed(root)
    page = root / "book" / "02-second.md"
    page.write_text(page.read_text().replace("x = 1", "x = 2"))
    with pytest.raises(ExportError, match="make book"):
        export(page, Book(root), executed=executed)
