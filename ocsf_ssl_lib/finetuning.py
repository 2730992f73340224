"""Stage 6b: from a model that was pre-trained without labels to one that answers a question, with few labels.

``pretrain`` -> ``create_finetune_model`` -> ``finetune``: the workflow of PyTorch Tabular's self-supervised models.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from ocsf_ssl_lib.artifact import save_artifact
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.feature_state import restore_preprocessor
from ocsf_ssl_lib.features import Batch, OCSFDataset, OCSFPreprocessor
from ocsf_ssl_lib.pretext.base import SSLConfig, SSLModel
from ocsf_ssl_lib.pretraining import Pretrained, hold_out, misfit, model_artifact, read_artifact
from ocsf_ssl_lib.training import History, TrainingConfig, train_self_supervised

__all__ = ["FineTuneConfig", "FineTuneModel", "LabelledBatch", "create_finetune_model", "finetune"]

PREDICT_BATCH = 4096  # events per forward pass when nothing is learned


class FineTuneConfig(SSLConfig):
    """Options of ``FineTuneModel``."""

    name: Literal["finetune"] = "finetune"
    frozen: bool = Field(default=False, description="keep the encoder as it is: a linear probe")
    unfreeze_every: int = Field(
        default=0, ge=0, description="epochs until the next block from the top joins in; 0 = all blocks from the start"
    )
    class_weight: Literal["balanced"] | dict[str, PositiveFloat] | None = Field(
        default=None, description="weight of each class in the loss; balanced = inverse to its frequency"
    )


class LabelledBatch(NamedTuple):
    """A ``Batch`` with what is asked for: (B,) class numbers (int64), or numbers (float32)."""

    numerical: Tensor
    categorical: Tensor
    missing_mask: Tensor
    target: Tensor


class FineTuneModel(SSLModel):
    """A pre-trained encoder with a linear head for classes or for a number.

    It is trained by the same loop as the pretext tasks. The encoder is a copy: the pre-trained model keeps its weights.
    Made by ``create_finetune_model``.

    Attributes:
        classes_: the labels, in the order of the head's outputs; set by ``finetune``; ``None`` for regression.
        location_: mean of the target of a regression, which is learned in units of its standard deviation.
        scale_: that standard deviation.
    """

    sums_over_events: ClassVar[bool] = True
    config: FineTuneConfig

    def __init__(
        self,
        encoder: nn.Module,
        num_outputs: int,
        preprocessor: OCSFPreprocessor,
        *,
        regression: bool,
        config: FineTuneConfig,
    ) -> None:
        d_model: int = encoder.d_model  # type: ignore[assignment]
        super().__init__(encoder, nn.Linear(d_model, num_outputs), config)
        self.preprocessor, self.regression, self.num_outputs = preprocessor, regression, num_outputs
        self.classes_: list[Any] | None = None
        self.register_buffer("class_weights", torch.ones(num_outputs))
        self.register_buffer("location_", torch.zeros(()))
        self.register_buffer("scale_", torch.ones(()))
        encoder.requires_grad_(not config.frozen)

    def prepare(self, train: OCSFDataset) -> None:
        """Settle what may be learned at all, whatever an earlier training or a loaded model left behind."""
        self.encoder.requires_grad_(not self.config.frozen)

    def start_epoch(self, epoch: int) -> None:
        """Gradual unfreezing (Howard & Ruder, 2018, section 3.3): the head alone, then block by block from the top."""
        if self.config.frozen or not self.config.unfreeze_every:
            return
        stages = [*reversed(list(self.encoder.featurizer)), self.encoder.embedding_layer]  # type: ignore[arg-type]
        for place, stage in enumerate(stages):
            stage.requires_grad_(epoch >= (place + 1) * self.config.unfreeze_every)

    def train(self, mode: bool = True) -> FineTuneModel:
        """Training mode; a frozen encoder stays in evaluation mode, so that its dropout stays off."""
        super().train(mode)
        if self.config.frozen:
            self.encoder.eval()
        return self

    def loss_and_weight(
        self, batch: Batch | LabelledBatch, generator: torch.Generator | None = None
    ) -> tuple[Tensor, float]:
        """The loss; the weight adds up the class weights of the events."""
        target: Tensor = batch.target  # type: ignore[union-attr]
        weight = float(len(target)) if self.regression else float(self.class_weights[target].sum())  # type: ignore[index]
        return self.calculate_loss(batch, generator), weight

    def calculate_loss(self, batch: Batch | LabelledBatch, generator: torch.Generator | None = None) -> Tensor:
        """Cross-entropy of the classes, or mean squared error in units of the target's variance."""
        out = self(batch)
        target: Tensor = batch.target  # type: ignore[union-attr]
        if self.regression:
            return F.mse_loss(out[:, 0], target)
        weight: Tensor = self.class_weights  # type: ignore[assignment]
        return F.cross_entropy(out, target, weight=weight)

    @torch.no_grad()
    def calculate_metrics(self, batch: Any, generator: torch.Generator | None = None) -> dict[str, float]:
        """``accuracy`` of a classification; a regression's loss says it all."""
        if self.regression:
            return {}
        return {"accuracy": float((self(batch).argmax(1) == batch.target).float().mean())}

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Events -> the class (N,), or the number (N,)."""
        out = self._outputs(frame)
        if self.regression:
            return out[:, 0].numpy() * float(self.scale_) + float(self.location_)  # type: ignore[arg-type]
        labels = self.classes_ or []
        one_type = len({type(label) for label in labels}) == 1  # classes of two types would all become text
        return np.asarray(labels, dtype=None if one_type else object)[out.argmax(1).numpy()]

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Events -> probability of each class of ``classes_``: (N, classes).

        Raises:
            InputError: this is a regression.
        """
        if self.regression:
            raise InputError("a regression has no probabilities; use predict")
        return self._outputs(frame).softmax(1).numpy()

    @torch.no_grad()
    def _outputs(self, frame: pd.DataFrame) -> Tensor:
        if not self.regression and self.classes_ is None:
            raise InputError("the model has learned no labels yet; call finetune first")
        self.eval()
        data = OCSFDataset.from_frame(self.preprocessor, frame)
        device = self.decoder.weight.device
        known = 1 if self.regression else len(self.classes_ or [])  # outputs beyond are of classes without a label
        parts = [
            self(Batch(*(t.to(device) for t in data[start : start + PREDICT_BATCH])))[:, :known].float().cpu()  # type: ignore[arg-type]
            for start in range(0, len(data), PREDICT_BATCH)
        ]
        return torch.cat(parts) if parts else torch.empty(0, known)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder that ``load`` reads; the classes of the labels are kept with the model."""
        config = {
            "kind": "FineTuneModel",
            "model": self.config.model_dump(mode="json"),
            "regression": self.regression,
            "num_outputs": self.num_outputs,
            "classes": None if self.classes_ is None else [_json_label(c) for c in self.classes_],
        }
        return save_artifact(model_artifact(config, self.preprocessor, self), path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> FineTuneModel:
        """Read what ``save`` wrote; no code is run from it.

        Raises:
            InputError: a file is missing or altered, or the folder holds something else.
        """
        artifact = read_artifact(path, "FineTuneModel")
        c = artifact.config
        try:
            prep = restore_preprocessor(c["preprocessor"], c, artifact.estimator)
            config = FineTuneConfig.from_dict(c["model"])
            encoder = config.encoder_config.build(len(prep.numerical_names_), prep.cardinalities_)
            model = cls(encoder, c["num_outputs"], prep, regression=c["regression"], config=config)
            model.classes_ = c["classes"]
            model.load_state_dict(artifact.tensors)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise misfit(path, error) from None
        return model.eval()


def create_finetune_model(
    pretrained: Pretrained,
    num_classes: int | None = None,
    *,
    regression: bool = False,
    config: FineTuneConfig | None = None,
) -> FineTuneModel:
    """A new model with a copy of the pre-trained encoder and a fresh head.

    Args:
        pretrained: what ``pretrain`` gave.
        num_classes: number of classes.
        regression: predict a number instead.
        config: see ``FineTuneConfig``; its ``encoder_config`` is replaced by that of the pre-trained model.

    Raises:
        InputError: neither or both of ``num_classes`` and ``regression``, or fewer than two classes.
    """
    if (num_classes is None) != regression:
        raise InputError(f"give either num_classes or regression=True, however: {num_classes=}, {regression=}")
    if num_classes is not None and num_classes < 2:
        raise InputError(f"num_classes must be at least 2, however: {num_classes=}")
    config = config if config is not None else FineTuneConfig()
    config = config.model_copy(update={"encoder_config": pretrained.model.config.encoder_config})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        encoder = copy.deepcopy(pretrained.model.encoder).cpu()
        model = FineTuneModel(encoder, num_classes or 1, pretrained.preprocessor, regression=regression, config=config)
    return model


def finetune(
    model: FineTuneModel,
    frame: pd.DataFrame,
    labels: Sequence[Any] | pd.Series | np.ndarray,
    training: TrainingConfig | None = None,
    *,
    validation_fraction: float = 0.0,
    progress: bool | None = None,
) -> History:
    """Learn from labelled events, in place.

    Args:
        model: from ``create_finetune_model``.
        frame: N events.
        labels: (N,) classes of any kind, or finite numbers for a regression; joined by position.
        training: options of the loop.
        validation_fraction: share of the events held out to decide when to stop; with few labels none can be spared.
        progress: show a progress bar; ``None`` shows it in a terminal only.

    Raises:
        InputError: labels that do not fit the events or the model.
    """
    target = _targets(model, frame, labels)
    data = OCSFDataset.from_frame(model.preprocessor, frame)
    train, held = hold_out(OCSFDataset.of(LabelledBatch(*data.tensors, target)), validation_fraction, model.config.seed)
    training = training if training is not None else TrainingConfig()
    training = training.model_copy(update={"batch_size": min(training.batch_size, max(2, len(train)))})
    return train_self_supervised(model, train, held, training, progress=progress)


def _targets(model: FineTuneModel, frame: pd.DataFrame, labels: Any) -> Tensor:
    """Labels -> targets (N,) in the model's terms; sets ``classes_`` and weights, or location and scale."""
    if len(labels) != len(frame):
        raise InputError(f"{len(frame)} events but {len(labels)} labels; give one label for each event")
    if np.ndim(labels) != 1:
        raise InputError(f"labels must be a list of one label per event, however: {np.ndim(labels)} dimensions")
    values = pd.Series(list(labels))  # numpy would turn a NaN among texts into the text 'nan'
    if values.isna().any():
        raise InputError(f"label {int(values.isna().to_numpy().argmax())} is missing; drop the events without a label")
    if model.regression:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy("float64")
        if not np.isfinite(numbers).all():
            place = int((~np.isfinite(numbers)).argmax())
            raise InputError(f"label {place} is {_json_label(values[place])!r}; a regression needs finite numbers")
        if float(model.location_) == 0 and float(model.scale_) == 1:  # type: ignore[arg-type]
            # Once only: a head that has learned in these units would be wrong in others.
            model.location_.fill_(numbers.mean())  # type: ignore[operator]
            spread = numbers.std()  # of equal numbers: rounding errors, or 0
            constant = spread <= np.finfo(np.float32).eps * np.abs(numbers).max()
            model.scale_.fill_(1.0 if constant else spread)  # type: ignore[operator]
        return torch.from_numpy(((numbers - float(model.location_)) / float(model.scale_)).astype(np.float32))  # type: ignore[arg-type]
    classes = sorted(values.unique().tolist(), key=lambda c: (str(type(c)), c))
    if model.classes_ is None and len(classes) > model.num_outputs:
        raise InputError(f"{len(classes)} classes in the labels, but the model was made for {model.num_outputs}")
    known = classes if model.classes_ is None else model.classes_
    foreign = [c for c in classes if c not in known]
    if foreign:
        raise InputError(f"label {foreign[0]!r} is none of the model's classes: {known}")
    target = values.map({c: k for k, c in enumerate(known)}).to_numpy("int64")
    model.class_weights.copy_(_class_weights(model, known, target))  # type: ignore[operator]
    model.classes_ = known
    return torch.tensor(target)


def _class_weights(model: FineTuneModel, classes: list[Any], target: np.ndarray) -> Tensor:
    wanted = model.config.class_weight
    if wanted is None:
        return torch.ones(model.num_outputs)
    if wanted == "balanced":
        counts = np.bincount(target, minlength=model.num_outputs)
        return torch.from_numpy(len(target) / (np.maximum(counts, 1) * max(1, (counts > 0).sum()))).float()
    names = [str(c) for c in classes]
    foreign = [c for c in wanted if c not in names]
    if foreign:
        raise InputError(f"class_weight names {foreign[0]!r}, which is none of the classes: {', '.join(names)}")
    return torch.tensor([wanted.get(name, 1.0) for name in names])


def _json_label(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
