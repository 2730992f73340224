"""Masked features: what is hidden, that it is hidden, and that nothing else counts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from ocsf_ssl_lib import (
    Batch,
    ContrastiveConfig,
    DecoderConfig,
    EncoderConfig,
    FeatureArrays,
    InputError,
    MaskedFeatureConfig,
    OCSFDataset,
    TabularResNet,
    TabularResNetWithMFP,
    TrainingConfig,
    build_model,
    masked_feature_prediction_loss,
    train_self_supervised,
)
from ocsf_ssl_lib.pretext.heads import targets_of
from ocsf_ssl_lib.vocabulary import MISSING_ID, NUM_RESERVED, UNKNOWN_ID

SOURCE = [103, 53, 203, 1003]  # the source's 100, 50, 200, 1000 values: torch.stack over heads of these fails
NAMES = ["follows", "noise", "code", "copy", "dice"]
SMALL = EncoderConfig(d_model=8, num_blocks=1)


def masked(numbers: int, cards: list[int], **options: object) -> TabularResNetWithMFP:
    config = MaskedFeatureConfig.from_dict({"encoder_config": SMALL, "seed": 1} | options)
    model = build_model(config, numbers, cards)
    assert isinstance(model, TabularResNetWithMFP)
    return model.eval()


def batch_of(n: int, numbers: int, cards: list[int], seed: int = 0) -> Batch:
    """Events in which every cell holds a value, as far as its column has any."""
    generator = torch.Generator().manual_seed(seed)
    ids = [torch.randint(NUM_RESERVED, c, (n,), generator=generator) if c > 3 else torch.full((n,), 2) for c in cards]
    categorical = torch.stack(ids, 1) if ids else torch.zeros(n, 0, dtype=torch.long)
    return Batch(torch.randn(n, numbers, generator=generator), categorical, torch.zeros(n, numbers, dtype=torch.bool))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def planted(n: int = 400, seed: int = 0) -> OCSFDataset:
    """Category 1 is category 0; category 2 and the second number are noise; the first number follows category 0."""
    rng = np.random.default_rng(seed)
    code, noise = rng.integers(3, 7, n), rng.integers(3, 7, n)
    numbers = np.column_stack([(code - 4.5) / 1.1, rng.normal(size=n)]).astype(np.float32)
    return OCSFDataset(FeatureArrays(numbers, np.column_stack([code, code, noise]), np.zeros((n, 2), bool)))


# ---- the loss as a whole ---------------------------------------------------------------------------------------


def written_out(model: TabularResNetWithMFP, batch: Batch, hidden: Tensor, weights: tuple[float, float]) -> float:
    """Hide, embed, predict and average, one cell at a time; categories and squared errors only."""
    numerical, categorical = batch.numerical.clone(), batch.categorical.clone()
    d_num = numerical.shape[1]
    categorical[hidden[:, d_num:]] = 0
    vectors = model.encoder(numerical, categorical, hidden[:, :d_num], missing_mask=batch.missing_mask)
    with torch.no_grad():
        numbers, logits = model.heads(model.decoder(vectors))
    total = weight = 0.0
    for i, j in hidden.nonzero().tolist():
        if j < d_num:
            loss = (float(batch.numerical[i, j]) - float(numbers[i, j, 0])) ** 2
        else:
            row = logits[j - d_num][i].double()
            loss = -math.log(float(row[int(batch.categorical[i, j - d_num]) - 3].exp() / row.exp().sum()))
        share = weights[0] if j < d_num else weights[1]
        total += share * loss / float(model.heads.trivial[j])
        weight += share
    return total / weight


@pytest.mark.parametrize("mask_prob", [0.5, (0.1, 0.9), 1.0])
def test_the_loss_is_the_written_out_one(mask_prob: float | tuple[float, float]) -> None:
    cards = [6, 9, 6]
    options = {"numerical_loss": "mse", "numerical_weight": 3.0, "categorical_weight": 0.5}
    model, batch = masked(2, cards, decoder_config=DecoderConfig(hidden=(5,)), **options), batch_of(6, 2, cards)
    model.prepare(OCSFDataset.of(batch_of(50, 2, cards, seed=3)))
    hidden = model.draw_mask(batch, mask_prob, seeded(4))
    loss = masked_feature_prediction_loss(model, batch.numerical, batch.categorical, mask_prob, generator=seeded(4))
    assert loss.item() == pytest.approx(written_out(model, batch, hidden, (3.0, 0.5)), rel=1e-4)


def test_the_config_and_the_generator_decide_the_loss_of_the_task() -> None:
    model, batch = masked(2, [6], mask_prob=0.4), batch_of(9, 2, [6])
    before = torch.random.get_rng_state()
    losses = [model.calculate_loss(batch, seeded(s)).item() for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    other = masked_feature_prediction_loss(model, batch.numerical, batch.categorical, 0.4, generator=seeded(1))
    assert losses[0] == other.item()
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("loss", ["bins", "gaussian", "mse"])
@pytest.mark.parametrize(
    ("numbers", "cards"), [(2, SOURCE), (0, [9, 9]), (3, []), (1, []), (0, [9]), (1, [3, 9]), (0, [3, 3])]
)
def test_every_kind_of_table_can_be_learned_from(loss: str, numbers: int, cards: list[int]) -> None:
    model, batch = masked(numbers, cards, numerical_loss=loss, mask_prob=0.5), batch_of(16, numbers, cards)
    model.prepare(OCSFDataset.of(batch))
    value = model.calculate_loss(batch, seeded())
    value.backward()
    assert (value > 0) == (numbers > 0 or max(cards) > 3)
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    assert all(math.isfinite(v) for v in model.calculate_metrics(batch, seeded()).values())
    assert model.cell_surprise(batch).shape == (16, numbers + len(cards))


@pytest.mark.parametrize("loss", ["bins", "gaussian", "mse"])
def test_when_nothing_is_hidden_the_loss_is_zero_and_teaches_nothing(loss: str) -> None:
    model, batch = masked(2, [6], mask_prob=0.0, numerical_loss=loss), batch_of(8, 2, [6])
    assert not model.draw_mask(batch, 0.0, seeded()).any()
    value = model.calculate_loss(batch, seeded())
    value.backward()
    assert value.item() == 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.abs().sum() == 0, name
    assert set(model.calculate_metrics(batch, seeded()).values()) == {0.0}


def test_small_batches_of_one_column_never_give_nan() -> None:
    model, batch = masked(1, [], numerical_loss="gaussian"), batch_of(16, 1, [])
    empty = 0
    for seed in range(100):
        model.zero_grad()
        loss = model.calculate_loss(batch, seeded(seed))
        loss.backward()
        empty += loss.item() == 0
        assert torch.isfinite(loss)
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    assert empty > 0  # 0.85 ** 16 = 7 %


@pytest.mark.parametrize("mask_prob", [1.0, (1.0, 1.0)])
def test_everything_can_be_hidden(mask_prob: float | tuple[float, float]) -> None:
    model, batch = masked(2, [6, 5]), batch_of(40, 2, [6, 5])
    hidden = model.draw_mask(batch, mask_prob, seeded())
    assert hidden.all()
    embeddings = model.embed_masked(batch, hidden)
    torch.testing.assert_close(embeddings, embeddings[:1].expand(40, -1))  # nothing is left to tell events apart
    model.prepare(OCSFDataset.of(batch))
    assert model.calculate_loss(batch, seeded()).isfinite()


# ---- what is hidden --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask_prob", [0.15, 0.7, (0.2, 0.4)])
def test_cells_are_hidden_at_the_rate_asked_for(mask_prob: float | tuple[float, float]) -> None:
    model = masked(2, [6, 5])
    hidden = model.draw_mask(batch_of(5000, 2, [6, 5]), mask_prob, seeded()).float()
    expected = mask_prob if isinstance(mask_prob, float) else sum(mask_prob) / 2
    assert hidden.mean(0).tolist() == pytest.approx([expected] * 4, abs=0.03)


def test_with_a_pair_each_event_draws_its_own_rate() -> None:
    numbers = 200
    model = masked(numbers, [])
    share = model.draw_mask(batch_of(300, numbers, []), (0.1, 0.9), seeded()).float().mean(1)
    assert share.min() < 0.25
    assert share.max() > 0.75
    assert model.draw_mask(batch_of(300, numbers, []), 0.5, seeded()).float().mean(1).std() < 0.06


def test_cells_without_a_value_and_protected_columns_are_never_hidden() -> None:
    model, batch = masked(2, [6, 6, 6], protected=(1,)), batch_of(50, 2, [6, 6, 6])
    batch.missing_mask[:20, 0] = True
    batch.categorical[:20, 0], batch.categorical[20:40, 0] = UNKNOWN_ID, MISSING_ID
    hidden = model.draw_mask(batch, 1.0, seeded())
    expected = targets_of(batch)
    expected[:, 3] = False
    assert torch.equal(hidden, expected)
    assert hidden[:, [0, 2]].sum(0).tolist() == [30, 10]


def test_a_protected_column_and_cells_without_a_value_do_not_count_in_the_loss() -> None:
    model, batch = masked(1, [6, 6], protected=(1,), mask_prob=1.0), batch_of(8, 1, [6, 6])
    batch.categorical[:, 0] = UNKNOWN_ID
    batch.missing_mask[:] = True
    assert model.calculate_loss(batch, seeded()).item() == 0


def test_the_target_of_a_cell_that_is_seen_does_not_matter_and_its_logits_get_no_gradient() -> None:
    model, batch = masked(1, [6, 7]), batch_of(4, 1, [6, 7])
    hidden = torch.zeros(4, 3, dtype=torch.bool)
    hidden[:, 1] = True
    vector = model.decoder(model.embed_masked(batch, hidden))

    def loss(numerical: Tensor, *ids: Tensor) -> Tensor:
        targets = Batch(numerical, torch.stack(ids, 1), batch.missing_mask)
        return model.heads.normalised(model.heads.cell_losses(vector, targets, hidden), hidden)

    first, second = batch.categorical.unbind(1)
    whole = loss(batch.numerical, first, second)
    assert whole.item() == loss(batch.numerical + 1, first, 3 + (second - 2) % 4).item()
    assert whole.item() != loss(batch.numerical, 3 + (first - 2) % 3, second).item()
    whole.backward()
    bias = model.heads.linear.bias.grad
    assert bias is not None
    start = model.heads.starts[0]
    owned = set(range(start, start + model.heads.widths[0]))
    assert set(bias.nonzero().flatten().tolist()) == owned  # the outputs of the hidden column alone


@pytest.mark.parametrize("mask_value", ["learned", "mean", "zero"])
def test_what_is_hidden_cannot_be_seen(mask_value: str) -> None:
    model, batch = masked(2, [6, 5], mask_value=mask_value), batch_of(3, 2, [6, 5])
    model.prepare(OCSFDataset.of(batch_of(30, 2, [6, 5])))
    hidden = torch.zeros(3, 4, dtype=torch.bool)
    hidden[0, 1] = hidden[1, 2] = True
    other = Batch(batch.numerical.clone(), batch.categorical.clone(), batch.missing_mask)
    other.numerical[0, 1] = 99.0
    other.categorical[1, 0] = 3 + (batch.categorical[1, 0] - 2) % 3
    torch.testing.assert_close(model.embed_masked(batch, hidden), model.embed_masked(other, hidden))
    for row in (0, 1):  # and unhidden, it is seen
        assert (model.featurize(batch) - model.featurize(other))[row].abs().max() > 1e-4


@pytest.mark.parametrize("mask_value", ["learned", "mean", "zero"])
def test_what_is_hidden_does_not_show_that_it_is_missing(mask_value: str) -> None:
    model, batch = masked(1, [], mask_value=mask_value), batch_of(1, 1, [])
    missing = Batch(batch.numerical, batch.categorical, torch.ones(1, 1, dtype=torch.bool))
    hidden = torch.ones(1, 1, dtype=torch.bool)
    torch.testing.assert_close(model.embed_masked(batch, hidden), model.embed_masked(missing, hidden))
    assert not torch.allclose(model.featurize(batch), model.featurize(missing))


def test_only_learned_tells_a_hidden_number_from_a_real_one() -> None:
    hidden, ids = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 0, dtype=torch.long)
    for mask_value, value, same in (("learned", 0.0, False), ("zero", 0.0, True), ("mean", 2.0, True)):
        model = masked(1, [], mask_value=mask_value)
        model.heads.mean.fill_(2.0)
        batch = Batch(torch.tensor([[value]]), ids, ~hidden)
        unlike = Batch(torch.tensor([[7.0]]), ids, ~hidden)
        assert torch.allclose(model.embed_masked(unlike, hidden), model.featurize(batch)) is same


# ---- surprise and metrics --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["bins", "gaussian", "mse"])
def test_the_surprise_of_a_cell_is_its_loss_when_it_alone_is_hidden(loss: str) -> None:
    cards = [6, 5, 6]
    model, batch = masked(2, cards, numerical_loss=loss), batch_of(5, 2, cards)
    model.prepare(OCSFDataset.of(batch_of(30, 2, cards)))
    surprise = model.cell_surprise(batch)
    for column in range(5):
        hidden = torch.zeros(5, 5, dtype=torch.bool)
        hidden[:, column] = True
        losses = model.heads.cell_losses(model.decoder(model.embed_masked(batch, hidden)), batch, hidden)
        torch.testing.assert_close(surprise[:, column], losses[:, column])


def test_a_wide_table_hides_several_columns_in_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocsf_ssl_lib.pretext.masked.SURPRISE_TURNS", 2)
    cards = [6, 5, 6]
    model, batch = masked(2, cards), batch_of(5, 2, cards)
    model.prepare(OCSFDataset.of(batch_of(30, 2, cards)))
    surprise = model.cell_surprise(batch)
    for turn in range(2):
        hidden = torch.zeros(5, 5, dtype=torch.bool)
        hidden[:, turn::2] = True
        losses = model.heads.cell_losses(model.decoder(model.embed_masked(batch, hidden)), batch, hidden)
        torch.testing.assert_close(surprise[:, turn::2], losses[:, turn::2])


def test_surprise_says_nothing_on_protected_columns_and_empty_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = masked(1, [6, 6], protected=(0,)), batch_of(6, 1, [6, 6])
    batch.categorical[:2, 1], batch.categorical[2, 1] = MISSING_ID, UNKNOWN_ID
    batch.missing_mask[5] = True
    model.prepare(OCSFDataset.of(batch))
    surprise = model.cell_surprise(batch)
    silent = torch.isnan(surprise)
    assert silent[:, 0].tolist() == [False] * 5 + [True]
    assert silent[:, 1].all()
    assert silent[:, 2].tolist() == [True, True, False, False, False, False]
    assert surprise[2, 2].item() == pytest.approx(-math.log(2 / 8))
    monkeypatch.setattr("ocsf_ssl_lib.pretext.masked.SURPRISE_BATCH", 2)
    torch.testing.assert_close(model.cell_surprise(batch), surprise, equal_nan=True)


def trained(config: MaskedFeatureConfig, seed: int = 0) -> TabularResNetWithMFP:
    model = build_model(config, 2, [7, 7, 7], NAMES)
    options = TrainingConfig(max_epochs=15, batch_size=64, learning_rate=1e-2, device="cpu", seed=seed)
    train_self_supervised(model, planted(), None, options, progress=False)
    assert isinstance(model, TabularResNetWithMFP)
    return model


@pytest.fixture(scope="module")
def taught() -> TabularResNetWithMFP:
    return trained(MaskedFeatureConfig(encoder_config=EncoderConfig(d_model=24, num_blocks=1, dropout=0.0), seed=3))


def test_a_column_that_another_decides_is_gained_and_noise_is_not(taught: TabularResNetWithMFP) -> None:
    table = taught.column_metrics(planted(300, seed=1), ["follows", "noise", "code", "copy", "dice"]).set_index(
        "column"
    )
    assert (table.cells == 300).all()
    assert (table.gain[["follows", "code", "copy"]] > 0.85).all()
    assert (table.gain[["noise", "dice"]].abs() < 0.15).all()
    assert (table.accuracy[["code", "copy"]] > 0.95).all()
    assert table.accuracy["dice"] == pytest.approx(table.trivial_accuracy["dice"], abs=0.12)
    assert table.trivial_loss["dice"] == pytest.approx(math.log(4), abs=0.05)
    assert table.accuracy[["follows", "noise"]].isna().all()


def test_a_column_with_nothing_to_gain_has_no_gain() -> None:
    model = masked(1, [3, 4], numerical_loss="gaussian")
    data = OCSFDataset.of(Batch(torch.full((9, 1), 0.5), torch.tensor([[2, 3]] * 9), torch.zeros(9, 1).bool()))
    model.prepare(data)
    table = model.column_metrics(data, ["constant", "empty", "one"])
    assert table.gain.isna().all()
    assert table.cells.tolist() == [9, 0, 9]


def test_metrics_tell_a_model_that_has_learned_from_one_that_has_not(taught: TabularResNetWithMFP) -> None:
    fresh = masked(2, [7, 7, 7])
    fresh.prepare(planted())
    batch = Batch(*planted(300, seed=1).tensors)
    before, after = (m.calculate_metrics(batch, seeded()) for m in (fresh, taught))
    assert after["accuracy"] > before["accuracy"] + 0.2
    assert after["accuracy"] > after["trivial_accuracy"] + 0.2
    assert after["trivial_accuracy"] == pytest.approx(0.25, abs=0.1)
    assert after["r2"] > 0.3 > before["r2"]


def test_the_seed_decides_the_training() -> None:
    states = [
        trained(MaskedFeatureConfig(encoder_config=SMALL, mask_prob=(0.1, 0.5), seed=seed), seed).state_dict()
        for seed in (1, 1, 2)
    ]
    assert all(torch.equal(v, states[1][k]) for k, v in states[0].items())
    assert not all(torch.equal(v, states[2][k]) for k, v in states[0].items())


def test_the_callers_random_state_is_left_alone() -> None:
    torch.manual_seed(11)
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    model = trained(MaskedFeatureConfig(encoder_config=SMALL))
    model.cell_surprise(Batch(*planted(20).tensors))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])


def test_training_can_start_from_the_weights_of_another_task() -> None:
    size = EncoderConfig(d_model=24, num_blocks=1, dropout=0.0)
    options = TrainingConfig(max_epochs=5, batch_size=64, learning_rate=1e-2, device="cpu")
    first = build_model(ContrastiveConfig(encoder_config=size, seed=5), 2, [7, 7, 7])
    train_self_supervised(first, planted(), None, options, progress=False)
    second = build_model(MaskedFeatureConfig(encoder_config=size, seed=6), 2, [7, 7, 7])
    second.encoder.load_state_dict(first.encoder.state_dict())
    batch = Batch(*planted(50, seed=1).tensors)
    torch.testing.assert_close(second.featurize(batch), first.featurize(batch))
    history = train_self_supervised(second, planted(), None, options, progress=False).frame
    assert history.train_loss.iloc[-1] < history.train_loss.iloc[0] - 0.1
    assert (second.featurize(batch) - first.featurize(batch)).abs().max() > 1e-2  # the first keeps its weights


# ---- around it -------------------------------------------------------------------------------------------------


def test_sizes_that_are_not_the_encoders_are_refused() -> None:
    encoder = TabularResNet(2, [9, 5], d_model=8, num_blocks=1)
    for cards, numbers in (([9, 6], 2), ([9], 2), ([9, 5], 1)):
        with pytest.raises(InputError, match=r"built for 2 numbers and cardinalities \[9, 5\]"):
            TabularResNetWithMFP(encoder, cards, numbers)


def test_the_decoder_is_what_was_given_or_configured_or_the_identity() -> None:
    assert isinstance(masked(1, [5]).decoder, torch.nn.Identity)
    model = masked(1, [5], decoder_config={"hidden": [12, 6]})
    assert model.heads.linear.in_features == 6
    assert model(batch_of(3, 1, [5]))[1][0].shape == (3, 2)


def test_mask_probabilities_reach_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    model = masked(1, [5], mask_prob=(0.2, 0.3))
    draw: Callable[..., Tensor] = model.draw_mask
    monkeypatch.setattr(model, "draw_mask", lambda b, p, g: asked.append(p) or draw(b, p, g))
    model.calculate_loss(batch_of(4, 1, [5]), seeded())
    model.calculate_metrics(batch_of(4, 1, [5]), seeded())
    assert asked == [(0.2, 0.3)] * 2


def test_column_metrics_are_a_table_of_every_column() -> None:
    model, batch = masked(1, [5]), batch_of(4, 1, [5])
    table = model.train().column_metrics(OCSFDataset.of(batch), ["number", "category"])
    assert isinstance(table, pd.DataFrame)
    assert table.column.tolist() == ["number", "category"]


def test_a_decoder_of_the_callers_may_have_any_width() -> None:
    base = TabularResNet(1, [6], d_model=8, num_blocks=1)
    model = TabularResNetWithMFP(base, [6], 1, decoder=torch.nn.Linear(8, 5))
    loss = masked_feature_prediction_loss(model, torch.zeros(4, 1), torch.full((4, 1), 3), 1.0)
    assert model.heads.linear.in_features == 5
    assert torch.isfinite(loss)
