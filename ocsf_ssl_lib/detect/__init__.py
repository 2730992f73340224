"""Stage 7: scores, the detector, and the baselines it is measured against."""

from ocsf_ssl_lib.detect.detector import OCSFAnomalyDetector, train_ocsf_anomaly_detector

__all__ = ["OCSFAnomalyDetector", "train_ocsf_anomaly_detector"]
