"""Checkpoints: a run that was killed ends where it would have ended, bit for bit; bad ones are passed over by name."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import CARDS, dataset

from ocsf_ssl_lib import (
    ContrastiveConfig,
    DenoisingConfig,
    EncoderConfig,
    History,
    InputError,
    MaskedFeatureConfig,
    OCSFDataset,
    SSLConfig,
    SSLModel,
    TrainingConfig,
    TrainingWarning,
    build_model,
    train_self_supervised,
)
from ocsf_ssl_lib import checkpoint as checkpoint_module

TINY = EncoderConfig(d_model=8, num_blocks=1)
KILLS = int(os.environ.get("OCSF_KILLS", "2"))  # `make test-all` asks for 20


class Killed(BaseException):
    """Stands for a process that ended without a chance to tidy up."""


def run(
    folder: Path | None,
    *,
    config: SSLConfig | None = None,
    kill_at: int | None = None,
    resume: bool = False,
    train: OCSFDataset | None = None,
    validation: OCSFDataset | None = None,
    change: Callable[[SSLModel], object] = lambda model: None,
    **options: object,
) -> tuple[SSLModel, History]:
    """Train for 5 epochs of 13 steps; ``kill_at`` ends it in that step."""
    model = build_model(config if config is not None else ContrastiveConfig(encoder_config=TINY), 2, CARDS)
    change(model)
    if kill_at is not None:
        original, calls = model.calculate_loss, iter(range(10**6))

        def calculate_loss(*args: object, **kwargs: object) -> torch.Tensor:
            if model.training and next(calls) == kill_at:
                raise Killed
            return original(*args, **kwargs)  # type: ignore[arg-type]

        model.calculate_loss = calculate_loss  # type: ignore[method-assign]
    defaults = {"max_epochs": 5, "batch_size": 16, "device": "cpu", "checkpoint_steps": 3}
    training = TrainingConfig.from_dict(defaults | options)
    data = train if train is not None else dataset(200)
    held = validation if validation is not None else dataset(60, 1)
    history = train_self_supervised(model, data, held, training, checkpoints=folder, resume=resume, progress=False)
    return model, history


def killed(folder: Path, at: int, **options: object) -> None:
    with pytest.raises(Killed):
        run(folder, kill_at=at, **options)  # type: ignore[arg-type]


def same_weights(a: SSLModel, b: SSLModel) -> bool:
    return all(torch.equal(x, b.state_dict()[k]) for k, x in a.state_dict().items())


def as_if_on_a_gpu(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: object, folder: Path, identity: dict[str, object], *args: object, **kwargs: object) -> None:
        original(self, folder, identity | {"device": "cuda"}, *args, **kwargs)

    return init


def wider_head(model: SSLModel) -> None:
    """A change that the model's config knows nothing of."""
    model.decoder[2] = torch.nn.Linear(8, 9)  # type: ignore[index,operator]


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# ---- going on --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 3, 4, 12, 13, 14, 26, 40, 64])
def test_a_run_that_was_killed_ends_with_the_same_weights_and_history(at: int, tmp_path: Path) -> None:
    alone, whole = run(None)
    killed(tmp_path / "c", at)
    resumed, history = run(tmp_path / "c", resume=True)
    assert same_weights(alone, resumed)
    assert history.frame.drop(columns="seconds").equals(whole.frame.drop(columns="seconds"))
    assert (history.best_epoch, history.stopped_early) == (whole.best_epoch, whole.stopped_early)


@pytest.mark.parametrize("config", [MaskedFeatureConfig(encoder_config=TINY), DenoisingConfig(encoder_config=TINY)])
def test_every_task_resumes_exactly(config: SSLConfig, tmp_path: Path) -> None:
    alone, _ = run(None, config=config)
    killed(tmp_path, 17, config=config)
    assert same_weights(alone, run(tmp_path, config=config, resume=True)[0])


@pytest.mark.parametrize("options", [{"fast": False}, {"precision": "bf16"}, {"patience": 1, "min_delta": 10.0}])
def test_every_way_of_running_resumes_exactly(options: dict[str, object], tmp_path: Path) -> None:
    alone, whole = run(None, **options)
    killed(tmp_path, 11, **options)
    resumed, history = run(tmp_path, resume=True, **options)
    assert same_weights(alone, resumed)
    assert history.stopped_early == whole.stopped_early


def test_patience_and_the_best_weights_count_on_from_before_the_kill(tmp_path: Path) -> None:
    options = {"patience": 3, "min_delta": 10.0}  # no epoch after the first counts as better
    alone, whole = run(None, **options)
    assert (whole.best_epoch, whole.stopped_early, len(whole.frame)) == (0, True, 4)
    killed(tmp_path, 40, **options)  # in the fourth epoch
    resumed, history = run(tmp_path, resume=True, **options)
    assert (history.best_epoch, history.stopped_early, len(history.frame)) == (0, True, 4)
    assert same_weights(alone, resumed)


def test_a_run_can_be_killed_again_and_again(tmp_path: Path) -> None:
    alone, _ = run(None)
    killed(tmp_path, 5)
    for _ in range(8):
        killed(tmp_path, 5, resume=True)
    assert same_weights(alone, run(tmp_path, resume=True)[0])


def test_without_a_checkpoint_resume_starts_from_the_beginning(tmp_path: Path) -> None:
    model, history = run(tmp_path / "new", resume=True)
    assert same_weights(model, run(None)[0])
    assert history.notes == ()


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    model, whole = run(tmp_path)
    again, history = run(tmp_path, resume=True)
    assert same_weights(model, again)
    assert history.frame.equals(whole.frame)
    assert history.notes == ("resumed from step-000000065",)


def test_threads_and_precision_come_back_with_the_run(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    killed(tmp_path, 10, precision="bf16", threads=2)
    _, history = run(tmp_path, resume=True, precision="auto", threads="auto")
    assert (history.precision, history.threads) == ("bf16", 2)
    assert torch.get_num_threads() == before


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    run(tmp_path, keep_checkpoints=2)
    assert names(tmp_path) == ["step-000000063", "step-000000065"]


def test_a_checkpoint_is_due_after_minutes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, 25))  # every look at it is 25 seconds later
    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: next(clock))
    run(tmp_path, checkpoint_steps=None, checkpoint_minutes=1.0, max_epochs=1, keep_checkpoints=100)
    assert len(names(tmp_path)) > 3


# ---- what cannot be used ---------------------------------------------------------------------------------------


def damage(path: Path, how: str) -> None:
    tensors = path / "tensors.safetensors"
    if how == "truncated":
        tensors.write_bytes(tensors.read_bytes()[:1000])
    elif how == "file missing":
        tensors.unlink()
    elif how == "empty":
        shutil.rmtree(path)
        path.mkdir()
    else:
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | {"kind": "other"}))


@pytest.mark.parametrize("how", ["truncated", "file missing", "empty", "altered"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(how: str, tmp_path: Path) -> None:
    alone, _ = run(None)
    killed(tmp_path, 20)
    damage(tmp_path / "step-000000018", how)
    with pytest.warns(TrainingWarning, match=r"step-000000018.*passed over, step-000000015 is used"):
        resumed, history = run(tmp_path, resume=True)
    assert history.notes == ("resumed from step-000000015",)
    assert same_weights(alone, resumed)


def test_when_no_checkpoint_can_be_used_the_run_says_so_and_does_not_start_anew(tmp_path: Path) -> None:
    killed(tmp_path, 10, keep_checkpoints=1)
    damage(tmp_path / "step-000000009", "truncated")
    with pytest.raises(InputError, match=r"no checkpoint in .* can be used: .*tensors.safetensors was altered"):
        run(tmp_path, resume=True)
    assert names(tmp_path) == ["step-000000009"]


def test_what_a_killed_run_left_half_written_is_no_checkpoint(tmp_path: Path) -> None:
    killed(tmp_path, 10)
    (tmp_path / ".step-000000099.x1y2").mkdir()
    _, history = run(tmp_path, resume=True)
    assert history.notes == ("resumed from step-000000009",)
    assert not list(tmp_path.glob(".*"))  # and is cleared away


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_epochs": 6}, "training options.max_epochs was 5 and is 6"),
        ({"batch_size": 8}, "training options.batch_size was 16 and is 8"),
        ({"seed": 7}, "seed"),
        ({"config": ContrastiveConfig(encoder_config=TINY, temperature=0.5)}, "model options.temperature was 0.1"),
        ({"train": dataset(200, seed=5)}, "data was"),
        ({"train": dataset(201)}, "data was"),
        ({"validation": dataset(60, 2)}, "validation was"),
        ({"change": wider_head}, r"weights.decoder.2.bias was '\(128,\)' and is '\(9,\)'"),
        ({"change": lambda model: model.encoder.requires_grad_(False)}, r"weights.*, frozen'"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_with_the_difference(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    killed(tmp_path, 10)
    with pytest.raises(InputError, match=rf"belongs to another run: .*{message}"):
        run(tmp_path, resume=True, **change)  # type: ignore[arg-type]


def test_a_checkpoint_of_another_kind_of_device_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:  # the generators of a GPU have other states: they cannot be put back here
        patch.setattr(checkpoint_module.Checkpoints, "__init__", as_if_on_a_gpu(checkpoint_module.Checkpoints.__init__))
        killed(tmp_path, 10)
    with pytest.raises(InputError, match="belongs to another run: device was 'cuda' and is 'cpu'"):
        run(tmp_path, resume=True)


def test_options_that_do_not_change_the_outcome_may_change(tmp_path: Path) -> None:
    killed(tmp_path, 10)
    resumed, _ = run(tmp_path, resume=True, checkpoint_steps=50, keep_checkpoints=1, threads=1)
    assert same_weights(resumed, run(None)[0])


def test_a_folder_with_checkpoints_is_not_mixed_with_a_new_run(tmp_path: Path) -> None:
    killed(tmp_path, 10)
    with pytest.raises(InputError, match=r"holds checkpoints of an earlier run; go on with it .*resume=True"):
        run(tmp_path)


def test_resume_without_a_folder_is_refused() -> None:
    with pytest.raises(InputError, match="resume=True needs the folder"):
        run(None, resume=True)


# ---- disks -----------------------------------------------------------------------------------------------------


def test_a_read_only_folder_is_refused_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:  # not chmod: root may write anywhere
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(checkpoint_module.tempfile, "TemporaryFile", refuse)
    with pytest.raises(InputError, match=r"cannot write checkpoints to .*: Read-only file system; choose a folder"):
        run(tmp_path / "c", kill_at=0)


def test_a_folder_that_cannot_be_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"cannot write checkpoints to .*file/c: Not a directory"):
        run(tmp_path / "file" / "c")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A disk on which the writes whose numbers are in the list fail."""
    original, calls, failing = checkpoint_module.save_artifact, iter(range(10**6)), [2, 3]

    def save(artifact: object, path: Path, **options: object) -> Path:
        if next(calls) in failing:
            raise InputError(f"cannot write {path}: No space left on device; nothing was changed")
        return original(artifact, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint_module, "save_artifact", save)
    return failing


def test_a_full_disk_is_said_and_loses_nothing(full_disk: list[int], tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        killed(tmp_path, 13)
    said = [str(w.message) for w in caught if issubclass(w.category, TrainingWarning)]
    assert len(said) == len(full_disk)
    assert "no checkpoint after step 9" in said[0]
    assert "No space left on device" in said[0]
    assert said[0].endswith("training goes on")
    assert names(tmp_path) == ["step-000000003", "step-000000006"]
    assert same_weights(run(None)[0], run(tmp_path, resume=True)[0])


# ---- SIGKILL ---------------------------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from safetensors.torch import save_file
from test_checkpoint import run
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
model, _ = run(folder, resume=True, max_epochs=30, checkpoint_steps=1)
save_file({{k: v.contiguous() for k, v in model.state_dict().items()}}, out)
"""


def child(folder: Path, out: Path) -> subprocess.Popen[str]:
    code = CHILD.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def newest_step(folder: Path) -> int:
    return max((int(path.name.removeprefix("step-")) for path in folder.glob("step-*")), default=0)


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_with_the_same_weights(tmp_path: Path) -> None:
    process = child(tmp_path / "whole", tmp_path / "whole.safetensors")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    expected = (tmp_path / "whole.safetensors").read_bytes()
    steps = newest_step(tmp_path / "whole")
    rng, inside, half_written = random.Random(0), 0, 0
    for k in range(KILLS):
        folder, out = tmp_path / f"run-{k}", tmp_path / f"{k}.safetensors"
        process = child(folder, out)
        # By steps and not by the clock: a second run may be twice as fast as the first, on a machine that others use.
        step = rng.randint(1, steps // 2)
        while newest_step(folder) < step and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        inside += folder.exists() and not out.exists()
        half_written += any(folder.glob(".step-*"))
        process = child(folder, out)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert out.read_bytes() == expected
    print(f"{KILLS} kills, {inside} of them in training, {half_written} while a checkpoint was being written")
    assert inside >= KILLS / 2
