"""What do the options of masked prediction, denoising and several tasks at once change? Five seeds, split by time.

    python experiments/pretext_ablation.py            # runs what is not in the results yet
    python experiments/pretext_ablation.py --show     # prints the table

One option is changed at a time, all others keep their defaults. Each row says how well the trained model detects (from
the surprise of cells, and by Mahalanobis distance of embeddings) and how well it predicts: every cell of the later
normal events, hidden in turn (masked, and the masked part of several tasks) or as it is (denoising).
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
import torch
from record import RESULTS, append, done
from sklearn.metrics import average_precision_score, roc_auc_score

from ocsf_ssl_lib import (
    ContrastiveConfig,
    DecoderConfig,
    DenoisingConfig,
    EncoderConfig,
    MaskedFeatureConfig,
    MultiTaskConfig,
    OCSFAnomalyDetector,
    OCSFDataset,
    build_model,
    split_by_time,
)
from ocsf_ssl_lib.columns import default_protected
from ocsf_ssl_lib.detect.embedding_scores import MahalanobisScorer
from ocsf_ssl_lib.events import simulate_events
from ocsf_ssl_lib.features import Batch
from ocsf_ssl_lib.pretext.base import SSLConfig
from ocsf_ssl_lib.pretext.heads import targets_of

NAME = "pretext_ablation"
KEY = "metadata.uid"
EVENTS = 12_000
ANOMALY_RATE = 0.05  # enough anomalies in the smaller test part
SEEDS = range(10, 15)  # other logs than those of the tables in the chapters
EPOCHS = 8
ENCODER = EncoderConfig(d_model=64, num_blocks=2)


def hidden(*widths: int) -> dict[str, Any]:
    return {"decoder_config": DecoderConfig(hidden=widths)}


# task, group, setting -> options that differ from the defaults
SETTINGS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("masked", "default", "default", {}),
    *(("masked", "numbers", kind, {"numerical_loss": kind}) for kind in ("gaussian", "mse")),
    *(("masked", "mask value", value, {"mask_value": value}) for value in ("mean", "zero")),
    ("masked", "heads", "hidden 256", hidden(256)),
    ("masked", "heads", "hidden 256, 256", hidden(256, 256)),
    *(("masked", "mask rate", f"{rate}", {"mask_prob": rate}) for rate in (0.05, 0.3, 0.5)),
    ("masked", "mask rate", "random 0..1", {"mask_prob": (0.0, 1.0)}),
    ("masked", "start", "contrastive weights", {}),
    ("masked", "learning rate", "0.001", {"learning_rate": 1e-3}),
    ("masked", "learning rate", "0.001, hidden 256", hidden(256) | {"learning_rate": 1e-3}),
    ("denoising", "default", "default", {}),
    ("denoising", "noise", "zero", {"noise_strategy": "zero"}),
    *(("denoising", "probability", f"{p}", {"default_noise_probability": p}) for p in (0.05, 0.4, 0.8)),
    ("denoising", "decoder", "hidden 64", hidden(64)),
    ("denoising", "decoder", "hidden 256", hidden(256)),
    ("denoising", "numbers", "mse", {"numerical_loss": "mse"}),
    ("multitask", "default", "default", {}),
    *(("multitask", "task weights", f"{a}:{b}", {"weights": (a, b)}) for a, b in ((1, 4), (4, 1))),
]
CONFIGS: dict[str, type[SSLConfig]] = {
    "masked": MaskedFeatureConfig,
    "denoising": DenoisingConfig,
    "multitask": MultiTaskConfig,  # contrastive and masked, with equal weights if nothing is said
}


class WarmDetector(OCSFAnomalyDetector):
    """A detector whose encoder starts from contrastive weights: the cure that is proposed for a cold start."""

    def _train(self, train: Any, validation: OCSFDataset | None) -> Any:
        prep, masked = self.preprocessor_, self.model_
        names = prep.categorical_names_
        protected = tuple(names.index(c) for c in default_protected(names))
        config = ContrastiveConfig(encoder_config=ENCODER, seed=self.seed_, protected=protected)
        self.model_ = build_model(config, len(prep.numerical_names_), prep.cardinalities_)
        super()._train(train, validation)
        masked.encoder.load_state_dict(self.model_.encoder.state_dict())
        self.model_ = masked
        return super()._train(train, validation)


@torch.no_grad()
def prediction(detector: OCSFAnomalyDetector, frame: pd.DataFrame) -> dict[str, float]:
    """How well the model predicts cells, per column and then averaged: gain, accuracy, error of numbers."""
    model = next(task for task in getattr(detector.model_, "tasks", [detector.model_]) if hasattr(task, "heads"))
    heads = model.heads
    batch = OCSFDataset.from_frame(detector.preprocessor_, frame).tensors
    real = targets_of(batch)
    surprise = model.cell_surprise(batch)
    trivial = heads.marginal_losses(batch, real)
    gains, right, trivially, error, spread = [], [], [], [], []
    for column in range(real.shape[1]):
        rows = real[:, column].nonzero().flatten()
        if len(rows) < 2:
            continue
        lost = float(trivial[rows, column].mean())
        gains.append(1 - float(surprise[rows, column].mean()) / lost if lost > 0 else 0.0)
        part = Batch(*(t[rows] for t in batch))
        if hasattr(model, "embed_masked"):
            mask = torch.zeros(len(rows), real.shape[1], dtype=torch.bool)
            mask[:, column] = True
            vector = model.decoder(model.embed_masked(part, mask))
        else:
            vector = model.decoder(model.featurize(part))
        guess, ids = heads.predict(vector)
        if column < heads.num_numerical:
            value = part.numerical[:, column]
            error.append(float(((value - guess[:, column]) ** 2).mean()))
            spread.append(float(((value - heads.mean[column]) ** 2).mean()))
        else:
            value = part.categorical[:, column - heads.num_numerical]
            right.append(float((ids[:, column - heads.num_numerical] == value).float().mean()))
            trivially.append(float((heads.mode[column - heads.num_numerical] == value).float().mean()))
    return {
        "gain": float(np.mean(gains)),
        "accuracy": float(np.mean(right)),
        "trivial_accuracy": float(np.mean(trivially)),
        "rmse": float(np.sqrt(np.mean(error))),
        "trivial_rmse": float(np.sqrt(np.mean(spread))),
    }


def run(seed: int, task: str, group: str, setting: str, options: dict[str, Any]) -> None:
    simulation = simulate_events(EVENTS, seed=seed, anomaly_rate=ANOMALY_RATE)
    train, test = split_by_time(simulation.frame)
    truth = simulation.labels.set_index(KEY)["is_anomaly"].loc[test[KEY]].to_numpy(bool)
    start = time.perf_counter()
    kind = WarmDetector if group == "start" else OCSFAnomalyDetector
    how = {name: options[name] for name in options.keys() & {"learning_rate"}}
    detector = kind(
        objective=task,
        score="likelihood",
        model_config=CONFIGS[task](**{k: v for k, v in options.items() if k not in how}),
        encoder_config=ENCODER,
        max_epochs=EPOCHS,
        random_state=seed,
        device="cpu",
        progress=False,
        **how,
    ).fit(train)
    scores = -detector.score_samples(test)
    seconds = time.perf_counter() - start
    far = -MahalanobisScorer().fit(detector.transform(train)).score(detector.transform(test))
    row: dict[str, Any] = {"seed": seed, "task": task, "group": group, "setting": setting}
    row |= {
        "roc_auc": roc_auc_score(truth, scores),
        "average_precision": average_precision_score(truth, scores),
        "mahalanobis_auc": roc_auc_score(truth, far),
        "mahalanobis_ap": average_precision_score(truth, far),
    }
    row |= prediction(detector, test[~truth]) | {"seconds": seconds}
    append(NAME, [row])
    shown = ", ".join(f"{k} {v:.3f}" for k, v in row.items() if isinstance(v, float))
    print(f"seed {seed}  {task}, {group}: {setting}  {shown}", flush=True)


def show() -> None:
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    figures = ["roc_auc", "average_precision", "mahalanobis_auc", "mahalanobis_ap", "gain", "accuracy", "rmse"]
    grouped = table.groupby(["task", "group", "setting"])[[*figures, "seconds"]]
    text = grouped.mean().round(3).astype(str) + "±" + grouped.std(ddof=1).round(3).astype(str)
    print(f"mean ± standard deviation over {table.seed.nunique()} seeds")
    print(text.to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the table and stop")
    if not parser.parse_args().show:
        torch.set_num_threads(1)
        for seed in SEEDS:
            for task, group, setting, options in SETTINGS:
                if not done(NAME, seed=seed, task=task, group=group, setting=setting):
                    run(seed, task, group, setting, options)
    show()
