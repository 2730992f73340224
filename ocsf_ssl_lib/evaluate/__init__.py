"""Stage 8: how good is a ranking, how good are embeddings, and do they still hold?

``split`` and ``checks`` -> ``detection`` and ``comparison`` (of rankings, with ``intervals``) -> ``embeddings`` and
``stability`` -> ``drift``.
"""

from ocsf_ssl_lib.evaluate.checks import SplitCheck, check_split, single_column_auc
from ocsf_ssl_lib.evaluate.comparison import compare_detectors
from ocsf_ssl_lib.evaluate.detection import FEW_POSITIVES, detection_report
from ocsf_ssl_lib.evaluate.drift import Drift, score_drift
from ocsf_ssl_lib.evaluate.embeddings import (
    alignment,
    effective_rank,
    linear_probe,
    nearest_neighbours,
    neighbour_purity,
    uniformity,
)
from ocsf_ssl_lib.evaluate.intervals import Bootstrap
from ocsf_ssl_lib.evaluate.split import split_by_time
from ocsf_ssl_lib.evaluate.stability import linear_cka, neighbour_overlap

__all__ = [
    "FEW_POSITIVES",
    "Bootstrap",
    "Drift",
    "SplitCheck",
    "alignment",
    "check_split",
    "compare_detectors",
    "detection_report",
    "effective_rank",
    "linear_cka",
    "linear_probe",
    "nearest_neighbours",
    "neighbour_overlap",
    "neighbour_purity",
    "score_drift",
    "single_column_auc",
    "split_by_time",
    "uniformity",
]
