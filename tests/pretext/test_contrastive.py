"""NT-Xent against its written-out form, its closed form and its symmetries; the model around it."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ocsf_ssl_lib import Batch, ContrastiveConfig, ContrastiveModel, InputError, TabularAugmentation, TabularResNet
from ocsf_ssl_lib.pretext import contrastive_loss, nt_xent


def written_out(z1: Tensor, z2: Tensor, temperature: float) -> float:
    """SimCLR's equation 1 as it stands in the paper: two loops, one candidate at a time."""
    z = [v / v.norm() for v in [*z1.double(), *z2.double()]]
    n = len(z1)
    total = 0.0
    for i in range(2 * n):
        partner = i + n if i < n else i - n
        others = sum(math.exp(float(z[i] @ z[k]) / temperature) for k in range(2 * n) if k != i)
        total -= math.log(math.exp(float(z[i] @ z[partner]) / temperature) / others)
    return total / (2 * n)


def views(n: int = 6, d: int = 5, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n)
    z1 = torch.randn(n, d, generator=generator, dtype=dtype)
    return z1, z1 + 0.7 * torch.randn(n, d, generator=generator, dtype=dtype)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5, 1.0])
def test_the_loss_is_the_papers_formula(n: int, temperature: float) -> None:
    z1, z2 = views(n, dtype=torch.float64)
    assert nt_xent(z1, z2, temperature).item() == pytest.approx(written_out(z1, z2, temperature), rel=1e-6)


@pytest.mark.parametrize("n", [2, 4, 33])
@pytest.mark.parametrize("chunk_size", [None, 3])
def test_identical_embeddings_give_log_of_two_n_minus_one(n: int, chunk_size: int | None) -> None:
    same = torch.ones(n, 7)
    assert nt_xent(same, same, 0.1, chunk_size).item() == pytest.approx(math.log(2 * n - 1), abs=1e-5)


def test_partners_alike_and_others_opposite_give_almost_no_loss() -> None:
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert nt_xent(z, z, 0.1).item() < 1e-6
    assert nt_xent(z, z.flip(0), 0.1).item() > 10  # partners swapped: as wrong as can be


def test_the_two_views_are_treated_alike() -> None:
    z1, z2 = views()
    torch.testing.assert_close(nt_xent(z1, z2, 0.2), nt_xent(z2, z1, 0.2))


def test_the_order_of_the_events_does_not_matter() -> None:
    z1, z2 = views(9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(nt_xent(z1, z2, 0.2), nt_xent(z1[order], z2[order], 0.2))


def test_the_length_of_an_embedding_does_not_matter() -> None:
    z1, z2 = views()
    scale = torch.arange(1, 7)[:, None].float()
    torch.testing.assert_close(nt_xent(z1, z2, 0.2), nt_xent(z1 * scale, z2 * 100, 0.2))


@pytest.mark.parametrize("chunk_size", [None, 3])
def test_gradients_are_those_of_the_function(chunk_size: int | None) -> None:
    z1, z2 = (z.requires_grad_() for z in views(4, 3, torch.float64))
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.3, chunk_size), (z1, z2))


@pytest.mark.parametrize("chunk_size", [1, 4, 5, 14, 1000])
def test_in_chunks_value_and_gradients_are_the_same(chunk_size: int) -> None:
    a1, a2 = (z.clone().requires_grad_() for z in views(7, dtype=torch.float64))
    b1, b2 = (z.detach().clone().requires_grad_() for z in (a1, a2))
    plain, chunked = nt_xent(a1, a2, 0.1), nt_xent(b1, b2, 0.1, chunk_size)
    torch.testing.assert_close(plain, chunked)
    plain.backward()
    chunked.backward()
    torch.testing.assert_close(a1.grad, b1.grad)
    torch.testing.assert_close(a2.grad, b2.grad)
    assert a1.grad is not None
    assert a1.grad.abs().sum() > 0


@pytest.mark.parametrize("chunk_size", [None, 5])
def test_a_small_temperature_gives_finite_loss_and_gradients(chunk_size: int | None) -> None:
    for z1, z2 in (views(16), (torch.ones(4, 3), -torch.ones(4, 3))):
        z1, z2 = z1.clone().requires_grad_(), z2.clone().requires_grad_()
        loss = nt_xent(z1, z2, 0.01, chunk_size)
        loss.backward()
        assert torch.isfinite(loss)
        assert z1.grad is not None
        assert torch.isfinite(z1.grad).all()


def test_an_embedding_of_zeros_gives_no_nan() -> None:
    z = torch.zeros(3, 4, requires_grad=True)
    loss = nt_xent(z, z, 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(5), abs=1e-5)
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("n", [0, 1])
def test_a_batch_without_negatives_is_refused(n: int) -> None:
    with pytest.raises(InputError, match="at least 2 events"):
        nt_xent(torch.ones(n, 3), torch.ones(n, 3), 0.1)


@pytest.mark.parametrize("temperature", [0.0, -0.1, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(InputError, match="temperature must be positive"):
        nt_xent(*views(), temperature)


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_a_chunk_size_that_is_not_positive_is_refused(chunk_size: int) -> None:
    with pytest.raises(InputError, match="chunk_size must be positive"):
        nt_xent(*views(), 0.1, chunk_size)


@pytest.mark.parametrize("shapes", [((3, 4), (2, 4)), ((3, 4), (3, 5)), ((4,), (4,))])
def test_views_of_unlike_shape_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match="one shape"):
        nt_xent(torch.ones(shapes[0]), torch.ones(shapes[1]), 0.1)


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
