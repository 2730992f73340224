"""The arithmetic of batches: every process the same number, no row twice, no batch of one row if it can be helped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsf_ssl_lib import InputError
from ocsf_ssl_lib.batching import FEWEST, BatchPlan, checked_rank


@given(rows=st.integers(0, 400), batch_size=st.integers(2, 40), world=st.integers(1, 5))
def test_all_processes_share_an_epoch_evenly(rows: int, batch_size: int, world: int) -> None:
    if world > 1 and rows < FEWEST * world:
        with pytest.raises(InputError, match=f"{rows} event"):
            BatchPlan(rows, batch_size, 0, world)
        return
    plans = [BatchPlan(rows, batch_size, rank, world) for rank in range(world)]
    parts = [[plan.rows_of(k) for k in range(plan.count)] for plan in plans]
    sizes = [[part.stop - part.start for part in own] for own in parts]
    assert all(size == sizes[0] for size in sizes)
    assert all(size == batch_size for size in sizes[0][:-1])
    assert all(FEWEST <= size <= batch_size + 1 for size in sizes[0]) or rows == 1
    taken = [row for step in zip(*parts, strict=True) for part in step for row in range(part.start, part.stop)]
    assert taken == list(range(len(taken)))  # rank after rank, step after step, nothing twice
    assert 0 <= rows - len(taken) < world


def test_one_process_leaves_nothing_out_and_joins_a_single_row() -> None:
    assert [BatchPlan(65, 32).rows_of(k) for k in range(BatchPlan(65, 32).count)] == [slice(0, 32), slice(32, 65)]


@pytest.mark.parametrize(("rank", "world"), [(-1, 2), (2, 2), (0, 0)])
def test_a_rank_out_of_range_is_refused(rank: int, world: int) -> None:
    with pytest.raises(InputError, match=f"rank={rank}, world={world}"):
        checked_rank(rank, world)
