"""Prediction heads against their written-out form, and where they start: at the predictor that looks at nothing."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import entropy, norm
from torch import Tensor

from ocsf_ssl_lib import Batch, ColumnHeads, InputError
from ocsf_ssl_lib.pretext.heads import LEAST_TRIVIAL_LOSS, targets_of
from ocsf_ssl_lib.vocabulary import MASK_ID, MISSING_ID, NUM_RESERVED, UNKNOWN_ID

SOURCE = [103, 53, 203, 1003]  # the source's 100, 50, 200, 1000 values: torch.stack over heads of these fails
LOSSES = ["bins", "gaussian", "mse"]


def batch_of(n: int, numbers: int, cards: list[int], seed: int = 0) -> Batch:
    """Events in which every cell holds a value, as far as its column has any."""
    generator = torch.Generator().manual_seed(seed)
    ids = [torch.randint(NUM_RESERVED, c, (n,), generator=generator) if c > 3 else torch.full((n,), 2) for c in cards]
    categorical = torch.stack(ids, 1) if ids else torch.zeros(n, 0, dtype=torch.long)
    return Batch(torch.randn(n, numbers, generator=generator), categorical, torch.zeros(n, numbers, dtype=torch.bool))


def heads_of(numbers: int, cards: list[int], loss: str = "bins", num_bins: int = 4) -> ColumnHeads:
    torch.manual_seed(1)
    return ColumnHeads(6, numbers, cards, loss, num_bins)  # type: ignore[arg-type]


def hidden_of(n: int, seed: int = 7) -> Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))


def negative_log_softmax(logits: list[float], target: int) -> float:
    return -math.log(math.exp(logits[target]) / sum(math.exp(x) for x in logits))


def written_out(heads: ColumnHeads, hidden: Tensor, batch: Batch, chosen: Tensor) -> list[list[float]]:
    """One cell at a time, from the outputs of ``forward``."""
    numbers, categories = heads(hidden)
    table = []
    for i in range(len(hidden)):
        row = []
        for j in range(chosen.shape[1]):
            if not chosen[i, j]:
                row.append(0.0)
            elif j >= heads.num_numerical:
                k = j - heads.num_numerical
                row.append(negative_log_softmax(categories[k][i].tolist(), int(batch.categorical[i, k]) - 3))
            else:
                value, out = float(batch.numerical[i, j]), numbers[i, j].tolist()
                if heads.numerical_loss == "bins":
                    edges = [norm.ppf(q / heads.num_bins) for q in range(1, heads.num_bins)]
                    row.append(negative_log_softmax(out, sum(value > edge for edge in edges)))
                elif heads.numerical_loss == "gaussian":
                    row.append(-norm.logpdf(value, out[0], math.exp(out[1] / 2)))
                else:
                    row.append((value - out[0]) ** 2)
        table.append(row)
    return table


# ---- the loss of each cell -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("numbers", "cards"), [(2, [6, 4, 6, 9]), (0, [5, 8]), (3, []), (1, []), (0, [7]), (1, [3, 5]), (2, [5, 5, 5])]
)
def test_the_loss_of_a_cell_is_the_written_out_one(loss: str, numbers: int, cards: list[int]) -> None:
    heads, batch, hidden = heads_of(numbers, cards, loss), batch_of(5, numbers, cards), hidden_of(5)
    chosen = (torch.rand(5, numbers + len(cards), generator=torch.Generator().manual_seed(3)) < 0.6) & targets_of(batch)
    assert chosen.any()
    expected = torch.tensor(written_out(heads, hidden, batch, chosen), dtype=torch.float32)
    torch.testing.assert_close(heads.cell_losses(hidden, batch, chosen), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cards", [SOURCE, [53, 53, 53], [3, 3], [1003, 3, 53, 53]])
def test_columns_of_any_cardinality_stand_side_by_side(cards: list[int]) -> None:
    heads, batch, hidden = heads_of(1, cards), batch_of(4, 1, cards), hidden_of(4)
    _, categories = heads(hidden)
    assert [logits.shape for logits in categories] == [(4, c - NUM_RESERVED) for c in cards]
    chosen = targets_of(batch)
    expected = torch.tensor(written_out(heads, hidden, batch, chosen), dtype=torch.float32)
    torch.testing.assert_close(heads.cell_losses(hidden, batch, chosen), expected, rtol=1e-4, atol=1e-5)
    guess, ids = heads.predict(hidden)
    assert guess.shape == (4, 1)
    for j, logits in enumerate(categories):
        best = logits.argmax(1) + NUM_RESERVED if cards[j] > NUM_RESERVED else torch.full((4,), NUM_RESERVED)
        assert torch.equal(ids[:, j], best)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_of_one_column_is_that_column_of_the_table(loss: str) -> None:
    cards = [6, 4, 6]
    heads, batch, hidden = heads_of(2, cards, loss), batch_of(5, 2, cards), hidden_of(5)
    table = heads.cell_losses(hidden, batch, targets_of(batch))
    for column in range(5):
        torch.testing.assert_close(heads.column_losses(hidden, batch, column), table[:, column])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_cell_that_is_not_chosen_has_no_loss_and_no_gradient(loss: str) -> None:
    cards = [6, 5, 6]
    heads, batch = heads_of(2, cards, loss), batch_of(4, 2, cards)
    chosen = torch.zeros(4, 5, dtype=torch.bool)
    chosen[0, 0] = chosen[1, 3] = True
    hidden = hidden_of(4).requires_grad_()
    losses = heads.cell_losses(hidden, batch, chosen)
    assert (losses != 0).equal(chosen)
    losses.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.abs().sum(1).gt(0).tolist() == [True, True, False, False]
    owned = {*range(heads.per_number), *range(heads.starts[1], heads.starts[1] + heads.widths[1])}
    assert heads.linear.bias.grad is not None
    assert set(heads.linear.bias.grad.nonzero().flatten().tolist()) == owned  # outputs of unchosen columns get none


@pytest.mark.parametrize("loss", LOSSES)
def test_the_target_of_a_cell_that_is_not_chosen_does_not_matter(loss: str) -> None:
    cards = [6, 9]
    heads, batch, hidden = heads_of(1, cards, loss), batch_of(3, 1, cards), hidden_of(3)
    chosen = torch.zeros(3, 3, dtype=torch.bool)
    chosen[1] = True
    other = Batch(batch.numerical.clone(), batch.categorical.clone(), batch.missing_mask)
    other.numerical[0], other.categorical[2] = 99.0, UNKNOWN_ID
    torch.testing.assert_close(heads.cell_losses(hidden, batch, chosen), heads.cell_losses(hidden, other, chosen))


def test_a_number_on_an_edge_and_beyond_all_edges_has_a_bin() -> None:
    heads, hidden = heads_of(1, []), torch.zeros(4, 6)
    with torch.no_grad():
        heads.linear.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    numerical = torch.tensor([[-9.0], [-0.1], [0.1], [9.0]])
    batch = Batch(numerical, torch.zeros(4, 0, dtype=torch.long), torch.zeros(4, 1, dtype=torch.bool))
    losses = heads.cell_losses(hidden, batch, torch.ones(4, 1, dtype=torch.bool))[:, 0]
    steps = (losses[:-1] - losses[1:]).tolist()
    assert steps == pytest.approx([1, 1, 1], abs=1e-5)  # one bin further, one nat less


def test_targets_are_cells_with_a_value_only() -> None:
    ids = torch.tensor([[MASK_ID], [UNKNOWN_ID], [MISSING_ID], [NUM_RESERVED]])
    missing = torch.tensor([[True], [False], [True], [False]])
    assert targets_of(Batch(torch.zeros(4, 1), ids, missing)).tolist() == [
        [False, False],
        [True, False],
        [False, False],
        [True, True],
    ]


def test_an_unknown_way_to_predict_numbers_is_refused() -> None:
    with pytest.raises(InputError, match="'bins', 'gaussian' or 'mse', however: 'mae'"):
        ColumnHeads(4, 1, [5], "mae")  # type: ignore[arg-type]


# ---- the mean over cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 0.5), (0.0, 2.0)])
def test_the_normalised_mean_is_the_written_out_one(weights: tuple[float, float]) -> None:
    heads = heads_of(1, [5, 9])
    heads.trivial.copy_(torch.tensor([2.0, 0.5, 0.01]))  # the last one counts as LEAST_TRIVIAL_LOSS
    losses = torch.tensor([[1.0, 2.0, 0.0], [0.0, 4.0, 3.0]])
    chosen = torch.tensor([[True, True, False], [False, True, True]])
    total = weight = 0.0
    for i in range(2):
        for j, unit in enumerate((2.0, 0.5, LEAST_TRIVIAL_LOSS)):
            if chosen[i, j]:
                total += float(losses[i, j]) / unit * weights[j > 0]
                weight += weights[j > 0]
    assert heads.normalised(losses, chosen, weights).item() == pytest.approx(total / weight, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.0, 1.0)])
def test_nothing_chosen_gives_zero_loss_and_zero_gradient(loss: str, weights: tuple[float, float]) -> None:
    heads, batch = heads_of(2, [5], loss), batch_of(4, 2, [5])
    hidden, nothing = hidden_of(4).requires_grad_(), torch.zeros(4, 3, dtype=torch.bool)
    mean = heads.normalised(heads.cell_losses(hidden, batch, nothing), nothing, weights)
    mean.backward()
    assert mean.item() == 0
    assert hidden.grad is not None
    assert hidden.grad.abs().sum() == 0


# ---- the trivial predictor -------------------------------------------------------------------------------------


def skewed(n: int = 4000) -> Batch:
    generator = torch.Generator().manual_seed(5)
    shares = torch.tensor([0.05, 0.8, 0.1, 0.05])
    ids = NUM_RESERVED + torch.stack(
        [torch.multinomial(shares, n, replacement=True, generator=generator), torch.arange(n) % 50], 1
    )
    numerical = torch.stack([torch.randn(n, generator=generator) - 1, torch.randn(n, generator=generator)], 1)
    return Batch(numerical, ids, torch.zeros(n, 2, dtype=torch.bool))


@pytest.mark.parametrize("loss", LOSSES)
def test_heads_start_at_the_loss_of_the_trivial_predictor(loss: str) -> None:
    batch, heads = skewed(), heads_of(2, [7, 53], loss, num_bins=20)
    torch.nn.init.zeros_(heads.linear.weight)
    chosen = targets_of(batch)
    heads.fit_marginals(batch)
    loss_at_start = heads.normalised(heads.cell_losses(torch.randn(4000, 6), batch, chosen), chosen)
    assert loss_at_start.item() == pytest.approx(1, abs=0.01)
    torch.testing.assert_close(
        heads.marginal_losses(batch, chosen).mean(0), heads.trivial, rtol=0.02, atol=0.01, check_dtype=False
    )


def test_marginal_losses_do_not_change_as_the_heads_learn() -> None:
    batch, heads = skewed(50), heads_of(2, [7, 53])
    heads.fit_marginals(batch)
    before = heads.marginal_losses(batch, targets_of(batch))
    torch.nn.init.ones_(heads.linear.bias)
    torch.testing.assert_close(heads.marginal_losses(batch, targets_of(batch)), before)


def test_the_trivial_loss_is_the_entropy_of_the_column() -> None:
    batch, heads = skewed(), heads_of(2, [7, 53], num_bins=10)
    heads.fit_marginals(batch)
    for j, width in enumerate((4, 50)):
        counts = [int((batch.categorical[:, j] == NUM_RESERVED + k).sum()) + 1 for k in range(width)]
        assert heads.trivial[2 + j].item() == pytest.approx(entropy(counts), rel=1e-4)
    cuts = [-math.inf, *norm.ppf([q / 10 for q in range(1, 10)]), math.inf]
    for j in range(2):
        value = batch.numerical[:, j]
        counts = [int(((value > a) & (value <= b)).sum()) + 1 for a, b in itertools.pairwise(cuts)]
        assert heads.trivial[j].item() == pytest.approx(entropy(counts), rel=1e-4)


def test_the_trivial_guess_is_the_mode_and_the_mean_of_the_cells_with_a_value() -> None:
    numerical = torch.tensor([[2.0], [4.0], [0.0], [0.0]])
    ids = torch.tensor([[4], [UNKNOWN_ID], [MISSING_ID], [MISSING_ID]])
    heads = heads_of(1, [6])
    heads.fit_marginals(Batch(numerical, ids, torch.tensor([[False], [False], [True], [True]])))
    assert heads.mean.tolist() == [3.0]
    assert heads.mode.tolist() == [4]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_constant_column_and_one_without_any_value_give_finite_starts(loss: str) -> None:
    heads = heads_of(2, [3, 4], loss)
    batch = Batch(
        torch.zeros(5, 2), torch.tensor([[MISSING_ID, 3]] * 5), torch.tensor([[True, False]]).expand(5, 2).clone()
    )
    heads.fit_marginals(batch)
    for tensor in (heads.linear.bias, heads.trivial, heads.marginal, heads.mean, heads.unseen):
        assert torch.isfinite(tensor).all()
    assert torch.isfinite(heads.cell_losses(hidden_of(5), batch, targets_of(batch))).all()


@pytest.mark.parametrize("loss", ["gaussian", "mse"])
def test_numbers_start_at_mean_and_variance(loss: str) -> None:
    batch, heads = skewed(), heads_of(2, [7, 53], loss)
    torch.nn.init.zeros_(heads.linear.weight)
    heads.fit_marginals(batch)
    numbers, _ = heads(torch.zeros(1, 6))
    torch.testing.assert_close(numbers[0, :, 0], batch.numerical.mean(0), rtol=1e-4, atol=1e-4)
    if loss == "gaussian":
        torch.testing.assert_close(numbers[0, :, 1].exp(), batch.numerical.var(0, correction=0), rtol=1e-4, atol=1e-4)


def test_a_number_in_bins_is_guessed_by_the_mean_of_its_distribution() -> None:
    heads = heads_of(1, [])
    torch.nn.init.zeros_(heads.linear.weight)
    torch.nn.init.zeros_(heads.linear.bias)
    assert heads.predict(torch.zeros(2, 6))[0].tolist() == [[pytest.approx(0, abs=1e-6)]] * 2
    with torch.no_grad():
        heads.linear.bias[3] = 50.0
    assert heads.predict(torch.zeros(1, 6))[0].item() == pytest.approx(norm.ppf(7 / 8), rel=1e-5)


# ---- surprise --------------------------------------------------------------------------------------------------


def test_an_unknown_value_surprises_by_how_rarely_training_met_one() -> None:
    heads = heads_of(0, [6, 6])
    ids = torch.full((98, 2), 3)
    ids[:9, 0] = UNKNOWN_ID
    heads.fit_marginals(Batch(torch.zeros(98, 0), ids, torch.zeros(98, 0, dtype=torch.bool)))
    seen = Batch(torch.zeros(1, 0), torch.tensor([[UNKNOWN_ID, UNKNOWN_ID]]), torch.zeros(1, 0, dtype=torch.bool))
    nats = heads.surprise(torch.zeros(1, 2), seen)
    assert nats[0].tolist() == pytest.approx([-math.log(10 / 100), -math.log(1 / 100)], rel=1e-5)


def test_an_empty_cell_surprises_only_where_training_had_none() -> None:
    heads = heads_of(2, [6, 6])
    ids = torch.tensor([[3, 3], [3, MISSING_ID]])
    heads.fit_marginals(Batch(torch.zeros(2, 2), ids, torch.tensor([[False, True], [False, False]])))
    empty = Batch(torch.zeros(1, 2), torch.full((1, 2), MISSING_ID), torch.ones(1, 2, dtype=torch.bool))
    nats = heads.surprise(torch.zeros(1, 4), empty)[0].tolist()
    assert [nats[0], nats[2]] == pytest.approx([math.log(4)] * 2)
    assert math.isnan(nats[1])
    assert math.isnan(nats[3])


def test_a_cell_with_a_value_surprises_by_its_loss() -> None:
    heads, batch = heads_of(1, [6]), batch_of(3, 1, [6])
    losses = torch.arange(6.0).view(3, 2)
    torch.testing.assert_close(heads.surprise(losses, batch), losses)
