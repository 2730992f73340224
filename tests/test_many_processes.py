"""Several processes train one model: the gradient of the joint batch, the same weights everywhere, one writer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ocsf_ssl_lib import InputError
from ocsf_ssl_lib.distributed import start_accelerator

RANKS = str(Path(__file__).with_name("ranks.py"))
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")} | {
    "OMP_NUM_THREADS": "1"
}


def start(*arguments: object, processes: int = 1) -> str:
    """Run Python with these arguments in so many processes; what it wrote to standard error."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *(torchrun if processes > 1 else []), *map(str, arguments)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("task", ["contrastive", "masked", "denoising"])
def test_two_processes_of_128_have_loss_and_gradient_of_one_of_256(task: str, tmp_path: Path) -> None:
    start(RANKS, task, tmp_path / "one")
    start(RANKS, task, tmp_path / "two", processes=2)
    one = load_file(tmp_path / "one.0")
    assert float(one["loss"]) > 0.1
    for rank in (0, 1):
        two = load_file(tmp_path / f"two.{rank}")
        assert two.keys() == one.keys()
        for name, expected in one.items():
            scale = max(1.0, float(expected.abs().max()))
            torch.testing.assert_close(two[name], expected, rtol=1e-5, atol=1e-5 * scale, msg=name)


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights_and_resume_exactly(tmp_path: Path) -> None:
    start(RANKS, "contrastive", tmp_path / "whole", tmp_path / "a", processes=2)
    first, second = (load_file(tmp_path / f"whole.{rank}") for rank in (0, 1))
    assert all(torch.equal(first[k], second[k]) for k in first)
    newest = sorted((tmp_path / "a").iterdir())[-1]
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()  # as if the run had been killed before it
    start(RANKS, "contrastive", tmp_path / "again", tmp_path / "a", processes=2)
    again = load_file(tmp_path / "again.1")
    assert all(torch.equal(first[k], again[k]) for k in first)


@pytest.mark.slow
def test_the_command_line_trains_in_two_processes_and_the_first_alone_writes(tmp_path: Path) -> None:
    cli = ("-m", "ocsf_ssl_lib.cli")
    start(*cli, "simulate", "-n", 400, "-o", tmp_path / "events.jsonl")
    size = ("--epochs", 1, "--width", 8, "--blocks", 1, "--batch-size", 32)
    said = start(*cli, "train", tmp_path / "events.jsonl", "-m", tmp_path / "model", *size, processes=2)
    assert said.count("model -> ") == 1
    start(*cli, "score", tmp_path / "events.jsonl", "-m", tmp_path / "model", "-o", tmp_path / "scores.csv")


def test_a_tracker_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="tracker 'nowhere' is not installed"):
        start_accelerator("cpu", ["nowhere"])
