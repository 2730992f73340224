"""The training code of the source tutorial as it stands, to measure against; it is no example to follow.

The same computation as in parts 2 and 4 of "Embedding-Based Anomaly Detection for Observability"
(github.com/snowch/observability-anomaly-detection, CC BY 4.0), in our own words: rows collated one by one, two calls
of the encoder per step, swaps drawn uniformly column by column, the whole similarity matrix, Adam. What is wrong with
it is kept (``book/corrections.md`` lists it), but for two faults that its masked features cannot run with: the heads'
outputs stay a list, and a batch in which no number was hidden gives no NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

TEMPERATURE = 0.07
NOISE = 0.1
SWAPS = 0.2
HIDDEN = 0.15
LEARNING_RATE = 1e-3


class SourceBlock(nn.Module):
    """Part 2: two linear layers, each with batch norm; ReLU and dropout act on the sum, the residual stream itself."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.BatchNorm1d(width), nn.BatchNorm1d(width)
        self.dropout1, self.dropout2 = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) -> (B, width)."""
        branch = self.dropout1(F.relu(self.norm1(self.first(x))))
        return self.dropout2(F.relu(x + self.norm2(self.second(branch))))


class SourceResNet(nn.Module):
    """Part 2: one embedding per category (a quarter of the width), the numbers projected to half of it, then blocks."""

    def __init__(self, numbers: int, cardinalities: Sequence[int], width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.lookups = nn.ModuleList(nn.Embedding(values, width // 4) for values in cardinalities)
        self.numbers = nn.Linear(numbers, width // 2)
        self.entry = nn.Linear(width // 4 * len(cardinalities) + width // 2, width)
        self.norm = nn.BatchNorm1d(width)
        self.blocks = nn.ModuleList(SourceBlock(width, dropout) for _ in range(blocks))
        self.final = nn.LayerNorm(width)

    def forward(self, numerical: Tensor, categorical: Tensor) -> Tensor:
        """(B, D_num) and (B, D_cat) ids from 0 -> (B, width)."""
        parts = [lookup(categorical[:, j]) for j, lookup in enumerate(self.lookups)]
        x = F.relu(self.norm(self.entry(torch.cat([*parts, self.numbers(numerical)], dim=1))))
        for block in self.blocks:
            x = block(x)
        return self.final(x)


class SourceMasked(nn.Module):
    """Part 4: one head per category, one for all numbers."""

    def __init__(self, encoder: SourceResNet, cardinalities: Sequence[int], numbers: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleList(nn.Linear(encoder.width, values) for values in cardinalities)
        self.numbers = nn.Linear(encoder.width, numbers)

    def forward(self, numerical: Tensor, categorical: Tensor) -> tuple[list[Tensor], Tensor]:
        """Logits (B, values) of each category, and the numbers (B, D_num)."""
        embedding = self.encoder(numerical, categorical)
        return [head(embedding) for head in self.heads], self.numbers(embedding)


def view(numerical: Tensor, categorical: Tensor, cardinalities: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Noise on every number; one cell in five redrawn, each column on its own."""
    chosen = torch.rand_like(categorical.float()) < SWAPS
    swapped = categorical.clone()
    for j, values in enumerate(cardinalities):
        drawn = torch.randint(values, (len(categorical),))
        swapped[:, j] = torch.where(chosen[:, j], drawn, categorical[:, j])
    return numerical + NOISE * torch.randn_like(numerical), swapped


def contrastive_loss(model: nn.Module, numerical: Tensor, categorical: Tensor, cardinalities: Sequence[int]) -> Tensor:
    """NT-Xent by the (2N, 2N) matrix; each view passes the encoder alone."""
    n = len(numerical)
    views = [model(*view(numerical, categorical, cardinalities)) for _ in range(2)]
    z = F.normalize(torch.cat(views), dim=1)
    similarity = z @ z.T / TEMPERATURE
    similarity = similarity.masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))
    partner = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(similarity, partner)


def masked_loss(model: nn.Module, numerical: Tensor, categorical: Tensor, _: Sequence[int]) -> Tensor:
    """Cross-entropy averaged over the columns with a hidden cell, plus the squared error of hidden numbers."""
    hidden_cats = torch.rand_like(categorical.float()) < HIDDEN
    hidden_nums = torch.rand_like(numerical) < HIDDEN
    logits, numbers = model(numerical.masked_fill(hidden_nums, 0.0), categorical.masked_fill(hidden_cats, 0))
    losses = [
        F.cross_entropy(logits[j][hidden_cats[:, j]], categorical[hidden_cats[:, j], j])
        for j in range(len(logits))
        if hidden_cats[:, j].any()
    ]
    loss = torch.stack(losses).mean() if losses else numerical.new_zeros(())
    if hidden_nums.any():
        loss = loss + F.mse_loss(numbers[hidden_nums], numerical[hidden_nums])
    return loss


LOSSES: dict[str, Callable[[nn.Module, Tensor, Tensor, Sequence[int]], Tensor]] = {
    "contrastive": contrastive_loss,
    "masked": masked_loss,
}


class SourceTraining:
    """Model, loader and optimizer of one task; ``epoch`` trains once over all rows.

    Args:
        task: ``contrastive`` or ``masked``.
        numbers: (N, D_num).
        categories: (N, D_cat) ids from 0.
        cardinalities: values per category.
        batch: rows per step.
        width: of the encoder.
        blocks: of the encoder.
        dropout: of the encoder.
    """

    def __init__(
        self,
        task: str,
        numbers: np.ndarray,
        categories: np.ndarray,
        cardinalities: Sequence[int],
        *,
        batch: int,
        width: int,
        blocks: int,
        dropout: float,
    ) -> None:
        encoder = SourceResNet(numbers.shape[1], cardinalities, width, blocks, dropout)
        self.loss = LOSSES[task]
        self.model = SourceMasked(encoder, cardinalities, numbers.shape[1]) if task == "masked" else encoder
        self.cardinalities = cardinalities
        rows = TensorDataset(torch.from_numpy(numbers), torch.from_numpy(categories))  # hands out one row at a time
        self.loader = DataLoader(rows, batch_size=batch, shuffle=True, num_workers=0)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)

    def epoch(self) -> float:
        """Mean loss of the epoch."""
        self.model.train()
        total = 0.0
        for numerical, categorical in self.loader:
            loss = self.loss(self.model, numerical, categorical, self.cardinalities)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / len(self.loader)
