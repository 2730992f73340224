"""What the tasks that predict cells have in common: heads behind the decoder, and how they are prepared."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ocsf_ssl_lib.features import Batch, OCSFDataset
from ocsf_ssl_lib.pretext.base import SSLModel
from ocsf_ssl_lib.pretext.heads import ColumnHeads

__all__ = ["CellModel"]


class CellModel(SSLModel):
    """An ``SSLModel`` whose embeddings pass the decoder and then heads, one for each column.

    Args:
        encoder: see ``SSLModel``.
        decoder: layers between the embedding and the heads; when left out ``config.decoder_config``'s, or the identity.
        config: of a task that predicts cells.
    """

    sums_over_events: ClassVar[bool] = True
    config: Any

    def __init__(self, encoder: nn.Module, decoder: nn.Module | None, config: Any) -> None:
        d_model: int = encoder.d_model  # type: ignore[assignment]
        d_hidden = d_model
        if decoder is None and config.decoder_config is not None:
            decoder, d_hidden = config.decoder_config.build(d_model), config.decoder_config.hidden[-1]
        elif decoder is not None:  # a module of the caller's: ask it how wide it is
            with torch.no_grad():
                d_hidden = decoder(torch.zeros(2, d_model)).shape[1]
        super().__init__(encoder, decoder, config)
        d_num: int = encoder.num_numerical_features  # type: ignore[assignment]
        cardinalities: list[int] = encoder.categorical_cardinalities  # type: ignore[assignment]
        self.heads = ColumnHeads(d_hidden, d_num, cardinalities, config.numerical_loss, config.num_bins)

    def prepare(self, train: OCSFDataset) -> None:
        """Learn the trivial predictor of each column: the unit of the loss, and where the heads' biases start."""
        self.heads.fit_marginals(Batch(*(t.to(self.heads.trivial.device) for t in train.tensors)))

    def calculate_loss(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """The mean loss of the cells that count; 1 is the trivial predictor's."""
        return self.loss_and_weight(batch, generator)[0]

    def forward(self, batch: Batch) -> Any:
        """Batch of B events -> outputs for numbers and logits for each categorical column, see ``ColumnHeads``."""
        return self.heads(super().forward(batch))

    def explained(self, batch: Batch, guess: Tensor, chosen: Tensor) -> float:
        """Share of the variance of the chosen numbers (B, D_num) that ``guess`` explains; 0 when there is none."""
        error = ((batch.numerical - guess) ** 2)[chosen].sum()
        variance = ((batch.numerical - self.heads.mean) ** 2)[chosen].sum()
        return float(1 - error / variance) if variance > 0 else 0.0
