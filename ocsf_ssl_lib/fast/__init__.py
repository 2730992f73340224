"""The fast training step on a processor: one context around the training loop, and the plain classes stay plain.

A step of the plain code spends most of its time in matrix products, and a good part of the rest on dropout's random
numbers. Inside ``fast_step`` the residual blocks run a forward and a backward written by hand (``block.py``) with cheap
dropout masks (``masks.py``), and in bf16 the linear layers multiply in half precision (``linear.py``).
``benchmarks/profile_step.py`` shows where the time goes with it and without.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from torch import nn

from ocsf_ssl_lib.encoder import ResNetBlock
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.fast.block import FastBlock, FastBlockBF16
from ocsf_ssl_lib.fast.linear import LinearBF16

__all__ = ["fast_step"]

_FAST: dict[str, dict[type[nn.Module], type[nn.Module]]] = {
    "fp32": {ResNetBlock: FastBlock},
    "bf16": {ResNetBlock: FastBlockBF16, nn.Linear: LinearBF16},
}


@contextmanager
def fast_step(model: nn.Module, precision: Literal["fp32", "bf16"] = "fp32") -> Iterator[None]:
    """Train faster on a processor: inside, a model's residual blocks run code written by hand.

    Only what trains on a CPU in float32 is touched; in evaluation, on a GPU and in float64 the plain code runs.
    Parameters, ``state_dict`` and optimizer stay what they are, and a copy made inside is a plain model.

    Losses and gradients are those of the plain code: in ``fp32`` up to rounding, in ``bf16`` to about three digits.
    There the operands of matrix products are rounded to bfloat16; sums, norms, the residual stream, the loss and the
    weights stay in float32 (Kalamkar et al., "A Study of BFLOAT16 for Deep Learning Training", arXiv 1905.12322).
    Dropout draws other masks than ``nn.Dropout`` (see ``masks.py``), from a seed that each block takes from torch's
    global generator: who saves that generator's state can resume exactly.

    Args:
        model: an ``SSLModel``, or any module with ``ResNetBlock`` in it.
        precision: of the matrix products. ``bf16`` pays on processors with instructions for it; ask
            ``choose_precision``.

    Raises:
        InputError: another precision.

    Example:
        >>> import torch
        >>> from ocsf_ssl_lib import TabularResNet
        >>> model = TabularResNet(3, [5], d_model=8, num_blocks=2)
        >>> with fast_step(model):
        ...     model(torch.zeros(4, 3), torch.full((4, 1), 3)).sum().backward()
        >>> model.embedding_layer.project.weight.grad.shape
        torch.Size([8, 19])
    """
    if precision not in _FAST:
        raise InputError(f"precision must be 'fp32' or 'bf16', however: {precision!r}")
    fast = _FAST[precision]
    # A module's class is all that changes: there is no attribute that a checkpoint or a copy could pick up.
    swapped = [(module, type(module)) for module in model.modules() if type(module) in fast]
    try:
        for module, plain in swapped:
            module.__class__ = fast[plain]
        yield
    finally:
        for module, plain in swapped:
            module.__class__ = plain
