"""One test for each fault of the source text that concerns training; the number is that of book/corrections.md."""

from __future__ import annotations

import math
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import ocsf_ssl_lib
from ocsf_ssl_lib import (
    Batch,
    ContrastiveConfig,
    EarlyStopping,
    EncoderConfig,
    FeatureArrays,
    MaskedFeatureConfig,
    OCSFDataset,
    SSLConfig,
    TrainingConfig,
    TrainingError,
    build_model,
    nt_xent,
    train_self_supervised,
)
from ocsf_ssl_lib.training import History

CARDS = [8, 6]
TINY = EncoderConfig(d_model=8, num_blocks=1)


def dataset(n: int = 64, d_num: int = 2, seed: int = 0) -> OCSFDataset:
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, 6, (n, 2))
    return OCSFDataset(FeatureArrays(rng.normal(size=(n, d_num)).astype(np.float32), codes, np.zeros((n, d_num), bool)))


def train(config: SSLConfig, data: OCSFDataset, **options: object) -> History:
    d_num = data.tensors.numerical.shape[1]
    training = TrainingConfig.from_dict({"max_epochs": 2, "batch_size": 16, "device": "cpu"} | options)
    return train_self_supervised(build_model(config, d_num, CARDS), data, None, training, progress=False)


@pytest.mark.parametrize("d_num", [0, 1])
def test_04_masking_no_number_gives_no_nan(d_num: int) -> None:
    history = train(MaskedFeatureConfig(encoder_config=TINY), dataset(64, d_num), max_epochs=5)
    assert np.isfinite(history.frame["train_loss"]).all()


def test_13_the_schedule_is_stepped() -> None:
    rates = train(ContrastiveConfig(encoder_config=TINY), dataset(), max_epochs=4).frame["learning_rate"]
    assert rates.is_monotonic_decreasing
    assert rates.iloc[-1] == pytest.approx(TrainingConfig().min_learning_rate)


def test_14_a_checkpoint_is_written_and_read_without_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("load", "loads", "dump", "dumps", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    for resume in (False, True):
        model = build_model(ContrastiveConfig(encoder_config=TINY), 2, CARDS)
        config = TrainingConfig(max_epochs=1, batch_size=16, device="cpu")
        train_self_supervised(model, dataset(), None, config, checkpoints=tmp_path, resume=resume)
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".json", ".safetensors"}


def test_15_nothing_deprecated_is_used_for_mixed_precision() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        warnings.simplefilter("error", DeprecationWarning)
        history = train(ContrastiveConfig(encoder_config=TINY), dataset(), precision="bf16")
    assert history.precision == "bf16"
    sources = Path(ocsf_ssl_lib.__file__).parent.rglob("*.py")
    assert not [p for p in sources if "cuda.amp" in p.read_text(encoding="utf-8")]


def test_23_an_epoch_takes_whole_batches_and_never_single_rows() -> None:
    class Counting(OCSFDataset):
        taken: list[int] = []  # noqa: RUF012

        def __getitem__(self, index: object) -> Batch:
            rows = super().__getitem__(index)
            self.taken.append(len(rows.categorical))
            return rows

    data = Counting.of(dataset(64).tensors)
    assert sum(len(b.categorical) for b in data.batches(16, generator=torch.Generator())) == 64
    assert Counting.taken == [16] * 4


@pytest.mark.parametrize("n", [17, 33])
def test_25_a_row_left_over_does_not_end_training(n: int) -> None:
    assert np.isfinite(train(ContrastiveConfig(encoder_config=TINY), dataset(n)).frame["train_loss"]).all()


def test_28_temperature_and_noise_reach_the_loss_and_no_gpu_is_no_error() -> None:
    plain = ContrastiveConfig(encoder_config=TINY)
    changed = [plain.model_copy(update=u) for u in ({"temperature": 0.7}, {"noise_level": 1.0}, {"dropout_prob": 0.9})]
    losses = [train(c, dataset(), device="auto", max_epochs=1).frame["train_loss"][0] for c in (plain, *changed)]
    assert len(set(losses)) == 4


def test_30_early_stopping_stops_on_nan_and_keeps_the_best() -> None:
    stop = EarlyStopping(patience=2)
    assert [stop(loss) for loss in (1.0, math.nan, math.nan)] == [False, False, True]
    assert stop.best_loss == 1.0
    data = dataset()
    data.tensors.numerical[5, 1] = math.nan
    with pytest.raises(TrainingError, match="NaN or infinity"):
        train(ContrastiveConfig(encoder_config=TINY), data)


def test_32_a_batch_of_1024_events_has_4_million_similarities() -> None:
    seen: list[int] = []
    original = torch.nn.functional.cross_entropy

    def watched(similarity: torch.Tensor, *arguments: object, **options: object) -> torch.Tensor:
        seen.append(similarity.numel())
        return original(similarity, *arguments, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "cross_entropy", watched)
        z1, z2 = torch.randn(2, 1024, 4)
        nt_xent(z1, z2)
    assert seen == [4 * 1024**2]


def test_33_columns_of_different_kind_and_width_weigh_alike_at_the_start() -> None:
    model = build_model(MaskedFeatureConfig(encoder_config=TINY), 2, [1003, 6])
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(3, 1003, 4000), rng.integers(3, 6, 4000)])
    data = OCSFDataset(FeatureArrays(rng.normal(size=(4000, 2)).astype(np.float32), codes, np.zeros((4000, 2), bool)))
    model.prepare(data)
    losses = model.heads.marginal_losses(data.tensors, torch.ones(4000, 4, dtype=torch.bool)).mean(0)  # type: ignore[operator,union-attr]
    assert (losses / model.heads.trivial).tolist() == pytest.approx([1.0] * 4, abs=0.15)  # type: ignore[union-attr,operator]
