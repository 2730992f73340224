"""Stage 7b: a fitted detector <-> an ``Artifact``: what is stored, and how it is put together again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from ocsf_ssl_lib.artifact import Artifact, load_artifact, save_artifact
from ocsf_ssl_lib.detect.scores import make_scorer
from ocsf_ssl_lib.encoder import EncoderConfig
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import OCSFPreprocessor
from ocsf_ssl_lib.pretext.contrastive import ContrastiveConfig
from ocsf_ssl_lib.scaling import NumberScaler
from ocsf_ssl_lib.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect.detector import OCSFAnomalyDetector

__all__ = ["load_detector", "save_detector"]

D = TypeVar("D", bound="OCSFAnomalyDetector")
# Options that name objects or this machine: stored as what they resolved to, or not at all.
NOT_STORED = ("encoder_config", "model_config", "random_state", "progress", "device")


def save_detector(detector: OCSFAnomalyDetector, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a fitted detector to a folder."""
    prep = detector.preprocessor_
    options = {k: v for k, v in detector.get_params(deep=False).items() if k not in NOT_STORED}
    plain = {k: v.item() for k, v in options.items() if isinstance(v, np.generic)}  # JSON knows no numpy
    plain |= {k: [str(c) for c in v] for k, v in options.items() if isinstance(v, list | tuple | np.ndarray | pd.Index)}
    config = {
        "kind": "OCSFAnomalyDetector",
        "options": options | plain,
        "model": detector.model_.config.model_dump(mode="json"),
        "seed": detector.seed_,
        "offset": detector.offset_,
        "numerical_names": prep.numerical_names_,
        "categorical_names": prep.categorical_names_,
        "vocabularies": {name: v.values for name, v in prep.vocabularies_.items()},
        "ranks": prep.scaler_.ranks,
        "column_report": prep.column_report_.to_dict(orient="list"),
    }
    tensors = {f"model.{k}": v for k, v in detector.model_.state_dict().items()}
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
    from ocsf_ssl_lib.detect.detector import build_model

    c: dict[str, Any] = artifact.config
    model_config = ContrastiveConfig.from_dict(c["model"])
    encoder_config = EncoderConfig.from_dict(c["model"]["encoder_config"])
    detector = cls(**c["options"], encoder_config=encoder_config, model_config=model_config, random_state=c["seed"])
    prep = OCSFPreprocessor(
        detector.numerical_cols,
        detector.categorical_cols,
        scaling=detector.scaling,
        max_categories=detector.max_categories,
        on_missing_column=detector.on_missing_column,
    )
    prep.numerical_names_, prep.categorical_names_ = list(c["numerical_names"]), list(c["categorical_names"])
    prep.vocabularies_ = {name: Vocabulary(c["vocabularies"][name]) for name in prep.categorical_names_}
    prep.cardinalities_ = [len(v) for v in prep.vocabularies_.values()]
    prep.column_report_ = pd.DataFrame(c["column_report"])
    prep.n_features_in_ = len(prep.numerical_names_) + len(prep.categorical_names_)
    if prep.numerical_names_ and not isinstance(artifact.estimator, QuantileTransformer | StandardScaler):
        raise ValueError("the scaler of the numbers is missing")
    prep.scaler_ = NumberScaler(detector.scaling)
    prep.scaler_.estimator, prep.scaler_.ranks = artifact.estimator, dict(c["ranks"])
    detector.preprocessor_ = prep
    detector.n_features_in_ = prep.n_features_in_
    detector.model_ = build_model(model_config, len(prep.numerical_names_), prep.cardinalities_)
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "scorer": {}}
    for name, tensor in artifact.tensors.items():
        owner, _, key = name.partition(".")
        parts[owner][key] = tensor
    detector.model_.load_state_dict(parts["model"])
    detector.model_.eval()
    detector.scorer_ = make_scorer(detector.score).load_state({k: v.numpy() for k, v in parts["scorer"].items()})
    detector.offset_, detector.seed_, detector.history_ = float(c["offset"]), int(c["seed"]), None
    return detector
