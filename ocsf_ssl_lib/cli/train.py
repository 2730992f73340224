"""``ocsf-ssl train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocsf_ssl_lib.cli.app import app, note, rank
from ocsf_ssl_lib.cli.inputs import AnyTable, Paths, Since, Until, open_parquet, read, split_names
from ocsf_ssl_lib.errors import InputError


@app.command()
def train(
    paths: Paths,
    model: Annotated[Path, typer.Option("--model", "-m", help="Folder to write the model to.")],
    numerical: Annotated[
        str | None, typer.Option(help="Columns of quantities, comma-separated; default: chosen.")
    ] = None,
    categorical: Annotated[
        str | None, typer.Option(help="Columns of categories, comma-separated; default: chosen.")
    ] = None,
    objective: Annotated[
        str, typer.Option(help="What to learn: contrastive, masked, denoising, multitask, or untrained.")
    ] = "masked",
    score: Annotated[
        str | None,
        typer.Option(help="combined, likelihood, typicality, mahalanobis or knn; default: what suits."),
    ] = None,
    protect: Annotated[
        str,
        typer.Option(
            help="Categorical columns that the task never changes, comma-separated; auto stands for OCSF's status, "
            "severity, activity and the like, where copies are changed."
        ),
    ] = "auto",
    epochs: Annotated[
        int | None, typer.Option(min=0, help="At most so many passes over the events; default: 1500 steps' worth.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Events per step.")] = 256,
    width: Annotated[int, typer.Option(min=1, help="Width of the encoder (d_model).")] = 128,
    blocks: Annotated[int, typer.Option(min=0, help="Residual blocks of the encoder.")] = 3,
    contamination: Annotated[
        float, typer.Option(help="Share of usual events, held out, that you are ready to look at.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same model.")] = 42,
    device: Annotated[str, typer.Option(help="auto takes a GPU if there is one; cpu.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16, or auto: bf16 where it is measured to be faster.")
    ] = "fp32",
    threads: Annotated[
        str | None, typer.Option(help="A number, or auto: as many as are measured to be fastest.")
    ] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Folder for checkpoints, one every five minutes.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint, if there is one.")
    ] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Read Parquet piece by piece: for more events than fit in memory.")
    ] = False,
    since: Since = None,
    until: Until = None,
    any_table: AnyTable = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there.")] = False,
) -> None:
    """Learn from events what is usual, and save it."""
    if model.exists() and not force:
        raise InputError(f"{model} exists; choose another folder, or replace it with --force")
    if threads is not None and threads != "auto" and not (threads.isdecimal() and int(threads)):
        raise InputError(f"--threads must be a number from 1 on, or auto, however: {threads}")
    if resume and checkpoints is None:
        raise InputError("--resume needs --checkpoints: the folder with the checkpoints to go on from")
    events = (open_parquet if stream else read)(paths, since, until, any_table)
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector
    from ocsf_ssl_lib.encoder import EncoderConfig

    detector = OCSFAnomalyDetector(
        split_names(numerical),
        split_names(categorical),
        objective,
        score=score,  # type: ignore[arg-type]
        encoder_config=EncoderConfig(d_model=width, num_blocks=blocks),
        max_epochs=epochs,
        batch_size=batch_size,
        contamination=contamination,
        protected=split_names(protect) or [],
        random_state=seed,
        device=device,
        precision=precision,  # type: ignore[arg-type]
        threads=int(threads) if threads and threads != "auto" else threads,  # type: ignore[arg-type]
        checkpoints=checkpoints,
        resume=resume,
    ).fit(events)
    if rank():  # one of several processes under torchrun: all have the same weights, the first alone writes
        return
    detector.save(model, overwrite=force)
    prep, history = detector.preprocessor_, detector.history_
    kept = f"{len(prep.numerical_names_)} numerical and {len(prep.categorical_names_)} categorical columns"
    note(f"{len(events):,} events, {kept} ('ocsf-ssl inspect' says why)")
    if history is not None and len(history.frame):
        ran, seconds = len(history.frame), history.frame["seconds"].sum()
        for remark in history.notes:
            note(remark)
        note(f"{ran} epochs in {seconds:.0f} s on {history.device}, best epoch {history.best_epoch + 1}")
    note(f"model -> {model}")
