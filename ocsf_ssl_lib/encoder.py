"""Stage 3: the encoder. Numbers and category ids of one event -> one vector, its embedding.

``TabularResNet`` is the ResNet of Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data"
(NeurIPS 2021, section 3.2), with an embedding layer for categories and for hidden and missing cells in front.
``TabularMLP`` is their MLP (section 3.1) behind the same embedding layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ocsf_ssl_lib.config import NamedConfig
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.vocabulary import MASK_ID, NUM_RESERVED

__all__ = [
    "BaseEncoderConfig",
    "EncoderConfig",
    "FeatureEmbedding",
    "MLPConfig",
    "ResNetBlock",
    "TabularMLP",
    "TabularResNet",
]


class BaseEncoderConfig(NamedConfig):
    """What every encoder's config offers: a reader's own encoder is a subclass with a ``name`` and a ``build``."""

    family: ClassVar[dict[str, type[NamedConfig]]] = {}

    def build(self, num_numerical_features: int, categorical_cardinalities: Sequence[int]) -> nn.Module:
        """An encoder with fresh weights: the attributes and the ``forward`` of ``TabularResNet``."""
        raise NotImplementedError  # abstract


class EncoderConfig(BaseEncoderConfig):
    """Size of a ``TabularResNet``; the defaults are those of the tutorial this book grew from."""

    name: Literal["resnet"] = "resnet"
    d_model: int = Field(default=256, ge=1, description="width of the network and length of an embedding")
    num_blocks: int = Field(default=6, ge=0, description="residual blocks")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share of a branch's units dropped in training")
    d_embedding: int = Field(default=16, ge=1, description="length of the vector of one category")

    def build(self, num_numerical_features: int, categorical_cardinalities: Sequence[int]) -> TabularResNet:
        """The encoder this config describes, with fresh weights."""
        return TabularResNet(
            num_numerical_features,
            categorical_cardinalities,
            d_model=self.d_model,
            num_blocks=self.num_blocks,
            dropout=self.dropout,
            d_embedding=self.d_embedding,
        )


class FeatureEmbedding(nn.Module):
    """Numbers, category ids and masks of B events -> (B, d_model).

    All categorical columns share one table; a column's ids are shifted by its offset, so that one lookup
    serves them all. A hidden number is replaced by 0 *and* a learned vector of its column is added: after
    scaling, 0 is a legal value, so the 0 alone would not say "hidden". A missing number has a vector of its own.
    """

    offsets: Tensor
    cardinalities: Tensor

    def __init__(
        self,
        num_numerical_features: int,
        categorical_cardinalities: Sequence[int],
        d_model: int,
        d_embedding: int,
    ) -> None:
        super().__init__()
        self.num_numerical_features = num_numerical_features
        sizes = torch.tensor(list(categorical_cardinalities), dtype=torch.long)
        self.register_buffer("cardinalities", sizes, persistent=False)
        self.register_buffer("offsets", torch.cumsum(sizes, 0) - sizes, persistent=False)
        self.table = nn.Embedding(int(sizes.sum()), d_embedding) if len(sizes) else None
        self.project = nn.Linear(num_numerical_features + len(sizes) * d_embedding, d_model)
        self.hidden_vector = nn.Parameter(torch.empty(num_numerical_features, d_model))
        self.missing_vector = nn.Parameter(torch.empty(num_numerical_features, d_model))
        for weight in (self.hidden_vector, self.missing_vector):
            nn.init.normal_(weight, std=0.02)

    def forward(
        self,
        numerical: Tensor,  # (B, D_num)
        categorical: Tensor,  # (B, D_cat)
        numerical_mask: Tensor | None = None,  # (B, D_num) bool, True = hidden
        categorical_mask: Tensor | None = None,  # (B, D_cat) bool, True = hidden
        missing_mask: Tensor | None = None,  # (B, D_num) bool, True = the event has no value
    ) -> Tensor:
        """Shapes as annotated; returns (B, d_model)."""
        # One column too few would broadcast, and be encoded as something else.
        expected = (self.num_numerical_features, len(self.cardinalities))
        if (numerical.shape[1], categorical.shape[1]) != expected:
            raise InputError(
                f"the encoder was built for {expected[0]} numerical and {expected[1]} categorical columns, "
                f"however: {numerical.shape[1]} and {categorical.shape[1]}"
            )
        if numerical_mask is not None and missing_mask is not None:
            missing_mask = missing_mask & ~numerical_mask  # what is hidden must not show that it is missing
        extra: Tensor | float = 0.0
        for mask, vector in ((numerical_mask, self.hidden_vector), (missing_mask, self.missing_vector)):
            if mask is not None and self.num_numerical_features:
                numerical = numerical.masked_fill(mask, 0.0)
                extra = extra + mask.to(numerical.dtype) @ vector  # (B, d_model)
        if self.table is None:
            return self.project(numerical) + extra
        self._check_ids(categorical)
        if categorical_mask is not None:
            categorical = categorical.masked_fill(categorical_mask, MASK_ID)
        vectors = self.table(categorical + self.offsets)  # (B, D_cat, d_embedding)
        return self.project(torch.cat([numerical, vectors.flatten(1)], dim=1)) + extra

    def _check_ids(self, categorical: Tensor) -> None:
        """An id too large would silently read the next column's vectors; on a GPU the check would stall it."""
        if categorical.device.type == "cpu" and not torch.compiler.is_compiling():
            bad = (categorical >= self.cardinalities) | (categorical < 0)
            if bad.any():
                row, column = bad.nonzero()[0].tolist()
                raise InputError(
                    f"category id {int(categorical[row, column])} in row {row}, column {column} is outside "
                    f"0..{int(self.cardinalities[column]) - 1}; encode with the preprocessor the model was built for"
                )


class ResNetBlock(nn.Module):
    """``x + Dropout(Linear(Dropout(ReLU(Linear(Norm(x))))))``, Gorishniy et al. 2021, section 3.2.

    Two things keep the residual stream clean: the norm stands inside the branch (pre-norm), and so does dropout.
    Dropout on the sum would erase what a unit had gathered so far: only 0.9 ** 6 = 53 % of the units
    would get through six blocks whole.
    """

    def __init__(self, d_model: int, dropout: float) -> None:
        super().__init__()
        # The paper has BatchNorm. LayerNorm keeps an event's embedding independent of the other events in its
        # batch, in training and in use, and accepts a batch of one.
        self.norm = nn.LayerNorm(d_model)
        self.linear1 = nn.Linear(d_model, d_model)
        self.linear2 = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, d_model) -> (B, d_model)."""
        h = self.dropout(F.relu(self.linear1(self.norm(x))))
        return x + self.dropout(self.linear2(h))


class TabularResNet(nn.Module):
    """Encoder of mixed tabular rows: embedding layer, residual blocks, final norm, and a head if classes are given.

    Args:
        num_numerical_features: number of numerical columns, may be 0.
        categorical_cardinalities: ids per categorical column, the three reserved ones included; may be empty.
        d_model: width, and length of the embedding.
        num_blocks: residual blocks.
        dropout: dropout probability inside the blocks.
        num_classes: adds a linear head with so many outputs.
        d_embedding: length of the vector of one category before projection.

    Raises:
        InputError: no column at all, or a size that cannot be.

    Example:
        >>> import torch
        >>> model = TabularResNet(2, [10, 5], d_model=8, num_blocks=1)
        >>> model(torch.zeros(4, 2), torch.full((4, 2), 3), return_embedding=True).shape
        torch.Size([4, 8])
    """

    def __init__(
        self,
        num_numerical_features: int,
        categorical_cardinalities: Sequence[int],
        d_model: int = 256,
        num_blocks: int = 6,
        dropout: float = 0.1,
        num_classes: int | None = None,
        *,
        d_embedding: int = 16,
    ) -> None:
        super().__init__()
        _check_columns(num_numerical_features, categorical_cardinalities)
        if d_model < 1 or num_blocks < 0:
            raise InputError(
                f"d_model must be positive and num_blocks not negative, however: {d_model=}, {num_blocks=}"
            )
        if num_classes is not None and num_classes < 1:
            raise InputError(f"num_classes must be positive, or None for no head, however: {num_classes=}")
        self.num_numerical_features = num_numerical_features
        self.categorical_cardinalities = list(categorical_cardinalities)
        self.d_model = d_model
        self.embedding_layer = FeatureEmbedding(num_numerical_features, categorical_cardinalities, d_model, d_embedding)
        blocks = [ResNetBlock(d_model, dropout) for _ in range(num_blocks)]
        self.featurizer = nn.Sequential(*blocks, nn.LayerNorm(d_model))
        self.head = nn.Linear(d_model, num_classes) if num_classes is not None else None

    def forward(
        self,
        numerical: Tensor,
        categorical: Tensor,
        numerical_mask: Tensor | None = None,
        categorical_mask: Tensor | None = None,
        return_embedding: bool = False,
        *,
        missing_mask: Tensor | None = None,
    ) -> Tensor:
        """Encode B events.

        Args:
            numerical: (B, D_num) float, scaled.
            categorical: (B, D_cat) int64 ids.
            numerical_mask: (B, D_num) bool, True = hidden from the model.
            categorical_mask: (B, D_cat) bool, True = hidden from the model.
            return_embedding: skip the head, if there is one.
            missing_mask: (B, D_num) bool, True = the event has no value there.

        Returns:
            (B, d_model) embeddings, or (B, num_classes) logits.
        """
        x = self.embedding_layer(numerical, categorical, numerical_mask, categorical_mask, missing_mask)
        embedding = self.featurizer(x)  # (B, d_model)
        return embedding if return_embedding or self.head is None else self.head(embedding)


class MLPConfig(BaseEncoderConfig):
    """Size of a ``TabularMLP``."""

    name: Literal["mlp"] = "mlp"
    d_model: int = Field(default=256, ge=1, description="width of the network and length of an embedding")
    num_layers: int = Field(default=3, ge=0, description="layers of Linear, ReLU and dropout")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share of a layer's units dropped in training")
    d_embedding: int = Field(default=16, ge=1, description="length of the vector of one category")

    def build(self, num_numerical_features: int, categorical_cardinalities: Sequence[int]) -> TabularMLP:
        """The encoder this config describes, with fresh weights."""
        return TabularMLP(
            num_numerical_features,
            categorical_cardinalities,
            d_model=self.d_model,
            num_layers=self.num_layers,
            dropout=self.dropout,
            d_embedding=self.d_embedding,
        )


class TabularMLP(nn.Module):
    """Encoder without residual connections: ``Dropout(ReLU(Linear(x)))`` repeated (Gorishniy et al., section 3.1).

    Args:
        num_numerical_features: number of numerical columns, may be 0.
        categorical_cardinalities: ids per categorical column, the three reserved ones included; may be empty.
        d_model: width, and length of the embedding.
        num_layers: layers.
        dropout: dropout probability after each layer.
        d_embedding: length of the vector of one category before projection.

    Raises:
        InputError: no column at all, or a size that cannot be.
    """

    def __init__(
        self,
        num_numerical_features: int,
        categorical_cardinalities: Sequence[int],
        d_model: int = 256,
        num_layers: int = 3,
        dropout: float = 0.1,
        *,
        d_embedding: int = 16,
    ) -> None:
        super().__init__()
        _check_columns(num_numerical_features, categorical_cardinalities)
        if d_model < 1 or num_layers < 0:
            raise InputError(
                f"d_model must be positive and num_layers not negative, however: {d_model=}, {num_layers=}"
            )
        self.num_numerical_features = num_numerical_features
        self.categorical_cardinalities = list(categorical_cardinalities)
        self.d_model = d_model
        self.embedding_layer = FeatureEmbedding(num_numerical_features, categorical_cardinalities, d_model, d_embedding)
        layers = [nn.Sequential(nn.Linear(d_model, d_model), nn.ReLU(), nn.Dropout(dropout)) for _ in range(num_layers)]
        self.featurizer = nn.Sequential(nn.LayerNorm(d_model), *layers)

    def forward(
        self,
        numerical: Tensor,
        categorical: Tensor,
        numerical_mask: Tensor | None = None,
        categorical_mask: Tensor | None = None,
        return_embedding: bool = True,
        *,
        missing_mask: Tensor | None = None,
    ) -> Tensor:
        """The arguments of ``TabularResNet.forward``; returns (B, d_model)."""
        return self.featurizer(
            self.embedding_layer(numerical, categorical, numerical_mask, categorical_mask, missing_mask)
        )


def _check_columns(num_numerical_features: int, categorical_cardinalities: Sequence[int]) -> None:
    if num_numerical_features < 0:
        raise InputError(f"num_numerical_features must not be negative, however: {num_numerical_features=}")
    if num_numerical_features + len(categorical_cardinalities) == 0:
        raise InputError("an encoder needs at least one numerical or categorical column")
    for cardinality in categorical_cardinalities:
        if cardinality < NUM_RESERVED:
            raise InputError(f"a cardinality counts the {NUM_RESERVED} reserved ids too, however: {cardinality}")
