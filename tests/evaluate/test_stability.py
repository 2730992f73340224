"""Two embeddings of the same events."""

from __future__ import annotations

import numpy as np
import pytest

from ocsf_ssl_lib import InputError, linear_cka, neighbour_overlap


def cloud(n: int = 300, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def turned(z: np.ndarray) -> np.ndarray:
    return 3 * z @ np.linalg.qr(cloud(z.shape[1], z.shape[1], seed=9))[0]


def test_a_turned_and_stretched_embedding_is_the_same() -> None:
    z = cloud()
    assert neighbour_overlap(z, turned(z)) == 1
    assert linear_cka(z, turned(z) + 4) == pytest.approx(1)


def test_unrelated_embeddings_agree_by_chance() -> None:
    a, b = cloud(1000, seed=1), cloud(1000, seed=2)
    assert neighbour_overlap(a, b, k=20) == pytest.approx(20 / 999, abs=0.01)
    assert linear_cka(a, b) < 0.05
    assert linear_cka(a[:8], b[:8]) > 0.3  # the warning of the docstring: few events


def test_cka_is_that_of_the_gram_matrices() -> None:
    a, b = cloud(50), cloud(50, 9, seed=3) ** 3
    centre = np.eye(50) - 1 / 50
    gram_a, gram_b = (centre @ z @ z.T @ centre for z in (a, b))
    norms = np.linalg.norm(gram_a) * np.linalg.norm(gram_b)
    assert linear_cka(a, b) == pytest.approx((gram_a * gram_b).sum() / norms)
    assert linear_cka(a, b) == pytest.approx(linear_cka(b, a))


def test_neighbours_in_common_are_counted() -> None:
    angles = np.radians([0, 1, 90, 91])  # neighbours: 0-1 and 2-3
    others = np.radians([0, 90, 1, 91])  # neighbours: 0-2 and 1-3
    a, b = (np.column_stack([np.cos(x), np.sin(x)]) for x in (angles, others))
    assert neighbour_overlap(a, b, k=1) == 0
    assert neighbour_overlap(a, b, k=3) == 1
    assert neighbour_overlap(a, b, k=2) == 0.75  # two events agree on both, two on one


def test_different_events_and_a_single_point_are_refused() -> None:
    with pytest.raises(InputError, match="3 and 4 rows"):
        neighbour_overlap(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(InputError, match="all equal"):
        linear_cka(np.ones((3, 2)), cloud(3))
