"""Several tasks at once: one encoder, a weighted mean of losses, and weights that stand in a file once."""

from __future__ import annotations

import math

import pytest
import torch

from ocsf_ssl_lib import (
    Batch,
    ContrastiveConfig,
    ContrastiveModel,
    DenoisingConfig,
    EncoderConfig,
    InputError,
    MaskedFeatureConfig,
    MultiTaskConfig,
    MultiTaskModel,
    OCSFDataset,
    SSLConfig,
    TabularResNet,
    TabularResNetWithMFP,
    TrainingConfig,
    build_model,
    train_self_supervised,
)
from ocsf_ssl_lib.finetuning import FineTuneConfig

CARDS = [7, 6]


def multitask(*tasks: SSLConfig, **options: object) -> MultiTaskModel:
    tasks = tasks or (ContrastiveConfig(), MaskedFeatureConfig(mask_prob=0.4), DenoisingConfig())
    size = EncoderConfig(d_model=8, num_blocks=1, dropout=0.0)
    values = {"encoder_config": size, "tasks": tasks, "seed": 1} | options
    model = build_model(MultiTaskConfig.from_dict(values), 2, CARDS)
    assert isinstance(model, MultiTaskModel)
    return model.eval()


def batch_of(n: int = 12, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randint(3, c, (n,), generator=generator) for c in CARDS], 1)
    return Batch(torch.randn(n, 2, generator=generator), ids, torch.zeros(n, 2, dtype=torch.bool))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5), (0.0, 3.0, 0.0)])
def test_the_loss_is_the_weighted_mean_of_the_tasks_own_losses(weights: tuple[float, ...] | None) -> None:
    model, batch, generator = multitask(weights=weights), batch_of(), seeded(3)
    own = [task.calculate_loss(batch, generator).item() for task in model.tasks]  # type: ignore[operator]
    shares = weights or (1.0, 1.0, 1.0)
    expected = sum(w * loss for w, loss in zip(shares, own, strict=True)) / sum(shares)
    assert model.calculate_loss(batch, seeded(3)).item() == pytest.approx(expected, rel=1e-5)
    assert len({round(loss, 4) for loss in own}) == 3


def test_metrics_are_those_of_each_task_under_its_name() -> None:
    metrics = multitask().calculate_metrics(batch_of(), seeded())
    assert set(metrics) == {
        "contrastive.top1", "contrastive.spread", "masked.accuracy", "masked.trivial_accuracy", "masked.r2",
        "denoising.restored", "denoising.kept", "denoising.r2",
    }  # fmt: skip
    assert all(math.isfinite(v) for v in metrics.values())


def test_all_tasks_train_one_encoder() -> None:
    model = multitask()
    assert all(task.encoder is model.encoder for task in model.tasks)
    heads = [sum(p.numel() for k, p in t.named_parameters() if not k.startswith("encoder.")) for t in model.tasks]
    encoder = sum(p.numel() for p in model.encoder.parameters())
    assert sum(p.numel() for p in model.parameters()) == encoder + sum(heads)


def test_the_encoder_stands_in_the_weights_once() -> None:
    model = multitask()
    keys = list(model.state_dict())
    assert not [k for k in keys if k.startswith("tasks.") and ".encoder." in k]
    assert {k.removeprefix("encoder.") for k in keys if k.startswith("encoder.")} == set(model.encoder.state_dict())
    assert "tasks.1.heads.linear.weight" in keys


@pytest.mark.parametrize("nested", [False, True])
def test_weights_come_back_into_another_model(nested: bool) -> None:
    def fresh(seed: int) -> MultiTaskModel:
        inner = MultiTaskConfig(tasks=(DenoisingConfig(), MaskedFeatureConfig()))
        return multitask(inner, ContrastiveConfig(), seed=seed) if nested else multitask(seed=seed)

    first, second = fresh(1), fresh(2)
    first.prepare(OCSFDataset.of(batch_of(40)))
    batch = batch_of()
    assert first.calculate_loss(batch, seeded()).item() != second.calculate_loss(batch, seeded()).item()
    state = first.state_dict()
    before = set(state)
    second.load_state_dict(state)
    assert set(state) == before  # the caller's mapping is left alone
    assert all(task.encoder is second.encoder for task in second.tasks)
    assert first.calculate_loss(batch, seeded()).item() == second.calculate_loss(batch, seeded()).item()
    torch.testing.assert_close(first.cell_surprise(batch), second.cell_surprise(batch), rtol=0, atol=0, equal_nan=True)


def test_weights_that_do_not_fit_are_refused() -> None:
    state = multitask().state_dict()
    for change in ({"encoder.featurizer.1.weight": None}, {"tasks.1.heads.linear.bias": None}):
        broken = {k: v for k, v in state.items() if k not in change}
        with pytest.raises(RuntimeError, match=next(iter(change))):
            multitask().load_state_dict(broken)


def test_training_prepares_and_teaches_every_task_and_its_seed_decides() -> None:
    def run(seed: int) -> tuple[MultiTaskModel, list[float]]:
        model = multitask(seed=seed)
        options = TrainingConfig(max_epochs=3, batch_size=32, learning_rate=1e-2, device="cpu")
        data = OCSFDataset.of(batch_of(96))
        history = train_self_supervised(model, data, OCSFDataset.of(batch_of(32, 1)), options, progress=False)
        return model, history.frame.validation_loss.tolist()

    state = torch.random.get_rng_state()
    (first, losses), (again, _), (other, _) = run(1), run(1), run(2)
    assert torch.equal(state, torch.random.get_rng_state())
    assert losses[-1] < losses[0]
    ours, same, others = (m.state_dict() for m in (first, again, other))
    assert all(torch.equal(v, same[k]) for k, v in ours.items())
    assert not all(torch.equal(v, others[k]) for k, v in ours.items())
    start = multitask(seed=1).state_dict()
    for key in ("encoder.featurizer.0.linear1.weight", "tasks.0.decoder.0.weight", "tasks.1.heads.linear.weight"):
        assert not torch.equal(start[key], ours[key])
    assert ours["tasks.1.heads.marginal"].abs().sum() > 0
    assert ours["tasks.2.heads.marginal"].abs().sum() > 0


def test_every_task_is_told_of_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, told = multitask(), []
    for task in model.tasks:
        monkeypatch.setattr(task, "start_epoch", lambda epoch, task=task: told.append((task.config.name, epoch)))
    model.start_epoch(4)
    assert told == [("contrastive", 4), ("masked", 4), ("denoising", 4)]


def test_protected_columns_are_handed_only_to_tasks_that_make_views() -> None:
    own = ContrastiveConfig(protected=(0,))
    model = multitask(ContrastiveConfig(), MaskedFeatureConfig(), DenoisingConfig(), own, protected=(1,))
    assert [task.config.protected for task in model.tasks] == [(1,), (), (), (0,)]  # type: ignore[union-attr]
    view = model.tasks[0].augmenter  # type: ignore[union-attr]
    assert view.protected == (1,)


def test_the_surprise_is_that_of_the_first_task_that_predicts_cells() -> None:
    model, batch = multitask(), batch_of()
    torch.testing.assert_close(model.cell_surprise(batch), model.tasks[1].cell_surprise(batch))  # type: ignore[operator]
    with pytest.raises(InputError, match="none of the tasks predicts cells"):
        multitask(ContrastiveConfig()).cell_surprise(batch)


def test_the_embedding_is_the_encoders() -> None:
    model, batch = multitask(), batch_of()
    expected = model.encoder(batch.numerical, batch.categorical, missing_mask=batch.missing_mask)
    torch.testing.assert_close(model.featurize(batch), expected)
    torch.testing.assert_close(model(batch), expected)


def test_tasks_around_different_encoders_or_no_task_are_refused() -> None:
    first, second = (TabularResNet(2, CARDS, d_model=8, num_blocks=1) for _ in range(2))
    with pytest.raises(InputError, match="share one encoder"):
        MultiTaskModel([ContrastiveModel(first), TabularResNetWithMFP(second, CARDS, 2)])
    with pytest.raises(InputError, match="share one encoder"):
        MultiTaskModel([])
    shared = MultiTaskModel([ContrastiveModel(first), TabularResNetWithMFP(first, CARDS, 2)])
    assert [task.name for task in shared.config.tasks] == ["contrastive", "masked"]


@pytest.mark.parametrize("task", [SSLConfig(), FineTuneConfig()])
def test_a_config_that_is_no_pretext_task_is_refused(task: SSLConfig) -> None:
    with pytest.raises(InputError, match=r"no task has the name .* there are contrastive, "):
        multitask(task)


def test_two_tasks_of_one_kind_keep_their_metrics_apart() -> None:
    tasks = (MaskedFeatureConfig(mask_prob=0.1), MaskedFeatureConfig(mask_prob=0.5))
    model = build_model(MultiTaskConfig(tasks=tasks, encoder_config=EncoderConfig(d_model=8, num_blocks=1)), 1, [6])
    batch = Batch(torch.zeros(8, 1), torch.full((8, 1), 3), torch.zeros(8, 1, dtype=torch.bool))
    names = {name.split(".")[0] for name in model.calculate_metrics(batch, seeded())}
    assert names == {"masked[0]", "masked[1]"}
