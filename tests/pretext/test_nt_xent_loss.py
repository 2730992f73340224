"""NT-Xent against its written-out form, its closed form and its symmetries; in blocks and whole."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ocsf_ssl_lib import InputError, nt_xent


def written_out(z1: Tensor, z2: Tensor, temperature: float) -> float:
    """SimCLR's equation 1 as it stands in the paper: two loops, one candidate at a time."""
    z = [v / v.norm() for v in [*z1.double(), *z2.double()]]
    n = len(z1)
    total = 0.0
    for i in range(2 * n):
        partner = i + n if i < n else i - n
        others = sum(math.exp(float(z[i] @ z[k]) / temperature) for k in range(2 * n) if k != i)
        total -= math.log(math.exp(float(z[i] @ z[partner]) / temperature) / others)
    return total / (2 * n)


def views(n: int = 6, d: int = 5, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n)
    z1 = torch.randn(n, d, generator=generator, dtype=dtype)
    return z1, z1 + 0.7 * torch.randn(n, d, generator=generator, dtype=dtype)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5, 1.0])
def test_the_loss_is_the_papers_formula(n: int, temperature: float) -> None:
    z1, z2 = views(n, dtype=torch.float64)
    assert nt_xent(z1, z2, temperature).item() == pytest.approx(written_out(z1, z2, temperature), rel=1e-6)


@pytest.mark.parametrize("n", [2, 4, 33])
@pytest.mark.parametrize("chunk_size", [None, 3])
def test_identical_embeddings_give_log_of_two_n_minus_one(n: int, chunk_size: int | None) -> None:
    same = torch.ones(n, 7)
    assert nt_xent(same, same, 0.1, chunk_size).item() == pytest.approx(math.log(2 * n - 1), abs=1e-5)


def test_partners_alike_and_others_opposite_give_almost_no_loss() -> None:
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert nt_xent(z, z, 0.1).item() < 1e-6
    assert nt_xent(z, z.flip(0), 0.1).item() > 10  # partners swapped: as wrong as can be


def test_the_two_views_are_treated_alike() -> None:
    z1, z2 = views()
    torch.testing.assert_close(nt_xent(z1, z2, 0.2), nt_xent(z2, z1, 0.2))


def test_the_order_of_the_events_does_not_matter() -> None:
    z1, z2 = views(9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(nt_xent(z1, z2, 0.2), nt_xent(z1[order], z2[order], 0.2))


def test_the_length_of_an_embedding_does_not_matter() -> None:
    z1, z2 = views()
    scale = torch.arange(1, 7)[:, None].float()
    torch.testing.assert_close(nt_xent(z1, z2, 0.2), nt_xent(z1 * scale, z2 * 100, 0.2))


@pytest.mark.parametrize("chunk_size", [None, 3])
def test_gradients_are_those_of_the_function(chunk_size: int | None) -> None:
    z1, z2 = (z.requires_grad_() for z in views(4, 3, torch.float64))
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.3, chunk_size), (z1, z2))


@pytest.mark.parametrize("chunk_size", [1, 4, 5, 14, 1000])
def test_in_chunks_value_and_gradients_are_the_same(chunk_size: int) -> None:
    a1, a2 = (z.clone().requires_grad_() for z in views(7, dtype=torch.float64))
    b1, b2 = (z.detach().clone().requires_grad_() for z in (a1, a2))
    plain, chunked = nt_xent(a1, a2, 0.1), nt_xent(b1, b2, 0.1, chunk_size)
    torch.testing.assert_close(plain, chunked)
    plain.backward()
    chunked.backward()
    torch.testing.assert_close(a1.grad, b1.grad)
    torch.testing.assert_close(a2.grad, b2.grad)
    assert a1.grad is not None
    assert a1.grad.abs().sum() > 0


@pytest.mark.parametrize("chunk_size", [None, 5])
def test_a_small_temperature_gives_finite_loss_and_gradients(chunk_size: int | None) -> None:
    for z1, z2 in (views(16), (torch.ones(4, 3), -torch.ones(4, 3))):
        z1, z2 = z1.clone().requires_grad_(), z2.clone().requires_grad_()
        loss = nt_xent(z1, z2, 0.01, chunk_size)
        loss.backward()
        assert torch.isfinite(loss)
        assert z1.grad is not None
        assert torch.isfinite(z1.grad).all()


def test_an_embedding_of_zeros_gives_no_nan() -> None:
    z = torch.zeros(3, 4, requires_grad=True)
    loss = nt_xent(z, z, 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(5), abs=1e-5)
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("n", [0, 1])
def test_a_batch_without_negatives_is_refused(n: int) -> None:
    with pytest.raises(InputError, match="at least 2 events"):
        nt_xent(torch.ones(n, 3), torch.ones(n, 3), 0.1)


@pytest.mark.parametrize("temperature", [0.0, -0.1, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(InputError, match="temperature must be positive"):
        nt_xent(*views(), temperature)


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_a_chunk_size_that_is_not_positive_is_refused(chunk_size: int) -> None:
    with pytest.raises(InputError, match="chunk_size must be positive"):
        nt_xent(*views(), 0.1, chunk_size)


@pytest.mark.parametrize("shapes", [((3, 4), (2, 4)), ((3, 4), (3, 5)), ((4,), (4,))])
def test_views_of_unlike_shape_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match="one shape"):
        nt_xent(torch.ones(shapes[0]), torch.ones(shapes[1]), 0.1)


# ---- equal events and further negatives ------------------------------------------------------------------------


def candidates(n: int = 9, k: int = 5, dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    """Events of which some are equal, and further negatives, some equal to them."""
    generator = torch.Generator().manual_seed(n)
    return {
        "same": torch.randint(0, 4, (n,), generator=generator),
        "negatives": torch.randn(k, 5, generator=generator, dtype=dtype),
        "negatives_same": torch.randint(0, 6, (k,), generator=generator),
    }


def by_loops(z1: Tensor, z2: Tensor, temperature: float, same: Tensor, negatives: Tensor, ids: Tensor) -> float:
    z = [v / v.norm() for v in [*z1, *z2, *negatives]]
    groups = [*same.tolist(), *same.tolist(), *ids.tolist()]
    n, total = len(z1), 0.0
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        allowed = [k for k in range(len(z)) if k == partner or groups[k] != groups[i]]
        total -= float(z[i] @ z[partner]) / temperature
        total += math.log(sum(math.exp(float(z[i] @ z[k]) / temperature) for k in allowed))
    return total / (2 * n)


@pytest.mark.parametrize("chunk_size", [None, 1, 4, "auto"])
@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
def test_equal_events_are_left_out_and_further_negatives_taken_in(chunk_size: Any, temperature: float) -> None:
    z1, z2 = views(9, dtype=torch.float64)
    extra = candidates()
    expected = by_loops(z1, z2, temperature, extra["same"], extra["negatives"], extra["negatives_same"])
    assert nt_xent(z1, z2, temperature, chunk_size, **extra).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("chunk_size", [None, 64])
def test_thirteen_templates_in_a_batch_of_256_have_no_floor_under_the_loss(chunk_size: int | None) -> None:
    same = torch.arange(256) % 13
    perfect = F.one_hot(same).float()  # equal events alike, unlike ones at right angles
    with_false_negatives = nt_xent(perfect, perfect, 0.01, chunk_size).item()
    assert with_false_negatives == pytest.approx(3.65, abs=0.02)
    assert nt_xent(perfect, perfect, 0.01, chunk_size, same=same).item() < 1e-6


@pytest.mark.parametrize("chunk_size", [None, 2])
@pytest.mark.parametrize("temperature", [0.01, 0.5])
def test_a_batch_of_one_kind_costs_nothing_and_has_no_gradient(chunk_size: int | None, temperature: float) -> None:
    z1, z2 = (z.requires_grad_() for z in views(5))
    loss = nt_xent(z1, z2, temperature, chunk_size, same=torch.zeros(5, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert z1.grad is not None
    assert torch.equal(z1.grad, torch.zeros_like(z1))


def test_distinct_numbers_change_nothing() -> None:
    z1, z2 = views(9)
    assert nt_xent(z1, z2).item() == nt_xent(z1, z2, same=torch.arange(9).flip(0)).item()


# ---- in blocks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.01, 0.1])
@pytest.mark.parametrize("chunk_size", [3, 100])
def test_gradients_in_blocks_are_those_of_the_function(temperature: float, chunk_size: int) -> None:
    z1, z2 = (z.requires_grad_() for z in views(6, 5, torch.float64))
    extra = candidates(6, 4)
    extra["negatives"].requires_grad_()

    def loss(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return nt_xent(a, b, temperature, chunk_size, **(extra | {"negatives": c}))

    assert torch.autograd.gradcheck(loss, (z1, z2, extra["negatives"]))


@pytest.mark.parametrize("temperature", [0.005, 0.02, 0.05, 0.1, 1.0])
def test_in_float32_blocks_and_whole_agree_to_rounding(temperature: float) -> None:
    a1, a2 = (views(n, 64)[0][:300].requires_grad_() for n in (300, 301))  # unlike partners: a loss worth the name
    b1, b2 = (z.detach().clone().requires_grad_() for z in (a1, a2))
    whole, blocks = nt_xent(a1, a2, temperature), nt_xent(b1, b2, temperature, 128)
    assert blocks.item() == pytest.approx(whole.item(), rel=1e-6)
    whole.backward()
    blocks.backward()
    for a, b in ((a1, b1), (a2, b2)):
        assert a.grad is not None
        assert b.grad is not None
        assert (a.grad - b.grad).norm() < 1e-5 * a.grad.norm()


def test_blocks_keep_the_digits_of_a_tiny_loss() -> None:
    z = torch.eye(4)
    exact = math.log1p(6 * math.exp(-1 / 0.05))
    assert nt_xent(z, z, 0.05, 2).item() == pytest.approx(exact, rel=1e-4)


def test_without_a_graph_blocks_give_the_value() -> None:
    z1, z2 = views(20)
    with torch.no_grad():
        assert nt_xent(z1, z2, 0.1, 8).item() == pytest.approx(nt_xent(z1, z2, 0.1).item(), rel=1e-6)


def test_blocks_refuse_a_second_derivative() -> None:
    z1, z2 = (z.requires_grad_() for z in views())
    (first,) = torch.autograd.grad(nt_xent(z1, z2, 0.1, 4), z1, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


class LargestTensor(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that an operation made."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_blocks_never_hold_the_matrix() -> None:
    z1, z2 = (z.requires_grad_() for z in views(400, 8))
    with LargestTensor() as whole:
        nt_xent(z1, z2, 0.1).backward()
    with LargestTensor() as blocks:
        nt_xent(z1, z2, 0.1, 64, same=torch.arange(400) % 50).backward()
    assert whole.elements == 800 * 800
    assert blocks.elements == 800 * 8  # the embeddings themselves


# ---- bfloat16 --------------------------------------------------------------------------------------------------


def test_bfloat16_in_blocks_is_close_to_float32() -> None:
    a1, a2 = (views(n, 64)[0][:300].requires_grad_() for n in (300, 301))
    b1, b2 = (z.detach().clone().requires_grad_() for z in (a1, a2))
    exact, rounded = nt_xent(a1, a2, 0.1, 128), nt_xent(b1, b2, 0.1, 128, precision="bf16")
    exact.backward()
    rounded.backward()
    assert a1.grad is not None
    assert b1.grad is not None
    assert 0 < abs(exact.item() - rounded.item()) < 1e-3 * exact.item()
    assert 0 < (a1.grad - b1.grad).norm() < 0.02 * a1.grad.norm()
    assert b1.grad.dtype == torch.float32


@pytest.mark.parametrize("chunk_size", [None, 16])
def test_autocast_decides_when_no_precision_is_given(chunk_size: int | None) -> None:
    z1, z2 = views(40, 16)
    full, half = (nt_xent(z1, z2, 0.1, chunk_size, precision=p).item() for p in ("fp32", "bf16"))
    assert full != half
    assert nt_xent(z1, z2, 0.1, chunk_size).item() == full
    with torch.autocast("cpu", torch.bfloat16):
        assert nt_xent(z1, z2, 0.1, chunk_size).item() == half
        assert nt_xent(z1, z2, 0.1, chunk_size, precision="fp32").item() == full


# ---- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"same": torch.zeros(5, dtype=torch.int64)}, "one number for each of 6 rows"),
        ({"negatives": torch.ones(3, 4)}, r"shape \(K, 5\)"),
        ({"negatives": torch.ones(3, 5), "same": torch.arange(6)}, "negatives_same, or neither"),
        ({"negatives_same": torch.arange(3)}, "negatives_same must hold one number for each of 0 rows"),
        ({"chunk_size": "big"}, "'auto' or None"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nt_xent(*views(), **options)


def test_one_event_is_enough_with_further_negatives() -> None:
    one, others = torch.ones(1, 5), torch.ones(3, 5)
    assert nt_xent(one, one, negatives=others).item() == pytest.approx(math.log(4), abs=1e-6)
    assert nt_xent(one, one, chunk_size=2, negatives=others).item() == pytest.approx(math.log(4), abs=1e-6)
