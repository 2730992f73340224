"""A saved detector is the same detector, and a folder that is not one is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import (
    ContrastiveConfig,
    DecoderConfig,
    DenoisingConfig,
    InputError,
    MaskedFeatureConfig,
    MLPConfig,
    MultiTaskConfig,
    OCSFAnomalyDetector,
    SSLConfig,
)
from ocsf_ssl_lib.artifact import MANIFEST, _sha256

Make = Callable[..., OCSFAnomalyDetector]


def rewrite(folder: Path, change: Callable[[dict], object]) -> None:
    """Change config.json and sign it anew, as someone who means it would."""
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["config.json"] = _sha256(folder / "config.json")
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.fixture
def saved(fitted: OCSFAnomalyDetector, tmp_path: Path) -> Path:
    return fitted.save(tmp_path / "model")


@pytest.mark.parametrize("score", ["mahalanobis", "knn"])
@pytest.mark.parametrize("scaling", ["quantile", "standard"])
def test_loaded_scores_are_identical(
    score: str, scaling: str, make_detector: Make, events: pd.DataFrame, make_events: Callable, tmp_path: Path
) -> None:
    detector = make_detector(score=score, scaling=scaling, objective="untrained").fit(events)
    loaded = OCSFAnomalyDetector.load(detector.save(tmp_path / "model"))
    for frame in (events, make_events(50, seed=5), events.head(0)):
        np.testing.assert_array_equal(loaded.score_samples(frame), detector.score_samples(frame))
        np.testing.assert_array_equal(loaded.predict(frame), detector.predict(frame))
        np.testing.assert_array_equal(loaded.transform(frame), detector.transform(frame))
    assert loaded.preprocessor_.get_params() == detector.preprocessor_.get_params()


NOISY = {"user.name": 0.5}
TASKS: list[tuple[str, SSLConfig | None]] = [
    ("masked", None),
    ("masked", MaskedFeatureConfig(mask_prob=(0.1, 0.4), numerical_loss="gaussian", mask_value="mean")),
    ("denoising", DenoisingConfig(noise_probabilities=NOISY, decoder_config=DecoderConfig(hidden=(6,)))),
    ("multitask", MultiTaskConfig(tasks=(ContrastiveConfig(), DenoisingConfig(noise_probabilities=NOISY)))),
]


@pytest.mark.parametrize(("objective", "model_config"), TASKS, ids=range(len(TASKS)))
@pytest.mark.parametrize("score", [None, "likelihood"])
def test_detectors_of_every_objective_come_back(
    objective: str,
    model_config: SSLConfig | None,
    score: str | None,
    make_detector: Make,
    events: pd.DataFrame,
    make_events: Callable,
    tmp_path: Path,
) -> None:
    encoder = MLPConfig(d_model=8, num_layers=1)
    options = {"objective": objective, "model_config": model_config, "encoder_config": encoder, "max_epochs": 1}
    detector = make_detector(score=score, **options).fit(events)
    loaded = OCSFAnomalyDetector.load(detector.save(tmp_path / "model"))
    assert (loaded.score, loaded.score_name_, loaded.offset_) == (score, detector.score_name_, detector.offset_)
    assert loaded.model_.config == detector.model_.config
    for frame in (events, make_events(50, seed=5), events.head(0)):
        np.testing.assert_array_equal(loaded.score_samples(frame), detector.score_samples(frame))
        np.testing.assert_array_equal(loaded.transform(frame), detector.transform(frame))
        pd.testing.assert_frame_equal(loaded.cell_surprise(frame), detector.cell_surprise(frame))
    again = OCSFAnomalyDetector.load(loaded.save(tmp_path / "again"))
    assert (tmp_path / "again" / "config.json").read_bytes() == (tmp_path / "model" / "config.json").read_bytes()
    np.testing.assert_array_equal(again.fit(events).score_samples(events), detector.score_samples(events))


@pytest.mark.parametrize("columns", [(["traffic.bytes"], []), ([], ["user.name"]), (None, None)])
def test_detectors_of_only_numbers_only_categories_or_chosen_columns_come_back(
    columns: tuple, make_detector: Make, events: pd.DataFrame, tmp_path: Path
) -> None:
    detector = make_detector(numerical_cols=columns[0], categorical_cols=columns[1], objective="untrained").fit(events)
    loaded = OCSFAnomalyDetector.load(detector.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.score_samples(events), detector.score_samples(events))
    pd.testing.assert_frame_equal(loaded.column_report_, detector.column_report_)


@pytest.mark.slow
def test_a_trained_detector_scores_the_same_in_another_process(
    saved: Path, fitted: OCSFAnomalyDetector, events: pd.DataFrame, tmp_path: Path
) -> None:
    events.to_parquet(tmp_path / "events.parquet")
    code = (
        "import sys, pandas as pd\n"
        "from ocsf_ssl_lib import OCSFAnomalyDetector\n"
        "frame = pd.read_parquet(sys.argv[2])\n"
        "print(*[s.hex() for s in OCSFAnomalyDetector.load(sys.argv[1]).score_samples(frame)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved), str(tmp_path / "events.parquet")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    frame = pd.read_parquet(tmp_path / "events.parquet")
    assert [float.fromhex(s) for s in done.stdout.split()] == fitted.score_samples(frame).tolist()


def test_parameters_survive_and_the_loaded_detector_can_be_fitted_again(
    saved: Path, fitted: OCSFAnomalyDetector, events: pd.DataFrame
) -> None:
    loaded = OCSFAnomalyDetector.load(saved)
    kept = ("numerical_cols", "categorical_cols", "objective", "score", "max_epochs", "contamination", "protected")
    assert {k: loaded.get_params()[k] for k in kept} == {k: fitted.get_params()[k] for k in kept}
    assert loaded.encoder_config == fitted.encoder_config
    assert (loaded.seed_, loaded.offset_) == (fitted.seed_, fitted.offset_)
    assert loaded.history_ is None
    np.testing.assert_array_equal(loaded.fit(events).score_samples(events), fitted.score_samples(events))


def test_a_detector_that_was_loaded_can_be_saved_again(saved: Path, events: pd.DataFrame, tmp_path: Path) -> None:
    first = OCSFAnomalyDetector.load(saved)
    second = OCSFAnomalyDetector.load(first.save(tmp_path / "again"))
    np.testing.assert_array_equal(first.score_samples(events), second.score_samples(events))
    assert (tmp_path / "again" / "config.json").read_bytes() == (saved / "config.json").read_bytes()


def test_numbers_and_lists_of_numpy_and_pandas_can_be_saved(
    make_detector: Make, events: pd.DataFrame, tmp_path: Path
) -> None:
    detector = make_detector(
        objective="untrained",
        max_epochs=np.int64(3),
        contamination=np.float32(0.25),
        numerical_cols=pd.Index(["traffic.bytes"]),
        categorical_cols=np.array(["user.name", "status_id"]),
        protected=("status_id",),
        random_state=np.int64(4),
    ).fit(events)
    loaded = OCSFAnomalyDetector.load(detector.save(tmp_path / "model"))
    assert (loaded.max_epochs, loaded.contamination, loaded.seed_) == (3, 0.25, 4)
    assert loaded.protected == ["status_id"]
    np.testing.assert_array_equal(loaded.score_samples(events), detector.score_samples(events))


def test_values_in_any_script_survive(make_detector: Make, tmp_path: Path) -> None:
    frame = pd.DataFrame({"user.name": ["Ωmega", "名前", 'quo"te\n'] * 10, "traffic.bytes": range(30)})
    detector = make_detector(objective="untrained", categorical_cols=["user.name"]).fit(frame)
    loaded = OCSFAnomalyDetector.load(detector.save(tmp_path / "mödel"))
    np.testing.assert_array_equal(loaded.score_samples(frame), detector.score_samples(frame))


def test_the_machine_and_its_paths_are_not_written_down(saved: Path) -> None:
    for file in saved.iterdir():
        content = file.read_bytes()
        assert str(Path.home()).encode() not in content or str(Path.home()) == "/"
        assert str(saved.parent).encode() not in content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(kind="OtherModel"), "holds no OCSFAnomalyDetector"),
        (lambda c: c.pop("offset"), "does not fit this version .*offset"),
        (lambda c: c["options"].update(colour="red"), "does not fit this version .*colour"),
        (lambda c: c.update(options=[]), "does not fit this version"),
        (lambda c: c["model"].update(temperature=-1), "temperature"),
        (lambda c: c["model"].update(name="masked"), "unknown option 'temperature'"),
        (lambda c: c["model"].update(name="contrasting"), "did you mean 'contrastive'"),
        (lambda c: c["model"]["encoder_config"].update(name="mlp"), "unknown option 'num_blocks'"),
        (lambda c: c.update(model=7), "does not fit this version"),
        (lambda c: c["options"].update(score="lof"), "score must be one of"),
        (lambda c: c["model"]["encoder_config"].update(d_model=8), "does not fit this version"),
        (lambda c: c["vocabularies"]["user.name"].append("one more"), "does not fit this version"),
        (lambda c: c["options"].update(score="knn"), "does not fit this version"),
    ],
    ids=range(13),
)
def test_a_folder_whose_parts_do_not_fit_is_refused_in_one_line(
    change: Callable[[dict], object], message: str, saved: Path
) -> None:
    rewrite(saved, change)
    with pytest.raises(InputError, match=message) as caught:
        OCSFAnomalyDetector.load(saved)
    assert "\n" not in str(caught.value)


def test_a_folder_whose_scaler_was_struck_off_the_list_is_refused(saved: Path) -> None:
    manifest = json.loads((saved / MANIFEST).read_text())
    del manifest["files"]["scaler.skops"]
    (saved / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="scaler of the numbers is missing"):
        OCSFAnomalyDetector.load(saved)
