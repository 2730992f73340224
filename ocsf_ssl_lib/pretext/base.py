"""The interface of a pretext task: an encoder, a decoder, a loss and metrics made from the data itself.

The parts and their names follow the design of PyTorch Tabular's self-supervised models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field, SerializeAsAny, field_validator
from torch import Tensor, nn

from ocsf_ssl_lib.config import FrozenConfig, NamedConfig
from ocsf_ssl_lib.encoder import BaseEncoderConfig, EncoderConfig
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch, OCSFDataset

__all__ = ["DecoderConfig", "SSLConfig", "SSLModel", "available_ssl_models", "build_model"]


class DecoderConfig(FrozenConfig):
    """Hidden layers between the embedding and the loss."""

    hidden: tuple[int, ...] = Field(default=(256,), min_length=1, description="widths of the layers")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of a layer's units dropped in training")

    def build(self, d_model: int) -> nn.Sequential:
        """``Linear, ReLU, Dropout`` for each width, from (B, d_model) to (B, hidden[-1])."""
        layers: list[nn.Module] = []
        for d_in, d_out in zip((d_model, *self.hidden), self.hidden, strict=False):
            layers += [nn.Linear(d_in, d_out), nn.ReLU(), nn.Dropout(self.dropout)]
        return nn.Sequential(*layers)


class SSLConfig(NamedConfig):
    """What every pretext task has to settle."""

    family: ClassVar[dict[str, type[NamedConfig]]] = {}

    encoder_config: SerializeAsAny[BaseEncoderConfig] = Field(
        default_factory=EncoderConfig, description="the encoder to train"
    )
    decoder_config: DecoderConfig | None = Field(
        default=None, description="layers between the embedding and the loss; None = the task's own default"
    )
    protected: tuple[int, ...] = Field(default=(), description="indices of categorical columns that never change")
    learning_rate: float = Field(default=1e-3, gt=0, description="peak learning rate of AdamW")
    seed: int = Field(default=42, ge=0, description="seed of weights, order of rows and augmentation")

    @field_validator("encoder_config", mode="before")
    @classmethod
    def _encoder_by_name(cls, value: Any) -> Any:
        return BaseEncoderConfig.parse(value)


class SSLModel(nn.Module):
    """An encoder and a decoder, trained on a task whose labels are the data.

    A subclass sets ``config_class``, and defines ``_setup_loss``, ``calculate_loss`` and, if it has any to offer,
    ``_setup_metrics`` and ``calculate_metrics``. Loss and metrics belong to the model and not to a config, since
    they differ from task to task.

    Args:
        encoder: module with ``embedding_layer``, ``featurizer`` and ``d_model``, a ``TabularResNet`` say.
        decoder: what stands between the embedding and the loss; the identity when left out.
        config: kept for the record (and for saving).
    """

    config_class: ClassVar[type[SSLConfig]] = SSLConfig
    makes_views: ClassVar[bool] = False
    """Whether changed copies of an event count as the same event, so that some fields must not change."""
    sums_over_events: ClassVar[bool] = False
    """Whether the loss is a mean over events or cells, so that a batch may be computed in slices."""
    registry: ClassVar[dict[str, type[SSLModel]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "config_class" in vars(cls):
            SSLModel.registry[cls.config_class.model_fields["name"].default] = cls

    def __init__(self, encoder: nn.Module, decoder: nn.Module | None = None, config: SSLConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder if decoder is not None else nn.Identity()
        self.config = config if config is not None else self.config_class()
        if self.config.protected:
            count = len(encoder.categorical_cardinalities)  # type: ignore[arg-type]
            outside = [k for k in self.config.protected if not 0 <= k < count]
            if outside:
                raise InputError(f"protected={outside} but the encoder has {count} categorical columns")
        self._setup_loss()
        self._setup_metrics()

    @classmethod
    def from_config(cls, config: Any, encoder: nn.Module, feature_names: Sequence[str]) -> SSLModel:
        """The model around an encoder.

        Args:
            config: an instance of ``config_class``.
            encoder: built from ``config.encoder_config``, or one to share.
            feature_names: names of the numerical, then of the categorical columns.
        """
        decoder = config.decoder_config.build(encoder.d_model) if config.decoder_config is not None else None
        return cls(encoder, decoder, config)

    @property
    def embedding_layer(self) -> nn.Module:
        """The part that turns the columns into one tensor."""
        return self.encoder.embedding_layer  # type: ignore[return-value]

    @property
    def featurizer(self) -> nn.Module:
        """The part that learns the representation from that tensor."""
        return self.encoder.featurizer  # type: ignore[return-value]

    def _setup_loss(self) -> None:
        """Create what ``calculate_loss`` needs."""

    def _setup_metrics(self) -> None:
        """Create what ``calculate_metrics`` needs."""

    def prepare(self, train: OCSFDataset) -> None:
        """Look at the training events once, before the first step; for tasks that count something beforehand."""

    def start_epoch(self, epoch: int) -> None:
        """Called before each epoch, from 0 on; for tasks whose rules change in the course of training."""

    def featurize(self, batch: Batch) -> Tensor:
        """Batch of B events -> (B, d_model) embeddings, before the decoder."""
        return self.encoder(batch.numerical, batch.categorical, return_embedding=True, missing_mask=batch.missing_mask)

    def forward(self, batch: Batch) -> Tensor:
        """Batch of B events -> what the decoder makes of their embeddings."""
        return self.decoder(self.featurize(batch))

    def calculate_loss(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """The scalar to minimise; every random draw comes from ``generator``."""
        raise NotImplementedError  # abstract

    def loss_and_weight(self, batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, float]:
        """The loss, and what it weighs in a mean with the losses of other events: so many events, or cells."""
        return self.calculate_loss(batch, generator), float(len(batch.categorical))

    def accumulate(
        self,
        batch: Batch,
        parts: int,
        generator: torch.Generator | None,
        backward: Callable[[Tensor], None],
    ) -> tuple[float, float]:
        """Gradient of a batch, computed in slices: only one of them is in memory at a time.

        The gradients left behind are those of the *sum* over what was weighed; divided by the weight, they are the
        gradient of the mean, also when several ranks add theirs first.

        Args:
            batch: B events.
            parts: how many slices.
            generator: source of the random draws.
            backward: called with the weighted loss of each slice.

        Returns:
            Sum of the weighted losses, and of the weights.

        Raises:
            InputError: several slices, and the loss compares the events of a batch with one another.
        """
        if parts > 1 and not self.sums_over_events:
            raise InputError(
                f"accumulation_steps={parts} would change the loss of {type(self).__name__}, which compares the "
                "events of a batch with one another; use accumulation_steps=1"
            )
        total = weight = 0.0
        for rows in slices(len(batch.categorical), parts):
            loss, share = self.loss_and_weight(type(batch)(*(t[rows] for t in batch)), generator)
            backward(loss * share)
            total, weight = total + float(loss.detach()) * share, weight + share
        return total, weight

    @torch.no_grad()
    def calculate_metrics(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, float]:
        """Named figures that tell more than the loss; empty if the task has none."""
        return {}


def slices(rows: int, parts: int) -> list[slice]:
    """At most ``parts`` slices of nearly equal size.

    Raises:
        InputError: fewer than one part.

    Example:
        >>> slices(5, 2)
        [slice(0, 3, None), slice(3, 5, None)]
    """
    if parts < 1:
        raise InputError(f"parts must be positive, however: {parts=}")
    size = -(-rows // parts)
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def available_ssl_models() -> dict[str, tuple[type[SSLModel], type[SSLConfig]]]:
    """Every pretext task by name, with its model and its config; a reader's own too, once its class exists.

    Example:
        >>> from ocsf_ssl_lib import available_ssl_models
        >>> sorted(available_ssl_models())
        ['contrastive', 'denoising', 'masked', 'multitask']
    """
    return {name: (model, model.config_class) for name, model in SSLModel.registry.items() if name in SSLConfig.family}


def build_model(
    config: SSLConfig, num_numerical: int, cardinalities: Sequence[int], feature_names: Sequence[str] | None = None
) -> SSLModel:
    """The model a config describes, its weights drawn from the config's seed; the global random state is kept.

    Args:
        config: of any pretext task.
        num_numerical: number of numerical columns.
        cardinalities: ids per categorical column, the reserved ones included.
        feature_names: names of the numerical, then of the categorical columns; ``num_0``, ..., ``cat_0``, ... when
            left out.

    Raises:
        InputError: no model is registered for this config.
    """
    model_class = SSLModel.registry.get(config.name)
    if model_class is None:
        raise InputError(f"no pretext task has the name {config.name!r}; there are {', '.join(available_ssl_models())}")
    if feature_names is None:
        feature_names = [*(f"num_{k}" for k in range(num_numerical)), *(f"cat_{k}" for k in range(len(cardinalities)))]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        encoder = config.encoder_config.build(num_numerical, cardinalities)
        return model_class.from_config(config, encoder, list(feature_names))
