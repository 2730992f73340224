"""Denoising autoencoder: spoil some cells of an event, do not say which, and restore the event.

Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders" (ICML 2008); the noise follows
PyTorch Tabular's model of the same name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch
from ocsf_ssl_lib.pretext.base import SSLConfig
from ocsf_ssl_lib.pretext.cells import CellModel
from ocsf_ssl_lib.pretext.heads import NumericalLoss, targets_of
from ocsf_ssl_lib.vocabulary import MASK_ID

__all__ = ["DenoisingAutoEncoder", "DenoisingConfig", "corrupt"]


class DenoisingConfig(SSLConfig):
    """Options of ``DenoisingAutoEncoder``."""

    name: Literal["denoising"] = "denoising"
    noise_strategy: Literal["swap", "zero"] = Field(default="swap", description="what stands in place of a spoilt cell")
    noise_probabilities: dict[str, float] = Field(
        default_factory=dict, description="column -> probability that its cell is spoilt"
    )
    default_noise_probability: float = Field(default=0.2, ge=0, le=1, description="the same for all other columns")
    numerical_loss: NumericalLoss = Field(default="bins", description="how numbers are restored, see ColumnHeads")
    num_bins: int = Field(default=20, ge=2, description="intervals of a number, for 'bins'")

    @field_validator("noise_probabilities")
    @classmethod
    def _are_probabilities(cls, value: dict[str, float]) -> dict[str, float]:
        for column, probability in value.items():
            if not 0 <= probability <= 1:
                raise ValueError(f"the probability of column {column!r} must be in 0..1, however: {probability}")
        return value


class DenoisingAutoEncoder(CellModel):
    """Spoilt event -> encoder -> code -> decoder -> heads that restore every cell.

    ``featurize`` gives the code of the event as it is, not the reconstruction.

    Args:
        encoder: a ``TabularResNet`` say; its output is the code.
        decoder: what stands between the code and the heads; when left out ``config.decoder_config``'s, or the identity.
        noise_strategy: ``swap`` takes the value of another event, same column, each cell from an event of its own;
            ``zero`` takes 0 for a number (the middle, after scaling) and the mask id for a category.
        noise_probabilities: column -> probability that its cell is spoilt; 0 keeps it as it is.
        default_noise_probability: the same for all other columns.
        feature_names: names of the numerical, then of the categorical columns; needed for ``noise_probabilities``.
        config: see ``DenoisingConfig``; the options above, where given, replace its own.

    Raises:
        InputError: a column in ``noise_probabilities`` that is not there, or more or fewer names than columns.

    Example:
        >>> from ocsf_ssl_lib import TabularResNet
        >>> encoder = TabularResNet(1, [10], d_model=8, num_blocks=1)
        >>> model = DenoisingAutoEncoder(
        ...     encoder, noise_probabilities={"user": 0.5}, feature_names=["bytes", "user"]
        ... )
        >>> model.probabilities.tolist()
        [0.20000000298023224, 0.5]
    """

    config_class: ClassVar[type[SSLConfig]] = DenoisingConfig
    config: DenoisingConfig
    probabilities: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module | None = None,
        *,
        noise_strategy: Literal["swap", "zero"] | None = None,
        noise_probabilities: Mapping[str, float] | None = None,
        default_noise_probability: float | None = None,
        feature_names: Sequence[str] = (),
        config: DenoisingConfig | None = None,
    ) -> None:
        config = config if config is not None else DenoisingConfig()
        given = {
            "noise_strategy": noise_strategy,
            "noise_probabilities": noise_probabilities,
            "default_noise_probability": default_noise_probability,
        }
        config = type(config).from_dict(config.model_dump() | {k: v for k, v in given.items() if v is not None})
        super().__init__(encoder, decoder, config)
        d_num = self.heads.num_numerical
        chance = torch.full((d_num + len(self.heads.widths),), config.default_noise_probability)
        if feature_names and len(feature_names) != len(chance):
            raise InputError(f"{len(feature_names)} feature_names, but the encoder has {len(chance)} columns")
        for column, probability in config.noise_probabilities.items():
            chance[_place(column, feature_names)] = probability
        chance[[d_num + k for k in config.protected]] = 0.0
        self.register_buffer("probabilities", chance, persistent=False)

    @classmethod
    def from_config(cls, config: Any, encoder: nn.Module, feature_names: Sequence[str]) -> DenoisingAutoEncoder:
        """See ``SSLModel.from_config``."""
        return cls(encoder, feature_names=feature_names, config=config)

    def loss_and_weight(self, batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, float]:
        """Restore every cell of the spoilt batch, the sound ones too; the weight counts them."""
        spoilt, _ = corrupt(batch, self.probabilities, self.config.noise_strategy, generator)
        wanted = targets_of(batch)
        losses = self.heads.cell_losses(self.decoder(self.featurize(spoilt)), batch, wanted)
        return self.heads.normalised(losses, wanted), self.heads.weight(wanted)

    @torch.no_grad()
    def calculate_metrics(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, float]:
        """``restored``: share of spoilt categories set right; ``kept``: share of sound ones left as they were.

        ``r2``: share of the variance of spoilt numbers that is restored. Each is 0 when there is no such cell.
        """
        spoilt, changed = corrupt(batch, self.probabilities, self.config.noise_strategy, generator)
        guess, ids = self.heads.predict(self.decoder(self.featurize(spoilt)))
        d_num = self.heads.num_numerical
        right, category = ids == batch.categorical, targets_of(batch)[:, d_num:]
        bad, sound = changed[:, d_num:], category & ~changed[:, d_num:]
        return {
            "restored": float((right & bad).sum() / bad.sum().clamp(min=1)),
            "kept": float((right & sound).sum() / sound.sum().clamp(min=1)),
            "r2": self.explained(batch, guess, changed[:, :d_num]),
        }

    @torch.no_grad()
    def cell_surprise(self, batch: Batch) -> Tensor:
        """Nats of each cell of the event as it is, restored: (B, D_num + D_cat); NaN for a cell that says nothing."""
        losses = self.heads.cell_losses(self.decoder(self.featurize(batch)), batch, targets_of(batch))
        return self.heads.surprise(losses, batch)


def corrupt(
    batch: Batch,
    probabilities: Tensor,
    strategy: Literal["swap", "zero"] = "swap",
    generator: torch.Generator | None = None,
) -> tuple[Batch, Tensor]:
    """Spoil cells that hold a value; what is missing or unknown stays.

    Args:
        batch: B events.
        probabilities: (D_num + D_cat,) of each column.
        strategy: see ``DenoisingAutoEncoder``.
        generator: source of the random draws.

    Returns:
        The spoilt batch, and a mask (B, D_num + D_cat) of the cells that really changed. A swap may draw the value
        that is there already.
    """
    device, d_num = batch.categorical.device, batch.numerical.shape[1]
    real = targets_of(batch)
    n = len(real)
    chosen = (torch.rand(real.shape, generator=generator, device=device) < probabilities) & real
    if strategy == "swap":
        # Any row but its own, drawn for each cell alone: a whole row from one donor would be a real event again.
        step = 1 + (torch.rand(real.shape, generator=generator, device=device) * (n - 1)).long().clamp(
            max=max(n - 2, 0)
        )
        donor = (torch.arange(n, device=device)[:, None] + step) % n
        chosen = chosen & real.gather(0, donor)
        numerical = torch.where(chosen[:, :d_num], batch.numerical.gather(0, donor[:, :d_num]), batch.numerical)
        categorical = torch.where(chosen[:, d_num:], batch.categorical.gather(0, donor[:, d_num:]), batch.categorical)
    else:
        numerical = batch.numerical.masked_fill(chosen[:, :d_num], 0.0)
        categorical = batch.categorical.masked_fill(chosen[:, d_num:], MASK_ID)
    changed = torch.cat([numerical != batch.numerical, categorical != batch.categorical], dim=1)
    return Batch(numerical, categorical, batch.missing_mask), changed


def _place(column: str, names: Sequence[str]) -> int:
    if column in names:
        return list(names).index(column)
    if not names:
        raise InputError(f"noise_probabilities names {column!r}; give feature_names too, so that it can be found")
    near = difflib.get_close_matches(column, list(names), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(names)}"
    raise InputError(f"noise_probabilities: no column {column!r}; {hint}")
