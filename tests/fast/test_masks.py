"""Dropout masks of bits: their rate, their independence, where they come from."""

from __future__ import annotations

import pytest
import torch

from ocsf_ssl_lib.fast.masks import apply_keep_mask, keep_masks, keep_rate


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_the_share_kept_is_the_rate_that_is_promised(probability: float) -> None:
    torch.manual_seed(0)
    masks = keep_masks(2, torch.Size([500, 1000]), probability)
    rate = keep_rate(probability)
    assert masks.unique().tolist() == [-1, 0]
    spread = (rate * (1 - rate) / masks.numel()) ** 0.5
    assert abs(float((masks == -1).double().mean()) - rate) < 4 * spread


@pytest.mark.parametrize("probability", [0.0, 0.001, 0.1, 0.3, 0.999])
def test_the_rate_is_within_one_level_of_what_was_asked(probability: float) -> None:
    assert abs(keep_rate(probability) - (1 - probability)) <= 1 / 256


def test_a_small_probability_drops_something_and_zero_nothing() -> None:
    assert keep_rate(1e-6) < 1
    assert keep_rate(0.0) == 1
    assert (keep_masks(1, torch.Size([8, 8]), 0.0) == -1).all()


def test_masks_of_units_and_rows_are_independent() -> None:
    torch.manual_seed(0)
    first, second = (-keep_masks(2, torch.Size([2000, 64]), 0.5)).double()
    assert abs(float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])) < 0.02
    between_units = torch.corrcoef(first.T) - torch.eye(64)
    assert between_units.abs().max() < 0.12  # 64 * 63 / 2 pairs, standard deviation 0.022


@pytest.mark.parametrize("shape", [(2, 3), (1, 1), (5, 7)])
def test_any_shape(shape: tuple[int, int]) -> None:
    assert keep_masks(2, torch.Size(shape), 0.5).shape == (2, *shape)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kept_units_stay_bit_for_bit_and_dropped_ones_are_zero(dtype: torch.dtype) -> None:
    values = torch.randn(64, 16).to(dtype)
    mask = keep_masks(1, values.shape, 0.5)[0]
    out = apply_keep_mask(values.clone(), mask)
    assert torch.equal(out, torch.where(mask == -1, values, torch.zeros((), dtype=dtype)))
