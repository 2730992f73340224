"""Prediction heads: from one vector of an event back to its cells, columns of any kind and cardinality.

All heads are one linear layer. A column owns some of its outputs, and columns that own equally many are compared with
their targets in one call. So four columns cost about as much as one of their joint width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch
from ocsf_ssl_lib.vocabulary import MISSING_ID, NUM_RESERVED, UNKNOWN_ID

__all__ = ["ColumnHeads", "NumericalLoss", "targets_of"]

NumericalLoss = Literal["bins", "gaussian", "mse"]

LEAST_TRIVIAL_LOSS = 0.1  # nats; the entropy of a column that is 98 % one value. Below it, no column weighs more
LEAST_LOG_VARIANCE = -8.0  # a density can be made infinite at a value that repeats; this is where it ends


def targets_of(batch: Batch) -> Tensor:
    """(B, D_num + D_cat) bool: cells that hold a real value; unknown and missing are states of the log, not values."""
    return torch.cat([~batch.missing_mask, batch.categorical >= NUM_RESERVED], dim=1)


class ColumnHeads(nn.Module):
    """One linear layer that predicts every column of an event.

    A category is predicted by a softmax over the real values of its column (the reserved ids have no output). A number
    is predicted in one of three ways:

    * ``bins``: a softmax over ``num_bins`` intervals that hold equally many values, if numbers are scaled to normal
      scores. Any shape of distribution can be said, and ties do no harm.
    * ``gaussian``: mean and log variance, scored by the negative log-likelihood.
    * ``mse``: the mean alone, scored by the squared error.

    Args:
        d_in: length of the vector that comes in.
        num_numerical: D_num.
        cardinalities: ids per categorical column, the three reserved ones included.
        numerical_loss: see above.
        num_bins: intervals of ``bins``.
    """

    marginal: Tensor
    trivial: Tensor
    mean: Tensor
    mode: Tensor
    unseen: Tensor
    edges: Tensor

    def __init__(
        self,
        d_in: int,
        num_numerical: int,
        cardinalities: Sequence[int],
        numerical_loss: NumericalLoss = "bins",
        num_bins: int = 20,
    ) -> None:
        super().__init__()
        if numerical_loss not in ("bins", "gaussian", "mse"):
            raise InputError(f"numerical_loss must be 'bins', 'gaussian' or 'mse', however: {numerical_loss!r}")
        self.num_numerical, self.numerical_loss, self.num_bins = num_numerical, numerical_loss, num_bins
        self.per_number = {"bins": num_bins, "gaussian": 2, "mse": 1}[numerical_loss]
        self.widths = [c - NUM_RESERVED for c in cardinalities]
        # Categorical columns stand in the layer by width, so that those of one width are one block of it.
        order = sorted(range(len(self.widths)), key=lambda j: self.widths[j])
        self.groups = [(k, list(members)) for k, members in groupby(order, key=lambda j: self.widths[j])]
        start, self.starts = num_numerical * self.per_number, [0] * len(self.widths)
        for j in order:
            self.starts[j] = start
            start += self.widths[j]
        self.linear = nn.Linear(d_in, start)
        columns = num_numerical + len(self.widths)
        edges = torch.special.ndtri(torch.arange(1, num_bins, dtype=torch.float64) / num_bins).float()
        self.register_buffer("edges", edges, persistent=False)
        # What a predictor that looks at nothing would lose, until ``fit_marginals`` knows better.
        number = {"bins": math.log(num_bins), "gaussian": 0.5 * math.log(2 * math.pi * math.e), "mse": 1.0}
        trivial = [number[numerical_loss]] * num_numerical + [math.log(max(k, 2)) for k in self.widths]
        self.register_buffer("trivial", torch.tensor(trivial))
        self.register_buffer("marginal", torch.zeros(start))  # the trivial predictor, as outputs of the layer
        self.register_buffer("mean", torch.zeros(num_numerical))
        self.register_buffer("mode", torch.full((len(self.widths),), NUM_RESERVED))
        self.register_buffer("unseen", torch.zeros(2, columns))  # nats of an unknown and of a missing cell

    @torch.no_grad()
    def fit_marginals(self, batch: Batch) -> None:
        """Learn each column's distribution on its own: the trivial predictor. The heads' biases then start from it.

        Args:
            batch: all training events.
        """
        n = len(batch.categorical)
        if self.num_numerical:
            present = (~batch.missing_mask).to(batch.numerical.dtype)
            known = present.sum(0).clamp(min=1)
            self.mean.copy_((batch.numerical * present).sum(0) / known)
            variance = ((batch.numerical - self.mean) ** 2 * present).sum(0) / known
            self._start_numbers(batch, variance.clamp(min=math.exp(LEAST_LOG_VARIANCE)))
        for j, (start, width) in enumerate(zip(self.starts, self.widths, strict=True)):
            column = batch.categorical[:, j]
            counts = torch.bincount(column[column >= NUM_RESERVED] - NUM_RESERVED, minlength=width) + 1.0
            if width:
                share = counts / counts.sum()
                self.linear.bias[start : start + width] = share.log()
                self.trivial[self.num_numerical + j] = -(share * share.log()).sum()
                self.mode[j] = NUM_RESERVED + int(counts.argmax())
            self.unseen[0, self.num_numerical + j] = -math.log((int((column == UNKNOWN_ID).sum()) + 1) / (n + 2))
        self.marginal.copy_(self.linear.bias)
        # A cell that was never empty and is empty now is news; one that is empty at times is not, and counts nothing.
        missing = torch.cat([batch.missing_mask, batch.categorical == MISSING_ID], dim=1).any(0)
        self.unseen[1] = torch.where(missing, 0.0, math.log(n + 2))

    def _start_numbers(self, batch: Batch, variance: Tensor) -> None:
        bias = self.linear.bias[: self.num_numerical * self.per_number].view(self.num_numerical, self.per_number)
        if self.numerical_loss == "bins":
            for k in range(self.num_numerical):
                ids = torch.bucketize(batch.numerical[~batch.missing_mask[:, k], k], self.edges)
                share = torch.bincount(ids, minlength=self.num_bins) + 1.0
                share = share / share.sum()
                bias[k] = share.log()
                self.trivial[k] = -(share * share.log()).sum()
            return
        bias[:, 0] = self.mean
        self.trivial[: self.num_numerical] = variance
        if self.numerical_loss == "gaussian":
            bias[:, 1] = variance.log()
            self.trivial[: self.num_numerical] = 0.5 * (math.log(2 * math.pi * math.e) + variance.log())

    def forward(self, hidden: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, d_in) -> outputs of the numbers (B, D_num, per number) and logits (B, K_j) of each categorical column."""
        out = self.linear(hidden)
        numbers = out[:, : self.num_numerical * self.per_number].view(len(out), self.num_numerical, self.per_number)
        return numbers, [out[:, s : s + k] for s, k in zip(self.starts, self.widths, strict=True)]

    def cell_losses(self, hidden: Tensor, batch: Batch, chosen: Tensor) -> Tensor:
        """The loss of each chosen cell, in nats (``mse``: in variances).

        Args:
            hidden: (B, d_in), what the heads predict from.
            batch: the events as they are.
            chosen: (B, D_num + D_cat) bool; a cell that is chosen must hold a real value, see ``targets_of``.

        Returns:
            (B, D_num + D_cat), 0 where not chosen.
        """
        return self._losses(self.linear(hidden), batch, chosen)

    def marginal_losses(self, batch: Batch, chosen: Tensor) -> Tensor:
        """``cell_losses`` of the trivial predictor, which looks at nothing."""
        return self._losses(self.marginal.expand(len(batch.categorical), -1), batch, chosen)

    def _losses(self, out: Tensor, batch: Batch, chosen: Tensor) -> Tensor:
        n, d_num = len(out), self.num_numerical
        parts: list[Tensor] = []
        columns: list[int] = []
        # One split, not a slice each: the gradient of a slice is a tensor of zeros as large as the whole.
        sizes = [d_num * self.per_number, *(width * len(members) for width, members in self.groups)]
        first, *blocks = out.split(sizes, dim=1)
        if d_num:
            numbers = first.view(n, d_num, self.per_number)
            parts.append(self._number_losses(numbers, batch.numerical, chosen[:, :d_num]))
            columns += range(d_num)
        for (width, members), block in zip(self.groups, blocks, strict=True):
            index = torch.tensor(members, device=out.device)
            wanted = chosen[:, d_num + index]  # (B, members)
            columns += [d_num + j for j in members]
            if not width:  # a column without a single real value: zeros, but with a gradient, if there is no other
                parts.append(block.sum(1, keepdim=True).expand(wanted.shape))
                continue
            logits = block.reshape(-1, width)  # (B * members, K)
            target = (batch.categorical[:, index] - NUM_RESERVED).flatten()
            parts.append(_cross_entropy(logits, target, wanted))
        inverse = torch.tensor(columns, device=out.device).argsort()
        return torch.cat(parts, dim=1)[:, inverse]

    def column_losses(self, hidden: Tensor, batch: Batch, column: int) -> Tensor:
        """The loss of one column alone: (B,). Every event of the batch must hold a real value there."""
        if column < self.num_numerical:
            rows = slice(column * self.per_number, (column + 1) * self.per_number)
            out = F.linear(hidden, self.linear.weight[rows], self.linear.bias[rows])[:, None]
            value = batch.numerical[:, column, None]
            return self._number_losses(out, value, torch.ones_like(value, dtype=torch.bool))[:, 0]
        j = column - self.num_numerical
        rows = slice(self.starts[j], self.starts[j] + self.widths[j])
        out = F.linear(hidden, self.linear.weight[rows], self.linear.bias[rows])
        return F.cross_entropy(out, batch.categorical[:, j] - NUM_RESERVED, reduction="none")

    def _number_losses(self, out: Tensor, value: Tensor, chosen: Tensor) -> Tensor:
        """(B, C, per number), (B, C), (B, C) -> (B, C)."""
        if self.numerical_loss == "bins":
            target = torch.bucketize(value.contiguous(), self.edges).flatten()
            return _cross_entropy(out.reshape(-1, self.num_bins), target, chosen)
        error = (value - out[..., 0]) ** 2
        if self.numerical_loss == "gaussian":
            log_variance = out[..., 1].clamp(min=LEAST_LOG_VARIANCE)
            error = 0.5 * (math.log(2 * math.pi) + log_variance + error * torch.exp(-log_variance))
        return error.masked_fill(~chosen, 0.0)

    def predict(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Best guesses: numbers (B, D_num) in scaled units, category ids (B, D_cat)."""
        numbers, categories = self(hidden)
        if self.numerical_loss == "bins":  # the mean of the distribution; a bin stands for its middle quantile
            middle = (torch.arange(self.num_bins, dtype=torch.float64, device=hidden.device) + 0.5) / self.num_bins
            guess = numbers.softmax(-1) @ torch.special.ndtri(middle).to(hidden.dtype)
        else:
            guess = numbers[..., 0]
        ids = [
            NUM_RESERVED + logits.argmax(1) if logits.shape[1] else self.mode[j].expand(len(hidden))
            for j, logits in enumerate(categories)
        ]
        return guess, torch.stack(ids, dim=1) if ids else torch.empty(len(hidden), 0, dtype=torch.long)

    def normalised(self, losses: Tensor, chosen: Tensor, weights: tuple[float, float] = (1.0, 1.0)) -> Tensor:
        """One number from many cells: each column in units of its trivial predictor's loss, then the mean.

        Cross-entropy over 1000 values starts near 6.9, over two values near 0.7: a plain sum would be a sum of the
        wide columns. 1 means no better than the trivial predictor, 0 is perfect.

        Args:
            losses: (B, D) of ``cell_losses``.
            chosen: (B, D) bool.
            weights: of numerical and of categorical cells.

        Returns:
            Scalar; 0 with a gradient of 0 when nothing was chosen.
        """
        share = self._share(weights)
        unit = self.trivial.abs().clamp(min=LEAST_TRIVIAL_LOSS)
        return (losses / unit * share).sum() / (chosen * share).sum().clamp(min=torch.finfo(losses.dtype).eps)

    def weight(self, chosen: Tensor, weights: tuple[float, float] = (1.0, 1.0)) -> float:
        """What ``normalised`` divides by: how much the mean over the chosen cells weighs beside another one."""
        return float((chosen * self._share(weights)).sum())

    def _share(self, weights: tuple[float, float]) -> Tensor:
        """(D,) weight of a cell of each column."""
        share = torch.full_like(self.trivial, weights[1])
        share[: self.num_numerical] = weights[0]
        return share

    def surprise(self, losses: Tensor, batch: Batch) -> Tensor:
        """Nats of every cell for a detector: (B, D), NaN for a cell that says nothing.

        A value never seen in training has no output of its own: it counts as the nats of "something never seen", by
        how often training met that (one more each, so that never is not infinitely rare).
        """
        real = targets_of(batch)
        number_missing = torch.zeros_like(batch.missing_mask)
        unknown = torch.cat([number_missing, batch.categorical == UNKNOWN_ID], dim=1)
        missing = torch.cat([batch.missing_mask, batch.categorical == MISSING_ID], dim=1) & (self.unseen[1] > 0)
        nothing = torch.full_like(losses, math.nan)
        result = torch.where(real, losses, nothing)
        result = torch.where(unknown, self.unseen[0].expand_as(losses), result)
        return torch.where(missing, self.unseen[1].expand_as(losses), result)


def _cross_entropy(logits: Tensor, target: Tensor, wanted: Tensor) -> Tensor:
    """(B * C, K) logits and (B * C,) targets -> losses in the shape of ``wanted`` (B, C), 0 where not wanted."""
    if wanted.all():
        return F.cross_entropy(logits, target, reduction="none").view_as(wanted)
    rows = wanted.flatten().nonzero().squeeze(1)  # few cells are hidden: the softmax of the others is not needed
    losses = F.cross_entropy(logits[rows], target[rows], reduction="none")
    return logits.new_zeros(len(logits)).index_copy(0, rows, losses).view_as(wanted)
