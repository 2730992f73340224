"""The exact gradient of a loss over a whole batch, with one slice of the batch in memory at a time.

Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup" (GradCache, RepL4NLP 2021,
arXiv 2101.06983). Adding up the gradients of slices is not the same for a contrastive loss: each slice has only its
own negatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import get_device_states, set_device_states

__all__ = ["cached_backward"]

Piece = TypeVar("Piece")


def cached_backward(
    embed: Callable[[Piece], Tensor],
    pieces: Sequence[Piece],
    loss: Callable[[Tensor], Tensor],
    backward: Callable[[Tensor], None],
    device: torch.device,
) -> Tensor:
    """Forward without a graph, gradient at the embeddings, then forward and backward slice by slice.

    Args:
        embed: a slice of the batch -> (n, ...) embeddings, the same each time but for random draws from torch's global
            state (dropout), which are repeated.
        pieces: the slices.
        loss: (sum of n, ...) embeddings of all slices -> scalar.
        backward: called once per slice, with a scalar whose gradient is the slice's share of the loss's gradient.
        device: where ``embed`` draws.

    Returns:
        The loss, without a graph.
    """
    states, parts = [], []
    with torch.no_grad():
        for piece in pieces:
            states.append(_random_state(device))
            parts.append(embed(piece))
    z = torch.cat(parts).requires_grad_()
    value = loss(z)
    (grad,) = torch.autograd.grad(value, z)
    for piece, state, share in zip(pieces, states, grad.split([len(p) for p in parts]), strict=True):
        _set_random_state(state, device)  # the last slice leaves the state where the first pass left it
        backward((embed(piece) * share).sum())
    return value.detach()


def _random_state(device: torch.device) -> tuple[Tensor, Any]:
    return torch.get_rng_state(), get_device_states(torch.empty(0, device=device))  # the latter is empty on a CPU


def _set_random_state(state: tuple[Tensor, Any], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    set_device_states(*state[1], device_type=device.type)
