"""What the machine is good at. Times are handed in: no clock decides a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from ocsf_ssl_lib import InputError, hardware
from ocsf_ssl_lib.hardware import choose_precision, choose_threads, computing

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``clock(3.0, 1.0)``: each piece of work runs once, and these are the seconds it is said to have taken."""

    def take(*seconds: float) -> None:
        def measured(work: Sequence[Callable[[], object]], clock: object = None) -> list[float]:
            assert len(work) == len(seconds)
            for run in work:
                run()
            return list(seconds)

        monkeypatch.setattr(hardware, "_median_seconds", measured)

    return take


@pytest.mark.parametrize(("single", "chosen"), [(2.0, "bf16"), (1.5, "bf16"), (1.49, "fp32"), (0.3, "fp32")])
def test_bf16_has_to_be_half_as_fast_again(clock: Callable[..., None], single: float, chosen: str) -> None:
    clock(single, 1.0)
    found = choose_precision(CPU)
    assert found.value == chosen
    assert f"{single:.2f} times" in found.reason


@pytest.mark.parametrize(("supported", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_is_asked_whether_it_has_bf16_without_emulation(
    monkeypatch: pytest.MonkeyPatch, supported: bool, chosen: str
) -> None:
    def asked(including_emulation: bool = True) -> bool:
        return including_emulation or supported

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", asked)
    assert choose_precision("cuda").value == chosen


def test_other_devices_stay_in_fp32() -> None:
    assert choose_precision("mps").value == "fp32"


@pytest.mark.parametrize(
    ("times", "chosen"),
    [((4.0, 2.0, 1.0), 4), ((1.0, 1.0, 1.0), 1), ((1.05, 1.02, 1.0), 1), ((3.0, 1.04, 1.0), 2), ((1.0, 2.0, 3.0), 1)],
)
def test_the_fastest_count_wins_unless_fewer_threads_are_nearly_as_fast(
    clock: Callable[..., None], times: tuple[float, ...], chosen: int
) -> None:
    clock(*times)
    found = choose_threads(4)
    assert found.value == chosen
    assert found.reason.startswith(f"{chosen} thread")
    assert f"4: {times[-1] * 1e3:.1f} ms" in found.reason


def test_counts_are_powers_of_two_and_the_limit_itself(
    monkeypatch: pytest.MonkeyPatch, clock: Callable[..., None]
) -> None:
    tried: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", tried.append)
    clock(1.0, 1.0, 1.0, 1.0)
    choose_threads(6)
    assert tried[:-1] == [1, 2, 4, 6]


def test_the_thread_count_is_left_as_it_was(clock: Callable[..., None]) -> None:
    before = torch.get_num_threads()
    clock(2.0, 1.0)
    choose_threads(2)
    assert torch.get_num_threads() == before


def test_the_thread_count_is_left_as_it_was_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(work: Sequence[Callable[[], object]]) -> list[float]:
        work[-1]()
        raise MemoryError

    before = torch.get_num_threads()
    monkeypatch.setattr(hardware, "_median_seconds", fails)
    with pytest.raises(MemoryError):
        choose_threads(before + 1)
    assert torch.get_num_threads() == before


def test_one_core_needs_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(hardware, "_median_seconds")
    assert choose_threads(1).value == 1


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="0"):
        choose_threads(0)


def test_the_clock_gives_a_time_for_each_piece_of_work() -> None:
    runs: list[str] = []
    times = hardware._median_seconds([lambda: runs.append("a"), lambda: runs.append("b")], repeats=2, budget=60)
    assert runs == ["a", "b"] * 3
    assert len(times) == 2
    assert min(times) >= 0


def test_an_overspent_budget_still_measures_once() -> None:
    runs: list[str] = []
    hardware._median_seconds([lambda: runs.append("a")], repeats=5, budget=-1.0)
    assert runs == ["a"] * 2


def test_auto_settles_both_and_says_why(clock: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(hardware, "choose_threads", lambda: hardware.Choice(before + 1, "counted"))
    clock(2.0, 1.0)
    with computing("auto", "auto", CPU) as chosen:
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    assert (chosen.precision, chosen.threads) == ("bf16", before + 1)
    assert chosen.notes[0] == "counted"
    assert chosen.notes[1].startswith("bf16: ")
