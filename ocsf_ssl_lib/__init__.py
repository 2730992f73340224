"""Self-supervised learning on security events in the Open Cybersecurity Schema Framework (OCSF).

The modules stand in the order of the data's way: ``events`` -> ``features`` -> ``encoder`` -> ``pretext`` ->
``training`` -> ``detect`` -> ``evaluate``.
"""

from ocsf_ssl_lib.detect import OCSFAnomalyDetector, train_ocsf_anomaly_detector
from ocsf_ssl_lib.encoder import EncoderConfig, TabularResNet
from ocsf_ssl_lib.errors import DataWarning, InputError
from ocsf_ssl_lib.evaluate import detection_report, split_by_time
from ocsf_ssl_lib.features import Batch, FeatureArrays, OCSFDataset, OCSFPreprocessor
from ocsf_ssl_lib.pretext import (
    ContrastiveConfig,
    ContrastiveModel,
    SSLModel,
    TabularAugmentation,
    contrastive_loss,
    nt_xent,
)
from ocsf_ssl_lib.training import EarlyStopping, History, TrainingConfig, TrainingError, train_self_supervised

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "ContrastiveConfig",
    "ContrastiveModel",
    "DataWarning",
    "EarlyStopping",
    "EncoderConfig",
    "FeatureArrays",
    "History",
    "InputError",
    "OCSFAnomalyDetector",
    "OCSFDataset",
    "OCSFPreprocessor",
    "SSLModel",
    "TabularAugmentation",
    "TabularResNet",
    "TrainingConfig",
    "TrainingError",
    "contrastive_loss",
    "detection_report",
    "nt_xent",
    "split_by_time",
    "train_ocsf_anomaly_detector",
    "train_self_supervised",
]
