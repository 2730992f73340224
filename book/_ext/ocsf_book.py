"""What this book needs beyond Jupyter Book: launch links, fresh results, themed figures, one address.

* The execution cache of jupyter-cache knows the text of cells alone. It is dropped, with everything
  rendered from it, whenever the package, the pins or the results of experiments have changed.
* Launch buttons lead to ``notebooks/<chapter>.ipynb``; pages without code have none.
* Figures of the book are put into the page as inline SVG, so that they follow the theme switch of the
  page; inside an ``<img>`` they could follow the operating system only.
* Pages with an explorer, a figure that carries data, get the script that draws it.
* What a cell prints is shown as it was printed.
* YAML has no tuples, and intersphinx and nitpick want them.
"""

from __future__ import annotations

import copy
import hashlib
import html
import os
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import chapters
from myst_nb.core import render

logger = logging.getLogger(__name__)


def _configure(app: Sphinx, config: Config) -> None:
    """Derive addresses from the repository's, and mend what YAML cannot say."""
    config.html_baseurl = chapters.book_url()
    config.ogp_site_url = config.html_baseurl
    config.nitpick_ignore_regex = [tuple(pair) for pair in config.nitpick_ignore_regex]
    config.intersphinx_mapping = {
        name: (target, tuple(inventory) if isinstance(inventory, list) else inventory)
        for name, (target, inventory) in config.intersphinx_mapping.items()
    }


def _drop_stale_results(app: Sphinx, config: Config) -> None:
    """Forget results of cells when anything but the cells has changed."""
    build = Path(app.outdir).parent
    stamp = build / ".environment_key"
    key = chapters.environment_key()
    if stamp.exists() and stamp.read_text() == key:
        return
    for stale in (build / ".jupyter_cache", build / "jupyter_execute", Path(app.doctreedir)):
        if stale.exists():
            logger.info("dropped %s: package, pins or results have changed", stale.name)
            shutil.rmtree(stale)
    Path(app.doctreedir).mkdir(parents=True, exist_ok=True)
    build.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)


def _skip_foreign(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what others write into our classes; its text belongs to them or says nothing.

    Methods of scikit-learn, a field of pydantic with Markdown in its text, and the fields of named tuples.
    """
    if re.fullmatch(r"set_\w+_request|model_config", name):
        return True
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def join_streams(outputs: list[Any]) -> list[Any]:
    """Join what a cell has printed, as it was printed.

    The function of MyST-NB ends every piece with a new line, and where the kernel ends a piece is chance:
    now and then a line would break in two. It also changes the notebook that is exported later.
    """
    joined: list[Any] = []
    streams: dict[str, Any] = {}
    for output in outputs or []:
        if output["output_type"] != "stream":
            joined.append(output)
        elif output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
        else:
            streams[output["name"]] = copy.deepcopy(output)
            joined.append(streams[output["name"]])
    for output in streams.values():
        output["text"] = output["text"].rstrip() + "\n"
    return joined


def _launch(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Point launch buttons at the exported notebook, or remove them where there is none."""
    buttons = context.get("header_buttons", [])
    launch = [group for group in buttons if group.get("label") == "launch-buttons"]
    source = Path(app.srcdir) / f"{page}.md"
    if not (source.exists() and chapters.has_code(source.read_text(encoding="utf-8"))):
        for group in launch:
            buttons.remove(group)
        return
    for group in launch:
        for button in group["buttons"]:
            if "url" in button:
                notebook = f"notebooks/{page.removeprefix('book/')}.ipynb"
                button["url"] = button["url"].replace(f"{page}.md", notebook)


def _without_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out the scripts of sphinx-thebe, which come along unasked, twice, and point outside."""
    context["script_files"][:] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in f"{getattr(script, 'filename', script)}{getattr(script, 'attributes', '')}".lower()
    ]


def _share_styles(svg: str, prefix: str) -> str:
    """Say once what more than ten marks look like: in a map of points it is half of the file."""
    counts = Counter(re.findall(r'<use [^>]*?( style="[^"]+")', svg))
    classes = {style: f"{prefix}s{k}" for k, style in enumerate(s for s, n in counts.items() if n > 10)}
    for style, name in classes.items():
        svg = svg.replace(style, f' class="{name}"')
    rules = "".join(f".{name}{{{style[8:-1]}}}" for style, name in classes.items())
    return re.sub(r">", f"><style>{rules}</style>", svg, count=1) if rules else svg


def inline_figure(svg: str, alt: str) -> str:
    """Turn one of the book's SVG files into an element of a page.

    Names inside it become short, with a prefix of their own, since several figures share one page; names that
    nothing refers to go. A style that many marks repeat is said once. The theme is the page's, so the file's own
    style goes too.
    """
    svg = re.sub(r'<style id="book-theme">.*?</style>', "", svg, flags=re.DOTALL)
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8] + "-"
    used = dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    names = {name: f"{prefix}{k}" for k, name in enumerate(used)}
    svg = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", svg)
    svg = re.sub(r'(?:xlink:)?(href="#|url\(#)([^")]+)', lambda m: m[1] + names[m[2]], svg)
    svg = _share_styles(svg, prefix)
    name = html.escape(html.unescape(alt), quote=True)
    return svg.strip().replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def _inline_figures(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Replace images that are figures of the book by the figures themselves."""
    if not context.get("body"):
        return
    files = {name: source for source, name in app.builder.images.items()}

    def replace(match: re.Match[str]) -> str:
        file = files.get(match["name"])
        if file is None:
            return match[0]
        svg = (Path(app.srcdir) / file).read_text(encoding="utf-8")
        if 'class="book-figure"' not in svg[:1000]:
            return match[0]
        alt = re.search(r'\salt="([^"]*)"', match[0])
        return inline_figure(svg, alt[1] if alt else "")

    context["body"] = re.sub(
        r'<img\b[^>]*?\ssrc="[^"]*_images/(?P<name>[^"/]+\.svg)"[^>]*?/?>', replace, context["body"]
    )
    if ' data-explorer="' in context["body"]:
        app.add_js_file("explorers.js")
        app.add_css_file("explorers.css")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    os.environ.update(chapters.kernel_environment())
    render.coalesce_streams = join_streams
    app.connect("config-inited", _configure, priority=100)
    app.connect("config-inited", _drop_stale_results, priority=200)
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-skip-member", _skip_foreign)
    app.connect("html-page-context", _inline_figures, priority=400)
    app.connect("html-page-context", _without_thebe, priority=900)
    app.connect("html-page-context", _launch, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
