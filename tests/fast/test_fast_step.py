"""The fast step: the results of the plain code, and nothing left behind."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from ocsf_ssl_lib import (
    Batch,
    EncoderConfig,
    InputError,
    MLPConfig,
    OCSFDataset,
    SSLModel,
    available_ssl_models,
    build_model,
    fast_step,
)
from ocsf_ssl_lib.encoder import ResNetBlock
from ocsf_ssl_lib.fast.block import FastBlock, FastBlockBF16
from ocsf_ssl_lib.fast.linear import LinearBF16
from ocsf_ssl_lib.fast.masks import keep_masks, keep_rate

TASKS = ["contrastive", "masked", "denoising", "multitask"]
CARDS = [7, 5, 23]


def rows(n: int = 32, numbers: int = 4, cards: list[int] | None = None) -> Batch:
    generator = torch.Generator().manual_seed(0)
    cards = CARDS if cards is None else cards
    ids = [torch.randint(0, c, (n,), generator=generator) for c in cards]
    missing = torch.rand(n, numbers, generator=generator) < 0.1
    values = torch.randn(n, numbers, generator=generator).masked_fill(missing, 0.0)
    return Batch(values, torch.stack(ids, 1) if ids else torch.zeros(n, 0).long(), missing)


def model_of(task: str, batch: Batch, cards: list[int] | None = None, dropout: float = 0.0) -> SSLModel:
    config = available_ssl_models()[task][1](encoder_config=EncoderConfig(d_model=32, num_blocks=3, dropout=dropout))
    model = build_model(config, batch.numerical.shape[1], CARDS if cards is None else cards)
    model.prepare(OCSFDataset.of(batch))
    return model.train()


def loss_and_gradients(model: nn.Module, batch: Batch, times: int = 1) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    noise = torch.Generator().manual_seed(1)
    loss = torch.stack([model.calculate_loss(batch, generator=noise) for _ in range(times)]).sum()  # type: ignore[operator]
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def fails_inside(model: SSLModel) -> None:
    loss_and_gradients(model, rows())
    loss_and_gradients(model, rows(numbers=3))


@contextmanager
def plain_dropout_with_the_fast_masks() -> Iterator[None]:
    """Plain blocks that draw the masks of the fast ones: with one seed, both drop the same units."""

    def forward(block: ResNetBlock, x: Tensor) -> Tensor:
        p = block.dropout.p
        first, second = (-keep_masks(2, x.shape, p)).to(x.dtype) / keep_rate(p)
        return x + second * block.linear2(first * torch.relu(block.linear1(block.norm(x))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResNetBlock, "forward", forward)
        yield


@pytest.mark.parametrize("task", TASKS)
def test_without_dropout_loss_and_every_gradient_are_those_of_the_plain_code(task: str) -> None:
    batch = rows()
    model = model_of(task, batch)
    loss, gradients = loss_and_gradients(model, batch)
    with fast_step(model):
        fast_loss, fast_gradients = loss_and_gradients(model, batch)
    torch.testing.assert_close(fast_loss, loss, rtol=1e-5, atol=1e-5)
    assert fast_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(fast_gradients[name], gradient, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("task", TASKS)
def test_with_the_same_masks_dropout_is_that_of_the_plain_code(task: str) -> None:
    batch = rows()
    model = model_of(task, batch, dropout=0.3)
    torch.manual_seed(5)
    with plain_dropout_with_the_fast_masks():
        loss, gradients = loss_and_gradients(model, batch)
    torch.manual_seed(5)
    with fast_step(model):
        fast_loss, fast_gradients = loss_and_gradients(model, batch)
    torch.testing.assert_close(fast_loss, loss, rtol=1e-5, atol=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(fast_gradients[name], gradient, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("task", TASKS)
def test_bf16_gives_the_loss_to_two_percent_and_every_gradient_in_direction_and_length(task: str) -> None:
    batch = rows(64)
    model = model_of(task, batch)
    loss, gradients = loss_and_gradients(model, batch)
    with fast_step(model, "bf16"):
        fast_loss, fast_gradients = loss_and_gradients(model, batch)
    torch.testing.assert_close(fast_loss, loss, rtol=0.02, atol=0.0)
    assert not torch.equal(fast_loss, loss)
    for name, gradient in gradients.items():
        if gradient.norm() > 1e-6:
            cosine = nn.functional.cosine_similarity(fast_gradients[name].flatten(), gradient.flatten(), dim=0)
            assert cosine > 0.98, (name, float(cosine))
            assert 0.9 < fast_gradients[name].norm() / gradient.norm() < 1.1, name


def test_the_blocks_run_fast_in_training_and_plain_in_evaluation() -> None:
    x, block = torch.randn(4, 8), ResNetBlock(8, 0.5)
    with fast_step(block):
        assert "_Block" in type(block.train()(x).grad_fn).__name__
        assert "_Block" not in type(block.eval()(x).grad_fn).__name__
        inside = block(x)
    assert torch.equal(inside, block(x))
    assert "_Block" not in type(block.train()(x).grad_fn).__name__


def test_double_precision_autocast_and_other_ranks_run_plain() -> None:
    block = ResNetBlock(8, 0.0)
    with fast_step(block):
        assert "_Block" not in type(block(torch.randn(2, 3, 8)).grad_fn).__name__
        with torch.autocast("cpu", torch.bfloat16):
            assert "_Block" not in type(block(torch.randn(4, 8)).grad_fn).__name__
        assert block.double()(torch.randn(4, 8).double()).dtype == torch.float64


def test_dropout_of_everything_runs_plain() -> None:
    x, block = torch.randn(4, 8), ResNetBlock(8, 1.0)
    with fast_step(block):
        out = block(x)
    assert torch.equal(out, x)
    assert "_Block" not in type(out.grad_fn).__name__


@pytest.mark.parametrize(
    ("part", "other"), [("norm", nn.BatchNorm1d(8)), ("norm", nn.RMSNorm(8)), ("dropout", nn.AlphaDropout(0.0))]
)
def test_a_block_with_another_part_runs_plain(part: str, other: nn.Module) -> None:
    block = ResNetBlock(8, dropout=0.0).train()
    setattr(block, part, other)
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    plain = block(x)
    with fast_step(block):
        fast = block(x)
    torch.testing.assert_close(fast, plain, rtol=0, atol=0)
    assert type(fast.grad_fn) is type(plain.grad_fn)


def test_bf16_stays_fast_under_autocast_and_gives_float32() -> None:
    block = ResNetBlock(8, 0.0)
    with fast_step(block, "bf16"), torch.autocast("cpu", torch.bfloat16):
        out = block(torch.randn(4, 8))
    assert "_Block" in type(out.grad_fn).__name__
    assert out.dtype == torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nothing_is_left_behind_even_after_an_exception(precision: str) -> None:
    model = model_of("contrastive", rows(), dropout=0.1)
    before = [(name, type(module), sorted(vars(module))) for name, module in model.named_modules()]
    weights = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match="3 and 3"), fast_step(model, precision):  # type: ignore[arg-type]
        fails_inside(model)
    assert [(name, type(module), sorted(vars(module))) for name, module in model.named_modules()] == before
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, weights[name])


def test_contexts_nest() -> None:
    block = ResNetBlock(8, 0.1)
    with fast_step(block):
        with fast_step(block, "bf16"):
            assert type(block) is FastBlock
        assert type(block) is FastBlock
    assert type(block) is ResNetBlock


def test_copies_made_inside_are_plain_models() -> None:
    model = model_of("contrastive", rows(), dropout=0.1)
    with fast_step(model, "bf16"):
        assert {FastBlockBF16, LinearBF16} <= {type(module) for module in model.modules()}
        copies = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
        names = list(model.state_dict())
    assert names == list(model.state_dict())
    for duplicate in copies:
        assert [type(m) for m in duplicate.modules()] == [type(m) for m in model.modules()]
        assert all(torch.equal(a, b) for a, b in zip(duplicate.parameters(), model.parameters(), strict=True))


def test_an_optimizer_made_before_goes_on() -> None:
    batch = rows()
    model = model_of("masked", batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first, _ = loss_and_gradients(model, batch)
    with fast_step(model):
        for _ in range(10):
            loss_and_gradients(model, batch)
            optimizer.step()
    last, _ = loss_and_gradients(model, batch)
    assert last < first


def test_several_calls_before_one_backward_add_up() -> None:
    batch = rows()
    model = model_of("masked", batch)
    _, gradients = loss_and_gradients(model, batch, times=3)
    with fast_step(model):
        _, fast_gradients = loss_and_gradients(model, batch, times=3)
    for name, gradient in gradients.items():
        torch.testing.assert_close(fast_gradients[name], gradient, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("n", "numbers", "cards"), [(2, 4, CARDS), (16, 0, CARDS), (16, 4, [])])
@pytest.mark.parametrize("task", ["contrastive", "denoising"])
def test_two_rows_and_columns_of_one_kind(task: str, n: int, numbers: int, cards: list[int], precision: str) -> None:
    batch = rows(n, numbers, cards)
    model = model_of(task, batch, cards, dropout=0.1)
    with fast_step(model, precision):  # type: ignore[arg-type]
        loss, gradients = loss_and_gradients(model, batch)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())


def test_an_mlp_encoder_gives_what_it_gave() -> None:
    batch = rows()
    config = available_ssl_models()["masked"][1](encoder_config=MLPConfig(d_model=16, num_layers=2, dropout=0.0))
    model = build_model(config, 4, CARDS).train()
    loss, _ = loss_and_gradients(model, batch)
    with fast_step(model):
        assert torch.equal(loss_and_gradients(model, batch)[0], loss)


def test_without_gradients_a_training_block_gives_the_same() -> None:
    x, block = torch.randn(4, 8), ResNetBlock(8, 0.0)
    with torch.no_grad(), fast_step(block):
        fast = block(x)
    assert not fast.requires_grad
    torch.testing.assert_close(fast, block(x))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_frozen_weights_get_no_gradient(precision: str) -> None:
    block = ResNetBlock(8, 0.0)
    block.linear1.requires_grad_(False)
    block.norm.weight.requires_grad_(False)
    with fast_step(block, precision):  # type: ignore[arg-type]
        block(torch.randn(4, 8)).sum().backward()
    names = {name for name, p in block.named_parameters() if p.grad is not None}
    assert names == {"norm.bias", "linear2.weight", "linear2.bias"}


def test_the_global_generator_decides_the_masks() -> None:
    x, block = torch.randn(64, 8), ResNetBlock(8, 0.5)
    with fast_step(block):
        torch.manual_seed(3)
        first, second = block(x), block(x)
        torch.manual_seed(3)
        again = block(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_dropout_keeps_the_mean_of_the_branch(precision: str) -> None:
    torch.manual_seed(0)
    block = ResNetBlock(64, 0.4)
    x = torch.randn(1, 64).expand(20_000, -1).contiguous()
    with torch.no_grad(), fast_step(block, precision):  # type: ignore[arg-type]
        mean = (block(x) - x).mean(0)
    torch.testing.assert_close(mean, (block.eval()(x[:1]) - x[:1])[0].detach(), rtol=0.0, atol=0.015)


def test_another_precision_is_refused() -> None:
    with pytest.raises(InputError, match="fp16"), fast_step(nn.Linear(2, 2), "fp16"):  # type: ignore[arg-type]
        pass
