"""The figure of an explained event: the field to blame on top, and whatever a value says drawn as it is."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.text import Text

from ocsf_ssl_lib.detect.explanation import Expected, ExplainedCell, ExplainedEvent
from ocsf_ssl_lib.plots.explanations import LONGEST, explained_event
from ocsf_ssl_lib.plots.style import smallest_text_px, to_svg


def cell(column: str, value: str, nats: float, *expected: Expected) -> ExplainedCell:
    return ExplainedCell(column, value, "seen", expected, nats, 1.0, 2.0, 3.0)


def figure(*cells: ExplainedCell) -> Figure:
    return explained_event(ExplainedEvent(0, 9.0, 5.0, cells, ()))


def texts(fig: Figure) -> list[str]:
    return [t.get_text() for t in fig.findobj(Text) if t.get_text()]


def test_bars_are_nats_and_the_first_field_stands_out() -> None:
    fig = figure(cell("port", "22", 6.5, Expected("443", probability=0.98)), cell("host", "b", 9.25))
    bars = [patch for patch in fig.axes[0].patches if patch.get_width()]
    assert [bar.get_width() for bar in bars] == [6.5, 9.25]
    assert bars[0].get_hatch()
    assert not bars[1].get_hatch()
    assert bars[0].get_y() < bars[1].get_y()
    low, high = fig.axes[0].get_ylim()
    assert low > high  # the first is on top
    assert "22, expected 443 (98%)" in texts(fig)
    assert {"port", "host"} <= set(texts(fig))
    assert smallest_text_px(fig) >= 8


def test_a_value_is_neither_a_formula_nor_longer_than_the_figure() -> None:
    fig = figure(cell("$x^{$", "$\\frac{$\x1b", 2.0, Expected("v" * 99, probability=1.0)))
    svg = to_svg(fig)
    assert svg.startswith("<svg")
    assert "$\\frac{$\\x1b, expected " + "…" + "v" * (LONGEST - 1) + " (100%)" in texts(fig)


def test_an_event_of_which_nothing_can_be_said_gives_a_figure() -> None:
    assert to_svg(figure())


def test_a_value_that_was_expected_is_not_written_twice() -> None:
    fig = figure(cell("host", "b", 0.5, Expected("b", probability=0.6)))
    assert "b, as expected (60%)" in texts(fig)
