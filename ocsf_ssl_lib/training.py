"""Stage 5: train an ``SSLModel`` on events without labels.

One loop for every pretext task, on a processor, a GPU or several processes: Hugging Face Accelerate finds the device.
Batches are slices of whole tensors. What a run leaves on disk is in ``checkpoint``, what it measures of the machine in
``hardware``, the hand-written forward and backward of a step in ``fast``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from pydantic import Field
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from ocsf_ssl_lib.checkpoint import Checkpoints, RunState, weights_of
from ocsf_ssl_lib.config import FrozenConfig
from ocsf_ssl_lib.distributed import RANKS_APART, from_first, mean_over_ranks, same_start, start_accelerator
from ocsf_ssl_lib.early_stopping import EarlyStopping
from ocsf_ssl_lib.errors import InputError, TrainingError
from ocsf_ssl_lib.fast import fast_step
from ocsf_ssl_lib.features import Batch, OCSFDataset
from ocsf_ssl_lib.hardware import Computing, computing
from ocsf_ssl_lib.history import History
from ocsf_ssl_lib.pretext.base import SSLModel
from ocsf_ssl_lib.progress import training_bar
from ocsf_ssl_lib.streaming import EventStream

__all__ = ["EarlyStopping", "History", "TrainingConfig", "evaluate_loss", "train_self_supervised"]

VALIDATION_SEED = 20_002  # the noise of the validation views: the same in every epoch, so that its loss can be compared
# Options that a resumed run may change: they decide how it is run, not what comes out.
MAY_CHANGE = {"device", "threads", "precision", "checkpoint_steps", "checkpoint_minutes", "keep_checkpoints"}


class TrainingConfig(FrozenConfig):
    """Options of the training loop."""

    max_epochs: int = Field(default=50, ge=0, description="passes over the training events; 0 trains nothing")
    batch_size: int = Field(default=256, ge=2, description="events per step, of each process")
    accumulation_steps: int = Field(
        default=1, ge=1, description="slices a batch is computed in, one after the other; fewer if it is small"
    )
    learning_rate: float | None = Field(default=None, gt=0, description="peak learning rate; None = the model's own")
    min_learning_rate: float = Field(default=1e-5, ge=0, description="where the cosine ends")
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1, description="share of the steps that climb to the peak")
    weight_decay: float = Field(
        default=1e-4, ge=0, description="AdamW's decay; not applied to norms, biases and embeddings"
    )
    gradient_clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    patience: int = Field(
        default=10, ge=1, description="epochs without improvement of the validation loss before stopping"
    )
    min_delta: float = Field(default=1e-4, ge=0, description="smallest fall of the validation loss that counts")
    seed: int | None = Field(default=None, ge=0, description="seed of order, noise and dropout; None = the model's own")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="'auto' takes a GPU if there is one; 'cpu' stays on the processor"
    )
    precision: Literal["fp32", "bf16", "auto"] = Field(
        default="fp32", description="of matrix products; 'auto' measures whether bf16 is faster here"
    )
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="of the processor; 'auto' measures how many are fastest; None = as they are"
    )
    fast: bool = Field(default=True, description="hand-written steps where there are any; False = plain PyTorch only")
    checkpoint_steps: int | None = Field(default=None, ge=1, description="steps between checkpoints, if there are any")
    checkpoint_minutes: float | None = Field(default=5.0, gt=0, description="minutes between checkpoints")
    keep_checkpoints: int = Field(default=3, ge=1, description="so many of the last checkpoints stay")


def train_self_supervised(
    model: SSLModel,
    train: OCSFDataset | EventStream,
    validation: OCSFDataset | None = None,
    config: TrainingConfig | None = None,
    *,
    checkpoints: str | Path | None = None,
    resume: bool = False,
    trackers: Sequence[Any] = (),
    tracker_folder: str | Path | None = None,
    progress: bool | None = None,
) -> History:
    """Train ``model`` in place and leave it with its best weights, in evaluation mode.

    Started by ``torchrun`` in several processes, it trains one model with all of them: each step takes ``batch_size``
    events per process, no event comes twice in an epoch, and every process ends with the same weights.

    Args:
        model: the pretext task.
        train: events to learn from, in memory or streamed from files.
        validation: events that decide when to stop; without them every epoch runs and the last weights stay.
        config: see ``TrainingConfig``.
        checkpoints: folder to write checkpoints to; none are written without it.
        resume: go on from the newest checkpoint in that folder, if there is one, to the weights that the run would
            have reached, bit for bit on the same machine and versions.
        trackers: where metrics go beside the history: ``"tensorboard"``, ``"mlflow"``, ``"wandb"``, or trackers of
            Accelerate.
        tracker_folder: where a tracker that writes files puts them.
        progress: show a progress bar on standard error; ``None`` shows it in a terminal only.

    Returns:
        The history.

    Raises:
        InputError: fewer than two events, a device, tracker or folder that is not there, or checkpoints that are
            another run's.
        TrainingError: a loss or gradient is not a finite number; names the step, the columns at fault and the remedy.
    """
    config = config if config is not None else TrainingConfig()
    for name, dataset in (("train", train), ("validation", validation)):
        if dataset is not None and len(dataset) < 2:
            raise InputError(f"{name} holds {len(dataset)} event(s); at least 2 are needed")
    if resume and checkpoints is None:
        raise InputError("resume=True needs the folder of the checkpoints to go on from: checkpoints=...")
    accelerator = start_accelerator(config.device, trackers, tracker_folder)
    device, rank = accelerator.device, accelerator.process_index
    model.prepare(train.sample())
    model.to(device)
    seed = same_start(model, config.seed if config.seed is not None else model.config.seed, accelerator)
    data = train.shard(rank, accelerator.num_processes).to(device)
    optimizer = adamw(model, config.learning_rate or model.config.learning_rate, config.weight_decay)
    state = RunState(
        model,
        optimizer,
        warmup_cosine(optimizer, config.max_epochs * data.num_batches(config.batch_size), config),
        EarlyStopping(config.patience, config.min_delta),
        order=torch.Generator().manual_seed(seed),  # of the rows
        noise=torch.Generator(device).manual_seed(seed + 1 + RANKS_APART * rank),  # of the views
    )
    # A user's own random state is left as it was: dropout draws from a forked one.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed + RANKS_APART * rank)
        disk, found = None, None
        if checkpoints is not None:
            identity = {
                "training options": config.model_dump(mode="json", exclude=MAY_CHANGE),
                "model options": model.config.model_dump(mode="json"),
                "seed": seed,
                "data": train.fingerprint(),
                "validation": validation.fingerprint() if validation is not None else None,
                "weights": weights_of(model),
                "device": device.type,
                "processes": accelerator.num_processes,
                "torch": torch.__version__,
            }
            disk = Checkpoints(checkpoints, identity, config.keep_checkpoints, resume=resume)
            accelerator.wait_for_everyone()  # no rank writes before all have looked
            found = disk.restore(state, rank)
            if len(places := set(gather_object([found["resumed"] if found else "the beginning"]))) > 1:
                raise InputError(
                    f"the processes would go on from different points ({', '.join(sorted(places))}); "
                    f"{checkpoints} must be a folder that all of them share"
                )
        precision, threads = (found["precision"], found["threads"]) if found else (config.precision, config.threads)
        accelerator.init_trackers("ocsf_ssl_lib", config=config.model_dump())
        with computing(precision, threads, device) as own:
            chosen = from_first(own)
            torch.set_num_threads(chosen.threads)
            _run(state, data, validation, config, accelerator, chosen, disk, progress)
    for tracker in accelerator.trackers:
        tracker.finish()
    if validation is not None:
        state.stopping.restore(model)
    model.eval()
    best = state.stopping.best_epoch if validation is not None else len(state.rows) - 1
    frame = pd.DataFrame(state.rows).astype({"epoch": int}) if state.rows else pd.DataFrame()
    notes = chosen.notes + ((f"resumed from {found['resumed']}",) if found else ())
    return History(frame, best, state.stopped, str(device), chosen.precision, chosen.threads, notes)


def _run(
    state: RunState,
    data: OCSFDataset | EventStream,
    validation: OCSFDataset | None,
    config: TrainingConfig,
    accelerator: Accelerator,
    chosen: Computing,
    disk: Checkpoints | None,
    progress: bool | None,
) -> None:
    """Every epoch that is left, step by step."""
    model, steps = state.model, data.num_batches(config.batch_size)
    settings = {"precision": chosen.precision, "threads": chosen.threads}
    show = progress if accelerator.is_main_process else False
    fast = config.fast and accelerator.device.type == "cpu"
    half = chosen.precision == "bf16" and not fast  # the fast step knows better than autocast what to round
    with training_bar(show) as bar, fast_step(model, chosen.precision) if fast else nullcontext():
        task = bar.add_task("training", total=config.max_epochs * steps, completed=state.steps(steps), loss=math.nan)
        while state.epoch < config.max_epochs and not state.stopped:
            start = time.perf_counter() - state.seconds
            model.train()
            model.start_epoch(state.epoch)
            for batch in data.batches(config.batch_size, generator=state.order, start=state.step):
                loss, weight = _step(state, batch, config, accelerator, half, data.names)
                state.losses.append(loss)
                state.weights.append(weight)
                state.step += 1
                state.seconds = time.perf_counter() - start
                bar.update(task, advance=1, loss=loss)
                done = state.steps(steps)
                if disk and disk.due(done, config.checkpoint_steps, config.checkpoint_minutes):
                    disk.save(state, done, settings, accelerator)
            row = {
                "epoch": float(state.epoch),
                "train_loss": float(np.average(state.losses, weights=state.weights)),
                "validation_loss": math.nan,
                "learning_rate": float(state.optimizer.param_groups[0]["lr"]),
                "seconds": state.seconds,
            }
            if validation is not None:
                row |= from_first(evaluate_loss(model, validation.to(accelerator.device), config.batch_size))
                state.stopped = state.stopping(row["validation_loss"], model)
            accelerator.log(row, step=state.epoch)
            state.next_epoch(row)
    if disk is not None:
        disk.save(state, state.steps(steps), settings, accelerator)


def _step(
    state: RunState,
    batch: Batch,
    config: TrainingConfig,
    accelerator: Accelerator,
    half: bool,
    names: Sequence[str],
) -> tuple[float, float]:
    """One step down the gradient; the loss, and how much it weighs in the mean of an epoch."""
    model, kind = state.model, accelerator.device.type

    def backward(loss: Tensor) -> None:
        with torch.autocast(kind, enabled=False):
            loss.backward()

    state.optimizer.zero_grad()
    with torch.autocast(kind, torch.bfloat16, enabled=half):
        if config.accumulation_steps == 1 and accelerator.num_processes == 1:
            loss = model.calculate_loss(batch, generator=state.noise)
            backward(loss)
            value, weight = float(loss.detach()), float(len(batch.categorical))
        else:  # the gradient of a sum, divided by its weight once all slices on all ranks have been added up
            value, weight = model.accumulate(batch, config.accumulation_steps, state.noise, backward)
            value, weight = mean_over_ranks(model, value, weight, accelerator)
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip))
    for what, number in (("loss", value), ("gradient", norm)):
        if not math.isfinite(number):  # before the step: the weights are still good
            raise TrainingError(_diagnosis(what, number, state, batch, names))
    state.optimizer.step()
    state.schedule.step()
    return value, weight


@torch.no_grad()
def evaluate_loss(model: SSLModel, dataset: OCSFDataset, batch_size: int) -> dict[str, float]:
    """Loss and metrics on held-out events, on the same views every time."""
    model.eval()
    generator = torch.Generator(dataset.tensors.categorical.device).manual_seed(VALIDATION_SEED)
    rows, weights = [], []
    for batch in dataset.batches(batch_size):
        loss = float(model.calculate_loss(batch, generator=generator))
        rows.append({"validation_loss": loss, **model.calculate_metrics(batch, generator=generator)})
        weights.append(len(batch.categorical))
    return {key: float(np.average([r[key] for r in rows], weights=weights)) for key in rows[0]}


def adamw(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; decay pulls on the weights of linear layers only, not on biases, norms and lookup tables."""
    linear = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear)}
    parameters = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in parameters if id(p) in linear]
    kept = [p for p in parameters if id(p) not in linear]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def warmup_cosine(optimizer: torch.optim.Optimizer, steps: int, config: TrainingConfig) -> LambdaLR:
    """Linear climb, then half a cosine down to ``min_learning_rate``; stepped after every batch."""
    warmup = max(1, round(steps * config.warmup_fraction))
    floor = min(1.0, config.min_learning_rate / optimizer.param_groups[0]["lr"])

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, steps - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(optimizer, factor)


def _diagnosis(what: str, value: float, state: RunState, batch: Batch, names: Sequence[str]) -> str:
    """One line on a loss or a gradient that is not finite."""
    where = f"the {what} is {value} in epoch {state.epoch}, step {state.step}"
    mine = (~torch.isfinite(batch.numerical)).any(0).nonzero().flatten().tolist()
    bad = sorted(set(gather_object(mine)))  # another process may have had the event at fault
    if bad:
        named = ", ".join(repr(names[k]) if names else str(k) for k in bad)
        return f"{where}: numerical column(s) {named} hold NaN or infinity; pass data through OCSFPreprocessor"
    return f"{where} with finite input: lower the learning rate or raise the temperature"
