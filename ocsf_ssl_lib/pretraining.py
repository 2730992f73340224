"""Stage 6a: learn from events without labels, and keep all that a later step needs.

The first step of PyTorch Tabular's workflow: ``pretrain`` -> ``create_finetune_model`` -> ``finetune``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from ocsf_ssl_lib.artifact import Artifact, load_artifact, save_artifact
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.feature_state import plain, preprocessor_state, restore_preprocessor
from ocsf_ssl_lib.features import OCSFDataset, OCSFPreprocessor
from ocsf_ssl_lib.pretext import MaskedFeatureConfig, SSLConfig, SSLModel, build_model
from ocsf_ssl_lib.training import History, TrainingConfig, train_self_supervised

__all__ = ["Pretrained", "pretrain"]


@dataclass(frozen=True)
class Pretrained:
    """What ``pretrain`` gives: all that a later step needs.

    Attributes:
        preprocessor: fitted on the unlabelled events.
        model: the pretext task, with its best weights.
        history: what happened in training; ``None`` if nothing was trained.
    """

    preprocessor: OCSFPreprocessor
    model: SSLModel
    history: History | None

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder that ``load`` reads; safe formats only, see ``ocsf_ssl_lib.artifact``."""
        config = {"kind": "Pretrained", "model": self.model.config.model_dump(mode="json")}
        return save_artifact(model_artifact(config, self.preprocessor, self.model), path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Pretrained:
        """Read what ``save`` wrote; no code is run from it.

        Raises:
            InputError: a file is missing or altered, or the folder holds something else.
        """
        artifact = read_artifact(path, "Pretrained")
        try:
            prep = restore_preprocessor(artifact.config["preprocessor"], artifact.config, artifact.estimator)
            model = _build(SSLConfig.parse(artifact.config["model"]), prep)
            model.load_state_dict(artifact.tensors)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise misfit(path, error) from None
        return cls(prep, model.eval(), None)


def pretrain(
    frame: pd.DataFrame,
    config: SSLConfig | None = None,
    training: TrainingConfig | None = None,
    *,
    preprocessor: OCSFPreprocessor | None = None,
    validation_fraction: float = 0.1,
    progress: bool | None = None,
) -> Pretrained:
    """Learn from events without labels.

    Args:
        frame: N events.
        config: the pretext task; ``MaskedFeatureConfig()`` when left out.
        training: options of the loop; ``max_epochs=0`` keeps the random weights.
        preprocessor: a fitted one to use as it is, or one to fit on ``frame``; a default one when left out.
        validation_fraction: share of the events held out to decide when to stop; drawn by the seed of ``config``.
        progress: show a progress bar; ``None`` shows it in a terminal only.

    Raises:
        InputError: events or options that cannot be used.
    """
    config = config if config is not None else MaskedFeatureConfig()
    if not 0 <= validation_fraction < 1:
        raise InputError(f"validation_fraction must be in 0..1, however: {validation_fraction}")
    preprocessor = preprocessor if preprocessor is not None else OCSFPreprocessor()
    if not hasattr(preprocessor, "vocabularies_"):
        preprocessor.fit(frame)
    data = OCSFDataset.from_frame(preprocessor, frame)
    model = _build(config, preprocessor)
    train, held = hold_out(data, validation_fraction, config.seed)
    history = train_self_supervised(model, train, held, training, progress=progress)
    return Pretrained(preprocessor, model, history if len(history.frame) else None)


def _build(config: SSLConfig, prep: OCSFPreprocessor) -> SSLModel:
    names = prep.numerical_names_ + prep.categorical_names_
    return build_model(config, len(prep.numerical_names_), prep.cardinalities_, names)


def hold_out(data: OCSFDataset, fraction: float, seed: int) -> tuple[OCSFDataset, OCSFDataset | None]:
    """Rows to train on, and rows to validate on if at least two can be spared."""
    train, held = held_out_rows(len(data), fraction, seed)
    return (data.rows(train), data.rows(held)) if len(held) else (data, None)


def held_out_rows(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows to train on and of those held out, both ascending; none if two cannot be spared."""
    order = np.random.default_rng(seed).permutation(n)
    held = int(n * fraction)
    held = held if held >= 2 else 0
    return np.sort(order[held:]), np.sort(order[:held])


def model_artifact(config: dict[str, Any], prep: OCSFPreprocessor, model: nn.Module) -> Artifact:
    """Model and preprocessor as an artefact; ``config`` says what kind it is."""
    options = {"preprocessor": plain(prep.get_params(deep=False))}
    return Artifact(config | options | preprocessor_state(prep), model.state_dict(), prep.scaler_.estimator)


def read_artifact(path: str | Path, kind: str) -> Artifact:
    """The folder ``path``, if it holds a ``kind``."""
    artifact = load_artifact(path)
    if artifact.config.get("kind") != kind:
        raise InputError(f"{path} holds no {kind}, but {artifact.config.get('kind', 'something else')}")
    return artifact


def misfit(path: str | Path, error: Exception) -> InputError:
    """The error for a folder whose parts do not fit together."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(f"{path} does not fit this version of the library ({first}); train the model again")
