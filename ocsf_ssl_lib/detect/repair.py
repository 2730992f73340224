"""What a masked model expected in each cell, and what an event would be like if it had held that.

When one cell of an event is wrong, the cells that depend on it become surprising as well: a port that does not fit the
service makes the service unlikely given the port. Which of them to blame? Put each suspect right in turn, and see how
much surprise goes away *in the whole event*. Repairing the wrong cell brings its neighbours back to normal; repairing a
neighbour makes it fit the wrong cell and contradict the others.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ocsf_ssl_lib.features import Batch
from ocsf_ssl_lib.pretext.masked import TabularResNetWithMFP
from ocsf_ssl_lib.vocabulary import NUM_RESERVED

__all__ = ["INTERVAL_MASS", "TOP", "Expectation", "expectation", "repaired_surprise"]

TOP = 3  # values named as expected
INTERVAL_MASS = 0.5  # of a number: the shortest run of intervals that holds so much of the probability
ROWS = 4096  # events per forward pass; nothing is learned


class Expectation(NamedTuple):
    """What the model expects in each cell, given the other cells of the event.

    Attributes:
        ids: (N, D_cat, TOP) category ids, the most probable first; -1 where a column has fewer values.
        probability: (N, D_cat, TOP) of each of them.
        low: (N, D_num) scaled lower end of the interval in which the number was expected, -inf if it has none.
        high: (N, D_num) its upper end.
        mass: (N, D_num) probability of that interval; NaN if the model predicts a mean and nothing else.
        number: (N, D_num) the most probable number, scaled.
    """

    ids: Tensor
    probability: Tensor
    low: Tensor
    high: Tensor
    mass: Tensor
    number: Tensor


@torch.no_grad()
def expectation(model: TabularResNetWithMFP, batch: Batch) -> Expectation:
    """Hide each cell of N events in turn, and ask what belongs there."""
    parts = [_expectation(model, Batch(*some)) for some in zip(*(t.split(ROWS) for t in batch), strict=True)]
    return Expectation(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def _expectation(model: TabularResNetWithMFP, batch: Batch) -> Expectation:
    n, d_num = batch.numerical.shape
    d_cat = batch.categorical.shape[1]
    ids = batch.categorical.new_full((n, d_cat, TOP), -1)
    probability = batch.numerical.new_zeros(n, d_cat, TOP)
    low, high, mass, number = (torch.empty_like(batch.numerical) for _ in range(4))
    for column in range(d_num + d_cat):
        hidden = torch.zeros(n, d_num + d_cat, dtype=torch.bool, device=batch.categorical.device)
        hidden[:, column] = True
        numbers, categories = model.heads(model.decoder(model.embed_masked(batch, hidden)))
        if column < d_num:
            found = _interval(model, numbers[:, column])
            low[:, column], high[:, column], mass[:, column], number[:, column] = found
            continue
        logits = categories[column - d_num]
        best = logits.softmax(1).topk(min(TOP, logits.shape[1]), dim=1)
        ids[:, column - d_num, : best.indices.shape[1]] = best.indices + NUM_RESERVED
        probability[:, column - d_num, : best.values.shape[1]] = best.values
    return Expectation(ids, probability, low, high, mass, number)


def _interval(model: TabularResNetWithMFP, out: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs (N, per number) of one number -> lower end, upper end, probability, most probable number: (N,) each."""
    heads = model.heads
    if heads.numerical_loss == "mse":
        return out[:, 0], out[:, 0], torch.full_like(out[:, 0], torch.nan), out[:, 0]
    if heads.numerical_loss == "gaussian":
        reach = torch.special.ndtri(torch.tensor(0.5 + INTERVAL_MASS / 2)) * (out[:, 1] / 2).exp()
        return out[:, 0] - reach, out[:, 0] + reach, torch.full_like(reach, INTERVAL_MASS), out[:, 0]
    share = out.softmax(1)
    bins = share.shape[1]
    below = torch.cat([torch.zeros_like(share[:, :1]), share.cumsum(1)], dim=1)  # (N, bins + 1)
    first, last = (torch.zeros(len(out), dtype=torch.long, device=out.device) for _ in range(2))
    mass = torch.zeros_like(share[:, 0])
    for length in range(1, bins + 1):
        best, start = (below[:, length:] - below[:, :-length]).max(1)
        settle = (mass < INTERVAL_MASS) & (best > mass)
        mass, first = torch.where(settle, best, mass), torch.where(settle, start, first)
        last = torch.where(settle, start + length, last)
    infinity = heads.edges.new_tensor([torch.inf])
    ends = torch.cat([-infinity, heads.edges, infinity])
    middle = torch.special.ndtri((share.argmax(1) + 0.5) / bins)
    return ends[first], ends[last], mass, middle


@torch.no_grad()
def repaired_surprise(model: TabularResNetWithMFP, batch: Batch, expected: Expectation, suspects: Tensor) -> Tensor:
    """Nats of all cells after each of K suspects was replaced by what was expected in its place.

    Args:
        model: predicts cells.
        batch: N events.
        expected: of these events.
        suspects: (N, K) columns, numbers first.

    Returns:
        (N, K, D) nats, NaN where a cell says nothing.
    """
    n, k = suspects.shape
    d_num = batch.numerical.shape[1]
    rows = torch.arange(n, device=suspects.device).repeat_interleave(k)
    columns = suspects.flatten()
    copies = Batch(*(t[rows] for t in batch))  # an index by a tensor copies
    numbers = (columns < d_num).nonzero().flatten()
    copies.numerical[numbers, columns[numbers]] = expected.number[rows[numbers], columns[numbers]]
    copies.missing_mask[numbers, columns[numbers]] = False
    categories = (columns >= d_num).nonzero().flatten()
    ids = expected.ids[rows[categories], columns[categories] - d_num, 0]
    known = ids >= NUM_RESERVED  # a column without a single real value expects nothing
    copies.categorical[categories[known], columns[categories[known]] - d_num] = ids[known]
    return model.cell_surprise(copies).view(n, k, -1)
