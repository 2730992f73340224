"""The interface of a pretext task: an encoder, a decoder, a loss and metrics made from the data itself.

The parts and their names follow the design of PyTorch Tabular's self-supervised models.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ocsf_ssl_lib.config import FrozenConfig
from ocsf_ssl_lib.encoder import EncoderConfig
from ocsf_ssl_lib.features import Batch

__all__ = ["SSLConfig", "SSLModel"]


class SSLConfig(FrozenConfig):
    """What every pretext task has to settle."""

    encoder_config: EncoderConfig = Field(default_factory=EncoderConfig, description="the encoder to train")
    learning_rate: float = Field(default=1e-3, gt=0, description="peak learning rate of AdamW")
    seed: int = Field(default=42, ge=0, description="seed of weights, order of rows and augmentation")


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

    def __init__(self, encoder: nn.Module, decoder: nn.Module | None = None, config: SSLConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder if decoder is not None else nn.Identity()
        self.config = config if config is not None else self.config_class()
        self._setup_loss()
        self._setup_metrics()

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

    def featurize(self, batch: Batch) -> Tensor:
        """Batch of B events -> (B, d_model) embeddings, before the decoder."""
        return self.encoder(batch.numerical, batch.categorical, return_embedding=True, missing_mask=batch.missing_mask)

    def forward(self, batch: Batch) -> Tensor:
        """Batch of B events -> what the decoder makes of their embeddings."""
        return self.decoder(self.featurize(batch))

    def calculate_loss(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """The scalar to minimise; every random draw comes from ``generator``."""
        raise NotImplementedError  # abstract

    @torch.no_grad()
    def calculate_metrics(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, float]:
        """Named figures that tell more than the loss; empty if the task has none."""
        return {}
