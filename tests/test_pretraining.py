"""Pre-training: any task on a table of events, and a folder that gives the same model back."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ocsf_ssl_lib import (
    Batch,
    ContrastiveConfig,
    DenoisingConfig,
    EncoderConfig,
    FineTuneConfig,
    InputError,
    MaskedFeatureConfig,
    MLPConfig,
    MultiTaskConfig,
    OCSFAnomalyDetector,
    OCSFDataset,
    OCSFPreprocessor,
    Pretrained,
    SSLConfig,
    TrainingConfig,
    pretrain,
)
from ocsf_ssl_lib.artifact import MANIFEST, _sha256

SMALL = EncoderConfig(d_model=8, num_blocks=1)
BRIEF = TrainingConfig(max_epochs=1, batch_size=64, device="cpu")
CONFIGS: list[SSLConfig] = [
    ContrastiveConfig(encoder_config=SMALL),
    MaskedFeatureConfig(encoder_config=MLPConfig(d_model=8, num_layers=1), mask_prob=(0.1, 0.4)),
    DenoisingConfig(encoder_config=SMALL, noise_probabilities={"user.name": 0.5}),
    MultiTaskConfig(encoder_config=SMALL, tasks=(ContrastiveConfig(), DenoisingConfig())),
]


def run(frame: pd.DataFrame, config: SSLConfig | None = None, **options: Any) -> Pretrained:
    config = config if config is not None else MaskedFeatureConfig(encoder_config=SMALL)
    return pretrain(frame, config, **{"training": BRIEF, "progress": False} | options)


def embeddings(model: Pretrained, frame: pd.DataFrame) -> np.ndarray:
    data = OCSFDataset.from_frame(model.preprocessor, frame)
    with torch.no_grad():
        return model.model.eval().featurize(Batch(*data.tensors)).numpy()


def rewrite(folder: Path, change: Callable[[dict], object]) -> None:
    """Change config.json and sign it anew, as someone who means it would."""
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["config.json"] = _sha256(folder / "config.json")
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_every_task_is_trained_saved_and_loaded(
    config: SSLConfig, events: pd.DataFrame, make_events: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    first = run(events, config)
    assert first.model.config == config
    assert first.history is not None
    assert first.history.frame.validation_loss.notna().all()
    loaded = Pretrained.load(first.save(tmp_path / "model"))
    assert loaded.model.config == config
    assert loaded.history is None
    ours, theirs = first.model.state_dict(), loaded.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items())
    for frame in (events, make_events(20, seed=3), events.head(0)):
        np.testing.assert_array_equal(embeddings(first, frame), embeddings(loaded, frame))


def test_the_masked_task_is_the_default(events: pd.DataFrame) -> None:
    assert pretrain(events.head(20), training=TrainingConfig(max_epochs=0)).model.config == MaskedFeatureConfig()


def test_the_seed_decides_and_the_callers_random_state_is_left_alone(events: pd.DataFrame) -> None:
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other = (
        embeddings(run(events, MaskedFeatureConfig(encoder_config=SMALL, seed=seed)), events) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])


def test_without_epochs_the_random_weights_stay(events: pd.DataFrame) -> None:
    none = run(events, training=TrainingConfig(max_epochs=0, device="cpu"))
    assert none.history is None
    assert not np.allclose(embeddings(none, events), embeddings(run(events), events))


def test_a_fitted_preprocessor_is_used_as_it_is_and_another_is_fitted(events: pd.DataFrame) -> None:
    fitted = OCSFPreprocessor(["traffic.bytes"], ["user.name"]).fit(events)
    half = events[events["user.name"].isin(["ann", "bob"])]
    model = run(half, preprocessor=fitted)
    assert model.preprocessor is fitted
    assert model.model.encoder.categorical_cardinalities == [7]
    fresh = run(half, preprocessor=OCSFPreprocessor(["traffic.bytes"], ["user.name"]))
    assert fresh.model.encoder.categorical_cardinalities == [5]


@pytest.mark.parametrize(("fraction", "held"), [(0.0, 0), (0.1, 30), (0.5, 150), (0.005, 0)])
def test_held_out_events_are_not_trained_on(
    fraction: float, held: int, events: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[OCSFDataset | None] = []

    class Nothing:
        frame = pd.DataFrame()

    def record(model: object, train: OCSFDataset, held: OCSFDataset | None, *_: object, **__: object) -> type:
        parts.extend([train, held])
        return Nothing

    monkeypatch.setattr("ocsf_ssl_lib.pretraining.train_self_supervised", record)
    model = run(events, validation_fraction=fraction)
    validation = parts[1]
    assert (len(validation) if validation is not None else 0) == held
    rows = [v for part in parts if part is not None for v in part.tensors.numerical[:, 0].tolist()]
    assert sorted(rows) == sorted(model.preprocessor.transform(events).numerical[:, 0].tolist())


def test_options_that_cannot_be_are_refused(events: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="validation_fraction must be"):
        run(events, validation_fraction=1.0)
    with pytest.raises(InputError, match="no pretext task has the name 'finetune'"):
        run(events, FineTuneConfig(encoder_config=SMALL))
    with pytest.raises(InputError, match=r"no column 'user\.nam'; did you mean 'user\.name'"):
        run(events, DenoisingConfig(encoder_config=SMALL, noise_probabilities={"user.nam": 0.5}))


# ---- folders ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(events: pd.DataFrame) -> Pretrained:
    return run(events)


def test_a_folder_of_another_kind_is_refused(model: Pretrained, fitted: OCSFAnomalyDetector, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no Pretrained, but OCSFAnomalyDetector"):
        Pretrained.load(fitted.save(tmp_path / "detector"))
    with pytest.raises(InputError, match="holds no OCSFAnomalyDetector"):
        OCSFAnomalyDetector.load(model.save(tmp_path / "model"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["model"].update(mask_prob=7), "mask_prob"),
        (lambda c: c["model"].update(name="maskd"), "did you mean 'masked'"),
        (lambda c: c["model"].update(colour="red"), "unknown option 'colour'"),
        (lambda c: c["model"]["encoder_config"].update(d_model=16), "does not fit this version"),
        (lambda c: c["vocabularies"]["user.name"].append("one more"), "does not fit this version"),
        (lambda c: c.pop("vocabularies"), "does not fit this version .*vocabularies"),
        (lambda c: c["preprocessor"].update(colour="red"), "does not fit this version .*colour"),
        (lambda c: c.update(model=None), "does not fit this version"),
    ],
    ids=range(8),
)
def test_a_folder_whose_parts_do_not_fit_is_refused_in_one_line(
    change: Callable[[dict], object], message: str, model: Pretrained, tmp_path: Path
) -> None:
    folder = model.save(tmp_path / "model")
    rewrite(folder, change)
    with pytest.raises(InputError, match=message) as caught:
        Pretrained.load(folder)
    assert "\n" not in str(caught.value)


def test_an_altered_folder_is_refused(model: Pretrained, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("masked", "Masked"))
    with pytest.raises(InputError, match=r"config\.json was altered"):
        Pretrained.load(folder)


def test_a_folder_is_replaced_only_when_allowed(model: Pretrained, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    with pytest.raises(InputError, match="exists"):
        model.save(folder)
    assert model.save(folder, overwrite=True) == folder


def test_loading_runs_no_pickle(model: Pretrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    folder = model.save(tmp_path / "model")
    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    Pretrained.load(folder)
    assert {f.name for f in folder.iterdir()} == {MANIFEST, "config.json", "tensors.safetensors", "scaler.skops"}
