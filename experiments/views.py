"""Contrastive learning with other views than the two of SimCLR: more of them, or SCARF's one-sided corruption."""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ocsf_ssl_lib import Batch, ContrastiveConfig, ContrastiveModel, nt_xent
from ocsf_ssl_lib.pretext.base import SSLConfig
from ocsf_ssl_lib.pretext.denoising import corrupt
from ocsf_ssl_lib.pretext.duplicates import equal_rows, row_keys

__all__ = ["ViewsConfig", "ViewsModel"]


class ViewsConfig(ContrastiveConfig):
    """Options of ``ViewsModel``."""

    name: Literal["views"] = "views"
    views: int = Field(default=2, ge=2, description="of each event")
    one_sided: float | None = Field(
        default=None, ge=0, le=1, description="SCARF: share of cells that the second view takes from other rows"
    )


class ViewsModel(ContrastiveModel):
    """The mean of NT-Xent over all pairs of views.

    With ``one_sided`` the first view is the event as it is, and the second takes numbers and categories of other rows
    (Bahri et al., "SCARF", ICLR 2022, section 3: 60 % of the features, temperature 1). Protected columns stay.
    """

    config_class: ClassVar[type[SSLConfig]] = ViewsConfig
    config: ViewsConfig

    def calculate_loss(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """See the class."""
        views = self._many(batch, generator)
        joined = Batch(*(torch.cat(parts) for parts in zip(*views, strict=True)))
        numerical, categorical, missing = joined
        z = self._project(numerical, categorical, return_embedding=True, missing_mask=missing).chunk(len(views))
        same = equal_rows(row_keys(batch)) if self.config.exclude_duplicates else None
        losses = [nt_xent(a, b, self.config.temperature, "auto", same=same) for a, b in combinations(z, 2)]
        return torch.stack(losses).mean()

    def _many(self, batch: Batch, generator: torch.Generator | None) -> list[Batch]:
        if self.config.one_sided is not None:
            columns = batch.numerical.shape[1] + batch.categorical.shape[1]
            rates = torch.full((columns,), self.config.one_sided, device=batch.categorical.device)
            rates[[batch.numerical.shape[1] + place for place in self.config.protected]] = 0.0
            return [batch, corrupt(batch, rates, "swap", generator)[0]]
        cards = self.encoder.categorical_cardinalities
        made: list[tuple[Tensor, Tensor]] = []
        while len(made) < self.config.views:
            made += self.augmenter(batch.numerical, batch.categorical, cards, generator)  # type: ignore[arg-type]
        return [Batch(*view, batch.missing_mask) for view in made[: self.config.views]]
