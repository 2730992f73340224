"""Contrastive learning: two views of one event attract, views of different events repel.

The loss is NT-Xent of Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations"
(SimCLR, ICML 2020, equation 1); on tables the idea is SCARF's and SAINT's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch
from ocsf_ssl_lib.pretext.augment import TabularAugmentation
from ocsf_ssl_lib.pretext.base import SSLConfig, SSLModel

__all__ = ["ContrastiveConfig", "ContrastiveModel", "contrastive_loss", "nt_xent"]


def nt_xent(z1: Tensor, z2: Tensor, temperature: float = 0.1, chunk_size: int | None = None) -> Tensor:
    """Normalised temperature-scaled cross-entropy (SimCLR, equation 1).

    Row i of ``z1`` and row i of ``z2`` are the two views of event i. Each of the 2N views must pick its partner
    out of the 2N - 1 others.

    Args:
        z1: (N, d) embeddings of the first views, any length; they are normalised here.
        z2: (N, d) embeddings of the second views.
        temperature: divides the cosine similarities; small values make the softmax sharp.
        chunk_size: compute so many rows of the similarity matrix at a time and again in the backward pass:
            memory grows with ``chunk_size * 2N`` instead of ``(2N) ** 2``. The result is the same.

    Returns:
        Scalar, mean over the 2N views; ``log(2N - 1)`` when all embeddings are equal.

    Raises:
        InputError: shapes that differ, fewer than two events, a temperature or chunk size that is not positive.

    Example:
        >>> import math, torch
        >>> same = torch.ones(4, 8)
        >>> round(nt_xent(same, same).item() - math.log(7), 6)
        0.0
    """
    if z1.shape != z2.shape or z1.ndim != 2:
        raise InputError(
            f"nt_xent takes two tensors of one shape (N, d), however: {tuple(z1.shape)}, {tuple(z2.shape)}"
        )
    if len(z1) < 2:
        raise InputError("nt_xent needs at least 2 events: with one there is nothing to push away")
    if not temperature > 0:
        raise InputError(f"temperature must be positive, however: {temperature=}")
    if chunk_size is not None and chunk_size < 1:
        raise InputError(f"chunk_size must be positive, or None for the whole matrix at once, however: {chunk_size=}")
    n = len(z1)
    z = F.normalize(torch.cat([z1, z2]), dim=1)  # (2N, d)
    partner = torch.arange(2 * n, device=z.device).roll(n)  # (2N,) i <-> i + N
    if chunk_size is None:
        return _rows_loss(z, z, partner, 0, temperature) / (2 * n)
    total = z.new_zeros(())
    for start in range(0, 2 * n, chunk_size):
        rows, targets = z[start : start + chunk_size], partner[start : start + chunk_size]
        total = total + checkpoint(_rows_loss, rows, z, targets, start, temperature, use_reentrant=False)
    return total / (2 * n)


def _rows_loss(rows: Tensor, z: Tensor, targets: Tensor, start: int, temperature: float) -> Tensor:
    """Summed cross-entropy of some rows of the similarity matrix; ``start`` is the index of the first."""
    similarity = rows @ z.T / temperature  # (R, 2N)
    itself = torch.arange(start, start + len(rows), device=z.device)
    similarity = similarity.scatter(1, itself[:, None], float("-inf"))  # a view is no candidate for itself
    return F.cross_entropy(similarity, targets, reduction="sum")


def contrastive_loss(
    model: nn.Module,
    numerical: Tensor,
    categorical: Tensor,
    cardinalities: Sequence[int],
    temperature: float = 0.1,
    augmenter: TabularAugmentation | None = None,
    *,
    missing_mask: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """NT-Xent of two random views of a batch, on the encoder's output.

    Args:
        model: encoder; called as ``model(numerical, categorical, return_embedding=True)``, and with ``missing_mask``
            if one is given.
        numerical: (N, D_num) scaled numbers.
        categorical: (N, D_cat) category ids.
        cardinalities: ids per categorical column, the reserved ones included.
        temperature: see ``nt_xent``; SimCLR's table 5 finds 0.1 best among 0.05, 0.1, 0.5 and 1.
        augmenter: how views are made; noise 0.1 and marginal swaps of 20 % when left out.
        missing_mask: (N, D_num) bool, True where a number is missing.
        generator: source of the random draws.
    """
    augmenter = augmenter if augmenter is not None else TabularAugmentation()
    (num1, cat1), (num2, cat2) = augmenter(numerical, categorical, cardinalities, generator)
    extra = {} if missing_mask is None else {"missing_mask": torch.cat([missing_mask, missing_mask])}
    # One pass over both views: half the calls, and the same result as two, since rows do not mix in the encoder.
    z = model(torch.cat([num1, num2]), torch.cat([cat1, cat2]), return_embedding=True, **extra)
    z1, z2 = z.chunk(2)
    return nt_xent(z1, z2, temperature)


class ContrastiveConfig(SSLConfig):
    """Options of ``ContrastiveModel``."""

    name: Literal["contrastive"] = "contrastive"
    temperature: float = Field(default=0.1, gt=0, description="scale of the similarities in the loss")
    noise_level: float = Field(default=0.1, ge=0, description="standard deviation of the noise added to scaled numbers")
    dropout_prob: float = Field(default=0.2, ge=0, le=1, description="probability that a categorical cell is redrawn")
    swap: Literal["marginal", "uniform"] = Field(default="marginal", description="where a redrawn value comes from")
    projection_dim: int | None = Field(
        default=128, ge=1, description="length of the projection head's output; None = no head; or give decoder_config"
    )


class ContrastiveModel(SSLModel):
    """SimCLR on rows: encoder, projection head (the decoder of this task), NT-Xent.

    The head is trained with the encoder and thrown away: ``featurize`` gives what stands before it
    (SimCLR, section 4.2).

    Args:
        encoder: a ``TabularResNet``.
        config: see ``ContrastiveConfig``.
    """

    config_class: ClassVar[type[SSLConfig]] = ContrastiveConfig
    makes_views: ClassVar[bool] = True
    config: ContrastiveConfig

    def __init__(self, encoder: nn.Module, config: ContrastiveConfig | None = None) -> None:
        config = config if config is not None else ContrastiveConfig()
        d_model: int = encoder.d_model  # type: ignore[assignment]
        head: nn.Module | None = None
        if config.decoder_config is not None:
            head = config.decoder_config.build(d_model)
        elif config.projection_dim is not None:
            head = nn.Sequential(nn.Linear(d_model, d_model), nn.ReLU(), nn.Linear(d_model, config.projection_dim))
        super().__init__(encoder, head, config)

    @classmethod
    def from_config(cls, config: Any, encoder: nn.Module, feature_names: Sequence[str]) -> ContrastiveModel:
        """See ``SSLModel.from_config``."""
        return cls(encoder, config)

    def _setup_loss(self) -> None:
        c = self.config
        self.augmenter = TabularAugmentation(c.noise_level, c.dropout_prob, c.swap, c.protected)

    def _project(
        self, numerical: Tensor, categorical: Tensor, *, return_embedding: bool, missing_mask: Tensor | None = None
    ) -> Tensor:
        """Encoder and head in one call, in the form ``contrastive_loss`` expects of a model."""
        return self.decoder(
            self.encoder(numerical, categorical, return_embedding=return_embedding, missing_mask=missing_mask)
        )

    def calculate_loss(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """NT-Xent of two views of the batch, after the head."""
        return contrastive_loss(
            self._project,  # type: ignore[arg-type]
            batch.numerical,
            batch.categorical,
            self.encoder.categorical_cardinalities,  # type: ignore[arg-type]
            self.config.temperature,
            self.augmenter,
            missing_mask=batch.missing_mask,
            generator=generator,
        )

    @torch.no_grad()
    def calculate_metrics(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, float]:
        """``top1``: share of first views whose nearest other view is their partner; ``spread``: collapse shows as 0.

        ``spread`` is the mean standard deviation of the normalised embeddings times the square root of their length:
        1 for directions spread evenly, 0 when all events get the same embedding.
        """
        cards: Sequence[int] = self.encoder.categorical_cardinalities  # type: ignore[assignment]
        (n1, c1), (n2, c2) = self.augmenter(batch.numerical, batch.categorical, cards, generator)
        z1, z2 = (
            F.normalize(self._project(n, c, return_embedding=True, missing_mask=batch.missing_mask), dim=1)
            for n, c in ((n1, c1), (n2, c2))
        )
        others = z1 @ torch.cat([z2, z1]).T
        others[torch.arange(len(z1)), len(z1) + torch.arange(len(z1))] = float("-inf")
        top1 = (others.argmax(1) == torch.arange(len(z1), device=z1.device)).float().mean()
        spread = z1.std(0).mean() * z1.shape[1] ** 0.5
        return {"top1": float(top1), "spread": float(spread)}
