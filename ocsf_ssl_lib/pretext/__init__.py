"""Stage 4: pretext tasks. Each is one file: a config, a loss, an ``SSLModel``."""

from ocsf_ssl_lib.pretext.augment import TabularAugmentation, realised_swap_rate
from ocsf_ssl_lib.pretext.base import SSLConfig, SSLModel
from ocsf_ssl_lib.pretext.contrastive import ContrastiveConfig, ContrastiveModel, contrastive_loss, nt_xent

__all__ = [
    "ContrastiveConfig",
    "ContrastiveModel",
    "SSLConfig",
    "SSLModel",
    "TabularAugmentation",
    "contrastive_loss",
    "nt_xent",
    "realised_swap_rate",
]
