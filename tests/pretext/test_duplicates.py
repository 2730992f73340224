"""Which rows are equal: exactly those, whatever the hash says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ocsf_ssl_lib import Batch
from ocsf_ssl_lib.pretext import duplicates, equal_rows, row_keys


def same_partition(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a[:, None] == a, b[:, None] == b)


def batch(n: int = 60) -> Batch:
    generator = torch.Generator().manual_seed(0)
    pick = torch.randint(0, 20, (n,), generator=generator)
    numerical = torch.randn(20, 2, generator=generator)[pick]
    categorical = torch.randint(3, 6, (20, 2), generator=generator)[pick]
    return Batch(numerical, categorical, torch.zeros(n, 2, dtype=torch.bool))


def test_numbers_are_equal_exactly_where_rows_are() -> None:
    keys = row_keys(batch())
    ids = equal_rows(keys)
    assert same_partition(ids, torch.unique(keys, dim=0, return_inverse=True)[1])
    assert ids.dtype == torch.int64
    assert 1 < len(ids.unique()) < 60


def test_unlike_rows_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = row_keys(batch())
    expected = equal_rows(keys)
    monkeypatch.setattr(duplicates, "_hash", lambda keys: torch.zeros(len(keys), dtype=torch.int64))
    assert same_partition(equal_rows(keys), expected)


@pytest.mark.parametrize("field", ["numerical", "categorical", "missing_mask"])
def test_one_cell_makes_a_row_another(field: str) -> None:
    zeros = torch.zeros(2, 3)
    rows = {"numerical": zeros.clone(), "categorical": zeros.long(), "missing_mask": zeros.bool()}
    assert len(equal_rows(row_keys(Batch(**rows))).unique()) == 1
    rows[field][1, 2] = 1
    assert len(equal_rows(row_keys(Batch(**rows))).unique()) == 2


def test_zero_has_no_sign_and_a_missing_number_no_value() -> None:
    numerical = torch.tensor([[0.0, 7.0], [-0.0, 8.0]])
    missing = torch.tensor([[False, True], [False, True]])
    ids = equal_rows(row_keys(Batch(numerical, torch.empty(2, 0, dtype=torch.int64), missing)))
    assert ids[0] == ids[1]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_few_rows_and_no_columns_are_no_special_case(n: int) -> None:
    assert equal_rows(torch.arange(n)[:, None]).unique().numel() == n
    assert equal_rows(torch.empty(n, 0, dtype=torch.int32)).tolist() == [0] * n
