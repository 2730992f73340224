"""A run that was killed goes on where it was: checkpoints on disk, written aside, checked when read.

A checkpoint holds all that decides how training goes on: weights, optimiser, schedule, the state of every random
generator, the position in the data, early stopping with its best weights, thread count and precision. It is a folder
of the kind ``ocsf_ssl_lib.artifact`` writes, so reading one runs no code from it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from ocsf_ssl_lib.artifact import Artifact, load_artifact, save_artifact
from ocsf_ssl_lib.distributed import from_first
from ocsf_ssl_lib.early_stopping import EarlyStopping
from ocsf_ssl_lib.errors import InputError, TrainingWarning
from ocsf_ssl_lib.pretext.base import SSLModel

__all__ = ["Checkpoints", "RunState", "weights_of"]

KIND = "TrainingCheckpoint"
PREFIX = "step-"  # of a checkpoint's folder; the rest is the number of steps done


@dataclass
class RunState:
    """All that decides how a run goes on.

    Attributes:
        model, optimizer, schedule, stopping: what is trained, and how.
        order: generator of the order of rows; the same on every rank.
        noise: generator of this rank's views and masks.
        epoch: the epoch that runs, from 0 on.
        step: steps done in this epoch.
        order_at_start: state of ``order`` when the epoch began: from it the order of this epoch can be drawn again.
        losses, weights: of the steps of this epoch.
        seconds: spent in this epoch.
        rows: one for each finished epoch.
        stopped: whether patience ran out.
    """

    model: SSLModel
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    stopping: EarlyStopping
    order: torch.Generator
    noise: torch.Generator
    epoch: int = 0
    step: int = 0
    order_at_start: Tensor = field(init=False)
    losses: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)
    stopped: bool = False

    def __post_init__(self) -> None:
        self.order_at_start = self.order.get_state()

    def next_epoch(self, row: dict[str, float]) -> None:
        """Close an epoch with its row of the history."""
        self.rows.append(row)
        self.epoch, self.step, self.losses, self.weights, self.seconds = self.epoch + 1, 0, [], [], 0.0
        self.order_at_start = self.order.get_state()

    def steps(self, per_epoch: int) -> int:
        """Steps done in the whole run."""
        return self.epoch * per_epoch + self.step

    def dump(self, accelerator: Accelerator) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What JSON can say, and the tensors; the random states are those of all ranks."""

        def gather(random_state: Tensor) -> Tensor:  # (n,) -> (ranks, n)
            return accelerator.gather(random_state[None].to(accelerator.device)).cpu()

        optimizer, stopping = self.optimizer.state_dict(), self.stopping
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"best/{k}": v for k, v in (stopping.best_weights or {}).items()}
        tensors |= {f"optimizer/{i}/{k}": v for i, s in optimizer["state"].items() for k, v in s.items()}
        tensors |= {"random/order": self.order_at_start, "random/noise": gather(self.noise.get_state())}
        tensors |= {f"random/{name}": gather(state) for name, state in _global_random_states(self.noise.device).items()}
        known = {
            "epoch": self.epoch,
            "step": self.step,
            "losses": self.losses,
            "weights": self.weights,
            "seconds": self.seconds,
            "rows": [{k: repr(v) for k, v in row.items()} for row in self.rows],  # JSON has no NaN and no infinity
            "stopped": self.stopped,
            "schedule": self.schedule.last_epoch,
            "param_groups": optimizer["param_groups"],
            "stopping": [stopping.best_epoch, stopping.counter, stopping.epoch, repr(stopping.best_loss)],
        }
        return known, tensors

    def restore(self, known: dict[str, Any], tensors: dict[str, Tensor], rank: int) -> None:
        """The inverse of ``dump``."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}, "random": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            index, _, key = name.partition("/")
            moments.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({"state": moments, "param_groups": known["param_groups"]})
        self.schedule.last_epoch = known["schedule"]
        self.order.set_state(parts["random"]["order"])
        self.order_at_start = parts["random"]["order"]
        # Clones: a generator reads a state from the start of the memory, and a row of a table does not begin there.
        own = {name: states[rank].clone() for name, states in parts["random"].items() if name != "order"}
        self.noise.set_state(own["noise"])
        torch.set_rng_state(own["cpu"])
        if "cuda" in own:
            torch.cuda.set_rng_state(own["cuda"], self.noise.device)
        self.epoch, self.step, self.stopped = known["epoch"], known["step"], known["stopped"]
        self.losses, self.weights, self.seconds = known["losses"], known["weights"], known["seconds"]
        self.rows = [{k: float(v) for k, v in row.items()} for row in known["rows"]]
        stopping = self.stopping
        stopping.best_epoch, stopping.counter, stopping.epoch, best_loss = known["stopping"]
        stopping.best_loss = float(best_loss)
        device = self.noise.device
        stopping.best_weights = {k: v.to(device) for k, v in parts["best"].items()} or None


class Checkpoints:
    """The checkpoints of one run, in one folder. Every process reads them, the first alone writes.

    Args:
        folder: where they are, or will be.
        identity: what makes a run this run: options, data, versions. A checkpoint with another identity is foreign.
        keep: so many of the last ones stay.
        resume: whether to go on from the last one, if there is one.

    Raises:
        InputError: the folder cannot be written to, or holds checkpoints and ``resume`` is False.
    """

    def __init__(self, folder: str | Path, identity: dict[str, Any], keep: int, *, resume: bool) -> None:
        self.folder, self.identity, self.keep = Path(folder), identity, keep
        self._written = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise InputError(
                f"cannot write checkpoints to {self.folder}: {error.strerror}; choose a folder you may write to"
            ) from None
        if not resume and self._found():
            raise InputError(
                f"{self.folder} holds checkpoints of an earlier run; go on with it (resume=True, --resume), "
                "or choose another folder"
            )

    def due(self, steps: int, every_steps: int | None, every_minutes: float | None) -> bool:
        """Whether it is time to write, after so many steps of the whole run; all ranks give the same answer."""
        if every_steps is not None and steps % every_steps == 0:
            return True
        if every_minutes is None:
            return False
        return from_first(time.monotonic() - self._written >= 60 * every_minutes)

    def save(self, state: RunState, steps: int, settings: dict[str, Any], accelerator: Accelerator) -> None:
        """Write the checkpoint of a run after so many steps, and drop the oldest.

        A disk that is full does not end the run: it is said, and the checkpoints that are there stay.
        """
        known, tensors = state.dump(accelerator)  # every rank has its random states to give
        self._written = time.monotonic()
        if not accelerator.is_main_process:
            return
        path = self.folder / f"{PREFIX}{steps:09d}"
        config = {"kind": KIND, "identity": self.identity, "settings": settings, "run": known}
        try:
            save_artifact(Artifact(config, tensors), path, overwrite=True)
        except InputError as error:
            message = f"no checkpoint after step {steps}: {error}; training goes on"
            warnings.warn(message, TrainingWarning, stacklevel=2)
            return
        # The oldest, and what a killed run had begun to write: a folder of checkpoints has one writer.
        for old in [*self._found()[: -self.keep], *self.folder.glob(f".{PREFIX}*")]:
            shutil.rmtree(old, ignore_errors=True)

    def restore(self, state: RunState, rank: int) -> dict[str, Any] | None:
        """Put the newest checkpoint that is whole and of this run into ``state``, and give its settings.

        Each one that is passed over is named in a warning.

        Returns:
            ``None`` if the folder has no checkpoint at all: the run starts from the beginning.

        Raises:
            InputError: there are checkpoints, and none can be used.
        """
        found = self._found()
        refused: list[str] = []
        for path in reversed(found):
            try:
                artifact = load_artifact(path)
                if artifact.config.get("kind") != KIND:
                    raise InputError(f"{path} is no checkpoint of a training run")
                _compare(path, artifact.config["identity"], json.loads(json.dumps(self.identity)))
            except InputError as error:
                refused.append(str(error))
                continue
            for reason in refused:
                warnings.warn(f"{reason}; passed over, {path.name} is used", TrainingWarning, stacklevel=2)
            state.restore(artifact.config["run"], artifact.tensors, rank)
            return artifact.config["settings"] | {"resumed": path.name}
        if found:
            raise InputError(f"no checkpoint in {self.folder} can be used: {'; '.join(refused)}")
        return None

    def _found(self) -> list[Path]:
        """The folders of checkpoints, the oldest first; what a killed run left half-written has another name."""
        return sorted(p for p in self.folder.glob(f"{PREFIX}*") if p.name.removeprefix(PREFIX).isdigit())


def weights_of(model: nn.Module) -> dict[str, str]:
    """Shape of each weight, and whether it is frozen: a checkpoint of others cannot be put into the model."""
    return {
        name: f"{tuple(weight.shape)}{'' if weight.requires_grad else ', frozen'}"
        for name, weight in model.named_parameters()
    }


def _compare(path: Path, theirs: dict[str, Any], ours: dict[str, Any], where: str = "") -> None:
    """Refuse a checkpoint of another run by the first difference."""
    for key in sorted({*theirs, *ours}):
        was, now = theirs.get(key), ours.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            _compare(path, was, now, f"{where}{key}.")
        elif was != now:
            raise InputError(
                f"{path} belongs to another run: {where}{key} was {was!r:.80} and is {now!r:.80}; "
                "choose another folder, or give the options and events of that run"
            )


def _global_random_states(device: torch.device) -> dict[str, Tensor]:
    """Dropout draws from these."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states
