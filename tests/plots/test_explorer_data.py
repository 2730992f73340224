"""What an explorer carries is what the library computed, and cannot break the page that shows it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from ocsf_ssl_lib import InputError, nearest_neighbours, nt_xent
from ocsf_ssl_lib.plots.explorer import LARGEST, Explorer
from ocsf_ssl_lib.plots.explorers import embedding_map, mask_rate, softmax_rows, temperature
from ocsf_ssl_lib.plots.style import smallest_text_px, subplots, to_svg

EVIL = "</metadata></svg><script>alert(1)</script> & \"'\x07\ufffe ]]>"
RNG = np.random.default_rng(0)
VIEWS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
UNIT = F.normalize(VIEWS)
COSINES = (UNIT @ UNIT.T).numpy()
NAMES = [f"event {k}" for k in range(6)]

COLUMNS = ["service", "port", "user"]
EVENTS = pd.DataFrame([["dns", "53", "ann"], ["ssh", "22", EVIL]], ["first", "second"], COLUMNS)
VALUES = [["dns", "ssh"], ["22", "53"], ["ann", "bob"]]
GUESSES = np.stack([RNG.choice(np.array(v, dtype=object), (2, 8)) for v in VALUES], axis=2)
GIVEN = RNG.random((2, 8, 3))
CURVE = pd.DataFrame({"rate": [0.5, 1.0], "accuracy": [0.8, 0.4], "loss": [0.5, 1.0]})

PLACES = RNG.normal(size=(40, 2)) * (3, 1)
CLOUD = RNG.normal(size=(40, 8))
FACTS = pd.DataFrame({"class": ["a", "b"] * 20, "team": [f"team {k % 9 if k > 8 else 0}" for k in range(40)]})


def explorers() -> dict[str, Explorer]:
    return {
        "temperature": temperature(COSINES, [EVIL, *NAMES[1:]]),
        "mask-rate": mask_rate(EVENTS, GUESSES, GIVEN, CURVE),
        "map": embedding_map({"a map": (PLACES, "trained")}, {"trained": CLOUD}, FACTS, ["class", "team"]),
    }


class Carried(HTMLParser):
    """The text of the element ``metadata``, as a browser reads it, and the tags of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data if self.tags[-1:] == ["metadata"] else ""


@pytest.mark.parametrize("kind", ["temperature", "mask-rate", "map"])
def test_svg_is_the_picture_with_its_data_inside(kind: str) -> None:
    explorer = explorers()[kind]
    svg = explorer._repr_svg_()
    assert explorer.kind == kind
    assert f' data-explorer="{kind}"' in svg[: svg.index("<metadata>")]
    carried = svg[svg.index("<metadata>") : svg.index("</metadata>") + len("</metadata>")]
    assert svg.replace(carried, "").replace(f' data-explorer="{kind}"', "") == to_svg(
        explorers()[kind].figure  # drawn anew: a second layout moves things by a hundredth of a point
    )
    assert smallest_text_px(explorer.figure) >= 8
    assert ElementTree.fromstring(svg).tag.endswith("svg")  # Jupyter shows it as an image, which must be XML


@pytest.mark.parametrize("kind", ["temperature", "mask-rate", "map"])
def test_text_of_a_log_stays_text(kind: str) -> None:
    explorer = explorers()[kind]
    page = Carried(explorer._repr_svg_())
    assert json.loads(page.text.split("\n")[0]) == json.loads(explorer.json())
    assert "script" not in page.tags


def test_data_too_large_or_not_finite_is_refused_with_the_remedy() -> None:
    fig, _ = subplots()
    Explorer("map", fig, {"x": "a" * (LARGEST - 8)})
    with pytest.raises(InputError, match=r"60001 bytes, at most 60000: show fewer"):
        Explorer("map", fig, {"x": "a" * (LARGEST - 7)})
    with pytest.raises(InputError, match=r"'map' is no JSON.*drop"):
        Explorer("map", fig, {"x": float("nan")})


@pytest.mark.parametrize("tau", [0.02, 0.1, 1.0])
def test_shares_are_those_of_nt_xent(tau: float) -> None:
    shares = softmax_rows(COSINES, tau)
    partner = np.arange(12), (np.arange(12) + 6) % 12
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares.diagonal() == 0).all()
    loss = nt_xent(VIEWS[:6], VIEWS[6:], tau).item()
    assert -np.log(shares[partner]).mean() == pytest.approx(loss, rel=1e-4)


def test_cosines_above_the_diagonal_are_carried_row_by_row() -> None:
    data = json.loads(temperature(COSINES, NAMES).json())
    unpacked, values = np.eye(12), iter(data["cosines"])
    for i in range(12):
        for j in range(i + 1, 12):
            unpacked[i, j] = unpacked[j, i] = next(values)
    assert np.abs(unpacked - COSINES).max() <= 5.1e-5
    assert data["temperatures"][data["start"]] == 0.1
    with pytest.raises(InputError, match=r"\(10, 10\), however: \(12, 12\)"):
        temperature(COSINES, NAMES[:5])


def test_every_mask_has_its_guesses_in_order() -> None:
    data = json.loads(mask_rate(EVENTS, GUESSES, GIVEN, CURVE).json())
    for e, event in enumerate(data["events"]):
        assert [data["values"][c][event["truth"][c]] for c in range(3)] == list(EVENTS.iloc[e])
        answers = iter(event["answers"])
        for mask in range(8):
            for c in range(3):
                if mask & 2**c:
                    assert data["values"][c][next(answers)] == GUESSES[e, mask, c]
                    assert next(answers) == pytest.approx(1000 * GIVEN[e, mask, c], abs=0.5)
        assert next(answers, None) is None
    with pytest.raises(InputError, match=r"\(2, 8, 3\), however: \(2, 7, 3\)"):
        mask_rate(EVENTS, GUESSES[:, 1:], GIVEN, CURVE)


def test_every_draw_hides_more_cells_as_the_rate_rises() -> None:
    for draw in json.loads(mask_rate(EVENTS, GUESSES, GIVEN, CURVE).json())["draws"]:
        assert [sum(at < rate for at in draw) for rate in (0, 0.34, 0.67, 1)] == [0, 1, 2, 3]


def test_map_keeps_proportions_and_points_down() -> None:
    data = json.loads(explorers()["map"].json())["maps"][0]
    packed = np.column_stack([data["x"], data["y"]])
    scale = 1000 / max(np.ptp(PLACES, axis=0))
    assert packed.min() >= 0
    assert packed.max() <= 1000
    assert np.abs((packed - packed[0]) - (PLACES - PLACES[0]) * scale * (1, -1)).max() <= 1.01


def test_map_carries_the_neighbours_of_the_embedding_and_not_of_the_map() -> None:
    data = json.loads(explorers()["map"].json())
    near = np.array(data["near"][data["maps"][0]["near"]]).reshape(40, data["neighbours"])
    assert (near == nearest_neighbours(CLOUD, 5)).all()
    on_map = [set(np.square(PLACES - p).sum(axis=1).argsort()[1:6]) for p in PLACES]
    kept = [len(on_map[k] & set(near[k])) for k in range(40)]
    assert kept[data["picked"]] == min(kept) < max(kept)


def test_groups_beyond_the_colours_are_joined() -> None:
    data = json.loads(explorers()["map"].json())
    assert len(data["fields"]["team"]["values"]) == 9
    groups = data["groups"]["team"]
    assert len(groups["values"]) == 6
    assert "others" in groups["values"]
    named = [groups["values"][k] for k in groups["of"]]
    assert all(name in (team, "others") for name, team in zip(named, FACTS["team"], strict=True))


def test_map_of_an_unknown_embedding_is_refused() -> None:
    with pytest.raises(InputError, match=r"'a map' is made of 'other', which is none of \['trained'\]"):
        embedding_map({"a map": (PLACES, "other")}, {"trained": CLOUD}, FACTS, ["class"])
