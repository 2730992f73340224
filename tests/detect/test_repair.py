"""What was expected in a cell, and the event with it: the model's own probabilities, one cell at a time."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import CARDS, dataset

from ocsf_ssl_lib import Batch, MaskedFeatureConfig, TabularResNet, TabularResNetWithMFP
from ocsf_ssl_lib.detect.repair import INTERVAL_MASS, expectation, repaired_surprise
from ocsf_ssl_lib.pretext.heads import NumericalLoss

DATA = dataset(40)


def model(loss: NumericalLoss = "bins", dropout: float = 0.0) -> TabularResNetWithMFP:
    torch.manual_seed(0)
    made = TabularResNetWithMFP(
        TabularResNet(2, CARDS, d_model=16, num_blocks=1, dropout=dropout),
        CARDS,
        2,
        config=MaskedFeatureConfig(numerical_loss=loss),
    )
    made.prepare(DATA)
    return made.eval()


def events() -> Batch:
    return DATA[torch.arange(6)]


def with_category(batch: Batch, column: int, ids: torch.Tensor) -> Batch:
    changed = batch.categorical.clone()
    changed[:, column] = ids
    return batch._replace(categorical=changed)


@pytest.mark.parametrize("column", [0, 1])
def test_the_probability_of_an_expected_value_is_the_surprise_it_would_have(column: int) -> None:
    made, batch = model(), events()
    expected = expectation(made, batch)
    for place in range(3):
        would = made.cell_surprise(with_category(batch, column, expected.ids[:, column, place]))[:, 2 + column]
        torch.testing.assert_close((-would).exp(), expected.probability[:, column, place], atol=1e-5, rtol=1e-4)
    assert (expected.probability.diff(dim=2) <= 0).all()


def test_what_is_expected_does_not_depend_on_what_stands_there() -> None:
    made, batch = model(), events()
    other = with_category(batch, 0, torch.full((6,), 1))  # unknown
    gone = batch._replace(missing_mask=torch.tensor([[True, False]]).expand(6, 2))
    before = expectation(made, batch)
    torch.testing.assert_close(before.probability[:, 0], expectation(made, other).probability[:, 0])
    torch.testing.assert_close(before.mass[:, 0], expectation(made, gone).mass[:, 0])


def test_a_number_is_expected_in_the_shortest_interval_that_holds_half() -> None:
    made, batch = model(), events()
    with torch.no_grad():
        made.heads.linear.weight.zero_()
        bias = made.heads.linear.bias[:40].view(2, 20)
        bias[:] = -20.0
        bias[0, [3, 10, 11]] = torch.tensor([0.4, 0.35, 0.25]).log()  # two intervals of 0.6 beat a single one of 0.4
        bias[1, 19] = 0.0
    expected = expectation(made, batch)
    low, high = torch.special.ndtri(torch.tensor([10 / 20, 12 / 20]))
    torch.testing.assert_close(expected.low[:, 0], low.expand(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(expected.high[:, 0], high.expand(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(expected.mass[:, 0], torch.full((6,), 0.6), atol=1e-4, rtol=0)
    middle = torch.special.ndtri(torch.tensor(3.5 / 20))
    torch.testing.assert_close(expected.number[:, 0], middle.expand(6), atol=1e-5, rtol=0)
    assert (expected.high[:, 1] == math.inf).all()
    assert (expected.mass[:, 1] > 0.99).all()


def test_numbers_predicted_by_mean_and_variance_have_an_interval_around_the_mean() -> None:
    gaussian = expectation(model("gaussian"), events())
    torch.testing.assert_close((gaussian.low + gaussian.high) / 2, gaussian.number)
    assert (gaussian.mass == INTERVAL_MASS).all()
    assert (gaussian.high > gaussian.low).all()
    mean = expectation(model("mse"), events())
    torch.testing.assert_close(mean.low, mean.number)
    assert mean.mass.isnan().all()


def test_repair_changes_the_suspect_and_nothing_else() -> None:
    made, batch = model(), events()
    batch = batch._replace(missing_mask=torch.tensor([[True, False]]).expand(6, 2))
    before = Batch(*(t.clone() for t in batch))
    expected = expectation(made, batch)
    after = repaired_surprise(made, batch, expected, torch.tensor([[2, 0]]).expand(6, 2))
    assert after.shape == (6, 2, 4)
    category = made.cell_surprise(with_category(batch, 0, expected.ids[:, 0, 0]))
    torch.testing.assert_close(after[:, 0], category, equal_nan=True)
    numerical, missing = batch.numerical.clone(), batch.missing_mask.clone()
    numerical[:, 0], missing[:, 0] = expected.number[:, 0], False
    number = made.cell_surprise(batch._replace(numerical=numerical, missing_mask=missing))
    torch.testing.assert_close(after[:, 1], number, equal_nan=True)
    for old, new in zip(before, batch, strict=True):
        torch.testing.assert_close(old, new)
