"""Masked feature prediction: hide some cells of an event and predict them from the others.

On categories this is the masked language modelling of TabTransformer (Huang et al., 2020, section 3), itself BERT's
(Devlin et al., 2019, section 3.1). Numbers are hidden and predicted too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch, OCSFDataset
from ocsf_ssl_lib.pretext.base import SSLConfig
from ocsf_ssl_lib.pretext.cells import CellModel
from ocsf_ssl_lib.pretext.heads import NumericalLoss, targets_of

__all__ = ["MaskedFeatureConfig", "TabularResNetWithMFP", "masked_feature_prediction_loss"]

SURPRISE_TURNS = 32  # forward passes in which all cells have been hidden once
SURPRISE_BATCH = 4096  # events per forward pass when nothing is learned


class MaskedFeatureConfig(SSLConfig):
    """Options of ``TabularResNetWithMFP``."""

    name: Literal["masked"] = "masked"
    mask_prob: float | tuple[float, float] = Field(
        default=0.15, description="probability that a cell is hidden; a pair: each event draws its own from this range"
    )
    mask_value: Literal["learned", "mean", "zero"] = Field(
        default="learned", description="what stands in place of a hidden number; categories have an id for it"
    )
    numerical_loss: NumericalLoss = Field(default="bins", description="how numbers are predicted, see ColumnHeads")
    num_bins: int = Field(default=20, ge=2, description="intervals of a number, for 'bins'")
    numerical_weight: float = Field(default=1.0, ge=0, description="weight of hidden numbers in the loss")
    categorical_weight: float = Field(default=1.0, ge=0, description="weight of hidden categories in the loss")

    @model_validator(mode="after")
    def _probabilities(self) -> MaskedFeatureConfig:
        low, high = _mask_range(self.mask_prob)
        if not 0 <= low <= high <= 1:
            raise ValueError(f"mask_prob must be in 0..1, and a pair in rising order, however: {self.mask_prob}")
        return self


class TabularResNetWithMFP(CellModel):
    """An encoder with a prediction head for every column.

    Args:
        base_model: the encoder, a ``TabularResNet`` say.
        categorical_cardinalities: ids per categorical column, the three reserved ones included.
        num_numerical: number of numerical columns.
        decoder: layers between the embedding and the heads; ``config.decoder_config``'s when left out.
        config: see ``MaskedFeatureConfig``.

    Raises:
        InputError: sizes that are not the encoder's.

    Example:
        >>> import torch
        >>> from ocsf_ssl_lib import TabularResNet
        >>> base = TabularResNet(2, [10, 5], d_model=8, num_blocks=1)
        >>> model = TabularResNetWithMFP(base, [10, 5], 2)
        >>> loss = masked_feature_prediction_loss(model, torch.zeros(4, 2), torch.full((4, 2), 3))
        >>> loss.shape
        torch.Size([])
    """

    config_class: ClassVar[type[SSLConfig]] = MaskedFeatureConfig
    config: MaskedFeatureConfig

    def __init__(
        self,
        base_model: nn.Module,
        categorical_cardinalities: Sequence[int],
        num_numerical: int,
        decoder: nn.Module | None = None,
        config: MaskedFeatureConfig | None = None,
    ) -> None:
        have = (base_model.num_numerical_features, base_model.categorical_cardinalities)
        if have != (num_numerical, list(categorical_cardinalities)):
            raise InputError(
                f"the encoder was built for {have[0]} numbers and cardinalities {have[1]}, "
                f"however: {num_numerical} and {list(categorical_cardinalities)}"
            )
        config = config if config is not None else MaskedFeatureConfig()
        super().__init__(base_model, decoder, config)

    @classmethod
    def from_config(cls, config: Any, encoder: nn.Module, feature_names: Sequence[str]) -> TabularResNetWithMFP:
        """See ``SSLModel.from_config``."""
        cards: list[int] = encoder.categorical_cardinalities  # type: ignore[assignment]
        return cls(encoder, cards, encoder.num_numerical_features, config=config)  # type: ignore[arg-type]

    def draw_mask(
        self, batch: Batch, mask_prob: float | tuple[float, float], generator: torch.Generator | None = None
    ) -> Tensor:
        """Choose the cells to hide: (B, D_num + D_cat) bool. Only cells with a value, none of a protected column."""
        n, device = len(batch.categorical), batch.categorical.device
        low, high = _mask_range(mask_prob)
        rate = low + (high - low) * torch.rand(n, 1, generator=generator, device=device)  # (B, 1)
        real = targets_of(batch)
        hidden = (torch.rand(real.shape, generator=generator, device=device) < rate) & real
        hidden[:, [self.heads.num_numerical + k for k in self.config.protected]] = False
        return hidden

    def embed_masked(self, batch: Batch, hidden: Tensor) -> Tensor:
        """Embed events of which the cells ``hidden`` (B, D) cannot be seen: (B, d_model)."""
        numbers, categories = hidden.split([self.heads.num_numerical, hidden.shape[1] - self.heads.num_numerical], 1)
        numerical, number_mask, missing = batch.numerical, numbers, batch.missing_mask & ~numbers
        if self.config.mask_value != "learned":  # a legal value stands there, and nothing says that it is not real
            value = self.heads.mean if self.config.mask_value == "mean" else torch.zeros_like(self.heads.mean)
            numerical, number_mask = torch.where(numbers, value, numerical), None
        return self.encoder(
            numerical,
            batch.categorical,
            number_mask,
            categories,
            return_embedding=True,
            missing_mask=missing,
        )

    def hidden_loss(self, batch: Batch, hidden: Tensor) -> Tensor:
        """The mean loss of the cells ``hidden`` (B, D), predicted from all the others."""
        losses = self.heads.cell_losses(self.decoder(self.embed_masked(batch, hidden)), batch, hidden)
        return self.heads.normalised(losses, hidden, self._weights())

    def loss_and_weight(self, batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, float]:
        """The loss of a random mask; the weight counts the hidden cells."""
        hidden = self.draw_mask(batch, self.config.mask_prob, generator)
        return self.hidden_loss(batch, hidden), self.heads.weight(hidden, self._weights())

    def _weights(self) -> tuple[float, float]:
        return self.config.numerical_weight, self.config.categorical_weight

    @torch.no_grad()
    def calculate_metrics(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, float]:
        """``accuracy``: share of hidden categories guessed; ``trivial_accuracy``: by the most frequent value.

        ``r2``: share of the hidden numbers' variance that is explained. Each is 0 when there is no such cell.
        """
        hidden = self.draw_mask(batch, self.config.mask_prob, generator)
        numbers, categories = hidden.split([self.heads.num_numerical, len(self.heads.widths)], 1)
        guess, ids = self.heads.predict(self.decoder(self.embed_masked(batch, hidden)))
        count = categories.sum().clamp(min=1)
        right = ((ids == batch.categorical) & categories).sum() / count
        trivial = ((self.heads.mode == batch.categorical) & categories).sum() / count
        r2 = self.explained(batch, guess, numbers)
        return {"accuracy": float(right), "trivial_accuracy": float(trivial), "r2": r2}

    @torch.no_grad()
    def cell_surprise(self, batch: Batch) -> Tensor:
        """Nats of each cell, hidden in turn and predicted from all the others: (B, D_num + D_cat).

        A wide table takes 32 turns, in each of which every 32nd column is hidden: one turn a column would cost a
        forward pass for each of 300.

        NaN for a cell that says nothing: one without a value, and those of protected columns.
        """
        real = targets_of(batch)
        losses = torch.zeros(real.shape, device=real.device)
        skipped = [self.heads.num_numerical + k for k in self.config.protected]
        turns = min(real.shape[1], SURPRISE_TURNS)
        for turn in range(turns):
            hidden = torch.zeros_like(real)
            hidden[:, turn::turns] = real[:, turn::turns]
            hidden[:, skipped] = False
            for rows in hidden.any(1).nonzero().flatten().split(SURPRISE_BATCH):
                part, chosen = Batch(*(t[rows] for t in batch)), hidden[rows]
                vector = self.decoder(self.embed_masked(part, chosen))
                if turns == real.shape[1]:  # a single column: the outputs of the others are not needed
                    losses[rows, turn] = self.heads.column_losses(vector, part, turn)
                else:
                    losses[rows] += self.heads.cell_losses(vector, part, chosen)
        losses = self.heads.surprise(losses, batch)
        losses[:, skipped] = torch.nan
        return losses

    @torch.no_grad()
    def column_metrics(self, dataset: OCSFDataset, names: Sequence[str]) -> pd.DataFrame:
        """What the model has learned to predict: one row per column, each cell hidden in turn.

        Args:
            dataset: held-out events.
            names: of the numerical, then of the categorical columns.

        Returns:
            ``column``, ``cells`` (with a value), ``loss`` and ``trivial_loss`` (of the marginal distribution, on these
            cells), ``gain`` (1 - loss / trivial loss: 0 is noise, 1 is certain; NaN where there is nothing to gain),
            and for categories ``accuracy`` and ``trivial_accuracy`` (the most frequent value).
        """
        self.eval()
        batch = Batch(*(t.to(self.heads.trivial.device) for t in dataset.tensors))
        real, rows = targets_of(batch), []
        marginal = self.heads.marginal_losses(batch, real)
        for column, name in enumerate(names):
            some = real[:, column].nonzero().flatten()
            part = Batch(*(t[some] for t in batch))
            hidden = torch.zeros(len(some), real.shape[1], dtype=torch.bool, device=real.device)
            hidden[:, column] = True
            vector = self.decoder(self.embed_masked(part, hidden))
            loss = self.heads.column_losses(vector, part, column)
            lost, trivial = float(loss.mean()), float(marginal[some, column].mean())
            row: dict[str, Any] = {"column": name, "cells": len(some), "loss": lost, "trivial_loss": trivial}
            row["gain"] = 1 - lost / trivial if trivial > 0 else math.nan
            j = column - self.heads.num_numerical
            if j >= 0 and len(some):
                value = part.categorical[:, j]
                row["accuracy"] = float((self.heads.predict(vector)[1][:, j] == value).float().mean())
                row["trivial_accuracy"] = float((self.heads.mode[j] == value).float().mean())
            rows.append(row)
        return pd.DataFrame(rows)


def masked_feature_prediction_loss(
    model: TabularResNetWithMFP,
    numerical: Tensor,
    categorical: Tensor,
    mask_prob: float | tuple[float, float] = 0.15,
    *,
    missing_mask: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Hide random cells and predict them; only hidden cells count.

    Args:
        model: encoder with heads.
        numerical: (N, D_num) scaled numbers.
        categorical: (N, D_cat) category ids; unknown and missing ones are neither hidden nor predicted.
        mask_prob: probability that a cell is hidden; a pair: each event draws its own from this range.
        missing_mask: (N, D_num) bool, True where a number is missing.
        generator: source of the random draws.

    Returns:
        Scalar; the mean over the hidden cells, each in units of its column's trivial loss. 0 when nothing was hidden.
    """
    if missing_mask is None:
        missing_mask = torch.zeros_like(numerical, dtype=torch.bool)
    batch = Batch(numerical, categorical, missing_mask)
    return model.hidden_loss(batch, model.draw_mask(batch, mask_prob, generator))


def _mask_range(mask_prob: float | tuple[float, float]) -> tuple[float, float]:
    return (mask_prob, mask_prob) if isinstance(mask_prob, int | float) else mask_prob
