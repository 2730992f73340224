"""Configurations: frozen, strict about keys and values, and the same after a trip through JSON."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from ocsf_ssl_lib import ContrastiveConfig, EncoderConfig, InputError, TrainingConfig
from ocsf_ssl_lib.config import FrozenConfig
from ocsf_ssl_lib.pretext import SSLConfig

CONFIGS: list[FrozenConfig] = [
    EncoderConfig(d_model=32, dropout=0.0),
    ContrastiveConfig(temperature=0.5, protected=(0, 2), projection_dim=None, encoder_config=EncoderConfig(d_model=8)),
    TrainingConfig(batch_size=64, learning_rate=3e-4, device="cpu"),
    SSLConfig(),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: type(c).__name__)
def test_a_config_is_the_same_after_json(config: FrozenConfig) -> None:
    assert type(config).model_validate_json(config.model_dump_json()) == config
    assert type(config).from_dict(json.loads(json.dumps(config.model_dump(mode="json")))) == config


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
