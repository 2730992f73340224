"""Self-supervised learning on security events in the Open Cybersecurity Schema Framework (OCSF).

The modules stand in the order of the data's way: ``events`` -> ``features`` -> ``encoder`` -> ``pretext`` ->
``training`` -> ``detect`` -> ``evaluate``.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> the module it lives in. Names are imported when they are first asked for (PEP 562): a command that
# needs no neural network does not wait seconds for torch.
_HOME = {
    "Batch": "features",
    "Bootstrap": "evaluate",
    "Calibration": "detect.threshold",
    "CalibrationCheck": "detect.threshold",
    "ColumnHeads": "pretext",
    "ContrastiveConfig": "pretext",
    "ContrastiveModel": "pretext",
    "DataWarning": "errors",
    "DecoderConfig": "pretext",
    "DenoisingAutoEncoder": "pretext",
    "DenoisingConfig": "pretext",
    "Drift": "evaluate",
    "EarlyStopping": "training",
    "EncoderConfig": "encoder",
    "EventStream": "streaming",
    "Events": "events",
    "ExplainedCell": "detect",
    "ExplainedEvent": "detect",
    "Explanations": "detect",
    "FeatureArrays": "features",
    "FineTuneConfig": "finetuning",
    "FineTuneModel": "finetuning",
    "History": "training",
    "InputError": "errors",
    "MLPConfig": "encoder",
    "MaskedFeatureConfig": "pretext",
    "MultiTaskConfig": "pretext",
    "MultiTaskModel": "pretext",
    "OCSFAnomalyDetector": "detect",
    "OCSFDataset": "features",
    "OCSFPreprocessor": "features",
    "ParquetEvents": "parquet_events",
    "Pretrained": "pretraining",
    "Redactor": "redact",
    "SSLConfig": "pretext",
    "SSLModel": "pretext",
    "Simulation": "events",
    "SplitCheck": "evaluate",
    "TabularAugmentation": "pretext",
    "TabularMLP": "encoder",
    "TabularResNet": "encoder",
    "TabularResNetWithMFP": "pretext",
    "TrainingConfig": "training",
    "TrainingError": "errors",
    "TrainingWarning": "errors",
    "alignment": "evaluate",
    "available_ssl_models": "pretext",
    "build_model": "pretext",
    "check_split": "evaluate",
    "choose_precision": "hardware",
    "choose_threads": "hardware",
    "compare_detectors": "evaluate",
    "contrastive_loss": "pretext",
    "create_finetune_model": "finetuning",
    "detection_report": "evaluate",
    "effective_rank": "evaluate",
    "equal_rows": "pretext",
    "explain_events": "detect",
    "fast_step": "fast",
    "finetune": "finetuning",
    "gather_with_gradient": "distributed",
    "group_alerts": "detect.grouping",
    "linear_cka": "evaluate",
    "linear_probe": "evaluate",
    "masked_feature_prediction_loss": "pretext",
    "nearest_neighbours": "evaluate",
    "neighbour_overlap": "evaluate",
    "neighbour_purity": "evaluate",
    "nt_xent": "pretext",
    "pretrain": "pretraining",
    "read_events": "events",
    "render_report": "detect.report",
    "score_drift": "evaluate",
    "score_on_ray": "detect.ray_engine",
    "score_parquet": "detect.bulk",
    "simulate_events": "events",
    "single_column_auc": "evaluate",
    "split_by_time": "evaluate",
    "train_ocsf_anomaly_detector": "detect",
    "train_self_supervised": "training",
    "uniformity": "evaluate",
    "write_report": "detect.report",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
