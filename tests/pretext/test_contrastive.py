"""The loss of two views of a batch, and the model around it; the loss itself is tested in ``test_nt_xent.py``."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ocsf_ssl_lib import Batch, ContrastiveConfig, ContrastiveModel, InputError, TabularAugmentation, TabularResNet
from ocsf_ssl_lib.pretext import contrastive, contrastive_loss, nt_xent

# ---- contrastive_loss: the form of the source text -------------------------------------------------------------


class Recorder(nn.Module):
    """Passes the numbers through as the embedding, and remembers how it was called."""

    def forward(
        self, numerical: Tensor, categorical: Tensor, return_embedding: bool, missing_mask: Tensor | None = None
    ) -> Tensor:
        self.categorical, self.return_embedding, self.missing_mask = categorical, return_embedding, missing_mask
        return torch.cat([numerical, categorical.float()], 1)


def rows(n: int = 16) -> tuple[Tensor, Tensor, list[int]]:
    generator = torch.Generator().manual_seed(5)
    cardinalities = [5, 9]
    ids = torch.stack([torch.randint(3, c, (n,), generator=generator) for c in cardinalities], 1)
    return torch.randn(n, 3, generator=generator), ids, cardinalities


def test_arguments_stand_in_the_order_of_the_source() -> None:
    names = list(inspect.signature(contrastive_loss).parameters)
    assert names[:6] == ["model", "numerical", "categorical", "cardinalities", "temperature", "augmenter"]
    assert inspect.signature(contrastive_loss).parameters["temperature"].default == 0.1


def test_the_loss_is_nt_xent_of_the_augmenters_two_views() -> None:
    numerical, categorical, cards = rows()
    augmenter = TabularAugmentation(noise_level=0.3, dropout_prob=0.5)
    loss = contrastive_loss(
        Recorder(), numerical, categorical, cards, 0.4, augmenter, generator=torch.Generator().manual_seed(3)
    )
    (n1, c1), (n2, c2) = augmenter(numerical, categorical, cards, torch.Generator().manual_seed(3))
    expected = nt_xent(torch.cat([n1, c1.float()], 1), torch.cat([n2, c2.float()], 1), 0.4)
    torch.testing.assert_close(loss, expected)


def test_temperature_and_augmentation_reach_the_loss() -> None:
    numerical, categorical, cards = rows()

    def loss(temperature: float, noise: float) -> float:
        augmenter = TabularAugmentation(noise, 0.0)
        generator = torch.Generator().manual_seed(0)
        return contrastive_loss(
            Recorder(), numerical, categorical, cards, temperature, augmenter, generator=generator
        ).item()

    assert loss(0.1, 0.1) != pytest.approx(loss(1.0, 0.1))
    assert loss(0.1, 0.1) < loss(0.1, 3.0)


def test_the_embedding_and_not_the_logits_is_asked_for() -> None:
    numerical, categorical, cards = rows()
    model = Recorder()
    missing = torch.zeros(16, 3, dtype=torch.bool)
    contrastive_loss(model, numerical, categorical, cards, missing_mask=missing)
    assert model.return_embedding is True
    assert model.missing_mask is not None
    assert model.missing_mask.shape == (32, 3)


# ---- ContrastiveModel ------------------------------------------------------------------------------------------


def model_and_batch(**options: object) -> tuple[ContrastiveModel, Batch]:
    torch.manual_seed(0)
    numerical, categorical, cards = rows()
    config = ContrastiveConfig.from_dict(options)
    model = ContrastiveModel(TabularResNet(3, cards, d_model=12, num_blocks=1, dropout=0.0), config)
    return model.eval(), Batch(numerical, categorical, torch.zeros(16, 3, dtype=torch.bool))


def test_the_head_is_used_for_the_loss_and_not_for_the_features() -> None:
    model, batch = model_and_batch(projection_dim=4)
    assert model(batch).shape == (16, 4)
    assert model.featurize(batch).shape == (16, 12)
    with torch.no_grad():
        model.decoder[-1].weight.zero_()  # type: ignore[index,union-attr]
    loss = model.calculate_loss(batch, torch.Generator().manual_seed(0))
    assert loss.item() == pytest.approx(math.log(31), abs=1e-4)  # all projections equal
    assert model.featurize(batch).std(0).mean() > 0.01


def test_without_a_head_the_decoder_is_the_identity() -> None:
    model, batch = model_and_batch(projection_dim=None)
    assert isinstance(model.decoder, nn.Identity)
    torch.testing.assert_close(model(batch), model.featurize(batch))


def test_the_parts_are_the_encoders() -> None:
    model, _ = model_and_batch()
    assert model.embedding_layer is model.encoder.embedding_layer
    assert model.featurizer is model.encoder.featurizer


def test_a_generator_makes_the_loss_repeatable_and_leaves_the_global_state_alone() -> None:
    model, batch = model_and_batch()
    before = torch.random.get_rng_state()
    losses = [model.calculate_loss(batch, torch.Generator().manual_seed(s)).item() for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(before, torch.random.get_rng_state())


def test_options_of_the_config_reach_the_loss() -> None:
    quiet, batch = model_and_batch(noise_level=0, dropout_prob=0, temperature=0.1)
    loud, _ = model_and_batch(noise_level=3.0, dropout_prob=0.9, temperature=0.1)
    warm, _ = model_and_batch(noise_level=0, dropout_prob=0, temperature=1.0)
    loss = [m.calculate_loss(batch, torch.Generator().manual_seed(0)).item() for m in (quiet, loud, warm)]
    assert loss[0] < loss[1]
    assert loss[0] < loss[2]
    assert loud.augmenter.noise_level == 3.0


def test_protected_columns_of_the_config_reach_the_views() -> None:
    model, batch = model_and_batch(dropout_prob=1.0, protected=(0,))
    (_, view), _ = model.augmenter(batch.numerical, batch.categorical, [5, 9])
    assert torch.equal(view[:, 0], batch.categorical[:, 0])
    assert not torch.equal(view[:, 1], batch.categorical[:, 1])


def test_metrics_tell_perfect_views_from_a_collapsed_model() -> None:
    model, batch = model_and_batch(noise_level=0, dropout_prob=0)
    sound = model.calculate_metrics(batch, torch.Generator().manual_seed(0))
    assert sound["top1"] == 1.0
    assert sound["spread"] > 0.3
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
        model.encoder.featurizer[-1].bias.fill_(1.0)  # type: ignore[index,union-attr]
    collapsed = model.calculate_metrics(batch, torch.Generator().manual_seed(0))
    assert collapsed["spread"] == pytest.approx(0, abs=1e-5)


def test_the_top1_metric_never_lets_a_view_pick_itself() -> None:
    model, batch = model_and_batch(noise_level=50.0, dropout_prob=1.0)
    # With views that share nothing, a view that could pick itself would still reach 0 here by never picking its
    # partner, and one that ignores the partner's position would reach 1.
    assert model.calculate_metrics(batch, torch.Generator().manual_seed(0))["top1"] < 0.5
    z = F.normalize(model.featurize(batch), dim=1)
    assert z.shape == (16, 12)


def test_a_protected_column_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="2 categorical columns"):
        ContrastiveModel(TabularResNet(1, [5, 6], d_model=8, num_blocks=1), ContrastiveConfig(protected=(2,)))


# ---- equal events ----------------------------------------------------------------------------------------------


def test_equal_events_of_a_batch_are_no_negatives_unless_asked_for() -> None:
    numerical, categorical, cards = rows(4)
    twice = torch.arange(8) % 4
    batch = Batch(numerical[twice], categorical[twice], torch.zeros(8, 3, dtype=torch.bool))
    losses = {}
    for exclude in (True, False):
        torch.manual_seed(0)
        encoder = TabularResNet(3, cards, d_model=12, num_blocks=1, dropout=0.0)
        model = ContrastiveModel(encoder, ContrastiveConfig(exclude_duplicates=exclude, noise_level=0, dropout_prob=0))
        losses[exclude] = model.calculate_loss(batch).item()
        z1, z2 = model(batch), model(batch)
        expected = nt_xent(z1, z2, 0.1, same=twice if exclude else None).item()
        assert losses[exclude] == pytest.approx(expected, rel=1e-5)
    assert losses[False] > losses[True] + 0.3  # two of a kind cannot be told apart


def test_a_big_batch_is_streamed_and_a_small_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def record(z1: Tensor, z2: Tensor, temperature: float, chunk_size: object, **_: object) -> Tensor:
        asked.append(chunk_size)
        return z1.sum() * 0

    monkeypatch.setattr(contrastive, "nt_xent", record)
    model, _ = model_and_batch()
    for n in (100, 200):
        numerical, categorical, _ = rows(n)
        model.calculate_loss(Batch(numerical, categorical, torch.zeros(n, 3, dtype=torch.bool)))
    assert asked == [None, "auto"]


# ---- slices of a batch -----------------------------------------------------------------------------------------


def model_and_big_batch(dropout: float, **options: object) -> tuple[ContrastiveModel, Batch]:
    torch.manual_seed(0)
    numerical, categorical, cards = rows(256)
    encoder = TabularResNet(3, cards, d_model=32, num_blocks=2, dropout=dropout)
    model = ContrastiveModel(encoder, ContrastiveConfig.from_dict(options))
    return model.train(), Batch(numerical, categorical, torch.zeros(256, 3, dtype=torch.bool))


def gradient(model: ContrastiveModel) -> Tensor:
    parts = [p.grad.flatten() if p.grad is not None else torch.zeros(p.numel()) for p in model.parameters()]
    model.zero_grad()
    return torch.cat(parts)


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("parts", [1, 4, 7, 300])
def test_gradients_of_slices_are_those_of_the_batch(parts: int) -> None:
    model, batch = model_and_big_batch(dropout=0.0)
    loss = model.calculate_loss(batch, noise())
    loss.backward()
    expected = gradient(model)
    calls: list[Tensor] = []

    def backward(value: Tensor) -> None:
        calls.append(value.detach())
        (value / 512).backward()

    total, weight = model.accumulate(batch, parts, noise(), backward)
    assert weight == 512
    assert total / weight == pytest.approx(loss.item(), rel=1e-5)
    assert len(calls) == min(parts, 256)
    torch.testing.assert_close(gradient(model), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_dropout_of_a_slice_is_the_same_in_both_passes() -> None:
    model, batch = model_and_big_batch(dropout=0.3)
    torch.manual_seed(5)
    views = model._views(batch, noise())
    pieces = [model._embed(Batch(*(t[start : start + 64] for t in views))) for start in range(0, 256, 64)]
    model._loss(torch.cat(pieces), batch).backward()
    expected, state = gradient(model), torch.get_rng_state()
    torch.manual_seed(5)
    model.accumulate(batch, 4, noise(), lambda value: (value / 512).backward())
    torch.testing.assert_close(gradient(model), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert torch.equal(torch.get_rng_state(), state)  # and the next step does not draw these numbers again


def test_four_batches_of_64_are_not_256_but_cached_gradients_are() -> None:
    model, batch = model_and_big_batch(dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for seed in range(60):  # an untrained model is far from every event alike: there, any negatives do
        optimizer.zero_grad()
        model.calculate_loss(batch, torch.Generator().manual_seed(seed)).backward()
        optimizer.step()
    model.zero_grad()
    model.calculate_loss(batch, noise()).backward()
    whole = gradient(model)
    views = model._views(batch, noise())
    for start in range(0, 256, 64):
        slice_of = Batch(*(t[start : start + 64] for t in batch))
        z = model._embed(Batch(*(t[start : start + 64] for t in views)))
        (model._loss(z, slice_of) / 4).backward()
    naive = gradient(model)
    model.accumulate(batch, 4, noise(), lambda value: (value / 512).backward())
    cached = gradient(model)
    assert F.cosine_similarity(whole, naive, dim=0) < 0.98
    assert F.cosine_similarity(whole, cached, dim=0) > 0.99999


def test_no_parts_are_refused() -> None:
    model, batch = model_and_batch()
    with pytest.raises(InputError, match="parts must be positive"):
        model.accumulate(batch, 0, None, lambda value: None)
