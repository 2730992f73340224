"""``nn.Linear`` that multiplies in bfloat16 and takes and gives float32.

Unlike autocast it leaves alone whatever is no layer: the similarities of the contrastive loss stay in float32. A
logit rounded to bfloat16 would be wrong by up to 0.03 at a temperature of 0.1.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ocsf_ssl_lib.fast.block import copied_as

__all__ = ["LinearBF16"]


class LinearBF16(nn.Linear):
    """An ``nn.Linear`` in training on a CPU; ``fast_step`` lends this class to the plain layers."""

    def forward(self, input: Tensor) -> Tensor:  # the name is torch's
        """(B, d_in) -> (B, d_out)."""
        fits = input.ndim == 2 and input.device.type == "cpu" and input.dtype == self.weight.dtype == torch.float32
        if not (self.training and fits):
            return super().forward(input)
        return _Linear.apply(input, self.weight, self.bias)

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        return copied_as(nn.Linear, super().__reduce_ex__(protocol))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, weight)
        return F.linear(x, weight, None if bias is None else bias.bfloat16()).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        half = d_out.bfloat16()
        d_x = (half @ weight).float() if ctx.needs_input_grad[0] else None
        d_weight = (half.T @ x).float() if ctx.needs_input_grad[1] else None
        return d_x, d_weight, d_out.sum(0) if ctx.needs_input_grad[2] else None
