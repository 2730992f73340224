"""Fine-tuning: a copy is trained, only where it may be, and labels come back as they were given."""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score
from torch import nn

from ocsf_ssl_lib import (
    Batch,
    EncoderConfig,
    FineTuneConfig,
    FineTuneModel,
    History,
    InputError,
    MaskedFeatureConfig,
    MLPConfig,
    Pretrained,
    TrainingConfig,
    create_finetune_model,
    finetune,
    pretrain,
)
from ocsf_ssl_lib.artifact import MANIFEST, _sha256
from ocsf_ssl_lib.encoder import BaseEncoderConfig
from ocsf_ssl_lib.finetuning import LabelledBatch

SIZE = EncoderConfig(d_model=16, num_blocks=2, dropout=0.2)
Frame = pd.DataFrame


def options(epochs: int = 2, **more: Any) -> TrainingConfig:
    return TrainingConfig(**{"max_epochs": epochs, "batch_size": 64, "learning_rate": 1e-2, "device": "cpu"} | more)


def pretrained_on(events: Frame, encoder: BaseEncoderConfig = SIZE) -> Pretrained:
    columns = events[["user.name", "dst_endpoint.port", "status_id", "traffic.bytes"]]
    return pretrain(columns, MaskedFeatureConfig(encoder_config=encoder), options(1), progress=False)


@pytest.fixture(scope="module")
def pretrained(events: Frame) -> Pretrained:
    return pretrained_on(events)


def tune(model: FineTuneModel, frame: Frame, labels: Any, epochs: int = 2, **more: Any) -> History:
    return finetune(model, frame, labels, options(epochs), progress=False, **more)


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {k for k, v in module.state_dict().items() if not torch.equal(v, before[k])}


@pytest.fixture(scope="module")
def classifier(pretrained: Pretrained, events: Frame) -> FineTuneModel:
    """Tells users apart; tests that change a model make their own."""
    model = create_finetune_model(pretrained, 4)
    tune(model, events, events["user.name"], 5)
    return model


# ---- learning --------------------------------------------------------------------------------------------------


def test_classes_are_learned(classifier: FineTuneModel, make_events: Callable[..., Frame]) -> None:
    test = make_events(100, seed=8)
    assert accuracy_score(test["user.name"], classifier.predict(test)) > 0.95
    probabilities = classifier.predict_proba(test)
    assert probabilities.shape == (100, 4)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert classifier.classes_ is not None
    assert [classifier.classes_[k] for k in probabilities.argmax(1)] == classifier.predict(test).tolist()


def test_numbers_are_learned_and_predicted_in_their_own_units(pretrained: Pretrained, events: Frame) -> None:
    target = 5000 + 100 * events["user.name"].map({"ann": 0, "bob": 1, "cid": 2, "dan": 3})
    model = create_finetune_model(pretrained, regression=True)
    history = tune(model, events, target, 8)
    predicted = model.predict(events)
    assert r2_score(target, predicted) > 0.9
    assert (model.location_.item(), model.scale_.item()) == pytest.approx((target.mean(), target.std(ddof=0)))  # type: ignore[operator]
    assert history.frame.train_loss.iloc[-1] < 0.2  # in variances of the target
    with pytest.raises(InputError, match="no probabilities"):
        model.predict_proba(events)


@pytest.mark.parametrize("value", [7.0, 0.1, 0.0, -1e9])
def test_a_constant_target_is_predicted(value: float, pretrained: Pretrained, events: Frame) -> None:
    few = events.head(7)  # 0.1 * 7 / 7 is not 0.1
    model = create_finetune_model(pretrained, regression=True)
    tune(model, few, [value] * 7, 20)
    np.testing.assert_allclose(model.predict(few), value, rtol=0.05, atol=1)
    assert model.scale_ == 1


def test_the_loss_is_weighted_cross_entropy_or_squared_error(pretrained: Pretrained, events: Frame) -> None:
    few = pretrained.preprocessor.transform(events.head(3))
    batch = LabelledBatch(*(torch.from_numpy(a) for a in few), torch.tensor([0, 1, 1]))
    model = create_finetune_model(pretrained, 2).eval()
    model.class_weights.copy_(torch.tensor([3.0, 0.5]))  # type: ignore[operator]
    probability = model(batch).softmax(1)
    share = [3.0, 0.5, 0.5]
    expected = -sum(
        w * math.log(probability[i, c].item()) for i, (w, c) in enumerate(zip(share, [0, 1, 1], strict=True))
    )
    assert model.calculate_loss(batch).item() == pytest.approx(expected / 4, rel=1e-4)
    regression = create_finetune_model(pretrained, regression=True).eval()
    numbers = batch._replace(target=torch.tensor([0.5, -1.0, 2.0]))
    errors = [(regression(numbers)[i, 0].item() - t) ** 2 for i, t in enumerate([0.5, -1.0, 2.0])]
    assert regression.calculate_loss(numbers).item() == pytest.approx(sum(errors) / 3, rel=1e-4)


def test_held_out_labels_give_a_validation_accuracy(pretrained: Pretrained, events: Frame) -> None:
    history = tune(create_finetune_model(pretrained, 4), events, events["user.name"], 3, validation_fraction=0.2)
    assert history.frame.accuracy.iloc[-1] > 0.5
    assert history.frame.validation_loss.notna().all()


def test_the_seed_decides_and_the_callers_random_state_is_left_alone(pretrained: Pretrained, events: Frame) -> None:
    state = torch.random.get_rng_state()
    models = [create_finetune_model(pretrained, 4, config=FineTuneConfig(seed=seed)) for seed in (1, 1, 2)]
    for model in models:
        tune(model, events, events["user.name"], 1)
    assert not changed(models[1], weights(models[0]))
    assert changed(models[2], weights(models[0]))
    assert torch.equal(state, torch.random.get_rng_state())


# ---- which weights change --------------------------------------------------------------------------------------


def test_the_pretrained_model_keeps_its_weights(pretrained: Pretrained, events: Frame) -> None:
    before = weights(pretrained.model)
    model = create_finetune_model(pretrained, 4)
    assert not changed(model.encoder, weights(pretrained.model.encoder))
    assert model.config.encoder_config == SIZE
    tune(model, events, events["user.name"])
    assert not changed(pretrained.model, before)
    moved = changed(model.encoder, weights(pretrained.model.encoder))
    learned = {k for k, _ in model.encoder.named_parameters()}
    assert learned - moved <= {"embedding_layer.hidden_vector", "embedding_layer.missing_vector"}  # no such cell


def test_a_frozen_encoder_stays_as_it_is(pretrained: Pretrained, events: Frame, tmp_path: Path) -> None:
    model = create_finetune_model(pretrained, 4, config=FineTuneConfig(frozen=True))
    encoder, head = weights(pretrained.model.encoder), weights(model.decoder)
    tune(model, events, events["user.name"])
    assert not changed(model.encoder, encoder)
    assert changed(model.decoder, head) == {"weight", "bias"}
    loaded = FineTuneModel.load(model.save(tmp_path / "model"))
    assert not any(p.requires_grad for p in loaded.encoder.parameters())  # for a loop of one's own
    head = weights(loaded.decoder)
    tune(loaded, events, events["user.name"])
    assert not changed(loaded.encoder, encoder)
    assert changed(loaded.decoder, head) == {"weight", "bias"}


def test_the_dropout_of_a_frozen_encoder_is_off_in_training(pretrained: Pretrained, events: Frame) -> None:
    batch = Batch(*(torch.from_numpy(a) for a in pretrained.preprocessor.transform(events)))
    for frozen in (True, False):
        model = create_finetune_model(pretrained, 4, config=FineTuneConfig(frozen=frozen)).train()
        assert model.training
        assert model.decoder.training
        assert torch.equal(model.featurize(batch), model.featurize(batch)) is frozen


STAGES = ["featurizer.2", "featurizer.1", "featurizer.0", "embedding_layer"]  # norm, upper block, lower block, columns


def stages(keys: set[str]) -> set[str]:
    return {stage for stage in STAGES for key in keys if key.startswith(stage)}


@pytest.mark.parametrize("every", [1, 2])
def test_blocks_join_in_from_the_top(
    every: int, pretrained: Pretrained, events: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = create_finetune_model(pretrained, 4, config=FineTuneConfig(unfreeze_every=every))
    snapshots: list[dict[str, torch.Tensor]] = []
    start = FineTuneModel.start_epoch

    def record(self: FineTuneModel, epoch: int) -> None:
        snapshots.append(weights(self))
        start(self, epoch)

    monkeypatch.setattr(FineTuneModel, "start_epoch", record)
    epochs = 5 * every
    finetune(model, events, events["user.name"], options(epochs, min_learning_rate=1e-3), progress=False)
    snapshots.append(weights(model))
    for epoch in range(epochs):
        before, after = snapshots[epoch], snapshots[epoch + 1]
        moved = {k for k in before if not torch.equal(before[k], after[k])}
        assert {k for k in moved if k.startswith("decoder")} == {"decoder.weight", "decoder.bias"}
        expected = set(STAGES[: epoch // every])
        assert stages({k.removeprefix("encoder.") for k in moved if k.startswith("encoder.")}) == expected


def test_a_second_run_may_unfreeze_what_the_first_left_frozen(pretrained: Pretrained, events: Frame) -> None:
    model = create_finetune_model(pretrained, 4, config=FineTuneConfig(unfreeze_every=1))
    before = weights(model.encoder)
    tune(model, events, events["user.name"], 2)
    assert stages(changed(model.encoder, before)) == set(STAGES[:1])
    tune(model, events, events["user.name"], 5)
    assert stages(changed(model.encoder, before)) == set(STAGES)


def test_an_mlp_is_unfrozen_from_the_top_too(events: Frame) -> None:
    model = create_finetune_model(
        pretrained_on(events, MLPConfig(d_model=8, num_layers=2)), 4, config=FineTuneConfig(unfreeze_every=1)
    )
    before = weights(model.encoder)
    tune(model, events, events["user.name"], 2)
    assert {k.split(".")[1] for k in changed(model.encoder, before)} == {"2"}


# ---- labels ----------------------------------------------------------------------------------------------------


LABELS: dict[str, tuple[list[Any], list[Any]]] = {
    "text": (["no", "yes", "a"], ["a", "no", "yes"]),
    "bool": ([True, False, True], [False, True]),
    "int": ([10, 9, -1], [-1, 9, 10]),
    "float": ([0.5, 2.0, -1.0], [-1.0, 0.5, 2.0]),
}


@pytest.mark.parametrize(("given", "expected"), LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("container", [list, tuple, np.array, pd.Series, lambda v: pd.Series(v, dtype="category")])
def test_labels_of_any_kind_come_back_as_they_were(
    given: list, expected: list, container: Callable[[list], Any], pretrained: Pretrained, events: Frame, tmp_path: Path
) -> None:
    model = create_finetune_model(pretrained, len(expected))
    tune(model, events.head(30), container(given * 10), 0)
    loaded = FineTuneModel.load(model.save(tmp_path / "model"))
    for one in (model, loaded):
        assert one.classes_ == expected
        assert [type(c) for c in one.classes_] == [type(c) for c in expected]
        assert set(one.predict(events).tolist()) <= set(expected)
        assert one.predict(events).tolist() == model.predict(events).tolist()


def test_labels_of_mixed_kinds_do_not_become_text(pretrained: Pretrained, events: Frame) -> None:
    model = create_finetune_model(pretrained, 2)
    tune(model, events.head(4), [1, "1", 1, "1"], 0)
    assert model.classes_ == [1, "1"]
    with torch.no_grad():
        model.decoder.bias[0] = 100.0  # type: ignore[index]
    assert set(model.predict(events).tolist()) == {1}


def test_labels_are_joined_by_position(pretrained: Pretrained, events: Frame) -> None:
    labels = events["user.name"].copy()
    labels.index = labels.index[::-1]
    model = create_finetune_model(pretrained, 4)
    tune(model, events, labels, 5)
    assert (model.predict(events) == events["user.name"]).mean() > 0.95


@pytest.mark.parametrize("labels", [[0, 1, 1] * 10, [False, True, True] * 10])
def test_predictions_can_be_compared_with_the_labels(labels: list, pretrained: Pretrained, events: Frame) -> None:
    model = create_finetune_model(pretrained, 2)
    tune(model, events.head(30), labels, 1)
    assert model.predict(events).dtype == np.asarray(labels).dtype
    assert 0 <= accuracy_score(labels, model.predict(events.head(30))) <= 1


def test_fewer_classes_in_the_labels_than_in_the_model_are_never_exceeded(
    pretrained: Pretrained, events: Frame
) -> None:
    model = create_finetune_model(pretrained, 9)
    tune(model, events, events["user.name"], 0)
    with torch.no_grad():
        model.decoder.bias[6] = 100.0  # type: ignore[index]
    assert model.predict_proba(events).shape == (300, 4)
    assert set(model.predict(events).tolist()) <= {"ann", "bob", "cid", "dan"}


def test_more_classes_in_the_labels_than_in_the_model_are_refused(pretrained: Pretrained, events: Frame) -> None:
    with pytest.raises(InputError, match="4 classes in the labels, but the model was made for 3"):
        tune(create_finetune_model(pretrained, 3), events, events["user.name"])


def test_later_labels_must_be_among_the_first_and_keep_their_order(classifier: FineTuneModel, events: Frame) -> None:
    before = weights(classifier)
    with pytest.raises(InputError, match=r"label 'eve' is none of the model's classes: .*'ann', 'bob'"):
        tune(classifier, events.head(3), ["ann", "eve", "bob"])
    assert not changed(classifier, before)
    tune(classifier, events.head(4), ["dan", "cid", "dan", "cid"], 0)
    assert classifier.classes_ == ["ann", "bob", "cid", "dan"]


MISSING: list[Any] = [
    ["a", None, "b"],
    ["a", float("nan"), "b"],
    np.array(["a", None, "b"], dtype=object),
    pd.Series(["a", None, "b"]),
    pd.Series([1, None, 2], dtype="Int64"),
    pd.Series(["a", None, "b"], dtype="category"),
    [1.0, float("nan"), 2.0],
    [1, pd.NA, 2],
]


@pytest.mark.parametrize("labels", MISSING, ids=range(len(MISSING)))
def test_a_missing_label_is_refused_by_its_position(labels: Any, pretrained: Pretrained, events: Frame) -> None:
    with pytest.raises(InputError, match="label 1 is missing; drop the events without a label"):
        tune(create_finetune_model(pretrained, 2), events.head(3), labels)


@pytest.mark.parametrize("bad", ["many", math.inf, -math.inf])
def test_a_target_that_is_no_finite_number_is_refused_by_its_position(
    bad: Any, pretrained: Pretrained, events: Frame
) -> None:
    model = create_finetune_model(pretrained, regression=True)
    with pytest.raises(InputError, match=f"label 2 is {bad!r}; a regression needs finite numbers"):
        tune(model, events.head(4), [1.0, 2.0, bad, 3.0])
    with pytest.raises(InputError, match="label 1 is missing"):
        tune(model, events.head(3), [1.0, math.nan, math.inf])


def test_a_wrong_number_or_shape_of_labels_is_refused(pretrained: Pretrained, events: Frame) -> None:
    model = create_finetune_model(pretrained, 2)
    with pytest.raises(InputError, match="300 events but 2 labels"):
        tune(model, events, ["a", "b"])
    for labels in (np.zeros((300, 1)), events[["user.name"]]):
        with pytest.raises(InputError, match="one label per event, however: 2 dimensions"):
            tune(model, events, labels)


# ---- class weights ---------------------------------------------------------------------------------------------


def weighted(pretrained: Pretrained, events: Frame, weight: Any, labels: list[Any], classes: int = 2) -> list[float]:
    model = create_finetune_model(pretrained, classes, config=FineTuneConfig(class_weight=weight))
    tune(model, events.head(len(labels)), labels, 0)
    return model.class_weights.tolist()  # type: ignore[union-attr,operator]


def test_balanced_weights_are_inverse_to_frequency(pretrained: Pretrained, events: Frame) -> None:
    assert weighted(pretrained, events, "balanced", ["b"] + ["a"] * 3) == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])
    with_spare = weighted(pretrained, events, "balanced", ["b"] + ["a"] * 3, classes=3)
    assert with_spare[:2] == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])
    assert weighted(pretrained, events, None, ["b"] + ["a"] * 3) == [1, 1]


def test_weights_are_given_by_the_name_of_the_class(pretrained: Pretrained, events: Frame) -> None:
    assert weighted(pretrained, events, {"b": 3.0}, ["b", "a", "a"]) == [1, 3]
    assert weighted(pretrained, events, {"True": 0.5}, [True, False, False]) == [1, 0.5]
    assert weighted(pretrained, events, {"10": 2, "9": 4}, [10, 9, 9]) == [4, 2]


def test_an_unknown_class_in_the_weights_is_refused_and_nothing_is_learned(
    pretrained: Pretrained, events: Frame
) -> None:
    model = create_finetune_model(pretrained, 2, config=FineTuneConfig(class_weight={"c": 2.0}))
    with pytest.raises(InputError, match="class_weight names 'c', which is none of the classes: a, b"):
        tune(model, events.head(3), ["a", "b", "a"])
    assert model.classes_ is None


def test_weights_change_what_is_predicted_in_doubt(pretrained: Pretrained, events: Frame) -> None:
    same = pd.concat([events.head(1)] * 40, ignore_index=True)
    labels = ["rare"] * 10 + ["usual"] * 30
    for weight, expected in ((None, "usual"), ({"rare": 9.0}, "rare")):
        model = create_finetune_model(pretrained, 2, config=FineTuneConfig(class_weight=weight))
        tune(model, same, labels, 10)
        assert set(model.predict(same)) == {expected}


# ---- use, files ------------------------------------------------------------------------------------------------


def test_no_events_have_no_predictions(classifier: FineTuneModel, pretrained: Pretrained, events: Frame) -> None:
    assert classifier.predict(events.head(0)).shape == (0,)
    assert classifier.predict_proba(events.head(0)).shape == (0, 4)
    regression = create_finetune_model(pretrained, regression=True)
    assert regression.predict(events.head(0)).shape == (0,)


def test_before_labels_are_learned_there_are_no_predictions(pretrained: Pretrained, events: Frame) -> None:
    model = create_finetune_model(pretrained, 2)
    for method in (model.predict, model.predict_proba):
        with pytest.raises(InputError, match="call finetune first"):
            method(events)


def test_predictions_belong_to_their_row(
    classifier: FineTuneModel, events: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = classifier.predict_proba(events)
    monkeypatch.setattr("ocsf_ssl_lib.finetuning.PREDICT_BATCH", 23)  # 300 = 13 * 23 + 1
    np.testing.assert_allclose(classifier.train().predict_proba(events), expected, atol=1e-5)
    np.testing.assert_allclose(classifier.predict_proba(events.iloc[::-1])[::-1], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either num_classes or regression=True"),
        ({"num_classes": 2, "regression": True}, "give either num_classes or regression=True"),
        ({"num_classes": 1}, "at least 2"),
        ({"num_classes": 0}, "at least 2"),
    ],
)
def test_a_question_that_is_none_is_refused(arguments: dict, message: str, pretrained: Pretrained) -> None:
    with pytest.raises(InputError, match=message):
        create_finetune_model(pretrained, **arguments)


def test_a_saved_model_predicts_the_same(
    classifier: FineTuneModel, pretrained: Pretrained, events: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    for place in ((pickle, "load"), (pickle, "loads"), (torch, "load")):
        monkeypatch.setattr(*place, refuse)
    loaded = FineTuneModel.load(classifier.save(tmp_path / "classifier"))
    np.testing.assert_array_equal(loaded.predict_proba(events), classifier.predict_proba(events))
    assert loaded.config == classifier.config
    regression = create_finetune_model(pretrained, regression=True)
    tune(regression, events, events["traffic.bytes"], 1)
    loaded = FineTuneModel.load(regression.save(tmp_path / "regression"))
    np.testing.assert_array_equal(loaded.predict(events), regression.predict(events))
    assert loaded.regression
    assert loaded.classes_ is None


@pytest.mark.slow
def test_saved_models_predict_the_same_in_another_process(
    classifier: FineTuneModel, pretrained: Pretrained, events: Frame, tmp_path: Path
) -> None:
    pretrained.save(tmp_path / "pretrained")
    classifier.save(tmp_path / "classifier")
    events.to_parquet(tmp_path / "events.parquet")
    code = (
        "import sys, json, torch, pandas as pd\n"
        "from ocsf_ssl_lib import Batch, FineTuneModel, OCSFDataset, Pretrained\n"
        "frame = pd.read_parquet(sys.argv[1] + '/events.parquet')\n"
        "before = Pretrained.load(sys.argv[1] + '/pretrained')\n"
        "data = OCSFDataset.from_frame(before.preprocessor, frame)\n"
        "with torch.no_grad():\n"
        "    vectors = before.model.featurize(Batch(*data.tensors)).tolist()\n"
        "after = FineTuneModel.load(sys.argv[1] + '/classifier')\n"
        "print(json.dumps([vectors, after.predict(frame).tolist(), after.predict_proba(frame).tolist()]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    vectors, said, probabilities = json.loads(done.stdout)
    frame = pd.read_parquet(tmp_path / "events.parquet")
    batch = Batch(*(torch.from_numpy(a) for a in pretrained.preprocessor.transform(frame)))
    with torch.no_grad():
        assert pretrained.model.eval().featurize(batch).tolist() == vectors
    assert classifier.predict(frame).tolist() == said
    assert classifier.predict_proba(frame).tolist() == probabilities


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(kind="Pretrained"), "holds no FineTuneModel, but Pretrained"),
        (lambda c: c.update(num_outputs=3), "does not fit this version"),
        (lambda c: c["model"].update(unfreeze_every=-1), "unfreeze_every"),
        (lambda c: c["model"].update(frozn=True), "did you mean 'frozen'"),
        (lambda c: c.pop("classes"), "does not fit this version .*classes"),
    ],
    ids=range(5),
)
def test_a_folder_whose_parts_do_not_fit_is_refused_in_one_line(
    change: Callable[[dict], object], message: str, classifier: FineTuneModel, tmp_path: Path
) -> None:
    folder = classifier.save(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"config\.json was altered"):
        FineTuneModel.load(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["config.json"] = _sha256(folder / "config.json")
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=message) as caught:
        FineTuneModel.load(folder)
    assert "\n" not in str(caught.value)


def test_a_second_regression_keeps_the_units_that_the_head_has_learned(pretrained: Pretrained, events: Frame) -> None:
    model = create_finetune_model(pretrained, regression=True)
    target = np.log(events["traffic.bytes"].to_numpy())
    tune(model, events, target, 20)
    before, units = model.predict(events), (float(model.location_), float(model.scale_))
    few = events.head(20)
    finetune(model, few, target[:20] + 5, options(0), progress=False)  # another mean, and nothing is learned
    assert (float(model.location_), float(model.scale_)) == units
    np.testing.assert_array_equal(model.predict(events), before)
