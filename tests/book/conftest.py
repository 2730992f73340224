"""A small book of its own for the tests, so that none of them hangs on a chapter's text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from page_header import HEADER

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "book" / "_ext")]

FIRST = """\
# First things

(sec-01-begin)=
## The beginning

```{math}
:label: eq-01-a
a = b
```

```{figure} _images/one.svg
:name: fig-01-one
:alt: A box.

A box.
```

```{exercise}
:label: ex-01-a

Nothing.
```
"""

SECOND = """\
# Second things

```{code-cell} python
x = 1
x
```

```{code-cell} python
---
tags: [hide-input]
mystnb:
  figure:
    name: fig-02-two
    caption: The value of x.
  image:
    alt: A point at one.
---
x + 1
```

```{code-cell} python
:tags: [remove-cell]

from myst_nb import glue

glue("two", x + 1, display=False)
```

It is {glue:text}`two`.
"""

BIB = """\
@article{one2020, author = {One, Ann}, title = {T}, journal = {J}, year = {2020}, doi = {10.1/one}}
@article{three2021, author = {A, A and B, B and C, C}, title = {T}, journal = {J}, year = {2021}}
@article{two2022, author = {van Two, B and Other, C}, title = {T}, journal = {J}, year = {2022}, eprint = {1.2}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two pages, a bibliography, one module and one inventory."""
    (tmp_path / "book").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "ocsf_ssl_lib").mkdir()
    (tmp_path / "ocsf_ssl_lib" / "m.py").write_text(
        "import os\n\n\nclass A:\n    def f(self):\n        return 1\n\n\n@staticmethod\ndef g():\n    return 2\n"
    )
    (tmp_path / "requirements.txt").write_text("a==1\n")
    (tmp_path / "t.inv").write_text("# Sphinx inventory version 1\n# Project: t\n# Version: 1\nt.f function api.html\n")
    (tmp_path / "_config.yml").write_text(
        "repository: {url: https://github.com/who/what, branch: main}\n"
        'sphinx: {config: {intersphinx_mapping: {t: ["https://t.org", t.inv]}}}\n'
    )
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/01-first\nchapters:\n  - file: book/02-second\n")
    (tmp_path / "references.bib").write_text(BIB)
    (tmp_path / "book" / "01-first.md").write_text(HEADER + FIRST)
    (tmp_path / "book" / "02-second.md").write_text(HEADER + SECOND)
    return tmp_path
