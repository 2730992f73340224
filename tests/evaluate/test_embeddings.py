"""Embedding metrics against closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from ocsf_ssl_lib import (
    InputError,
    alignment,
    effective_rank,
    linear_probe,
    nearest_neighbours,
    neighbour_purity,
    uniformity,
)
from ocsf_ssl_lib.evaluate import embeddings as module


def cloud(n: int = 200, d: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_alignment_is_zero_for_equal_views_and_four_for_opposite_ones() -> None:
    z = cloud()
    assert alignment(z, 3 * z) == pytest.approx(0, abs=1e-12)
    assert alignment(z, -z) == pytest.approx(4)
    assert alignment(z, -z, alpha=1) == pytest.approx(2)


def test_alignment_is_twice_one_minus_the_cosine() -> None:
    a, b = cloud(seed=1), cloud(seed=2)
    cosine = torch.nn.functional.cosine_similarity(torch.tensor(a), torch.tensor(b)).mean().item()
    assert alignment(a, b) == pytest.approx(2 - 2 * cosine)


def test_uniformity_is_that_of_the_paper() -> None:
    z = torch.nn.functional.normalize(torch.tensor(cloud()), dim=1)
    theirs = torch.pdist(z, p=2).pow(2).mul(-2).exp().mean().log().item()  # figure 5 of Wang & Isola
    assert uniformity(z.numpy()) == pytest.approx(theirs)


def test_uniformity_knows_collapse_and_the_corners_of_a_square() -> None:
    assert uniformity(np.ones((10, 3))) == pytest.approx(0)
    square = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])  # 4 pairs at distance² 2, 2 pairs at 4
    assert uniformity(square) == pytest.approx(np.log((4 * np.exp(-4) + 2 * np.exp(-8)) / 6))


def test_many_events_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    z = cloud(400)
    whole = uniformity(z)
    monkeypatch.setattr(module, "MAX_PAIRED", 200)
    assert uniformity(z) == uniformity(z)
    assert uniformity(z, seed=1) != uniformity(z)
    assert uniformity(z) == pytest.approx(whole, abs=0.2)


def test_effective_rank_of_known_spectra() -> None:
    assert effective_rank(7 * np.eye(5)) == pytest.approx(5)
    assert effective_rank(np.diag([1.0, 1, 0])) == pytest.approx(2)
    assert effective_rank(np.outer(np.arange(1, 9), np.ones(3))) == pytest.approx(1)
    shares = np.array([0.5, 0.25, 0.25])
    assert effective_rank(np.diag(4 * shares)) == pytest.approx(np.exp(1.5 * np.log(2)))  # entropy 1.5 bits


def test_effective_rank_ignores_rotation_scale_and_repetition() -> None:
    z = cloud()
    turn = np.linalg.qr(cloud(8, 8, seed=3))[0]
    assert effective_rank(5 * z @ turn) == pytest.approx(effective_rank(z))
    assert effective_rank(np.concatenate([z, z])) == pytest.approx(effective_rank(z))


def test_collapse_up_to_rounding_errors_is_seen() -> None:
    z = (np.ones((500, 16)) + 1e-7 * cloud(500, 16)).astype(np.float32)
    assert effective_rank(z) < 1.01


def test_neighbours_are_nearest_by_angle_and_never_the_event_itself() -> None:
    degrees = np.radians([0, 10, 25, 180])
    z = np.column_stack([np.cos(degrees), np.sin(degrees)]) * np.array([[1], [9], [1], [1]])
    assert nearest_neighbours(z, 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    repeated = np.ones((4, 2))
    found = nearest_neighbours(repeated, 3)
    assert all(sorted([i, *row]) == [0, 1, 2, 3] for i, row in enumerate(found.tolist()))


def test_pure_groups_have_purity_one_and_random_ones_that_of_chance() -> None:
    labels = np.repeat(["web", "mail"], [60, 20])
    apart = np.where(labels == "web", 1.0, -1.0)[:, None] + 0.1 * cloud(80, 4)
    assert neighbour_purity(apart, labels, k=5).purity.tolist() == [1, 1]
    table = neighbour_purity(cloud(2000, 4), np.repeat(["web", "mail"], [1500, 500]), k=10)
    assert table.index.tolist() == ["mail", "web"]
    assert table.events.tolist() == [500, 1500]
    assert table.chance.tolist() == pytest.approx([499 / 1999, 1499 / 1999])
    assert table.purity.to_numpy() == pytest.approx(table.chance.to_numpy(), abs=0.03)


def test_a_probe_reads_off_what_a_plane_separates_and_nothing_from_noise() -> None:
    z, noise = cloud(600, 4), cloud(600, 4, seed=5)
    labels = pd.Series(np.where(z[:, 1] > 0.8, "rare", "usual"), index=range(7, 607))
    half = slice(0, 300), slice(300, 600)
    assert linear_probe(z[half[0]], labels[half[0]], z[half[1]], labels[half[1]]) > 0.9
    assert linear_probe(noise[half[0]], labels[half[0]], noise[half[1]], labels[half[1]]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: alignment(np.ones((2, 3)), np.ones((3, 3))), "same shape"),
        (lambda: uniformity(np.ones((1, 3))), "two events or more"),
        (lambda: effective_rank(np.zeros((3, 3))), "all zero"),
        (lambda: effective_rank(np.array([[1.0, 2], [np.nan, 1]])), "row 1 is not finite"),
        (lambda: effective_rank(np.ones(3)), "events by dimensions"),
        (lambda: nearest_neighbours(np.ones((3, 2)), 3), "from 1 to 2"),
        (lambda: neighbour_purity(np.ones((3, 2)), np.array(["a", "b"]), 1), "3 events need 3 labels"),
        (lambda: neighbour_purity(np.ones((2, 2)), np.array(["a", None]), 1), "label 1 is missing"),
        (lambda: linear_probe(np.ones((2, 2)), np.array(["a", "a"]), np.ones((1, 2)), np.array(["a"])), "two classes"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]
