"""Stage 7b: a fitted detector <-> an ``Artifact``: what is stored, and how it is put together again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from ocsf_ssl_lib.artifact import Artifact, load_artifact, save_artifact
from ocsf_ssl_lib.detect.scores import make_scorer
from ocsf_ssl_lib.detect.threshold import Calibration
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.feature_state import plain, preprocessor_state, restore_preprocessor
from ocsf_ssl_lib.features import FeatureArrays
from ocsf_ssl_lib.pretext.base import SSLConfig, build_model

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect.detector import OCSFAnomalyDetector

__all__ = ["load_detector", "save_detector"]

D = TypeVar("D", bound="OCSFAnomalyDetector")
# Options that name objects or this machine: stored as what they resolved to, or not at all.
NOT_STORED = (
    "encoder_config",
    "model_config",
    "random_state",
    "progress",
    "device",
    "threads",
    "checkpoints",
    "resume",
)


def save_detector(detector: OCSFAnomalyDetector, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a fitted detector to a folder."""
    prep = detector.preprocessor_
    config = {
        "kind": "OCSFAnomalyDetector",
        "options": plain({k: v for k, v in detector.get_params(deep=False).items() if k not in NOT_STORED}),
        "model": detector.model_.config.model_dump(mode="json"),
        "seed": detector.seed_,
        "offset": detector.offset_,
    } | preprocessor_state(prep)
    tensors = {f"model.{k}": v for k, v in detector.model_.state_dict().items()}
    tensors |= {f"reference.{k}": torch.from_numpy(v) for k, v in detector.reference_._asdict().items()}
    if detector.calibration_ is not None:
        tensors |= {f"calibration.{k}": torch.from_numpy(v) for k, v in detector.calibration_.state().items()}
    tensors |= {f"scorer.{k}": torch.from_numpy(np.asarray(v)) for k, v in detector.scorer_.state().items()}
    return save_artifact(Artifact(config, tensors, prep.scaler_.estimator), path, overwrite=overwrite)


def load_detector(cls: type[D], path: str | Path) -> D:
    """Put a detector together again from a folder.

    Raises:
        InputError: the folder is incomplete, altered, or holds something else.
    """
    artifact = load_artifact(path)
    if artifact.config.get("kind") != "OCSFAnomalyDetector":
        raise InputError(f"{path} holds no OCSFAnomalyDetector; train one first")
    try:
        return _assemble(cls, artifact)
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} does not fit this version of the library ({first}); train the model again") from None


def _assemble(cls: type[D], artifact: Artifact) -> D:
    c: dict[str, Any] = artifact.config
    model_config: SSLConfig = SSLConfig.parse(c["model"])
    detector = cls(
        **c["options"], encoder_config=model_config.encoder_config, model_config=model_config, random_state=c["seed"]
    )
    prep = restore_preprocessor(detector.preprocessor_options(), c, artifact.estimator)
    detector.preprocessor_, detector.n_features_in_ = prep, prep.n_features_in_
    names = prep.numerical_names_ + prep.categorical_names_
    detector.model_ = build_model(model_config, len(prep.numerical_names_), prep.cardinalities_, names)
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "scorer": {}, "reference": {}, "calibration": {}}
    for name, tensor in artifact.tensors.items():
        owner, _, key = name.partition(".")
        parts[owner][key] = tensor
    detector.model_.load_state_dict(parts["model"])
    detector.model_.eval()
    detector.objective_ = detector._objective()
    detector.score_name_ = detector._score_name()
    detector.scorer_ = make_scorer(detector.score_name_).load_state({k: v.numpy() for k, v in parts["scorer"].items()})
    kept = {k: v.numpy() for k, v in parts["calibration"].items()}
    detector.calibration_ = Calibration().load_state(kept) if kept else None
    detector.reference_ = FeatureArrays(**{k: v.numpy() for k, v in parts["reference"].items()})
    detector.offset_, detector.seed_, detector.history_ = float(c["offset"]), int(c["seed"]), None
    return detector
