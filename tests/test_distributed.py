"""Two processes learn as one with the joint batch: same loss, same gradient."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from ocsf_ssl_lib import Batch, ContrastiveConfig, ContrastiveModel, TabularResNet, gather_with_gradient
from ocsf_ssl_lib.distributed import row_counts, world_size

SECONDS = 120  # a hanging process fails the test instead of stopping the suite
CARDINALITIES = [5, 9]
# name -> rows of each process, exclude equal events, slices per process
CASES: dict[str, tuple[tuple[int, int], bool, int]] = {
    "even": ((128, 128), False, 1),
    "even, equal events left out": ((128, 128), True, 1),
    "uneven": ((100, 156), False, 1),
    "uneven, equal events left out": ((100, 156), True, 1),
    "uneven, in blocks": ((250, 350), True, 1),
    "cached gradients": ((100, 156), True, 3),
    "one event": ((1, 7), True, 1),
}


class FixedViews:
    """Stands in for the augmentation: views made beforehand, so that one process and two train on the same."""

    def __init__(self, rows: slice) -> None:
        self.rows = rows

    def __call__(self, numerical: Tensor, categorical: Tensor, *_: Any) -> tuple[tuple[Tensor, Tensor], ...]:
        noise = torch.randn(1000, 3, generator=torch.Generator().manual_seed(1))[self.rows]
        return (numerical + 0.3 * noise, categorical), (numerical - 0.3 * noise, categorical)


def model_and_batch(exclude: bool, total: int, rows: slice) -> tuple[ContrastiveModel, Batch]:
    torch.manual_seed(0)
    encoder = TabularResNet(3, CARDINALITIES, d_model=16, num_blocks=1, dropout=0.0)
    model = ContrastiveModel(encoder, ContrastiveConfig(exclude_duplicates=exclude)).train()
    model.augmenter = FixedViews(rows)  # type: ignore[assignment]
    generator = torch.Generator().manual_seed(2)
    kinds = torch.randint(0, max(2, total // 4), (total,), generator=generator)  # each about four times, on both sides
    numerical = torch.randn(total, 3, generator=generator)[kinds]
    categorical = torch.randint(3, 5, (total, 2), generator=generator)[kinds]
    return model, Batch(numerical[rows], categorical[rows], torch.zeros(total, 3, dtype=torch.bool)[rows])


def gradient(model: ContrastiveModel) -> Tensor:
    return torch.cat([p.grad.flatten() if p.grad is not None else torch.zeros(p.numel()) for p in model.parameters()])


def learn_as_one(rank: int, sizes: tuple[int, int], exclude: bool, parts: int) -> tuple[Tensor, Tensor]:
    rows = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    model, batch = model_and_batch(exclude, sum(sizes), rows)
    if parts == 1:
        loss = model.calculate_loss(batch) * sizes[rank] / sum(sizes)
        loss.backward()
    else:
        total, _ = model.accumulate(batch, parts, None, lambda value: (value / (2 * sum(sizes))).backward())
        loss = torch.tensor(total / (2 * sum(sizes)))
    loss, grad = loss.detach(), gradient(model)
    dist.all_reduce(loss)
    dist.all_reduce(grad)
    return loss, grad


def process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    limit = datetime.timedelta(seconds=SECONDS / 2)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2, timeout=limit)
    results: dict[str, Any] = {name: learn_as_one(rank, *case) for name, case in CASES.items()}
    model, batch = model_and_batch(True, 40, slice(0, 40) if rank == 0 else slice(0, 25))
    if rank == 0:  # alone: an exchange would wait for ever
        results["evaluation"] = model.eval().calculate_loss(batch).detach()
    rows = torch.full((rank + 1, 2), float(rank), requires_grad=True)
    gathered = gather_with_gradient(rows)
    (gathered * (rank + 1) * torch.arange(1.0, 4.0)[:, None]).sum().backward()
    results["gather"] = (gathered.detach(), rows.grad, row_counts(rows))
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("processes")
    context = mp.spawn(process, (str(folder),), nprocs=2, join=False)
    deadline = time.monotonic() + SECONDS
    while not context.join(timeout=5):
        if time.monotonic() > deadline:
            for child in context.processes:
                child.kill()
            pytest.fail(f"the processes did not end within {SECONDS} s")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_give_the_loss_and_gradient_of_one(name: str, results: list[dict[str, Any]]) -> None:
    sizes, exclude, _ = CASES[name]
    model, batch = model_and_batch(exclude, sum(sizes), slice(0, sum(sizes)))
    expected = model.calculate_loss(batch)
    expected.backward()
    loss, grad = results[0][name]
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(grad, gradient(model), rtol=1e-4, atol=1e-5 * float(grad.abs().max()))


def test_equal_events_on_two_processes_count(results: list[dict[str, Any]]) -> None:
    assert results[0]["even"][0] > results[0]["even, equal events left out"][0] + 0.02


def test_in_evaluation_nothing_is_exchanged(results: list[dict[str, Any]]) -> None:
    model, batch = model_and_batch(True, 40, slice(0, 40))
    torch.testing.assert_close(results[0]["evaluation"], model.eval().calculate_loss(batch).detach())


def test_gathered_rows_stand_in_order_and_gradients_add_up(results: list[dict[str, Any]]) -> None:
    for rank in range(2):
        gathered, grad, (counts, own) = results[rank]["gather"]
        assert gathered[:, 0].tolist() == [0.0, 1.0, 1.0]
        assert grad[:, 0].tolist() == ([3.0], [6.0, 9.0])[rank]  # (1 + 2) times the weight of the row
        assert counts == [1, 2]
        assert own == (slice(0, 1), slice(1, 3))[rank]


def test_one_process_exchanges_nothing() -> None:
    rows = torch.ones(3, 2)
    assert world_size() == 1
    assert gather_with_gradient(rows) is rows
    assert row_counts(rows) == ([3], slice(0, 3))
