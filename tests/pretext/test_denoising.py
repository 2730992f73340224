"""Denoising: what noise may put where, that zero noise is real, and that the code is what comes out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ocsf_ssl_lib import (
    Batch,
    DecoderConfig,
    DenoisingAutoEncoder,
    DenoisingConfig,
    EncoderConfig,
    InputError,
    OCSFDataset,
    TabularResNet,
    TrainingConfig,
    build_model,
    train_self_supervised,
)
from ocsf_ssl_lib.pretext import corrupt
from ocsf_ssl_lib.pretext.heads import targets_of
from ocsf_ssl_lib.vocabulary import MASK_ID, MISSING_ID, NUM_RESERVED, UNKNOWN_ID

SMALL = EncoderConfig(d_model=8, num_blocks=1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def distinct(n: int, numbers: int = 2, categories: int = 2) -> Batch:
    """Every cell of a column holds a value of its own, so that its donor can be told."""
    row = torch.arange(n)
    numerical = torch.stack([row + 1000.0 * (k + 1) for k in range(numbers)], 1) if numbers else torch.zeros(n, 0)
    categorical = torch.stack([row + NUM_RESERVED] * categories, 1) if categories else torch.zeros(n, 0).long()
    return Batch(numerical, categorical, torch.zeros(n, numbers, dtype=torch.bool))


def denoising(numbers: int, cards: list[int], **options: object) -> DenoisingAutoEncoder:
    model = build_model(DenoisingConfig.from_dict({"encoder_config": SMALL, "seed": 1} | options), numbers, cards)
    assert isinstance(model, DenoisingAutoEncoder)
    return model.eval()


def planted(n: int = 256, seed: int = 0) -> OCSFDataset:
    """All three columns say the same, so that any one can be restored from the others."""
    code = torch.randint(0, 4, (n,), generator=seeded(seed))
    ids = torch.stack([code + 3, code + 3], 1)
    return OCSFDataset.of(Batch((code[:, None] - 1.5) / 1.1, ids, torch.zeros(n, 1, dtype=torch.bool)))


# ---- swap ------------------------------------------------------------------------------------------------------


def test_swap_takes_every_value_from_the_cells_own_column_and_another_row() -> None:
    batch = distinct(50)
    spoilt, changed = corrupt(batch, torch.ones(4), "swap", seeded())
    for k in range(2):
        assert set(spoilt.numerical[:, k].tolist()) <= set(batch.numerical[:, k].tolist())
        assert set(spoilt.categorical[:, k].tolist()) <= set(batch.categorical[:, k].tolist())
    assert changed.all()  # values are distinct: a cell of its own row would be unchanged
    assert torch.equal(spoilt.missing_mask, batch.missing_mask)


def test_every_cell_has_a_donor_of_its_own() -> None:
    spoilt, _ = corrupt(distinct(200), torch.ones(4), "swap", seeded())
    donors = torch.cat([spoilt.numerical % 1000, spoilt.categorical - 3.0], 1)
    for j in range(4):
        for k in range(j):
            assert (donors[:, j] == donors[:, k]).float().mean() < 0.05


def test_every_other_row_can_be_the_donor() -> None:
    batch, seen = distinct(3, 0, 1), set()
    for seed in range(40):
        spoilt, _ = corrupt(batch, torch.ones(1), "swap", seeded(seed))
        seen |= {(i, int(v) - 3) for i, v in enumerate(spoilt.categorical[:, 0])}
    assert seen == {(i, j) for i in range(3) for j in range(3) if i != j}


@pytest.mark.parametrize("strategy", ["swap", "zero"])
def test_each_column_is_spoilt_at_the_rate_asked_for(strategy: str) -> None:
    asked = [0.0, 0.3, 0.6, 1.0]
    batch = distinct(3000)
    spoilt, changed = corrupt(batch, torch.tensor(asked), strategy, seeded())  # type: ignore[arg-type]
    assert changed.float().mean(0).tolist() == pytest.approx(asked, abs=0.03)
    really = torch.cat([spoilt.numerical != batch.numerical, spoilt.categorical != batch.categorical], 1)
    assert torch.equal(changed, really)


@pytest.mark.parametrize("n", [0, 1])
def test_without_another_row_swap_changes_nothing(n: int) -> None:
    spoilt, changed = corrupt(distinct(n), torch.ones(4), "swap", seeded())
    assert not changed.any()
    assert torch.equal(spoilt.categorical, distinct(n).categorical)


@pytest.mark.parametrize("strategy", ["swap", "zero"])
def test_cells_without_a_value_stay_and_are_never_drawn(strategy: str) -> None:
    batch = distinct(60)
    batch.categorical[:20, 0], batch.categorical[20:40, 0] = UNKNOWN_ID, MISSING_ID
    batch.missing_mask[:30, 1] = True
    batch.numerical[:30, 1] = -7.0
    for seed in range(5):
        spoilt, changed = corrupt(batch, torch.ones(4), strategy, seeded(seed))  # type: ignore[arg-type]
        assert torch.equal(spoilt.categorical[:40, 0], batch.categorical[:40, 0])
        assert torch.equal(spoilt.numerical[:30, 1], batch.numerical[:30, 1])
        assert not changed[~targets_of(batch)].any()
        if strategy == "swap":
            assert (spoilt.categorical[40:, 0] >= NUM_RESERVED).all()
            assert (spoilt.numerical[30:, 1] != -7.0).all()


def test_corrupting_leaves_the_batch_and_the_random_state_alone() -> None:
    batch, state = distinct(20), torch.random.get_rng_state()
    for strategy in ("swap", "zero"):
        corrupt(batch, torch.ones(4), strategy, seeded())  # type: ignore[arg-type]
    assert all(torch.equal(a, b) for a, b in zip(batch, distinct(20), strict=True))
    assert torch.equal(state, torch.random.get_rng_state())


# ---- zero ------------------------------------------------------------------------------------------------------


def test_zero_puts_a_zero_or_the_mask() -> None:
    batch = distinct(40)
    spoilt, changed = corrupt(batch, torch.full((4,), 0.5), "zero", seeded())
    assert 0 < changed.sum() < changed.numel()
    assert torch.equal(spoilt.numerical, batch.numerical.masked_fill(changed[:, :2], 0.0))
    assert torch.equal(spoilt.categorical, batch.categorical.masked_fill(changed[:, 2:], MASK_ID))


@pytest.mark.parametrize("strategy", ["swap", "zero"])
def test_the_noise_of_the_config_reaches_the_encoder(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch Tabular takes the option "zero" and trains without noise."""
    model = denoising(2, [20, 20], noise_strategy=strategy, default_noise_probability=1.0)
    seen: list[Batch] = []
    featurize = model.featurize
    monkeypatch.setattr(model, "featurize", lambda batch: seen.append(batch) or featurize(batch))
    batch = distinct(16)
    model.calculate_loss(batch, seeded())
    model.calculate_metrics(batch, seeded())
    for spoilt in seen:
        if strategy == "zero":
            assert spoilt.numerical.abs().sum() == 0
            assert (spoilt.categorical == MASK_ID).all()
        else:
            assert (spoilt.numerical != batch.numerical).all()
            assert (spoilt.categorical != batch.categorical).all()
    assert len(seen) == 2


# ---- probabilities ---------------------------------------------------------------------------------------------


def test_probabilities_are_those_of_the_columns_named_and_the_default() -> None:
    encoder = TabularResNet(2, [5, 5], d_model=8, num_blocks=1)
    model = DenoisingAutoEncoder(
        encoder,
        noise_probabilities={"user": 0.5, "bytes": 0.0},
        default_noise_probability=0.1,
        feature_names=["bytes", "packets", "host", "user"],
    )
    assert model.probabilities.tolist() == pytest.approx([0.0, 0.1, 0.1, 0.5])
    assert model.config.noise_probabilities == {"user": 0.5, "bytes": 0.0}


def test_a_protected_column_is_never_spoilt() -> None:
    model = denoising(1, [9, 9], protected=(1,), default_noise_probability=1.0)
    assert model.probabilities.tolist() == [1.0, 1.0, 0.0]
    assert not corrupt(distinct(6, 1, 2), model.probabilities, "swap", seeded())[1][:, 2].any()


@pytest.mark.parametrize(
    ("probabilities", "names", "message"),
    [
        ({"usr": 0.5}, ["bytes", "user"], "no column 'usr'; did you mean 'user'"),
        ({"zzzz": 0.5}, ["bytes", "user"], "no column 'zzzz'; the columns are bytes, user"),
        ({"user": 0.5}, [], "'user'; give feature_names too"),
        ({"user": 0.5}, ["user"], "1 feature_names, but the encoder has 2 columns"),
        ({"user": 1.5}, ["bytes", "user"], "'user' must be in 0..1, however: 1.5"),
    ],
)
def test_a_column_that_cannot_be_found_or_a_bad_probability_is_refused(
    probabilities: dict[str, float], names: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        DenoisingAutoEncoder(
            TabularResNet(1, [5], d_model=8, num_blocks=1), noise_probabilities=probabilities, feature_names=names
        )


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(InputError, match="noise_strategy"):
        DenoisingAutoEncoder(TabularResNet(1, [5], d_model=8, num_blocks=1), noise_strategy="blur")  # type: ignore[arg-type]


# ---- the model -------------------------------------------------------------------------------------------------


def test_the_loss_is_that_of_every_cell_with_a_value_of_the_event_as_it_was() -> None:
    model = denoising(1, [6, 7], numerical_loss="mse", default_noise_probability=0.5)
    model.heads.trivial.copy_(torch.tensor([2.0, 0.5, 3.0]))
    numerical, ids = torch.tensor([[0.3], [-1.0], [0.0]]), torch.tensor([[3, 4], [5, UNKNOWN_ID], [4, 6]])
    batch = Batch(numerical, ids, torch.tensor([[False], [False], [True]]))
    spoilt, changed = corrupt(batch, model.probabilities, "swap", seeded(5))
    assert changed.any()
    with torch.no_grad():
        numbers, logits = model(spoilt)
        losses = []
        for i in range(3):
            if i != 2:
                losses.append((float(numerical[i, 0]) - float(numbers[i, 0, 0])) ** 2 / 2.0)
            for j, unit in ((0, 0.5), (1, 3.0)):
                if (i, j) != (1, 1):
                    row = logits[j][i].exp()
                    losses.append(-math.log(float(row[ids[i, j] - 3] / row.sum())) / unit)
        assert model.calculate_loss(batch, seeded(5)).item() == pytest.approx(sum(losses) / 7, rel=1e-4)


def test_features_are_the_code_of_the_sound_event() -> None:
    batch = distinct(4)
    model = denoising(2, [20, 20], decoder_config=DecoderConfig(hidden=(12, 5)), default_noise_probability=1.0)
    expected = model.encoder(batch.numerical, batch.categorical, return_embedding=True, missing_mask=batch.missing_mask)
    assert model.featurize(batch).shape == (4, 8)
    torch.testing.assert_close(model.featurize(batch), expected)
    numbers, logits = model(batch)  # the reconstruction comes after the decoder
    torch.testing.assert_close(numbers, model.heads(model.decoder(expected))[0])
    assert [x.shape for x in logits] == [(4, 17), (4, 17)]


def test_the_decoder_is_the_identity_when_left_out_and_a_module_of_ones_own_fits() -> None:
    assert isinstance(denoising(1, [5]).decoder, nn.Identity)
    own = nn.Sequential(nn.Linear(8, 3), nn.Tanh())
    model = DenoisingAutoEncoder(TabularResNet(1, [5], d_model=8, num_blocks=1), own)
    assert model.decoder is own
    assert model.heads.linear.in_features == 3


@pytest.mark.parametrize("loss", ["bins", "gaussian", "mse"])
@pytest.mark.parametrize("strategy", ["swap", "zero"])
@pytest.mark.parametrize(("numbers", "categories"), [(2, 0), (0, 2), (1, 0), (0, 1), (1, 2)])
def test_every_kind_of_table_can_be_learned_from(loss: str, strategy: str, numbers: int, categories: int) -> None:
    batch = distinct(16, numbers, categories)
    model = denoising(numbers, [19] * categories, numerical_loss=loss, noise_strategy=strategy)
    model.prepare(OCSFDataset.of(batch))
    value = model.calculate_loss(batch, seeded())
    value.backward()
    assert value > 0
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    assert all(math.isfinite(v) for v in model.calculate_metrics(batch, seeded()).values())


def test_a_table_without_any_value_gives_no_loss_and_no_nan() -> None:
    model = denoising(1, [3, 6])
    batch = Batch(torch.zeros(4, 1), torch.tensor([[MISSING_ID, UNKNOWN_ID]] * 4), torch.ones(4, 1, dtype=torch.bool))
    model.prepare(OCSFDataset.of(batch))
    loss = model.calculate_loss(batch, seeded())
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or p.grad.abs().sum() == 0 for p in model.parameters())


def trained(seed: int, epochs: int = 2) -> DenoisingAutoEncoder:
    size = EncoderConfig(d_model=24, num_blocks=1)
    model = build_model(DenoisingConfig(encoder_config=size, seed=seed), 1, [7, 7])
    options = TrainingConfig(max_epochs=epochs, batch_size=64, learning_rate=1e-2, device="cpu")
    train_self_supervised(model, planted(), None, options, progress=False)
    assert isinstance(model, DenoisingAutoEncoder)
    return model


def test_what_can_be_restored_is_restored_and_what_is_sound_is_kept() -> None:
    fresh, taught = trained(3, epochs=0), trained(3, epochs=15)
    batch = Batch(*planted(200, seed=1).tensors)
    before, after = (m.calculate_metrics(batch, seeded()) for m in (fresh, taught))
    assert after["kept"] > 0.95
    assert after["restored"] > before["restored"] + 0.1
    assert after["r2"] > 0.5 > before["r2"]


def test_the_seed_decides_the_training_and_the_callers_random_state_is_left_alone() -> None:
    state = torch.random.get_rng_state()
    states = [trained(seed).state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(v, states[1][k]) for k, v in states[0].items())
    assert not all(torch.equal(v, states[2][k]) for k, v in states[0].items())
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_surprise_of_a_cell_is_its_loss_in_the_sound_event() -> None:
    model = denoising(1, [9, 9], default_noise_probability=1.0)
    batch = distinct(6, 1, 2)
    batch.categorical[0] = torch.tensor([MISSING_ID, UNKNOWN_ID])
    model.prepare(OCSFDataset.of(batch))
    surprise: Tensor = model.cell_surprise(batch)
    losses = model.heads.cell_losses(model.decoder(model.featurize(batch)), batch, targets_of(batch))
    torch.testing.assert_close(surprise[1:], losses[1:])
    assert math.isnan(surprise[0, 1])
    assert surprise[0, 2].item() == pytest.approx(-math.log(2 / 8))
