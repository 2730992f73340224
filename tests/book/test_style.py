"""Figures follow the reader's theme, keep their bytes, and stay legible."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from ocsf_book import _inline_figures, inline_figure

from ocsf_ssl_lib.plots import style
from ocsf_ssl_lib.plots.diagram import arrow, box, diagram, label
from ocsf_ssl_lib.plots.explorer import Explorer
from ocsf_ssl_lib.plots.style import in_book_style, ink_on, smallest_text_px, subplots, to_svg

DARK_PAGE = "#121212"
# What a reader sees who lacks one kind of cone (Machado et al. 2009, severity 1).
VISION = {
    "usual": np.eye(3),
    "deutan": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "protan": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "tritan": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}


@in_book_style
def _chart() -> Figure:
    fig, ax = subplots()
    for k in range(6):
        ax.plot([0, 1], [0, k], label=f"series {k}")
    ax.set(xlabel="epoch", ylabel="loss", title="A title")
    ax.grid()
    ax.legend()
    return fig


@in_book_style
def _diagram() -> Figure:
    fig, ax = diagram(height=1.4)
    left = box(ax, 1, 0.7, "event", colour=style.PULL)
    right = box(ax, 4, 0.7, "view", colour=style.PUSH, dashed=True)
    arrow(ax, left.right, right.left, "augment", both=True, curve=0.1)
    label(ax, 2.5, 0.2, r"$\tau = 0.1$", bold=True)
    return fig


FIGURES = pytest.mark.parametrize("draw", [_chart, _diagram])


@FIGURES
def test_same_figure_has_the_same_bytes(draw) -> None:
    assert to_svg(draw()) == to_svg(draw())
    assert "dc:date" not in to_svg(draw())


def test_places_are_given_to_a_hundredth_of_a_point() -> None:
    fig, ax = subplots()
    ax.scatter([0.1234567, 0.7654321], [0.1234567, 0.7654321])
    places = re.findall(r' [xy]="([^"]+)"', to_svg(fig))
    fig.canvas.draw()
    corners = ax.transData.transform([[0.1234567, 0.1234567]])[0] * 72 / fig.dpi
    decimals = [len(place.partition(".")[2]) for place in places]
    assert max(decimals) == 2
    assert any(abs(float(place) - corners[0]) < 0.02 for place in places)


@FIGURES
def test_ink_follows_the_theme_and_nothing_is_painted_behind_it(draw) -> None:
    svg = to_svg(draw())
    assert "currentColor" in svg
    assert "prefers-color-scheme:dark" in svg
    assert style.INK not in svg
    drawing = svg.replace(re.search(r"<style.*?</style>", svg, re.DOTALL)[0], "")
    assert not re.search(r"(?:fill|stroke): ?(?:#fff|#ffffff|white|#000000|black)", drawing)


@FIGURES
def test_text_is_legible_on_a_phone(draw) -> None:
    assert smallest_text_px(draw()) >= 9
    assert f'data-smallest-text-px="{smallest_text_px(draw())}"' in to_svg(draw())


def _linear(colour: str) -> np.ndarray:
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _luminance(colour: str) -> float:
    return float(_linear(colour) @ [0.2126, 0.7152, 0.0722])


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _lab(linear: np.ndarray) -> np.ndarray:
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = matrix @ np.clip(linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("colour", style.SERIES)
def test_colour_stands_out_from_the_light_and_the_dark_page(colour: str) -> None:
    assert _contrast(colour, "#ffffff") >= 3
    assert _contrast(colour, DARK_PAGE) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_first_four_colours_differ_for_every_reader(vision: str) -> None:
    seen = [_lab(VISION[vision] @ _linear(c)) for c in style.SERIES[:4]]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 14


@pytest.mark.parametrize("pair", [(style.PULL, style.PUSH), (style.NORMAL, style.ANOMALY)])
def test_pairs_differ_in_grey(pair: tuple[str, str]) -> None:
    assert abs(_lab(_linear(pair[0]))[0] - _lab(_linear(pair[1]))[0]) >= 10


def test_series_differ_by_more_than_colour() -> None:
    assert len(set(style.LINESTYLES)) == len(set(style.MARKERS)) == len(style.SERIES)


def test_text_on_a_filled_area_contrasts_with_it() -> None:
    for colour in (*style.SERIES, "#ffffff", "#000000"):
        assert _contrast(ink_on(colour), colour) >= 4.5


def test_style_is_left_behind_by_a_decorated_function() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    _chart()
    assert dict(mpl.rcParams) == before


def test_figure_in_a_page_takes_the_page_s_theme_and_names_of_its_own() -> None:
    svg = inline_figure(to_svg(_chart()), 'A "chart" &amp; more')
    assert svg.startswith('<svg role="img" aria-label="A &quot;chart&quot; &amp; more"')
    assert "prefers-color-scheme" not in svg
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert used == set(re.findall(r'\sid="([^"]+)"', svg))
    assert all(name.startswith("f") and name[9] == "-" for name in used)


@in_book_style
def _points() -> Figure:
    fig, ax = subplots()
    ax.scatter(*np.random.default_rng(0).normal(size=(2, 200)), color=style.BLUE, alpha=0.8)
    return fig


def test_look_that_many_points_share_is_said_once() -> None:
    alone = to_svg(_points())
    svg = inline_figure(alone, "Points.")
    assert alone.count("fill-opacity: 0.8") >= 200
    assert svg.count("fill-opacity: 0.8") < 10
    rule = re.search(r"\.([\w-]+)\{[^}]*fill-opacity: 0\.8[^}]*\}", svg)
    assert rule
    assert svg.count(f'class="{rule[1]}"') == 200
    assert len(svg) < 0.75 * len(alone)


@pytest.mark.parametrize(("figure", "added"), [(_chart, []), (_points, ["explorers.js", "explorers.css"])])
def test_page_with_an_explorer_gets_its_script(tmp_path: Path, figure, added: list[str]) -> None:
    svg = Explorer("map", figure(), {"x": 1})._repr_svg_() if added else to_svg(figure())
    (tmp_path / "a.svg").write_text(svg)
    files: list[str] = []
    builder = SimpleNamespace(images={"a.svg": "a.svg"})
    app = SimpleNamespace(builder=builder, srcdir=tmp_path, add_js_file=files.append, add_css_file=files.append)
    context = {"body": '<p><img alt="A picture." src="../_images/a.svg"/></p>'}
    _inline_figures(app, "page", "", context, None)
    assert files == added
    assert ('<metadata>{"x":1}</metadata>' in context["body"]) == bool(added)
    assert 'aria-label="A picture."' in context["body"]
