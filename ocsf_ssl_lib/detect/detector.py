"""Stage 7: from a table of events to a score per event, in the form of a scikit-learn outlier detector."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ocsf_ssl_lib.columns import default_protected
from ocsf_ssl_lib.detect.combined_score import CombinedScorer
from ocsf_ssl_lib.detect.evidence import cell_nats, embeddings, evidence_of, feature_arrays
from ocsf_ssl_lib.detect.explain import explain_events
from ocsf_ssl_lib.detect.explanation import Explanations
from ocsf_ssl_lib.detect.holding_out import Parts, hold_out_files, hold_out_rows
from ocsf_ssl_lib.detect.persist import load_detector, save_detector
from ocsf_ssl_lib.detect.scores import ScoreName, make_scorer
from ocsf_ssl_lib.detect.threshold import Calibration
from ocsf_ssl_lib.encoder import BaseEncoderConfig, EncoderConfig
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import OCSFDataset, OCSFPreprocessor
from ocsf_ssl_lib.parquet_events import ParquetEvents
from ocsf_ssl_lib.pretext import SSLConfig, SSLModel, available_ssl_models, build_model
from ocsf_ssl_lib.streaming import EventStream
from ocsf_ssl_lib.training import History, TrainingConfig, train_self_supervised

__all__ = ["OCSFAnomalyDetector"]

UNTRAINED = "untrained"
FIT_ROWS = 200_000  # of a stream: events that the preprocessor learns from
SCORE_ROWS = 20_000  # training events that a score learns from, drawn at random from more
REFERENCE_ROWS = 5000  # of them are kept in the model, to show what is normal beside what is not
ENCODER = EncoderConfig(d_model=128, num_blocks=3)  # what experiments/detection.py measures
STEPS = 1500  # training steps, if the number of epochs is left open
MOST_EPOCHS = 300  # of a small table
PATIENCE = 0.2  # of the epochs: how long training goes on without improvement


class OCSFAnomalyDetector(OutlierMixin, BaseEstimator):
    """Learn from events without labels which events are usual; rank other events by how unusual they are.

    Args:
        numerical_cols: columns of quantities; ``None`` chooses them from the data.
        categorical_cols: columns of categories; ``None`` chooses them from the data.
        objective: the pretext task, a name of ``available_ssl_models()``; ``untrained`` keeps the encoder's random
            weights, as a baseline. ``None`` takes that of ``model_config``, or else ``masked``, which ranks best by
            average precision on simulated events, split by time
            (``experiments/simulated_detection.py --show``); the tutorial this package grew from has ``contrastive``.
        score: ``combined`` of nine (see ``CombinedScorer``), which ranks best over many tables
            (``experiments/detection.py --show``); ``likelihood`` or ``typicality`` of the cells, each given the others;
            ``mahalanobis`` or ``knn`` on the embeddings. ``None`` takes ``combined`` where the objective predicts
            cells (the first three need that), else ``mahalanobis``.
        encoder_config: size of the encoder; ``None`` takes a small one, of width 128 and 3 blocks.
        model_config: options of the pretext task; its ``encoder_config``, ``seed`` and ``protected`` are replaced.
        max_epochs: passes over the training events, at most; ``None`` takes as many as make up 1500 steps, at most
            300: a table of a thousand rows needs many passes, one of a million less than one.
        batch_size: events per training step.
        validation_fraction: share of the training events held out to decide when to stop.
        patience: epochs without improvement before training stops; ``None`` takes a fifth of the epochs, at least 3.
        learning_rate: peak of the schedule (``experiments/training_ablation.py --show``).
        contamination: share of usual events, held out, that you are ready to look at; ``predict`` calls an event an
            anomaly if its score lies below that quantile of theirs (``offset_``). It sets no order.
        scaling: of the numbers, see ``OCSFPreprocessor``.
        max_categories: per column, see ``OCSFPreprocessor``.
        protected: categorical columns that the task never changes; ``"auto"`` takes OCSF's status, severity, activity
            and the like where changed copies of an event count as the same event, and none elsewhere. In a list,
            ``"auto"`` stands for these: ``["auto", "is_mfa"]`` adds one. See ``default_protected`` for what to add.
        on_missing_column: see ``OCSFPreprocessor``.
        device: ``auto`` takes a GPU if there is one.
        precision: of matrix products in training; ``auto`` measures whether bf16 is faster here.
        threads: of the processor, in training; ``auto`` measures how many are fastest, ``None`` changes nothing.
        checkpoints: folder where training leaves checkpoints (every five minutes, the last three).
        resume: go on from the newest of them, if there is one; needs the same events, options and ``random_state``.
        random_state: seed; ``None`` draws one (kept in ``seed_``), but not in training with several processes.
        progress: show a progress bar; ``None`` shows it in a terminal only.

    Attributes:
        preprocessor_: the fitted ``OCSFPreprocessor``; ``column_report_`` says which columns were taken and why.
        model_: the trained ``SSLModel``.
        history_: what happened in training; ``None`` after ``load``.
        offset_: the score below which ``predict`` says -1.
        calibration_: scores of the events held out, for p-values and thresholds; ``None`` if none was held out.
        reference_: up to 5000 training events, as the preprocessor gives them.
        objective_: the pretext task that was used.
        seed_: the seed that was used.

    Example:
        >>> import pandas as pd
        >>> df = pd.DataFrame({"user": ["ann", "bob"] * 50, "bytes": range(100)})
        >>> det = OCSFAnomalyDetector(max_epochs=1, encoder_config=EncoderConfig(d_model=8), random_state=0)
        >>> det.fit(df).score_samples(df.head(3)).shape
        (3,)
    """

    def __init__(
        self,
        numerical_cols: Sequence[str] | None = None,
        categorical_cols: Sequence[str] | None = None,
        objective: str | None = None,
        score: ScoreName | None = None,
        *,
        encoder_config: BaseEncoderConfig | None = None,
        model_config: SSLConfig | None = None,
        max_epochs: int | None = None,
        batch_size: int = 256,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        learning_rate: float = 3e-3,
        contamination: float = 0.01,
        scaling: Literal["quantile", "standard"] = "quantile",
        max_categories: int = 1000,
        protected: Sequence[str] | Literal["auto"] = "auto",
        on_missing_column: Literal["error", "missing"] = "error",
        device: str = "auto",
        precision: Literal["fp32", "bf16", "auto"] = "fp32",
        threads: int | Literal["auto"] | None = None,
        checkpoints: str | Path | None = None,
        resume: bool = False,
        random_state: int | np.random.RandomState | None = None,
        progress: bool | None = None,
    ) -> None:
        self.numerical_cols = numerical_cols
        self.categorical_cols = categorical_cols
        self.objective = objective
        self.score = score
        self.encoder_config = encoder_config
        self.model_config = model_config
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.learning_rate = learning_rate
        self.contamination = contamination
        self.scaling = scaling
        self.max_categories = max_categories
        self.protected = protected
        self.on_missing_column = on_missing_column
        self.device = device
        self.precision = precision
        self.threads = threads
        self.checkpoints = checkpoints
        self.resume = resume
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: pd.DataFrame | ParquetEvents, y: Any = None) -> OCSFAnomalyDetector:
        """Learn what is usual.

        ``ParquetEvents`` are streamed, for more events than fit in memory: the preprocessor is fitted on a sample of
        200 000 spread over all files; at most 100 000 events are held out for validation, the last ones of some row
        groups, see ``ParquetEvents.hold_out``. The score learns from at most 20 000 of the events trained on.

        Args:
            X: training events, mostly normal ones, at least two; a DataFrame, or events in Parquet files.
            y: ignored; scikit-learn's convention.

        Raises:
            InputError: events or options that cannot be used, named with the remedy.
            TrainingError: the loss left the finite numbers.
        """
        self._check_options()
        self.objective_ = self._objective()
        self.seed_ = self._seed()
        frame = X.sample(FIT_ROWS, seed=self.seed_) if isinstance(X, ParquetEvents) else X
        self.preprocessor_ = OCSFPreprocessor(**self.preprocessor_options()).fit(frame)
        self.n_features_in_ = self.preprocessor_.n_features_in_
        data = OCSFDataset.from_frame(self.preprocessor_, frame)
        self.model_ = self._new_model()
        self.score_name_ = self._score_name()
        self.scorer_ = make_scorer(self.score_name_, self.seed_)
        self.history_: History | None = None
        # A score that the task cannot give is refused before it is trained.
        evidence_of(self.model_, data.rows(np.arange(1)), self.scorer_.looks_at)
        if self.objective_ == UNTRAINED:
            parts = Parts(data)
        elif isinstance(X, ParquetEvents):
            parts = hold_out_files(X, self.preprocessor_, self.validation_fraction)
        else:
            parts = hold_out_rows(X, data, self.validation_fraction, self.seed_)
        train, held, times = parts
        if self.objective_ != UNTRAINED:
            self.history_ = self._train(train, held)
        share = len(held) / len(X) if held is not None else 1.0
        self._fit_score(train.sample(SCORE_ROWS) if isinstance(train, EventStream) else train, held, times, share)
        return self

    def _fit_score(self, train: OCSFDataset, held: OCSFDataset | None, times: np.ndarray | None, share: float) -> None:
        """Learn from events trained on which scores are usual, and the threshold from events held out."""
        rng = np.random.default_rng(self.seed_)

        def some(data: OCSFDataset, most: int) -> OCSFDataset:
            return data if len(data) <= most else data.rows(np.sort(rng.choice(len(data), most, replace=False)))

        known = some(train, SCORE_ROWS)
        self.reference_ = feature_arrays(some(known, REFERENCE_ROWS))
        evidence = evidence_of(self.model_, known, self.scorer_.looks_at)
        if isinstance(self.scorer_, CombinedScorer):
            new = evidence_of(self.model_, some(held, SCORE_ROWS), "all") if held is not None else None
            self.scorer_.fit(evidence, new)
        else:
            self.scorer_.fit(evidence)
        scores = self._score(held) if held is not None else np.empty(0)
        self.calibration_ = Calibration().fit(scores, times, share=share) if len(scores) else None
        if len(scores) * self.contamination < 1:  # too few to place a quantile so far out
            scores = np.concatenate([scores, self.scorer_.score(evidence)])
        self.offset_ = float(np.quantile(scores, self.contamination))

    def preprocessor_options(self) -> dict[str, Any]:
        """The arguments of this detector that are its preprocessor's."""
        names = ("numerical_cols", "categorical_cols", "scaling", "max_categories", "on_missing_column")
        return {name: getattr(self, name) for name in names}

    @property
    def column_report_(self) -> pd.DataFrame:
        """Which columns were taken, which were left out, and why."""
        check_is_fitted(self, "preprocessor_")
        return self.preprocessor_.column_report_

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Embeddings of N events: (N, d_model) float32."""
        check_is_fitted(self, "scorer_")
        return embeddings(self.model_, OCSFDataset.from_frame(self.preprocessor_, X))

    def score_samples(self, X: pd.DataFrame) -> np.ndarray:
        """Scores of N events: (N,) float64, higher = more normal."""
        check_is_fitted(self, "scorer_")
        return self._score(OCSFDataset.from_frame(self.preprocessor_, X))

    def cell_surprise(self, X: pd.DataFrame) -> pd.DataFrame:
        """Nats of each cell of N events: one row per event, one column per feature, NaN where a cell says nothing.

        Raises:
            InputError: the objective predicts no cells.
        """
        check_is_fitted(self, "scorer_")
        cells = cell_nats(self.model_, OCSFDataset.from_frame(self.preprocessor_, X))
        return pd.DataFrame(cells, index=X.index, columns=self.preprocessor_.get_feature_names_out())

    def member_nats(self, X: pd.DataFrame) -> pd.DataFrame:
        """Nats of each member of the combined score for N events; their mean is minus ``score_samples``.

        Raises:
            InputError: the score is another.
        """
        check_is_fitted(self, "scorer_")
        if not isinstance(self.scorer_, CombinedScorer):
            raise InputError(f"score={self.score_name_!r} has no members; fit with score='combined'")
        data = OCSFDataset.from_frame(self.preprocessor_, X)
        nats = self.scorer_.nats(evidence_of(self.model_, data, "all")) if len(data) else None
        return pd.DataFrame(nats, index=X.index, columns=list(self.scorer_.members), dtype=np.float64)

    def explain(self, X: pd.DataFrame, *, fields: int | None = None, neighbours: int = 3) -> Explanations:
        """Why N events are unusual: which fields surprise, what was expected, ordinary events; see ``explain_events``.

        Raises:
            InputError: the objective predicts no hidden cells.
        """
        check_is_fitted(self, "scorer_")
        return explain_events(self, X, fields=fields, neighbours=neighbours)

    def p_values(self, X: pd.DataFrame) -> np.ndarray:
        """Share of held-out events that are as unusual: (N,), small = unusual; see ``Calibration.p_values``.

        Raises:
            InputError: no events were held out.
        """
        check_is_fitted(self, "scorer_")
        if self.calibration_ is None:
            raise InputError("p-values need events that were held out; fit with validation_fraction above 0")
        return self.calibration_.p_values(self.score_samples(X))

    def decision_function(self, X: pd.DataFrame) -> np.ndarray:
        """``score_samples`` shifted so that negative means anomaly."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """-1 for anomalies, 1 for normal events."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fitted detector to the folder ``path``; see ``ocsf_ssl_lib.artifact``."""
        check_is_fitted(self, "scorer_")
        return save_detector(self, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> OCSFAnomalyDetector:
        """Read a detector that ``save`` wrote. No code is run from the folder.

        Raises:
            InputError: a file is missing or altered, or the folder is no saved detector.
        """
        return load_detector(cls, path)

    def _check_options(self) -> None:
        objectives = [*sorted(available_ssl_models()), UNTRAINED]
        if self.objective not in (None, *objectives):
            raise InputError(f"objective must be one of {', '.join(objectives)}, however: {self.objective!r}")
        if self.model_config is not None and self.objective not in (None, self.model_config.name, UNTRAINED):
            raise InputError(
                f"objective={self.objective!r} but model_config is a {type(self.model_config).__name__}; "
                f"give objective={self.model_config.name!r}"
            )
        if not 0 < self.contamination <= 0.5:
            raise InputError(f"contamination must be above 0 and at most 0.5, however: {self.contamination}")
        if not 0 <= self.validation_fraction < 1:
            raise InputError(f"validation_fraction must be in 0..1, however: {self.validation_fraction}")
        self._training_config(self.batch_size, seed=0)

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer) and self.random_state >= 0:
            return int(self.random_state)
        if self.random_state is None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise InputError("random_state=None draws another seed in each process; give all of them one number")
        try:
            return int(check_random_state(self.random_state).randint(2**31 - 1))
        except ValueError:
            raise InputError(
                f"random_state must be a number from 0 on, or None, however: {self.random_state!r}"
            ) from None

    def _new_model(self) -> SSLModel:
        """A model with fresh weights for the columns that were chosen."""
        name = "contrastive" if self.objective_ == UNTRAINED else self.objective_
        model_class, config_class = available_ssl_models()[self.model_config.name if self.model_config else name]
        base = self.model_config if self.model_config is not None else config_class()
        encoder_config = base.encoder_config
        if self.encoder_config is not None or self.model_config is None:
            encoder_config = self.encoder_config or ENCODER
        names = self.preprocessor_.categorical_names_
        if isinstance(self.protected, str) and self.protected != "auto":
            raise InputError(f"protected must be 'auto' or a list of columns, however: {self.protected!r}")
        by_default = default_protected(names) if model_class.makes_views else []
        named = ["auto"] if isinstance(self.protected, str) else self.protected
        protected = dict.fromkeys(c for name in named for c in (by_default if name == "auto" else [name]))
        foreign = [c for c in protected if c not in names]
        if foreign:
            raise InputError(f"protected column(s) not among the categorical ones: {', '.join(foreign)}")
        config = base.model_copy(
            update={
                "encoder_config": encoder_config,
                "seed": self.seed_,
                "protected": tuple(names.index(c) for c in protected),
            }
        )
        prep = self.preprocessor_
        every = prep.numerical_names_ + prep.categorical_names_
        return build_model(config, len(prep.numerical_names_), prep.cardinalities_, every)

    def _score_name(self) -> str:
        if self.score is not None:
            return self.score
        return "combined" if hasattr(self.model_, "cell_surprise") else "mahalanobis"

    def _objective(self) -> str:
        if self.objective is not None:
            return self.objective
        return self.model_config.name if self.model_config is not None else "masked"

    def _train(self, train: OCSFDataset | EventStream, validation: OCSFDataset | None) -> History:
        batch_size = min(self.batch_size, max(2, len(train)))
        config = self._training_config(batch_size, self.seed_, len(train) // batch_size)
        return train_self_supervised(
            self.model_,
            train,
            validation,
            config,
            checkpoints=self.checkpoints,
            resume=self.resume,
            progress=self.progress,
        )

    def _training_config(self, batch_size: int, seed: int, steps_per_epoch: int = 1) -> TrainingConfig:
        epochs = self.max_epochs
        if epochs is None:
            epochs = min(MOST_EPOCHS, max(1, round(STEPS / steps_per_epoch)))
        patience = max(3, round(PATIENCE * epochs)) if self.patience is None else self.patience
        options = {"max_epochs": epochs, "patience": patience, "device": self.device}
        options |= {"precision": self.precision, "threads": self.threads, "learning_rate": self.learning_rate}
        return TrainingConfig.from_dict(options | {"batch_size": batch_size, "seed": seed})

    def _score(self, data: OCSFDataset) -> np.ndarray:
        if not len(data):
            return np.empty(0)
        return self.scorer_.score(evidence_of(self.model_, data, self.scorer_.looks_at))
