"""Tasks by name: the four of the library, and a reader's own, which does all that they do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ocsf_ssl_lib import (
    Batch,
    ContrastiveConfig,
    DecoderConfig,
    DenoisingConfig,
    EncoderConfig,
    InputError,
    MaskedFeatureConfig,
    MLPConfig,
    MultiTaskConfig,
    OCSFAnomalyDetector,
    OCSFDataset,
    SSLConfig,
    SSLModel,
    TrainingConfig,
    available_ssl_models,
    build_model,
    train_self_supervised,
)
from ocsf_ssl_lib.encoder import BaseEncoderConfig
from ocsf_ssl_lib.pretext import corrupt

CARDS = [7, 6]
SMALL = EncoderConfig(d_model=8, num_blocks=1)
MLP = MLPConfig(d_model=8, num_layers=1)
TASKS = (ContrastiveConfig(temperature=0.3), MaskedFeatureConfig(mask_prob=(0.1, 0.2)))
CONFIGS: list[SSLConfig] = [
    ContrastiveConfig(encoder_config=MLP, decoder_config=DecoderConfig(hidden=(6, 4))),
    MaskedFeatureConfig(encoder_config=MLP, mask_prob=(0.1, 0.5), numerical_loss="gaussian", protected=(1,)),
    DenoisingConfig(encoder_config=SMALL, noise_strategy="zero", noise_probabilities={"num_0": 0.5}),
    MultiTaskConfig(encoder_config=MLP, tasks=TASKS, weights=(1.0, 2.0)),
    MultiTaskConfig(encoder_config=SMALL, tasks=(MultiTaskConfig(tasks=TASKS), DenoisingConfig())),
]


def batch_of(n: int = 12, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randint(3, c, (n,), generator=generator) for c in CARDS], 1)
    return Batch(torch.randn(n, 2, generator=generator), ids, torch.zeros(n, 2, dtype=torch.bool))


def same_weights(first: SSLModel, second: SSLModel) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())


# ---- a reader's own task ---------------------------------------------------------------------------------------


@pytest.fixture
def vime() -> Iterator[type[SSLConfig]]:
    """VIME's mask estimation: swap some cells and say which. Registered while a test runs."""

    class MaskEstimationConfig(SSLConfig):
        name: Literal["mask_estimation"] = "mask_estimation"
        swap_probability: float = Field(default=0.3, gt=0, lt=1)

    class MaskEstimation(SSLModel):
        config_class: ClassVar[type[SSLConfig]] = MaskEstimationConfig
        config: MaskEstimationConfig

        @classmethod
        def from_config(cls, config: Any, encoder: nn.Module, feature_names: Sequence[str]) -> SSLModel:
            decoder = nn.Linear(encoder.d_model, len(feature_names))  # type: ignore[arg-type]
            return cls(encoder, decoder, config)

        def calculate_loss(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
            width = batch.numerical.shape[1] + batch.categorical.shape[1]
            chance = torch.full((width,), self.config.swap_probability)
            spoilt, changed = corrupt(batch, chance, "swap", generator)
            return F.binary_cross_entropy_with_logits(self(spoilt), changed.float())

    yield MaskEstimationConfig
    SSLModel.registry.pop("mask_estimation")
    SSLConfig.family.pop("mask_estimation")


def test_a_task_of_ones_own_is_known_by_its_name(vime: type[SSLConfig]) -> None:
    model_class, config_class = available_ssl_models()["mask_estimation"]
    assert (model_class.__name__, config_class) == ("MaskEstimation", vime)
    config = vime(swap_probability=0.4, encoder_config=MLP)  # type: ignore[call-arg]
    parsed = SSLConfig.parse(json.loads(config.model_dump_json()))
    assert parsed == config
    assert type(parsed) is vime
    multi = MultiTaskConfig(tasks=(config, ContrastiveConfig()))
    assert MultiTaskConfig.from_dict(json.loads(multi.model_dump_json())) == multi


def test_a_task_of_ones_own_trains(vime: type[SSLConfig]) -> None:
    model = build_model(vime(encoder_config=EncoderConfig(d_model=16, num_blocks=1)), 2, CARDS)
    code = torch.randint(3, 6, (300,), generator=torch.Generator().manual_seed(0))
    number = (code - 4.0)[:, None].expand(-1, 2).clone()
    data = OCSFDataset.of(Batch(number, torch.stack([code, code], 1), torch.zeros(300, 2, dtype=torch.bool)))
    options = TrainingConfig(max_epochs=8, batch_size=64, learning_rate=1e-2, device="cpu")
    history = train_self_supervised(model, data, data, options, progress=False).frame
    assert history.validation_loss.iloc[-1] < 0.9 * history.validation_loss.iloc[0]


def test_a_task_of_ones_own_is_an_objective_of_the_detector(
    vime: type[SSLConfig], make_detector: Callable[..., OCSFAnomalyDetector], events: pd.DataFrame, tmp_path: Path
) -> None:
    detector = make_detector(objective="mask_estimation", model_config=vime(), max_epochs=1).fit(events)
    assert detector.score_name_ == "mahalanobis"
    assert type(detector.model_).__name__ == "MaskEstimation"
    loaded = OCSFAnomalyDetector.load(detector.save(tmp_path / "model"))
    assert loaded.model_.config == detector.model_.config
    np.testing.assert_array_equal(loaded.score_samples(events), detector.score_samples(events))
    with pytest.raises(InputError, match="'mask_estimation' predicts no cells"):
        make_detector(objective="mask_estimation", score="likelihood").fit(events)


def test_a_config_without_a_name_of_its_own_joins_no_family() -> None:
    before = dict(SSLConfig.family)

    class Nameless(SSLConfig):
        name: str

    class Base(BaseEncoderConfig):
        pass

    assert SSLConfig.family == before
    assert set(BaseEncoderConfig.family) == {"resnet", "mlp"}


# ---- build_model -----------------------------------------------------------------------------------------------


def test_the_library_has_four_tasks() -> None:
    tasks = available_ssl_models()
    assert sorted(tasks) == ["contrastive", "denoising", "masked", "multitask"]
    assert all(model.config_class is config for model, config in tasks.values())
    assert {name for name, (model, _) in tasks.items() if model.makes_views} == {"contrastive", "multitask"}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_a_config_that_went_through_json_builds_the_same_model(config: SSLConfig) -> None:
    again = SSLConfig.parse(json.loads(config.model_dump_json()))
    assert again == config
    assert type(again) is type(config)
    first, second = (build_model(c, 2, CARDS) for c in (config, again))
    assert same_weights(first, second)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    losses = [m.eval().calculate_loss(batch_of(), g).item() for m, g in zip((first, second), generators, strict=True)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_the_seed_of_the_config_draws_the_weights_and_no_other_state(config: SSLConfig) -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = build_model(config, 2, CARDS)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert same_weights(first, build_model(config, 2, CARDS))
    assert not same_weights(first, build_model(config.model_copy(update={"seed": 7}), 2, CARDS))


def test_names_of_the_columns_are_handed_on_and_invented_when_left_out() -> None:
    config = DenoisingConfig(encoder_config=SMALL, noise_probabilities={"user": 0.5}, default_noise_probability=0.0)
    model = build_model(config, 2, CARDS, ["bytes", "packets", "host", "user"])
    assert model.probabilities.tolist() == [0.0, 0.0, 0.0, 0.5]  # type: ignore[union-attr,operator]
    invented = config.model_copy(update={"noise_probabilities": {"num_1": 0.25, "cat_0": 0.75}})
    assert build_model(invented, 2, CARDS).probabilities.tolist() == [0.0, 0.25, 0.75, 0.0]  # type: ignore[union-attr,operator]
    with pytest.raises(InputError, match="did you mean 'user'"):
        build_model(
            config.model_copy(update={"noise_probabilities": {"usr": 0.5}}), 2, CARDS, ["bytes", "packets", "h", "user"]
        )


def test_a_config_that_is_no_task_is_refused_with_the_tasks_there_are() -> None:
    with pytest.raises(InputError, match="no pretext task has the name ''; there are contrastive, "):
        build_model(SSLConfig(), 1, [5])


def test_a_protected_column_that_does_not_exist_is_refused() -> None:
    for protected in ((2,), (-1,)):
        with pytest.raises(InputError, match="2 categorical columns"):
            build_model(MaskedFeatureConfig(encoder_config=SMALL, protected=protected), 2, CARDS)


# ---- the decoder and the defaults ------------------------------------------------------------------------------


def test_a_decoder_config_builds_linear_relu_dropout_for_each_width() -> None:
    decoder = DecoderConfig(hidden=(5, 3), dropout=0.2).build(8)
    assert [type(m) for m in decoder] == [nn.Linear, nn.ReLU, nn.Dropout] * 2
    assert [(m.in_features, m.out_features) for m in decoder if isinstance(m, nn.Linear)] == [(8, 5), (5, 3)]
    assert {m.p for m in decoder if isinstance(m, nn.Dropout)} == {0.2}
    assert decoder(torch.zeros(4, 8)).shape == (4, 3)


def test_the_base_has_no_loss_and_no_metrics() -> None:
    model = SSLModel(SMALL.build(2, CARDS))
    assert isinstance(model.decoder, nn.Identity)
    assert model.calculate_metrics(batch_of()) == {}
    with pytest.raises(NotImplementedError):
        model.calculate_loss(batch_of())


def test_metrics_and_surprise_keep_no_gradients() -> None:
    for config in (MaskedFeatureConfig(encoder_config=SMALL), DenoisingConfig(encoder_config=SMALL)):
        model = build_model(config, 2, CARDS)
        assert not model.cell_surprise(batch_of()).requires_grad  # type: ignore[operator]


@pytest.mark.parametrize("events", [2, 7, 10])
def test_no_slice_holds_a_single_event(events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(DenoisingConfig(encoder_config=SMALL, default_noise_probability=1.0), 2, CARDS)
    sizes: list[int] = []
    original = model.loss_and_weight

    def noted(batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, float]:
        sizes.append(len(batch.categorical))
        return original(batch, generator)

    monkeypatch.setattr(model, "loss_and_weight", noted)
    model.accumulate(batch_of(events), 100, None, Tensor.backward)
    assert sum(sizes) == events
    assert min(sizes) >= 2
