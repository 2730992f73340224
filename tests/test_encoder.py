"""The encoder: what it takes, what it tells apart, and that rows do not mix."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ocsf_ssl_lib import EncoderConfig, InputError, MLPConfig, TabularMLP, TabularResNet
from ocsf_ssl_lib.encoder import BaseEncoderConfig, ResNetBlock

CARDS = [103, 53, 203, 1003]  # the source's 100, 50, 200, 1000 values: torch.stack over heads of these fails


def encoder(numbers: int = 3, cards: list[int] | None = None, **options: object) -> TabularResNet:
    torch.manual_seed(0)
    cards = CARDS if cards is None else cards
    return TabularResNet(numbers, cards, **{"d_model": 16, "num_blocks": 2} | options).eval()  # type: ignore[arg-type]


def rows(n: int = 5, numbers: int = 3, cards: list[int] | None = None) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    cards = CARDS if cards is None else cards
    ids = [torch.randint(0, c, (n,), generator=generator) for c in cards]
    return torch.randn(n, numbers, generator=generator), torch.stack(ids, 1) if ids else torch.zeros(n, 0).long()


def mask(shape: torch.Size, *cells: tuple[int, int]) -> Tensor:
    out = torch.zeros(shape, dtype=torch.bool)
    for cell in cells:
        out[cell] = True
    return out


def test_columns_of_different_cardinality_are_encoded() -> None:
    assert encoder()(*rows(), return_embedding=True).shape == (5, 16)


def test_the_highest_id_of_every_column_has_a_vector_of_its_own() -> None:
    model = encoder(0, [4, 5])
    ids = torch.tensor([[3, 3], [2, 3], [3, 4], [0, 0]])
    out = model(torch.zeros(4, 0), ids)
    for i in range(4):
        for j in range(i):
            assert (out[i] - out[j]).abs().max() > 1e-4
    assert len(model.embedding_layer.table.weight) == 9  # type: ignore[union-attr]


def test_columns_share_one_table_and_no_vector() -> None:
    model = encoder(0, [4, 5])
    model(torch.zeros(1, 0), torch.tensor([[3, 3]]))[0, 0].backward()
    grad = model.embedding_layer.table.weight.grad  # type: ignore[union-attr]
    assert grad.abs().sum(1).nonzero().flatten().tolist() == [3, 4 + 3]  # type: ignore[union-attr]


def test_a_masked_number_is_told_from_a_zero_and_from_a_missing_one() -> None:
    model = encoder()
    numerical, ids = rows(1)
    numerical[0, 1] = 0.0
    cell = mask(numerical.shape, (0, 1))
    zero, hidden, missing = model(numerical, ids), model(numerical, ids, cell), model(numerical, ids, missing_mask=cell)
    for a, b in ((zero, hidden), (zero, missing), (hidden, missing)):
        assert (a - b).abs().max() > 1e-4


@pytest.mark.parametrize("which", ["numerical_mask", "missing_mask"])
def test_what_stood_in_a_hidden_number_does_not_show(which: str) -> None:
    model = encoder()
    numerical, ids = rows(2)
    other = numerical.clone()
    other[0, 1] = 99.0
    cell = mask(numerical.shape, (0, 1))
    torch.testing.assert_close(model(numerical, ids, **{which: cell}), model(other, ids, **{which: cell}))
    assert (model(numerical, ids) - model(other, ids)).abs().max() > 1e-3
    other[0, 1] = float("nan")
    assert torch.isfinite(model(other, ids, **{which: cell})).all()


def test_what_stood_in_a_hidden_category_does_not_show_and_hidden_is_not_missing_or_unknown() -> None:
    model = encoder()
    numerical, ids = rows(4)
    ids[:, 2] = torch.tensor([0, 1, 2, 7])
    column = torch.zeros_like(ids, dtype=torch.bool)
    column[:, 2] = True
    hidden = model(
        numerical[:1].expand(4, -1),
        ids[:1].expand(4, -1).clone().index_copy(1, torch.tensor([2]), ids[:, 2:3]),
        None,
        column,
    )
    torch.testing.assert_close(hidden, hidden[:1].expand(4, -1))
    same = (
        numerical[:1].expand(4, -1),
        torch.cat([ids[:1, :2].expand(4, -1), ids[:, 2:3], ids[:1, 3:].expand(4, -1)], 1),
    )
    seen = model(*same)
    torch.testing.assert_close(seen[0], hidden[0])  # id 0 is the mask
    for i in (1, 2, 3):
        assert (seen[i] - hidden[0]).abs().max() > 1e-4


def test_a_mask_of_nothing_changes_nothing() -> None:
    model = encoder()
    numerical, ids = rows()
    nothing = torch.zeros_like(numerical, dtype=torch.bool), torch.zeros_like(ids, dtype=torch.bool)
    torch.testing.assert_close(model(numerical, ids, *nothing, missing_mask=nothing[0]), model(numerical, ids))


def test_masking_one_row_leaves_the_others_alone() -> None:
    model = encoder()
    numerical, ids = rows()
    out = model(numerical, ids, mask(numerical.shape, (2, 0)), mask(ids.shape, (2, 1)))
    plain = model(numerical, ids)
    keep = [0, 1, 3, 4]
    torch.testing.assert_close(out[keep], plain[keep])
    assert (out[2] - plain[2]).abs().max() > 1e-4


@pytest.mark.parametrize("training", [False, True])
def test_an_embedding_does_not_depend_on_the_other_rows_of_the_batch(training: bool) -> None:
    model = encoder(dropout=0.0).train(training)
    numerical, ids = rows(8)
    whole = model(numerical, ids)
    for i in range(8):
        torch.testing.assert_close(model(numerical[i : i + 1], ids[i : i + 1])[0], whole[i], atol=1e-5, rtol=1e-5)
    changed = numerical.clone()
    changed[1:] = 50.0
    torch.testing.assert_close(model(changed, ids)[0], whole[0], atol=1e-5, rtol=1e-5)


def test_a_batch_of_one_and_of_none_is_encoded_in_training_too() -> None:
    for n in (0, 1):
        assert encoder().train()(*rows(n)).shape == (n, 16)


@pytest.mark.parametrize(("numbers", "cards"), [(3, []), (0, [7, 4]), (1, []), (0, [3])])
def test_tables_without_categories_or_without_numbers_are_encoded(numbers: int, cards: list[int]) -> None:
    model = encoder(numbers, cards)
    out = model(*rows(4, numbers, cards), torch.ones(4, numbers).bool(), torch.ones(4, len(cards)).bool())
    assert out.shape == (4, 16)
    assert torch.isfinite(out).all()
    out.sum().backward()


@pytest.mark.parametrize(("row", "column", "value"), [(1, 0, 103), (3, 3, 1003), (0, 1, -1), (2, 2, 9999)])
def test_an_id_out_of_range_is_refused_with_its_place(row: int, column: int, value: int) -> None:
    numerical, ids = rows()
    ids[row, column] = value
    with pytest.raises(
        InputError, match=rf"id {value} in row {row}, column {column} is outside 0..{CARDS[column] - 1}"
    ):
        encoder()(numerical, ids)


@pytest.mark.parametrize(("numbers", "columns"), [(3, 1), (3, 5), (2, 4), (1, 4)])
def test_a_table_of_another_width_is_refused(numbers: int, columns: int) -> None:
    with pytest.raises(InputError, match="built for 3 numerical and 4 categorical columns"):
        encoder()(torch.zeros(2, numbers), torch.full((2, columns), 3))


def test_a_head_gives_logits_and_can_be_skipped() -> None:
    model = encoder(num_classes=2)
    assert model(*rows()).shape == (5, 2)
    embedding = model(*rows(), return_embedding=True)
    assert embedding.shape == (5, 16)
    assert model.head is not None
    torch.testing.assert_close(model.head(embedding), model(*rows()))
    assert encoder(num_classes=1)(*rows()).shape == (5, 1)
    assert encoder().head is None


def test_dropout_never_touches_the_residual_stream() -> None:
    """Whatever dropout does, what came in comes out: only the branch is dropped."""
    block = ResNetBlock(16, dropout=0.5).train()
    nn.init.zeros_(block.linear2.weight)
    nn.init.zeros_(block.linear2.bias)
    x = torch.randn(64, 16)
    torch.testing.assert_close(block(x), x)
    nn.init.ones_(block.linear2.bias)
    branch = block(x) - x
    assert set(branch.round(decimals=4).unique().tolist()) == {0.0, 2.0}  # dropped, or scaled by 1 / (1 - 0.5)


def test_dropout_is_on_in_training_and_off_in_use() -> None:
    model = encoder(dropout=0.5)
    torch.testing.assert_close(model(*rows()), model(*rows()), rtol=0, atol=0)
    model.train()
    assert (model(*rows()) - model(*rows())).abs().max() > 1e-3


def test_every_parameter_learns_when_cells_are_hidden_and_missing() -> None:
    model = encoder(num_classes=2)
    numerical, ids = rows(64)
    hidden = torch.rand(numerical.shape) < 0.5
    model(numerical, ids, hidden, torch.rand(ids.shape) < 0.3, missing_mask=~hidden).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_numerical_features": 0, "categorical_cardinalities": []}, "at least one"),
        ({"num_numerical_features": -1, "categorical_cardinalities": [5, 5]}, "must not be negative"),
        ({"num_numerical_features": 1, "categorical_cardinalities": [2]}, "reserved ids"),
        ({"num_numerical_features": 1, "categorical_cardinalities": [], "d_model": -1}, "d_model=-1"),
        ({"num_numerical_features": 1, "categorical_cardinalities": [], "num_blocks": -1}, "num_blocks=-1"),
        ({"num_numerical_features": 1, "categorical_cardinalities": [], "num_classes": 0}, "num_classes=0"),
    ],
)
def test_a_size_that_cannot_be_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TabularResNet(**arguments)


def test_a_config_builds_the_encoder_it_describes() -> None:
    model = EncoderConfig(d_model=24, num_blocks=3, dropout=0.2, d_embedding=5).build(2, [9])
    assert model.d_model == 24
    assert sum(isinstance(m, ResNetBlock) for m in model.modules()) == 3
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.2}
    assert model.embedding_layer.table.weight.shape == (9, 5)  # type: ignore[union-attr]


def test_a_network_without_blocks_is_still_an_encoder() -> None:
    assert encoder(num_blocks=0)(*rows()).shape == (5, 16)


def test_a_hidden_number_does_not_show_that_it_is_missing() -> None:
    torch.manual_seed(0)
    model = TabularResNet(1, [], d_model=8, num_blocks=1).eval()
    number, none = torch.zeros(1, 1), torch.zeros(1, 0, dtype=torch.long)
    yes = torch.ones(1, 1, dtype=torch.bool)
    hidden = model(number, none, yes)
    torch.testing.assert_close(model(number, none, yes, missing_mask=yes), hidden)
    assert not torch.allclose(model(number, none, missing_mask=yes), hidden)


# ---- TabularMLP ------------------------------------------------------------------------------------------------


def mlp(numbers: int = 3, cards: list[int] | None = None, **options: object) -> TabularMLP:
    torch.manual_seed(0)
    cards = CARDS if cards is None else cards
    return TabularMLP(numbers, cards, **{"d_model": 16, "num_layers": 2} | options).eval()  # type: ignore[arg-type]


def test_an_mlp_is_its_layers_one_after_the_other() -> None:
    model = mlp()
    numerical, ids = rows()
    x = nn.functional.layer_norm(model.embedding_layer(numerical, ids), (16,))
    for linear in (m for m in model.featurizer.modules() if isinstance(m, nn.Linear)):
        x = (x @ linear.weight.T + linear.bias).clamp(min=0)
    torch.testing.assert_close(model(numerical, ids), x)


@pytest.mark.parametrize(("numbers", "cards"), [(3, CARDS), (3, []), (0, [7, 4]), (1, []), (0, [3])])
@pytest.mark.parametrize("num_layers", [0, 2])
def test_an_mlp_encodes_every_kind_of_table(numbers: int, cards: list[int], num_layers: int) -> None:
    model = mlp(numbers, cards, num_layers=num_layers)
    numerical, ids = rows(4, numbers, cards)
    out = model(numerical, ids, torch.ones(4, numbers).bool(), torch.ones(4, len(cards)).bool(), return_embedding=True)
    assert out.shape == (4, 16)
    assert torch.isfinite(out).all()
    assert model.train()(*rows(1, numbers, cards)).shape == (1, 16)


def test_an_mlp_sees_masks_as_the_resnet_does() -> None:
    model = mlp()
    numerical, ids = rows(1)
    cell, none = mask(numerical.shape, (0, 1)), mask(ids.shape)
    hidden, other = numerical.clone(), numerical.clone()
    hidden[0, 1], other[0, 1] = 0.0, 99.0
    torch.testing.assert_close(model(numerical, ids, cell), model(other, ids, cell))
    torch.testing.assert_close(model(numerical, ids, cell, none, missing_mask=cell), model(numerical, ids, cell))
    for a, b in (
        (model(hidden, ids), model(hidden, ids, cell)),
        (model(hidden, ids, cell), model(hidden, ids, missing_mask=cell)),
    ):
        assert (a - b).abs().max() > 1e-5


def test_the_dropout_of_an_mlp_is_on_in_training_only() -> None:
    model = mlp(dropout=0.5)
    torch.testing.assert_close(model(*rows()), model(*rows()), rtol=0, atol=0)
    model.train()
    assert (model(*rows()) - model(*rows())).abs().max() > 1e-3


def test_an_mlp_config_builds_the_mlp_it_describes() -> None:
    model = MLPConfig(d_model=24, num_layers=3, dropout=0.2, d_embedding=5).build(2, [9])
    assert isinstance(model, TabularMLP)
    assert (model.d_model, model.num_numerical_features, model.categorical_cardinalities) == (24, 2, [9])
    linear = [m for m in model.featurizer.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(24, 24)] * 3
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.2}
    assert model.embedding_layer.table.weight.shape == (9, 5)  # type: ignore[union-attr]


def test_the_base_of_encoder_configs_builds_nothing() -> None:
    with pytest.raises(NotImplementedError):
        BaseEncoderConfig().build(1, [5])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((-1, [5]), "must not be negative"),
        ((0, []), "at least one"),
        ((1, [2]), "reserved ids"),
        ((1, [5], 0), "d_model must be positive"),
        ((1, [5], 8, -1), "num_layers not negative"),
    ],
)
def test_an_mlp_of_sizes_that_cannot_be_is_refused(sizes: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TabularMLP(*sizes)
