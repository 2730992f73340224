"""The loop: the schedule is stepped, the best weights stay, NaN stops it, and the seed decides everything."""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from accelerate.tracking import GeneralTracker
from tiny import CARDS, dataset
from torch import Tensor, nn

from ocsf_ssl_lib import (
    Batch,
    ContrastiveConfig,
    ContrastiveModel,
    EarlyStopping,
    EncoderConfig,
    History,
    InputError,
    OCSFDataset,
    SSLModel,
    TabularResNetWithMFP,
    TrainingConfig,
    TrainingError,
    train_self_supervised,
)
from ocsf_ssl_lib.pretext import SSLConfig
from ocsf_ssl_lib.pretext.heads import targets_of
from ocsf_ssl_lib.training import adamw, evaluate_loss, warmup_cosine


def contrastive(dropout: float = 0.1, seed: int = 0) -> ContrastiveModel:
    torch.manual_seed(seed)
    return ContrastiveModel(
        EncoderConfig(d_model=8, num_blocks=1, dropout=dropout).build(2, CARDS), ContrastiveConfig(projection_dim=None)
    )


def run(model: SSLModel, n: int = 40, validation: OCSFDataset | None = None, **options: object) -> History:
    defaults = {"max_epochs": 2, "batch_size": 16, "device": "cpu", "seed": 1}
    config = TrainingConfig.from_dict(defaults | options)
    return train_self_supervised(model, dataset(n), validation, config, progress=False)


class Scripted(SSLModel):
    """A model with one weight: its training loss pulls the weight up by gradient 1, its validation loss is scripted."""

    def __init__(self, script: list[float], train_loss: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__(nn.Linear(1, 1, bias=False), None, SSLConfig(learning_rate=0.1))
        nn.init.zeros_(self.encoder.weight)  # type: ignore[arg-type]
        self.script = iter(script)
        self.train_loss = train_loss if train_loss is not None else lambda w: -w.sum()
        self.sizes: list[int] = []
        self.weights: list[float] = []

    def calculate_loss(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        weight: Tensor = self.encoder.weight  # type: ignore[assignment]
        if self.training:
            self.sizes.append(len(batch.categorical))
            return self.train_loss(weight)
        self.weights.append(float(weight.detach()))
        return torch.tensor(next(self.script))


# ---- schedule --------------------------------------------------------------------------------------------------


def rates(steps: int, **options: object) -> list[float]:
    """The learning rate of every step, and what is left after the last."""
    config = TrainingConfig.from_dict(options)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-2)
    schedule = warmup_cosine(optimizer, steps, config)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return [*out, optimizer.param_groups[0]["lr"]]


def test_the_rate_climbs_in_a_line_and_falls_on_a_cosine() -> None:
    lr = rates(100, warmup_fraction=0.1, min_learning_rate=1e-4)
    assert lr[:10] == pytest.approx([1e-3 * k for k in range(1, 11)])
    assert lr[10] == pytest.approx(1e-2)
    assert lr[55] == pytest.approx((1e-2 + 1e-4) / 2)  # half of the cosine
    assert lr[100] == pytest.approx(1e-4)
    assert all(a > b for a, b in itertools.pairwise(lr[10:]))


def test_the_schedule_is_stepped_in_training_and_ends_at_its_floor() -> None:
    history = run(contrastive(), max_epochs=4, min_learning_rate=1e-5, warmup_fraction=0.1)
    lr = history.frame["learning_rate"].tolist()
    assert lr[0] > lr[1] > lr[2] > lr[3]
    assert lr[3] == pytest.approx(1e-5)


@pytest.mark.parametrize("n", [16, 17, 33, 40])
def test_the_cosine_ends_with_training_also_when_the_last_row_was_merged(n: int) -> None:
    history = run(contrastive(), n=n, max_epochs=3, min_learning_rate=1e-5)
    assert history.frame["learning_rate"].iloc[-1] == pytest.approx(1e-5)


def test_a_floor_above_the_peak_keeps_the_rate_at_its_peak() -> None:
    assert rates(20, min_learning_rate=1.0, warmup_fraction=0.0)[1:] == pytest.approx([1e-2] * 20)


def test_the_peak_comes_from_the_config_or_else_from_the_model() -> None:
    own = run(Scripted([]), max_epochs=1, warmup_fraction=0.0, n=160)
    asked = run(Scripted([]), max_epochs=1, warmup_fraction=0.0, n=160, learning_rate=1e-3)
    assert own.frame["learning_rate"].iloc[-1] == pytest.approx(1e-5)
    slow, fast = Scripted([]), Scripted([])
    run(slow, max_epochs=1, learning_rate=1e-3, weight_decay=0)
    run(fast, max_epochs=1, weight_decay=0)
    assert float(fast.encoder.weight.detach()) > 20 * float(slow.encoder.weight.detach()) > 0  # type: ignore[operator]
    assert len(asked.frame) == 1


# ---- optimiser -------------------------------------------------------------------------------------------------


def test_weight_decay_pulls_on_the_weights_of_linear_layers_only() -> None:
    model = contrastive()
    decayed, kept = adamw(model, 1e-3, 0.3).param_groups
    names = {id(p): n for n, p in model.named_parameters()}
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.3, 0.0)
    linear = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    assert {names[id(p)] for p in decayed["params"]} == linear
    assert {names[id(p)] for p in kept["params"]} == set(names.values()) - linear
    assert any("table" in names[id(p)] for p in kept["params"])
    assert any("missing_vector" in names[id(p)] for p in kept["params"])


def test_a_frozen_parameter_is_left_to_itself() -> None:
    model = contrastive()
    for parameter in model.embedding_layer.parameters():
        parameter.requires_grad_(False)
    before = {n: p.clone() for n, p in model.embedding_layer.named_parameters()}
    run(model)
    for name, parameter in model.embedding_layer.named_parameters():
        assert torch.equal(parameter, before[name])


def test_a_large_gradient_is_clipped() -> None:
    model = Scripted([], lambda w: 1e6 * w.sum())
    run(model, max_epochs=1, gradient_clip=0.5)
    assert float(model.encoder.weight.grad.abs().max()) == pytest.approx(0.5)  # type: ignore[union-attr]


# ---- early stopping --------------------------------------------------------------------------------------------


def test_training_stops_when_patience_runs_out_and_the_best_weights_come_back() -> None:
    model = Scripted([3.0, 1.0, 2.0, 2.0, 2.0, 0.0])
    history = run(model, validation=dataset(8), max_epochs=6, patience=3)
    assert history.stopped_early
    assert history.best_epoch == 1
    assert history.frame.epoch.tolist() == [0, 1, 2, 3, 4]
    assert history.frame.validation_loss.tolist() == [3.0, 1.0, 2.0, 2.0, 2.0]
    assert float(model.encoder.weight.detach()) == pytest.approx(model.weights[1])  # type: ignore[operator]
    assert model.weights[4] > model.weights[1]
    assert not model.training


def test_the_best_weights_come_back_also_when_all_epochs_ran() -> None:
    model = Scripted([3.0, 1.0, 2.0])
    history = run(model, validation=dataset(8), max_epochs=3, patience=9)
    assert not history.stopped_early
    assert history.best_epoch == 1
    assert float(model.encoder.weight.detach()) == pytest.approx(model.weights[1])  # type: ignore[operator]


def test_without_validation_every_epoch_runs_and_the_last_weights_stay() -> None:
    model = Scripted([])
    history = run(model, max_epochs=4, patience=1)
    assert (len(history.frame), history.best_epoch, history.stopped_early) == (4, 3, False)
    assert history.frame.validation_loss.isna().all()


def test_early_stopping_survives_a_nan_and_keeps_the_best() -> None:
    stop = EarlyStopping(patience=3, min_delta=0)
    model = nn.Linear(1, 1)
    decisions = []
    for loss in (2.0, 1.0, math.nan, math.inf, -math.inf):
        nn.init.constant_(model.weight, loss)
        decisions.append(stop(loss, model))
    assert decisions == [False, False, False, False, True]
    assert (stop.best_loss, stop.best_epoch) == (1.0, 1)
    stop.restore(model)
    assert model.weight.item() == 1.0


def test_early_stopping_stops_when_every_loss_is_nan() -> None:
    stop = EarlyStopping(patience=2)
    assert [stop(math.nan), stop(math.nan)] == [False, True]


def test_a_fall_smaller_than_min_delta_is_no_improvement() -> None:
    stop = EarlyStopping(patience=2, min_delta=0.1)
    assert [stop(loss) for loss in (1.0, 0.95, 0.91)] == [False, False, True]
    assert stop.best_loss == 1.0


def test_an_improvement_starts_the_count_anew() -> None:
    stop = EarlyStopping(patience=2, min_delta=0)
    assert [stop(loss) for loss in (3.0, 4.0, 2.0, 4.0, 4.0)] == [False, False, False, False, True]


def test_the_kept_weights_are_a_copy() -> None:
    stop, model = EarlyStopping(), nn.Linear(1, 1)
    nn.init.constant_(model.weight, 5.0)
    stop(1.0, model)
    nn.init.constant_(model.weight, 6.0)
    stop.restore(model)
    assert model.weight.item() == 5.0


# ---- what is not finite ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_training_at_once_and_names_the_step(value: float) -> None:
    model = Scripted([])
    model.train_loss = lambda w: -w.sum() if len(model.sizes) < 5 else w.sum() * 0 + value
    with pytest.raises(
        TrainingError, match=rf"the loss is {value} in epoch 1, step 1 with finite input: .*learning rate"
    ):
        run(model, n=48, max_epochs=3)
    assert len(model.sizes) == 5
    assert torch.isfinite(model.encoder.weight).all()  # type: ignore[arg-type]


def test_numbers_that_are_not_finite_are_named_by_column() -> None:
    data = dataset(40)
    data.tensors.numerical[3, 1] = math.nan
    with pytest.raises(TrainingError, match=r"numerical column\(s\) 1 hold NaN or infinity; .*OCSFPreprocessor"):
        train_self_supervised(contrastive(), data, None, TrainingConfig(max_epochs=1, batch_size=40), progress=False)


def test_a_gradient_that_is_not_finite_stops_training_before_the_weights_are_lost() -> None:
    model = Scripted([], lambda w: (w * 0).abs().sqrt().sum())  # value 0, gradient NaN
    with pytest.raises(TrainingError, match="the gradient is nan in epoch 0, step 0"):
        run(model, max_epochs=1)
    assert float(model.encoder.weight.detach()) == 0.0  # type: ignore[operator]


def test_columns_that_are_not_finite_are_named_where_names_are_known() -> None:
    data = dataset(40)
    data.tensors.numerical[3, 1], data.names = math.inf, ("traffic.bytes", "duration", "user", "host")
    with pytest.raises(TrainingError, match=r"numerical column\(s\) 'duration' hold NaN or infinity"):
        train_self_supervised(contrastive(), data, None, TrainingConfig(max_epochs=1, batch_size=40), progress=False)


# ---- slices of a batch -----------------------------------------------------------------------------------------


class FixedMask(TabularResNetWithMFP):
    """A mask that depends on the event alone: slices hide the cells that the whole batch would."""

    def draw_mask(self, batch: Batch, *_: object) -> Tensor:
        return targets_of(batch) & (torch.cat([batch.numerical, batch.numerical], dim=1) > 3.5)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_slices_of_a_batch_leave_the_gradient_of_the_whole_though_they_hide_unequally(parts: int) -> None:
    grads, losses = [], []
    for slices in (1, parts):
        torch.manual_seed(0)
        model = FixedMask(EncoderConfig(d_model=8, num_blocks=1, dropout=0.0).build(2, CARDS), CARDS, 2)
        # Without clipping, which would hide a gradient of the wrong length.
        history = run(model, n=40, batch_size=40, max_epochs=1, accumulation_steps=slices, gradient_clip=1e9)
        grads.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        losses.append(history.frame["train_loss"][0])
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-5, atol=1e-6)
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


def test_a_task_that_compares_events_is_not_computed_in_slices() -> None:
    with pytest.raises(InputError, match=r"accumulation_steps=2 would change the loss of Scripted"):
        run(Scripted([]), accumulation_steps=2)


# ---- trackers --------------------------------------------------------------------------------------------------


class Listener(GeneralTracker):
    """Keeps what a tracker is told."""

    name, requires_logging_directory, tracker = "listener", False, None

    def __init__(self) -> None:
        super().__init__()
        self.config: dict[str, object] = {}
        self.rows: list[tuple[int | None, dict[str, float]]] = []
        self.finished = False

    def store_init_configuration(self, values: dict[str, object]) -> None:
        self.config = values

    def log(self, values: dict[str, float], step: int | None = None, **_: object) -> None:
        self.rows.append((step, values))

    def finish(self) -> None:
        self.finished = True


def test_a_tracker_is_told_options_and_every_epoch() -> None:
    listener = Listener()
    config = TrainingConfig(max_epochs=2, batch_size=16, device="cpu")
    history = train_self_supervised(contrastive(), dataset(40), dataset(12, 1), config, trackers=[listener])
    assert listener.config["max_epochs"] == 2
    assert [step for step, _ in listener.rows] == [0, 1]
    assert [row["validation_loss"] for _, row in listener.rows] == history.frame["validation_loss"].tolist()
    assert listener.finished


def test_a_tracker_that_is_not_installed_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="tracker 'nowhere' is not installed"):
        train_self_supervised(contrastive(), dataset(40), trackers=["nowhere"])


# ---- seeds -----------------------------------------------------------------------------------------------------


def weights(seed: int, model_seed: int = 0, **options: object) -> dict[str, Tensor]:
    model = contrastive(seed=model_seed)
    run(model, validation=dataset(12, 1), seed=seed, **options)
    return model.state_dict()


def test_the_same_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others() -> None:
    first = weights(3)
    torch.rand(17)  # the global random state plays no part
    second, third = weights(3), weights(4)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not all(torch.equal(first[k], third[k]) for k in first)


def test_without_a_seed_in_the_config_the_models_own_is_used() -> None:
    assert all(torch.equal(a, b) for a, b in zip(weights(42).values(), weights(None).values(), strict=True))  # type: ignore[arg-type]


def test_the_users_random_state_is_left_as_it_was() -> None:
    model, validation = contrastive(dropout=0.5), dataset(8)
    ours, numpys, pythons = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]
    run(model, validation=validation)
    assert torch.equal(ours, torch.random.get_rng_state())
    np.testing.assert_array_equal(numpys, np.random.get_state()[1])  # type: ignore[index]
    assert pythons == random.getstate()


def test_validation_looks_at_the_same_views_every_time() -> None:
    model, data = contrastive(dropout=0.5), dataset(30, 1)
    first = evaluate_loss(model, data, 16)
    torch.rand(5)
    assert evaluate_loss(model, data, 16) == first
    assert set(first) == {"validation_loss", "top1", "spread"}
    assert not model.training


def test_an_untouched_model_has_the_same_validation_loss_in_every_epoch() -> None:
    history = run(contrastive(), validation=dataset(30, 1), max_epochs=3, learning_rate=1e-30, min_learning_rate=0)
    assert history.frame.validation_loss.nunique() == 1
    assert history.frame.train_loss.nunique() == 3


# ---- batches and history ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "sizes"), [(33, [16, 17]), (34, [16, 16, 2]), (17, [17]), (16, [16])])
def test_a_last_batch_of_one_row_is_merged(n: int, sizes: list[int]) -> None:
    model = Scripted([])
    run(model, n=n, max_epochs=2)
    assert model.sizes == sizes * 2
    run(contrastive(), n=n, max_epochs=1)  # a contrastive batch of one row would be refused


def test_the_training_loss_of_an_epoch_is_the_mean_over_rows() -> None:
    model = Scripted([])
    losses = iter([1.0, 4.0])
    model.train_loss = lambda w: w.sum() * 0 + next(losses)
    assert run(model, n=24, max_epochs=1).frame.train_loss[0] == pytest.approx((16 * 1 + 8 * 4) / 24)


def test_no_epochs_train_nothing_and_say_so() -> None:
    model = contrastive()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    history = run(model, validation=dataset(8), max_epochs=0)
    assert len(history.frame) == 0
    assert (history.best_epoch, history.stopped_early) == (-1, False)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not model.training


def test_the_history_has_a_row_per_epoch() -> None:
    history = run(contrastive(), validation=dataset(12, 1), max_epochs=3)
    assert history.frame.columns.tolist() == [
        "epoch", "train_loss", "validation_loss", "learning_rate", "seconds", "top1", "spread",
    ]  # fmt: skip
    assert history.frame.epoch.tolist() == [0, 1, 2]
    assert history.frame.notna().all(axis=None)
    assert history.device == "cpu"


def test_training_on_a_table_with_structure_lowers_the_loss() -> None:
    history = run(contrastive(), n=200, validation=dataset(60, 1), max_epochs=8, learning_rate=5e-3)
    assert history.frame.validation_loss.min() < history.frame.validation_loss[0] - 0.05


@pytest.mark.parametrize("which", ["train", "validation"])
def test_fewer_than_two_events_are_refused(which: str) -> None:
    data = {"train": dataset(8), "validation": dataset(8)} | {which: dataset(1)}
    with pytest.raises(InputError, match=rf"{which} holds 1 event"):
        train_self_supervised(contrastive(), data["train"], data["validation"], progress=False)


def test_a_progress_bar_goes_to_standard_error_only_when_asked(capfd: pytest.CaptureFixture[str]) -> None:
    run(contrastive(), max_epochs=1)
    assert capfd.readouterr() == ("", "")


def test_a_device_that_is_not_there_is_refused_with_the_remedy() -> None:
    missing = "cuda" if torch.backends.mps.is_available() else "mps"  # a machine with both would be a curiosity
    with pytest.raises(InputError, match=f"device='{missing}' is not available"):
        run(contrastive(), device=missing)


def test_by_default_the_device_is_found_and_its_absence_is_no_error() -> None:
    assert TrainingConfig().device == "auto"
    history = train_self_supervised(contrastive(), dataset(16), config=TrainingConfig(max_epochs=1), progress=False)
    assert history.device.partition(":")[0] in ("cpu", "cuda", "mps")


def test_an_epoch_asks_for_whole_batches_and_never_for_single_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    one_row = OCSFDataset.__getitem__

    def watched(self: OCSFDataset, index: object) -> Batch:
        asked.append(index)
        return one_row(self, index)

    monkeypatch.setattr(OCSFDataset, "__getitem__", watched)
    run(contrastive(), n=40, validation=dataset(24, 1), max_epochs=1)
    assert not any(isinstance(index, int) for index in asked)


def test_training_in_bf16_calls_nothing_deprecated_and_keeps_the_weights_in_fp32() -> None:
    model = contrastive()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = run(model, precision="bf16")
    assert history.precision == "bf16"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
