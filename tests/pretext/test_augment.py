"""Views: what may change, how often it really changes, and what never does."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ocsf_ssl_lib import InputError, TabularAugmentation
from ocsf_ssl_lib.pretext import realised_swap_rate
from ocsf_ssl_lib.vocabulary import MISSING_ID, NUM_RESERVED, UNKNOWN_ID

KINDS = ("marginal", "uniform")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def column(values: int, n: int = 40_000, seed: int = 1) -> Tensor:
    """One column of ``values`` equally likely categories."""
    return torch.randint(NUM_RESERVED, NUM_RESERVED + values, (n, 1), generator=generator(seed))


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    rows=st.integers(1, 12),
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    probability=st.floats(0, 1),
    swap=st.sampled_from(KINDS),
    seed=st.integers(0, 2**31),
)
def test_protected_and_reserved_cells_never_change_and_ids_stay_in_range(
    data: st.DataObject, rows: int, sizes: list[int], probability: float, swap: str, seed: int
) -> None:
    protected = data.draw(st.lists(st.integers(0, len(sizes) - 1), unique=True))
    cards = [NUM_RESERVED + s for s in sizes]
    ids = torch.tensor([[data.draw(st.integers(0, c - 1)) for c in cards] for _ in range(rows)])
    before = ids.clone()
    augment = TabularAugmentation(0.0, probability, swap, protected)  # type: ignore[arg-type]
    for _, view in augment(torch.zeros(rows, 0), ids, cards, generator(seed)):
        assert torch.equal(view[:, protected], before[:, protected])
        assert torch.equal(view[before < NUM_RESERVED], before[before < NUM_RESERVED])
        changed = view != before
        assert (view[changed] >= NUM_RESERVED).all()
        assert (view < torch.tensor(cards)).all()
        assert (view >= 0).all()
    assert torch.equal(ids, before)  # the input is not written to


@pytest.mark.parametrize("swap", KINDS)
@pytest.mark.parametrize(("values", "share"), [(2, 0.10), (3, 0.1333), (10, 0.18)])
def test_twenty_per_cent_asked_realises_less_the_fewer_values_there_are(swap: str, values: int, share: float) -> None:
    ids = column(values)
    view = TabularAugmentation(0.1, 0.2, swap).augment_categorical(  # type: ignore[arg-type]
        ids, [NUM_RESERVED + values], generator()
    )
    assert realised_swap_rate(ids, view).item() == pytest.approx(share, abs=0.006)


def test_the_realised_rate_counts_only_cells_that_hold_a_value() -> None:
    ids = torch.tensor([[3, 0], [4, 1], [MISSING_ID, 2], [UNKNOWN_ID, 2]])
    view = torch.tensor([[4, 0], [4, 1], [MISSING_ID, 2], [UNKNOWN_ID, 2]])
    rate = realised_swap_rate(ids, view)
    assert rate[0].item() == 0.5
    assert rate[1].isnan()


@pytest.mark.parametrize("swap", KINDS)
def test_missing_and_unknown_are_neither_drawn_nor_overwritten(swap: str) -> None:
    ids = column(4, 5000)
    ids[::2] = torch.tensor([[UNKNOWN_ID], [MISSING_ID]]).repeat(1250, 1)
    view = TabularAugmentation(0, 1.0, swap).augment_categorical(ids, [7], generator())  # type: ignore[arg-type]
    assert torch.equal(view[::2], ids[::2])
    assert (view[1::2] >= NUM_RESERVED).all()
    assert (view[1::2] != ids[1::2]).any()


def test_a_marginal_draw_takes_values_of_the_column_at_their_frequency() -> None:
    ids = torch.cat([torch.full((9000, 1), 3), torch.full((1000, 1), 5)])
    other = torch.full((10_000, 1), 8)
    view = TabularAugmentation(0, 1.0, "marginal").augment_categorical(
        torch.cat([ids, other], 1), [100, 100], generator()
    )
    assert set(view[:, 0].tolist()) == {3, 5}
    assert set(view[:, 1].tolist()) == {8}
    assert (view[:, 0] == 5).float().mean().item() == pytest.approx(0.1, abs=0.01)


def test_a_uniform_draw_takes_every_value_of_the_column_alike() -> None:
    ids = torch.full((20_000, 2), 3)
    view = TabularAugmentation(0, 1.0, "uniform").augment_categorical(ids, [7, 5], generator())
    assert set(view[:, 0].tolist()) == {3, 4, 5, 6}
    assert set(view[:, 1].tolist()) == {3, 4}
    counts = torch.bincount(view[:, 0], minlength=7)[3:]
    assert counts.min() > 0.9 * 5000


def test_columns_are_redrawn_independently_of_each_other() -> None:
    ids = column(50, 5000).repeat(1, 2)
    view = TabularAugmentation(0, 0.5, "marginal").augment_categorical(ids, [53, 53], generator())
    changed = view != ids
    both = (changed[:, 0] & changed[:, 1]).float().mean().item()
    assert both == pytest.approx(changed[:, 0].float().mean().item() * changed[:, 1].float().mean().item(), abs=0.03)
    swapped = changed.all(1)
    assert (view[swapped, 0] != view[swapped, 1]).float().mean() > 0.9  # each column has a donor of its own


def test_noise_is_added_with_one_standard_deviation_for_small_and_large_values() -> None:
    numbers = torch.tensor([0.0, 1.0, 1000.0]).repeat(20_000, 1)
    noise = TabularAugmentation(0.3).augment_numerical(numbers.double(), generator()) - numbers
    assert noise.std(0).tolist() == pytest.approx([0.3, 0.3, 0.3], rel=0.03)
    assert noise.mean(0).abs().max() < 0.01


def test_no_noise_and_no_swap_leave_the_rows_as_they_are() -> None:
    numbers, ids = torch.randn(8, 3, generator=generator()), column(5, 8)
    for n, c in TabularAugmentation(0, 0)(numbers, ids, [8]):
        assert torch.equal(n, numbers)
        assert torch.equal(c, ids)


@pytest.mark.parametrize("swap", KINDS)
def test_the_same_generator_gives_the_same_views_and_another_seed_others(swap: str) -> None:
    numbers, ids = torch.zeros(64, 2), column(9, 64)
    augment = TabularAugmentation(0.1, 0.5, swap)  # type: ignore[arg-type]
    state = torch.random.get_rng_state()
    (a, b), (c, d), (e, f) = (augment(numbers, ids, [12], generator(s)) for s in (4, 4, 5))
    for first, second in ((a, c), (b, d)):
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])
    assert not torch.equal(a[0], e[0])
    assert not torch.equal(b[1], f[1])
    assert torch.equal(state, torch.random.get_rng_state())  # nothing was drawn from the global source


def test_the_two_views_are_independent_of_each_other() -> None:
    numbers, ids = torch.zeros(5000, 1), column(9, 5000)
    (n1, c1), (n2, c2) = TabularAugmentation(1.0, 0.5)(numbers, ids, [12], generator())
    assert torch.corrcoef(torch.cat([n1, n2], 1).T)[0, 1].abs() < 0.05
    first, second = (c1 != ids).float(), (c2 != ids).float()
    assert (first * second).mean().item() == pytest.approx((first.mean() * second.mean()).item(), abs=0.02)


def test_tables_without_numbers_or_without_categories_have_views() -> None:
    augment = TabularAugmentation()
    (n, c), _ = augment(torch.zeros(4, 0), column(3, 4), [6])
    assert (n.shape, c.shape) == ((4, 0), (4, 1))
    (n, c), _ = augment(torch.zeros(4, 2), torch.zeros(4, 0, dtype=torch.long), [])
    assert (n.shape, c.shape) == ((4, 2), (4, 0))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"noise_level": -0.1}, "noise_level"),
        ({"noise_level": float("nan")}, "noise_level"),
        ({"dropout_prob": 1.5}, "dropout_prob"),
        ({"dropout_prob": float("nan")}, "dropout_prob"),
        ({"swap": "any"}, "swap"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(options: dict[str, float], name: str) -> None:
    with pytest.raises(InputError, match=name):
        TabularAugmentation(**options)  # type: ignore[arg-type]
