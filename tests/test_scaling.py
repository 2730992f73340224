"""Numbers to about unit size: no NaN comes out, order is kept, one huge value does not squeeze the rest."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from ocsf_ssl_lib import InputError
from ocsf_ssl_lib.scaling import STANDARD_CLIP, NumberScaler

KINDS = ("quantile", "standard")


def scaled(train: list[float], values: list[float] | None = None, scaling: str = "quantile") -> np.ndarray:
    fitted = NumberScaler(scaling).fit(np.array(train, float)[:, None], ["x"])  # type: ignore[arg-type]
    return fitted.transform(np.array(train if values is None else values, float)[:, None])[:, 0]


def test_sixty_per_cent_zeros_land_in_the_middle_of_their_ranks() -> None:
    values = [0.0] * 600 + list(np.linspace(1, 100, 400))
    out = scaled(values)
    assert out[:600] == pytest.approx(norm.ppf(0.3), abs=1e-5)  # -0.52; scikit-learn alone says -5.2
    assert out[600:].min() > norm.ppf(0.59)


def test_ties_at_the_top_land_in_the_middle_of_their_ranks() -> None:
    out = scaled([*np.linspace(1, 99, 400), *[100.0] * 600])
    assert out[400:] == pytest.approx(norm.ppf(0.7), abs=1e-5)


def test_a_quantile_is_the_normal_score_of_the_rank() -> None:
    out = scaled(list(np.exp(np.random.default_rng(0).normal(size=2001) * 3)))
    assert np.median(out) == pytest.approx(0, abs=1e-3)
    assert out.std() == pytest.approx(1, abs=0.02)


def test_one_huge_value_does_not_squeeze_the_others() -> None:
    values = [float(v) for v in range(100)]
    calm, wild = scaled(values), scaled([*values, 1e12])
    assert np.abs(calm - wild[:100]).max() < 0.3


def test_a_missing_value_does_not_move_the_others() -> None:
    """fillna(0) before scaling would put z = -1.94 on it and squeeze the rest."""
    values = list(np.random.default_rng(0).normal(1000, 10, 200))
    for kind in KINDS:
        without, with_missing = scaled(values, values, kind), scaled([*values, math.nan], values, kind)
        np.testing.assert_allclose(with_missing, without, atol=0.06)
        assert scaled([*values, math.nan], [math.nan], kind)[0] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_infinities_land_just_beyond_the_extremes(kind: str) -> None:
    values = [float(v) for v in range(50)]
    out = scaled([*values, math.inf, -math.inf], [-math.inf, 0, 49, math.inf], kind)
    assert out[0] < out[1] < out[2] < out[3]
    assert np.abs(out).max() <= STANDARD_CLIP
    np.testing.assert_allclose(out[1:3], scaled(values, [0, 49], kind), atol=0.05)  # not part of what was learned


def test_a_value_beyond_training_is_as_unusual_as_an_infinity() -> None:
    out = scaled([float(v) for v in range(50)], [50, 1e9, math.inf])
    assert out[0] == out[1] == out[2] > scaled([float(v) for v in range(50)])[-1]


def test_a_number_too_large_to_square_is_a_number_like_others() -> None:
    assert scaled([1.0, 2.0, 1e300]) == pytest.approx(scaled([1.0, 2.0, 3.0]))
    assert scaled([1.0, 2.0, 1.7e308], None, "standard") == pytest.approx([-0.7071, -0.7071, 1.4142], abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("train", [[5.0, 5.0, 5.0], [5.0, math.nan, math.nan], [5.0, 5.0, math.nan]])
def test_a_constant_column_is_zero(kind: str, train: list[float]) -> None:
    assert scaled(train, [5.0], kind)[0] == 0
    out = scaled(train, [4.0, 6.0, math.nan], kind)
    assert out[0] < 0 < out[1]
    assert out[2] == 0


EDGE = st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1.7e308, -1.7e308, 1e300, math.inf, -math.inf, math.nan, 1.0])
NUMBER = st.one_of(st.floats(), EDGE, st.integers(-5, 5).map(float))


@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBER, min_size=2, max_size=30), st.lists(NUMBER, min_size=1, max_size=10), st.sampled_from(KINDS))
def test_no_nan_comes_out_and_order_is_kept(train: list[float], values: list[float], kind: str) -> None:
    if not np.isfinite(train).any():
        with pytest.raises(InputError, match="'x' holds no finite number"):
            scaled(train, values, kind)
        return
    with np.errstate(all="ignore"):
        out = scaled(train, values, kind)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= STANDARD_CLIP
    known = np.array(values)[~np.isnan(values)]
    ordered = out[~np.isnan(values)][np.argsort(known, kind="stable")]
    assert (np.diff(ordered) >= -1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_too_small_to_divide_by_count_as_zero(kind: str) -> None:
    train = [0.0, 0.0, 0.0, 0.0, 1.0, 1e-300]
    tiny, zero = scaled(train, [5e-324], kind), scaled(train, [0.0], kind)
    np.testing.assert_array_equal(tiny, zero)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_rows_does_not_matter(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=500)
    np.testing.assert_allclose(
        scaled(list(values), [0.5, 1, 2], kind), scaled(list(rng.permutation(values)), [0.5, 1, 2], kind), atol=1e-6
    )


def test_columns_are_scaled_each_on_its_own() -> None:
    both = np.column_stack([np.arange(20.0), np.arange(20.0)[::-1] ** 5])
    out = NumberScaler().fit(both, ["a", "b"]).transform(both)
    np.testing.assert_allclose(out[:, 0], out[::-1, 1], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_give_no_rows(kind: str) -> None:
    fitted = NumberScaler(kind).fit(np.arange(4.0)[:, None], ["x"])  # type: ignore[arg-type]
    assert fitted.transform(np.empty((0, 1))).shape == (0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_scikit_learns_pandas_output_changes_nothing(kind: str) -> None:
    plain = scaled([1.0, 2, 3, math.nan], None, kind)
    with sklearn.config_context(transform_output="pandas"):
        np.testing.assert_array_equal(scaled([1.0, 2, 3, math.nan], None, kind), plain)


def test_an_unknown_scaling_is_refused() -> None:
    with pytest.raises(InputError, match="scaling must be"):
        NumberScaler("robust")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_scaled_numbers_come_back_in_their_own_units(kind: str) -> None:
    values = np.exp(np.random.default_rng(0).normal(5, 1, (500, 2)))
    scaler = NumberScaler(kind).fit(values, ["x", "y"])  # type: ignore[arg-type]
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(values)), values, rtol=2e-3)
    some = scaler.inverse_transform(np.array([[math.nan, 0.0]]))
    assert np.isnan(some).tolist() == [[True, False]]
    assert scaler.inverse_transform(np.empty((0, 2))).shape == (0, 2)


def test_a_quantile_beyond_the_ends_is_an_extreme() -> None:
    values = np.arange(10.0)[:, None]
    back = NumberScaler().fit(values, ["x"]).inverse_transform(np.array([[-math.inf], [math.inf]]))
    assert back.ravel().tolist() == [0, 9]
