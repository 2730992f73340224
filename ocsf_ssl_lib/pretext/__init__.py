"""Stage 4: pretext tasks. Each is one file: a config, a loss, an ``SSLModel``."""

from ocsf_ssl_lib.pretext.augment import TabularAugmentation, realised_swap_rate
from ocsf_ssl_lib.pretext.base import DecoderConfig, SSLConfig, SSLModel, available_ssl_models, build_model
from ocsf_ssl_lib.pretext.contrastive import ContrastiveConfig, ContrastiveModel, contrastive_loss
from ocsf_ssl_lib.pretext.denoising import DenoisingAutoEncoder, DenoisingConfig, corrupt
from ocsf_ssl_lib.pretext.duplicates import equal_rows, row_keys
from ocsf_ssl_lib.pretext.heads import ColumnHeads
from ocsf_ssl_lib.pretext.masked import MaskedFeatureConfig, TabularResNetWithMFP, masked_feature_prediction_loss
from ocsf_ssl_lib.pretext.multitask import MultiTaskConfig, MultiTaskModel
from ocsf_ssl_lib.pretext.nt_xent_loss import nt_xent

__all__ = [
    "ColumnHeads",
    "ContrastiveConfig",
    "ContrastiveModel",
    "DecoderConfig",
    "DenoisingAutoEncoder",
    "DenoisingConfig",
    "MaskedFeatureConfig",
    "MultiTaskConfig",
    "MultiTaskModel",
    "SSLConfig",
    "SSLModel",
    "TabularAugmentation",
    "TabularResNetWithMFP",
    "available_ssl_models",
    "build_model",
    "contrastive_loss",
    "corrupt",
    "equal_rows",
    "masked_feature_prediction_loss",
    "nt_xent",
    "realised_swap_rate",
    "row_keys",
]
