"""Contrastive learning: two views of one event attract, views of different events repel.

The loss is ``nt_xent`` of Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations"
(SimCLR, ICML 2020, equation 1); on tables the idea is SCARF's and SAINT's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ocsf_ssl_lib.distributed import gather_with_gradient, row_counts, world_size
from ocsf_ssl_lib.features import Batch
from ocsf_ssl_lib.pretext.augment import TabularAugmentation
from ocsf_ssl_lib.pretext.base import SSLConfig, SSLModel, slices
from ocsf_ssl_lib.pretext.duplicates import equal_rows, row_keys
from ocsf_ssl_lib.pretext.grad_cache import cached_backward
from ocsf_ssl_lib.pretext.nt_xent_loss import nt_xent

__all__ = ["ContrastiveConfig", "ContrastiveModel", "contrastive_loss"]


_STREAM_FROM = 128  # events of a batch; below, the whole matrix is as fast (benchmarks/nt_xent.py --crossover)


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
    same: Tensor | None = None,
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
        same: (N,) equal numbers for equal events, which are no negatives of each other; see ``nt_xent``.
    """
    augmenter = augmenter if augmenter is not None else TabularAugmentation()
    (num1, cat1), (num2, cat2) = augmenter(numerical, categorical, cardinalities, generator)
    extra = {} if missing_mask is None else {"missing_mask": torch.cat([missing_mask, missing_mask])}
    # One pass over both views: half the calls, and the same result as two, since rows do not mix in the encoder.
    z = model(torch.cat([num1, num2]), torch.cat([cat1, cat2]), return_embedding=True, **extra)
    z1, z2 = z.chunk(2)
    return nt_xent(z1, z2, temperature, _chunk_size(len(z1)), same=same)


def _chunk_size(events: int) -> Literal["auto"] | None:
    return "auto" if events >= _STREAM_FROM else None


class ContrastiveConfig(SSLConfig):
    """Options of ``ContrastiveModel``."""

    name: Literal["contrastive"] = "contrastive"
    temperature: float = Field(default=0.1, gt=0, description="scale of the similarities in the loss")
    noise_level: float = Field(default=0.1, ge=0, description="standard deviation of the noise added to scaled numbers")
    dropout_prob: float = Field(default=0.2, ge=0, le=1, description="probability that a categorical cell is redrawn")
    swap: Literal["marginal", "uniform"] = Field(default="marginal", description="where a redrawn value comes from")
    exclude_duplicates: bool = Field(
        default=True, description="equal events of a batch are no negatives of each other; in logs there are many"
    )
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
        """NT-Xent of two views of the batch, after the head.

        In training with several processes the views of the other processes are negatives too. Each process has the
        mean over its own views: weighted by their number, the processes' losses average to that of one process with
        the joint batch, and the gradients likewise.
        """
        views = self._views(batch, generator)
        return self._loss(self._embed(views), batch)

    def accumulate(
        self, batch: Batch, parts: int, generator: torch.Generator | None, backward: Callable[[Tensor], None]
    ) -> tuple[float, float]:
        """See ``SSLModel.accumulate``; exact, all views stay negatives of each other (``cached_backward``).

        The weight is the number of views. The views are those of ``calculate_loss`` with the same generator, but
        dropout draws slice by slice.
        """
        views = self._views(batch, generator)
        weight = 2.0 * len(batch.categorical)
        loss = cached_backward(
            lambda rows: self._embed(Batch(*(tensor[rows] for tensor in views))),
            slices(len(batch.categorical), parts),
            lambda z: self._loss(z, batch) * weight,
            backward,
            batch.categorical.device,
        )
        return float(loss), weight

    def _views(self, batch: Batch, generator: torch.Generator | None) -> Batch:
        """Two views of N events, (N, 2, D) each: a slice of the events holds both of theirs."""
        cards: Sequence[int] = self.encoder.categorical_cardinalities  # type: ignore[assignment]
        first, second = self.augmenter(batch.numerical, batch.categorical, cards, generator)
        numerical, categorical = (torch.stack(pair, dim=1) for pair in zip(first, second, strict=True))
        return Batch(numerical, categorical, torch.stack([batch.missing_mask] * 2, dim=1))

    def _embed(self, views: Batch) -> Tensor:
        """(n, 2, D) views -> (n, 2, d); first views first, as in ``contrastive_loss``, so that dropout falls alike."""
        numerical, categorical, missing = (tensor.transpose(0, 1).flatten(0, 1) for tensor in views)
        z = self._project(numerical, categorical, return_embedding=True, missing_mask=missing)
        return z.unflatten(0, (2, -1)).transpose(0, 1)

    def _loss(self, z: Tensor, batch: Batch) -> Tensor:
        """NT-Xent of (N, 2, d) embeddings of the views of ``batch``."""
        keys = row_keys(batch) if self.config.exclude_duplicates else None
        chunk_size = _chunk_size(len(z))
        if not self.training or world_size() == 1:
            same = equal_rows(keys) if keys is not None else None
            return nt_xent(z[:, 0], z[:, 1], self.config.temperature, chunk_size, same=same)
        counts, own = row_counts(z)
        negatives = _without(gather_with_gradient(z, counts), own).flatten(0, 1)
        same = negatives_same = None
        if keys is not None:  # numbers hold across the processes only if they are given to all rows together
            numbers = equal_rows(gather_with_gradient(keys, counts))
            same, negatives_same = numbers[own], _without(numbers, own).repeat_interleave(2)
        return nt_xent(
            z[:, 0],
            z[:, 1],
            self.config.temperature,
            _chunk_size(sum(counts)),
            same=same,
            negatives=negatives,
            negatives_same=negatives_same,
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


def _without(tensor: Tensor, rows: slice) -> Tensor:
    return torch.cat([tensor[: rows.start], tensor[rows.stop :]])
