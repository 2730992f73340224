"""Configurations: frozen, strict about keys and values, and the same after a trip through JSON."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from ocsf_ssl_lib import (
    ContrastiveConfig,
    DecoderConfig,
    DenoisingConfig,
    EncoderConfig,
    FineTuneConfig,
    InputError,
    MaskedFeatureConfig,
    MLPConfig,
    MultiTaskConfig,
    TrainingConfig,
)
from ocsf_ssl_lib.config import FrozenConfig
from ocsf_ssl_lib.encoder import BaseEncoderConfig
from ocsf_ssl_lib.pretext import SSLConfig

CONFIGS: list[FrozenConfig] = [
    EncoderConfig(d_model=32, dropout=0.0),
    ContrastiveConfig(temperature=0.5, protected=(0, 2), projection_dim=None, encoder_config=EncoderConfig(d_model=8)),
    TrainingConfig(batch_size=64, learning_rate=3e-4, device="cpu"),
    SSLConfig(),
    MLPConfig(d_model=32, num_layers=2),
    DecoderConfig(hidden=(16, 8), dropout=0.2),
    MaskedFeatureConfig(mask_prob=0.3, encoder_config=MLPConfig(d_model=8), decoder_config=DecoderConfig(hidden=(4,))),
    MaskedFeatureConfig(mask_prob=(0.1, 0.5), mask_value="mean", numerical_loss="gaussian", protected=(1,)),
    DenoisingConfig(noise_strategy="zero", noise_probabilities={"user.name": 0.5}, default_noise_probability=0.1),
    MultiTaskConfig(
        encoder_config=MLPConfig(num_layers=1),
        tasks=(ContrastiveConfig(temperature=0.3), MaskedFeatureConfig(mask_prob=(0.1, 0.2)), DenoisingConfig()),
        weights=(1.0, 0.5, 2.0),
    ),
    MultiTaskConfig(tasks=(MultiTaskConfig(tasks=(DenoisingConfig(num_bins=7),)),)),
    FineTuneConfig(frozen=True, class_weight={"yes": 2.0}, encoder_config=MLPConfig()),
    FineTuneConfig(class_weight="balanced", unfreeze_every=2),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: type(c).__name__)
def test_a_config_is_the_same_after_json(config: FrozenConfig) -> None:
    assert type(config).model_validate_json(config.model_dump_json()) == config
    again = type(config).from_dict(json.loads(json.dumps(config.model_dump(mode="json"))))
    assert again == config
    assert again.model_dump() == config.model_dump()  # nested configs keep the fields of their own class
    if isinstance(config, SSLConfig):
        assert type(again.encoder_config) is type(config.encoder_config)


@pytest.mark.parametrize("config", [c for c in CONFIGS if getattr(c, "name", "")], ids=lambda c: type(c).__name__)
def test_a_config_is_found_again_by_its_name(config: BaseEncoderConfig | SSLConfig) -> None:
    family = SSLConfig if isinstance(config, SSLConfig) else BaseEncoderConfig
    again = family.parse(json.loads(config.model_dump_json()))
    assert type(again) is type(config)
    assert again == config
    assert family.parse(config) is config


def test_without_a_name_the_config_of_the_class_that_was_asked_is_meant() -> None:
    assert BaseEncoderConfig.parse({"d_model": 8}) == EncoderConfig(d_model=8)
    assert MLPConfig.parse({"d_model": 8}) == MLPConfig(d_model=8)
    assert MaskedFeatureConfig.parse({"mask_prob": 0.2}) == MaskedFeatureConfig(mask_prob=0.2)


@pytest.mark.parametrize(
    ("config", "values", "message"),
    [
        (MaskedFeatureConfig, {"mask_prb": 0.2}, "unknown option 'mask_prb'; did you mean 'mask_prob'"),
        (MaskedFeatureConfig, {"encoder_config": {"name": "mpl"}}, "encoder_config: .*'mpl'; did you mean 'mlp'"),
        (
            MaskedFeatureConfig,
            {"encoder_config": {"name": "mlp", "num_layer": 1}},
            "encoder_config: .*'num_layer'; did you mean 'num_layers'",
        ),
        (MaskedFeatureConfig, {"encoder_config": {"name": "mlp", "dropout": 2}}, "encoder_config: .*dropout"),
        (DenoisingConfig, {"decoder_config": {"hiden": [4]}}, "decoder_config: .*'hiden'; did you mean 'hidden'"),
        (MultiTaskConfig, {"tasks": [{"name": "maskd"}]}, "tasks: .*'maskd'; did you mean 'masked'"),
        (
            MultiTaskConfig,
            {"tasks": [{"name": "contrastive"}, {"name": "masked", "numbins": 3}]},
            "tasks: .*'numbins'; did you mean 'num_bins'",
        ),
        (FineTuneConfig, {"unfreeze": 3}, "did you mean 'unfreeze_every'"),
    ],
)
def test_a_misspelt_key_or_name_is_refused_with_the_nearest_however_deep(
    config: type[FrozenConfig], values: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        config.from_dict(values)
    assert "\n" not in str(caught.value)


def test_a_config_cannot_be_changed() -> None:
    config = TrainingConfig()
    with pytest.raises(ValidationError):
        config.batch_size = 3
    assert config.batch_size == 256


def test_an_unknown_key_is_refused_with_the_nearest_valid_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'temperature'"):
        ContrastiveConfig(temprature=0.2)  # type: ignore[call-arg]
    with pytest.raises(InputError, match=r"unknown option 'zzz'; valid keys: .*batch_size"):
        TrainingConfig.from_dict({"zzz": 1})


def test_an_unknown_key_of_a_nested_config_is_refused_by_its_path() -> None:
    with pytest.raises(InputError, match=r"encoder_config: .*did you mean 'd_model'"):
        ContrastiveConfig.from_dict({"encoder_config": {"d_modl": 8}})


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (TrainingConfig, {"batch_size": 1}),
        (TrainingConfig, {"max_epochs": -1}),
        (TrainingConfig, {"learning_rate": 0}),
        (TrainingConfig, {"learning_rate": math.nan}),
        (TrainingConfig, {"learning_rate": math.inf}),
        (TrainingConfig, {"warmup_fraction": 1}),
        (TrainingConfig, {"patience": 0}),
        (TrainingConfig, {"batch_size": "many"}),
        (ContrastiveConfig, {"temperature": 0}),
        (ContrastiveConfig, {"temperature": math.inf}),
        (ContrastiveConfig, {"dropout_prob": 1.1}),
        (ContrastiveConfig, {"noise_level": -0.1}),
        (ContrastiveConfig, {"swap": "any"}),
        (ContrastiveConfig, {"projection_dim": 0}),
        (ContrastiveConfig, {"seed": -1}),
        (EncoderConfig, {"d_model": 0}),
        (EncoderConfig, {"dropout": 1.0}),
        (EncoderConfig, {"num_blocks": -1}),
        (MLPConfig, {"num_layers": -1}),
        (MLPConfig, {"name": "resnet"}),
        (DecoderConfig, {"hidden": []}),
        (DecoderConfig, {"dropout": 1.0}),
        (MaskedFeatureConfig, {"mask_prob": 1.5}),
        (MaskedFeatureConfig, {"mask_prob": -0.1}),
        (MaskedFeatureConfig, {"mask_prob": (0.5, 0.1)}),
        (MaskedFeatureConfig, {"mask_prob": (0.5, 1.1)}),
        (MaskedFeatureConfig, {"mask_prob": (0.1, 0.2, 0.3)}),
        (MaskedFeatureConfig, {"mask_prob": math.nan}),
        (MaskedFeatureConfig, {"mask_value": "median"}),
        (MaskedFeatureConfig, {"numerical_loss": "mae"}),
        (MaskedFeatureConfig, {"num_bins": 1}),
        (MaskedFeatureConfig, {"numerical_weight": -1}),
        (MaskedFeatureConfig, {"name": "contrastive"}),
        (DenoisingConfig, {"noise_strategy": "blur"}),
        (DenoisingConfig, {"noise_probabilities": {"user.name": 1.5}}),
        (DenoisingConfig, {"default_noise_probability": math.nan}),
        (MultiTaskConfig, {"tasks": []}),
        (MultiTaskConfig, {"tasks": "masked"}),
        (MultiTaskConfig, {"weights": (1.0,)}),
        (MultiTaskConfig, {"weights": (1.0, -1.0)}),
        (MultiTaskConfig, {"weights": (0.0, 0.0)}),
        (FineTuneConfig, {"unfreeze_every": -1}),
        (FineTuneConfig, {"class_weight": "even"}),
        (FineTuneConfig, {"class_weight": {"yes": -1.0}}),
        (FineTuneConfig, {"class_weight": {"yes": 0.0}}),
        (FineTuneConfig, {"class_weight": {"yes": math.inf}}),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_it(
    config: type[FrozenConfig], values: dict[str, object]
) -> None:
    with pytest.raises(InputError) as caught:
        config.from_dict(values)
    message = str(caught.value)
    assert "\n" not in message
    assert next(iter(values)) in message
    with pytest.raises(ValueError, match=next(iter(values))):
        config(**values)


def test_defaults_are_those_of_the_source_texts() -> None:
    encoder, contrastive, shared = EncoderConfig(), ContrastiveConfig(), SSLConfig()
    assert (encoder.d_model, encoder.num_blocks, encoder.dropout) == (256, 6, 0.1)
    assert (contrastive.noise_level, contrastive.dropout_prob, contrastive.temperature) == (0.1, 0.2, 0.1)
    assert (shared.learning_rate, shared.seed) == (1e-3, 42)
    assert MaskedFeatureConfig().mask_prob == 0.15
