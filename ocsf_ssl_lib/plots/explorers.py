"""The three explorers: temperature (chapter 05), mask rate (chapter 06) and a map of embeddings (chapter 11).

Each function packs what a chapter has computed, and draws the picture that stands for it where no script runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import PercentFormatter

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.evaluate.embeddings import nearest_neighbours
from ocsf_ssl_lib.plots.explorer import Explorer
from ocsf_ssl_lib.plots.style import (
    BLUE,
    INK,
    MARKERS,
    MUTED,
    PULL,
    PUSH,
    SERIES,
    in_book_style,
    subplots,
)

__all__ = ["embedding_map", "mask_rate", "softmax_rows", "temperature"]

TEMPERATURES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
SMALLEST_SIDE = 0.1  # of a cell, a share of 1 %; smaller squares are left out of the picture


def softmax_rows(similarity: np.ndarray, temperature: float) -> np.ndarray:
    """The softmax that NT-Xent takes of each row, a view being no candidate for itself.

    Args:
        similarity: (2N, 2N) cosines.
        temperature: above 0.

    Returns:
        (2N, 2N); rows sum to 1, the diagonal is 0.
    """
    logits = np.where(np.eye(len(similarity), dtype=bool), -np.inf, similarity / temperature)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@in_book_style
def temperature(similarity: np.ndarray, events: Sequence[str], shown: Sequence[float] = (0.05, 0.2, 1.0)) -> Explorer:
    """The shares of all candidates at any temperature.

    Args:
        similarity: (2N, 2N) cosines, first views first.
        events: (N,) what each event is, in a few words.
        shown: temperatures of the picture, a panel each.

    Raises:
        InputError: the sizes do not fit.
    """
    n = len(events)
    if similarity.shape != (2 * n, 2 * n):
        raise InputError(f"{n} events have cosines of shape {(2 * n, 2 * n)}, however: {similarity.shape}")
    fig, axes = subplots(1, len(shown), height=2.1, sharey=True)
    for ax, value in zip(axes, shown, strict=True):
        _squares(ax, softmax_rows(similarity, value))
        ax.set_title(f"τ = {value:g}")
    data = {
        "events": list(events),
        "temperatures": list(TEMPERATURES),
        "start": TEMPERATURES.index(0.1),
        "cosines": _rounded(similarity[np.triu_indices(2 * n, 1)], 4),  # row by row, above the diagonal
        "colours": {"pull": PULL, "push": PUSH},
    }
    return Explorer("temperature", fig, data)


def _squares(ax: Axes, shares: np.ndarray) -> None:
    """A square for each share, as large in area; the cells of partners have a frame."""
    size = len(shares)
    n = size // 2
    partner = np.eye(size, k=n) + np.eye(size, k=-n) > 0
    for chosen, colour in ((~partner, PUSH), (partner, PULL)):
        side = np.where(chosen, np.sqrt(shares), 0.0)
        row, column = np.nonzero(side > SMALLEST_SIDE)
        ax.add_patch(PathPatch(_square_path(column, row, side[row, column]), facecolor=colour, linewidth=0))
    row, column = np.nonzero(partner)
    ax.add_patch(PathPatch(_square_path(column, row, np.ones(size)), fill=False, edgecolor=MUTED, linewidth=0.8))
    ax.set(xlim=(-0.6, size - 0.4), ylim=(size - 0.4, -0.6), xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_visible(False)


def _square_path(x: np.ndarray, y: np.ndarray, side: np.ndarray) -> Path:
    """Squares around the points (K,) as one path: a path of its own for each would triple the SVG."""
    half = side[:, None] / 2
    corners = np.stack([x[:, None] + half * (-1, 1, 1, -1, -1), y[:, None] + half * (-1, -1, 1, 1, -1)], axis=2)
    return Path.make_compound_path(*(Path(square, closed=True) for square in corners))


@in_book_style
def mask_rate(
    events: pd.DataFrame,
    guesses: np.ndarray,
    probability: np.ndarray,
    curve: pd.DataFrame,
    shown: Sequence[float] = (0.15, 0.3, 0.5, 0.7, 0.9, 1.0),
) -> Explorer:
    """What a model says about each hidden cell, for every mask there is.

    Mask m hides column c if bit c of m is set. A cell is hidden once the rate exceeds a draw of its own, so that a
    higher rate hides the same cells and more.

    Args:
        events: (E, C) text: a row per event, indexed by what it is in a few words; columns in the model's order.
        guesses: (E, 2**C, C) text: the most likely value of each cell.
        probability: (E, 2**C, C): what the model gives to the true value.
        curve: ``rate``, ``accuracy`` (share of hidden cells guessed) and ``loss`` (in units of the trivial
            predictors) over many events.
        shown: rates of the picture, a column each; it shows the first event.

    Raises:
        InputError: the sizes do not fit.
    """
    size = (len(events), 2 ** events.shape[1], events.shape[1])
    if guesses.shape != size or probability.shape != size:
        raise InputError(f"guesses and probabilities must be {size}, however: {guesses.shape}, {probability.shape}")
    columns = [str(name) for name in events.columns]
    draws = [_draw(len(columns), seed) for seed in range(6)]
    fig, (above, below) = subplots(2, 1, height=5.4, height_ratios=(0.5 + 0.3 * len(columns), 2.0))
    _cells(above, columns, probability[0], draws[0], shown)
    below.plot(curve["rate"], curve["accuracy"], color=BLUE, marker="o")
    below.set(xlabel="mask rate", ylabel="hidden cells guessed", ylim=(0, 1), xlim=(0, 1.02))
    below.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.grid(axis="y")
    values = [sorted({*events.iloc[:, c], *guesses[:, :, c].flat}) for c in range(len(columns))]
    data = {
        "columns": columns,
        "values": values,
        "events": [
            {
                "name": str(name),
                "truth": [values[c].index(value) for c, value in enumerate(events.iloc[e])],
                "answers": _answers(values, guesses[e], probability[e]),
            }
            for e, name in enumerate(events.index)
        ],
        "draws": [_rounded(draw, 3) for draw in draws],
        "curve": {name: _rounded(curve[name].to_numpy(), 3) for name in ("rate", "accuracy", "loss")},
        "colours": {"bar": BLUE},
    }
    return Explorer("mask-rate", fig, data)


def _draw(columns: int, seed: int) -> np.ndarray:
    """When each cell is hidden: evenly spread rates in a random order, so that each rate hides its share."""
    return (np.random.default_rng(seed).permutation(columns) + 0.5) / columns


def _cells(ax: Axes, columns: Sequence[str], probability: np.ndarray, draw: np.ndarray, rates: Sequence[float]) -> None:
    """A column per rate: cells that are seen are filled, hidden ones have what the model gives to the truth."""
    for x, rate in enumerate(rates):
        hidden = draw < rate
        mask = int((hidden * 2 ** np.arange(len(columns))).sum())
        for y in range(len(columns)):
            if hidden[y]:
                ax.text(x, y, f"{probability[mask, y]:.0%}", ha="center", va="center", fontsize=10, color=INK)
            else:
                ax.add_patch(Rectangle((x - 0.46, y - 0.42), 0.92, 0.84, facecolor=MUTED, alpha=0.45, linewidth=0))
    ax.set_xticks(range(len(rates)), [f"{rate:.0%}" for rate in rates])
    ax.set_yticks(range(len(columns)), columns)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_xlabel("mask rate")
    ax.xaxis.set_label_position("top")
    ax.set(xlim=(-0.5, len(rates) - 0.5), ylim=(len(columns) - 0.4, -0.6))
    ax.spines[:].set_visible(False)


def _answers(values: Sequence[Sequence[str]], guesses: np.ndarray, probability: np.ndarray) -> list[int]:
    """Mask after mask, and in each hidden column after column: the guess, and the thousandths given to the truth."""
    said: list[int] = []
    for mask in range(len(guesses)):
        for c in range(len(values)):
            if mask >> c & 1:
                said += [values[c].index(guesses[mask, c]), round(1000 * float(probability[mask, c]))]
    return said


@in_book_style
def embedding_map(
    maps: Mapping[str, tuple[np.ndarray, str]],
    embeddings: Mapping[str, np.ndarray],
    events: pd.DataFrame,
    colour_by: Sequence[str],
    neighbours: int = 5,
    picked: int | None = None,
) -> Explorer:
    """A map on which every point tells its event and its true neighbours.

    Args:
        maps: title -> (N, 2) places, and the name of the embedding they were made of. The first one is the picture.
        embeddings: name -> (N, d).
        events: (N, ...) text: what to say of each event.
        colour_by: columns of ``events`` to colour by; the picture takes the first.
        neighbours: how many to show, nearest by the cosine of the embedding among the N events.
        picked: the event shown at first; that whose neighbours the first map keeps worst if left out.

    Raises:
        InputError: a map of an embedding that is not there.
    """
    for title, (_, source) in maps.items():
        if source not in embeddings:
            raise InputError(f"the map {title!r} is made of {source!r}, which is none of {list(embeddings)}")
    near = {name: nearest_neighbours(z, neighbours) for name, z in embeddings.items()}
    (places, source), groups = next(iter(maps.values())), _few(events[colour_by[0]])
    if picked is None:
        picked = int(_kept(places, near[source]).argmin())
    data = {
        "maps": [
            {"title": title, "near": source, "x": _thousandths(xy)[:, 0].tolist(), "y": _thousandths(xy)[:, 1].tolist()}
            for title, (xy, source) in maps.items()
        ],
        "near": {name: index.ravel().tolist() for name, index in near.items()},
        "neighbours": neighbours,
        "picked": picked,
        "fields": {name: _coded(events[name]) for name in events},
        "groups": {name: _coded(_few(events[name])) for name in colour_by},
        "colours": {"series": list(SERIES)},
    }
    return Explorer("map", _one_map(places, groups, picked, near[source][picked]), data)


def _kept(places: np.ndarray, near: np.ndarray) -> np.ndarray:
    """(N,): how many of an event's neighbours ``near`` (N, k) are among the k nearest on the map (N, 2)."""
    apart = np.square(places[:, None] - places[None]).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    on_map = apart.argsort(axis=1, kind="stable")[:, : near.shape[1]]
    return np.asarray((near[:, :, None] == on_map[:, None]).any(axis=2).sum(axis=1))


def _one_map(places: np.ndarray, groups: pd.Series, picked: int, near: np.ndarray) -> Figure:
    """A map with one event and its neighbours joined."""
    fig, ax = subplots(height=4.4)
    for k, group in enumerate(_coded(groups)["values"]):
        mine = places[groups == group]
        ax.scatter(*mine.T, color=SERIES[k], marker=MARKERS[k], s=16, linewidth=0, label=group)
    for other in near:
        ax.plot(*places[[picked, other]].T, color=INK, ls="-", lw=1.2, zorder=3)
    ax.scatter(*places[[picked]].T, facecolor=to_rgba(INK, 0), edgecolor=INK, s=110, linewidth=1.8, zorder=4)
    ax.set(aspect="equal", adjustable="datalim")
    ax.set_axis_off()
    fig.legend(loc="outside upper center", ncols=4, markerscale=1.4, handletextpad=0.1, columnspacing=1.2)
    return fig


def _few(column: pd.Series) -> pd.Series:
    """As many groups as there are colours: the largest, and the others together."""
    largest = column.value_counts().index[: len(SERIES) - 1]
    return column.where(column.isin(largest) | (column.nunique() <= len(SERIES)), "others")


def _coded(column: pd.Series) -> dict[str, list[str] | list[int]]:
    """A column as its values, the most frequent first, and the number of each event's value."""
    text = column.astype(str)
    values = list(text.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable").index)
    return {"values": values, "of": [values.index(v) for v in text]}


def _thousandths(places: np.ndarray) -> np.ndarray:
    """Places in a square of 1000 by 1000, their proportions kept and y downwards as in SVG."""
    low, high = places.min(axis=0), places.max(axis=0)
    middle, width = (low + high) / 2, max(float((high - low).max()), 1e-12)
    return np.asarray(np.rint(500 + 1000 * (places - middle) / width * (1, -1)).astype(int))


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return [round(float(v), digits) for v in values]
