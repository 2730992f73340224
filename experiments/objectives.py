"""One fit, several scores: what the detection experiments share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ocsf_ssl_lib import EncoderConfig, OCSFAnomalyDetector
from ocsf_ssl_lib.detect.baselines import BASELINES, marginal_frequency, one_hot, row_count
from ocsf_ssl_lib.detect.scores import SCORERS
from ocsf_ssl_lib.features import FeatureArrays

__all__ = ["SOURCE_SIZE", "baseline_scores", "objective_scores"]

# Width, depth and rate of the texts this book grew from; the detector's own defaults are smaller and faster.
SOURCE_SIZE: dict[str, Any] = {"encoder_config": EncoderConfig(), "learning_rate": 1e-3, "patience": 5}

Scored = tuple[str, np.ndarray, float]  # method, scores (higher = more normal), seconds to fit and score


def baseline_scores(
    train: FeatureArrays, test: FeatureArrays, cardinalities: Sequence[int], seed: int, missing: Callable[[str], bool]
) -> Iterator[Scored]:
    """The baselines that are not in the results yet, on the features that the encoder sees."""
    for method, function in (("marginal frequency", marginal_frequency), ("row count", row_count)):
        if missing(method):
            start = time.process_time()
            scores = function(train, test)
            yield method, scores, time.process_time() - start
    dense = None
    for method, baseline in BASELINES.items():
        if missing(method):
            dense = dense or (one_hot(train, cardinalities), one_hot(test, cardinalities))
            start = time.process_time()
            scores = baseline(*dense, seed)
            yield method, scores, time.process_time() - start


def objective_scores(
    name: str,
    objective: str,
    score_names: Sequence[str],
    train: pd.DataFrame,
    test: pd.DataFrame,
    missing: Callable[[str], bool],
    **options: Any,
) -> Iterator[Scored]:
    """Fit a detector once, and judge by each of its scores; nothing if all of them are in the results."""
    if not any(missing(f"{name}, {score}") for score in score_names):
        return
    start = time.process_time()
    detector = OCSFAnomalyDetector(objective=objective, score=score_names[0], **options).fit(train)  # type: ignore[arg-type]
    fitted = time.process_time() - start
    for score in score_names:
        start = time.process_time()
        if score == score_names[0]:
            scores = detector.score_samples(test)
        else:
            scores = SCORERS[score]().fit(detector.transform(train)).score(detector.transform(test))
        yield f"{name}, {score}", scores, fitted + time.process_time() - start
