"""``ResNetBlock`` with a forward and a backward written by hand.

``y = x + Dropout(Linear2(Dropout(ReLU(Linear1(Norm(x))))))`` as one node of autograd's graph. It gains by

* masks that are bits (see ``masks.py``), applied in place;
* dropout's factor 1 / keep rate, applied once for both dropouts, in the final addition;
* one kept tensor for ReLU and first dropout together: a unit passes the gradient where what came out is positive;
* products in bfloat16, if wished: weights are cast once a step, activations once for forward and backward.

Weight gradients are returned, not written to ``.grad``: autograd takes a first gradient as it is, without a copy, and
hooks, several calls before one ``backward`` and several processes work as ever.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ocsf_ssl_lib.encoder import ResNetBlock
from ocsf_ssl_lib.fast.masks import apply_keep_mask, keep_masks, keep_rate

__all__ = ["FastBlock", "FastBlockBF16", "copied_as"]


def copied_as(plain: type, reduced: str | tuple[Any, ...]) -> str | tuple[Any, ...]:
    """What ``__reduce_ex__`` of a fast class gave, for an object of the plain class: copies and pickles are plain."""
    return (object.__new__, (plain,), *reduced[2:])


class FastBlock(ResNetBlock):
    """A ``ResNetBlock`` in training on a CPU; ``fast_step`` lends this class to the plain blocks."""

    dtype: ClassVar[torch.dtype] = torch.float32
    """Of the operands of the matrix products."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, d_model) -> (B, d_model)."""
        if not self._applies_to(x):
            return super().forward(x)
        p, first, second = self.dropout.p, self.linear1, self.linear2
        masks = keep_masks(2, x.shape, p) if p > 0 else None
        scales = keep_rate(p), self.norm.eps
        weights = self.norm.weight, self.norm.bias, first.weight, first.bias, second.weight, second.bias
        return _Block.apply(x, *weights, masks, *scales, self.dtype)

    def _applies_to(self, x: Tensor) -> bool:
        if not (self.training and self.dropout.p < 1 and x.ndim == 2):
            return False
        if type(self.norm) is not nn.LayerNorm or type(self.dropout) is not nn.Dropout:
            return False  # somebody put in another part: the formulas below are those of these two
        if torch.is_autocast_enabled("cpu") and self.dtype == torch.float32:
            return False  # who asks for autocast wants half precision
        return all(t.dtype == torch.float32 and t.device.type == "cpu" for t in (x, self.linear1.weight))

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        return copied_as(ResNetBlock, super().__reduce_ex__(protocol))


class FastBlockBF16(FastBlock):
    """``FastBlock`` with the operands of its matrix products in bfloat16."""

    dtype = torch.bfloat16


class _Block(torch.autograd.Function):
    """The formulas. ``d_y`` stands for the gradient of the loss by y. x: (B, d), weights: (d, d), all else: (d,).

    Both dropouts' factors 1 / rate are taken out of the branch, so that it gives ``rate**2`` times its true value (the
    second bias has to shrink by one factor for that), and the addition to x puts it right.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gain: Tensor,
        shift: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
        masks: Tensor | None,  # (2, B, d) int8, see keep_masks
        rate: float,  # of keeping a unit
        eps: float,
        dtype: torch.dtype,
    ) -> Tensor:
        normed, mean, inverse_std = torch.native_layer_norm(x, x.shape[1:], gain, shift, eps)
        normed, weight1, weight2 = normed.to(dtype), weight1.to(dtype), weight2.to(dtype)
        hidden = F.linear(normed, weight1, bias1.to(dtype)).relu_()
        mask = None
        if masks is not None:
            apply_keep_mask(hidden, masks[0])
            mask = masks[1]
        out = F.linear(hidden, weight2, (bias2 * rate).to(dtype))
        if mask is not None:
            apply_keep_mask(out, mask)
        ctx.save_for_backward(x, mean, inverse_std, gain, shift, normed, weight1, hidden, weight2, mask)
        ctx.rate = rate
        return torch.add(x, out, alpha=rate**-2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, inverse_std, gain, shift, normed, weight1, hidden, weight2, mask = ctx.saved_tensors
        _, gain_too, shift_too, weight1_too, bias1_too, weight2_too, bias2_too, *_ = ctx.needs_input_grad
        d_out = (d_y * ctx.rate**-2).to(hidden.dtype)
        if mask is not None:
            apply_keep_mask(d_out, mask)
        d_weight2 = (d_out.T @ hidden).float() if weight2_too else None
        d_bias2 = d_out.sum(0).float() * ctx.rate if bias2_too else None
        # Where ReLU or dropout made a unit 0 it passes nothing on; everywhere else it is positive.
        d_hidden = torch.ops.aten.threshold_backward(d_out @ weight2, hidden, 0.0)
        d_weight1 = (d_hidden.T @ normed).float() if weight1_too else None
        d_bias1 = d_hidden.sum(0).float() if bias1_too else None
        d_x, d_gain, d_shift = torch.ops.aten.native_layer_norm_backward(
            (d_hidden @ weight1).float(), x, x.shape[1:], mean, inverse_std, gain, shift, [True, gain_too, shift_too]
        )
        return d_x.add_(d_y), d_gain, d_shift, d_weight1, d_bias1, d_weight2, d_bias2, None, None, None, None
