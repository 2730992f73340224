"""Stage 7: scores, the detector, its explanations, and the baselines it is measured against."""

from ocsf_ssl_lib.detect.detector import OCSFAnomalyDetector
from ocsf_ssl_lib.detect.explain import explain_events
from ocsf_ssl_lib.detect.explanation import ExplainedCell, ExplainedEvent, Explanations
from ocsf_ssl_lib.detect.one_call import train_ocsf_anomaly_detector

__all__ = [
    "ExplainedCell",
    "ExplainedEvent",
    "Explanations",
    "OCSFAnomalyDetector",
    "explain_events",
    "train_ocsf_anomaly_detector",
]
