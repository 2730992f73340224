"""The detector: scikit-learn's contract, repeatable, and right about a plain anomaly."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ocsf_ssl_lib import (
    ContrastiveConfig,
    DenoisingConfig,
    EncoderConfig,
    InputError,
    MaskedFeatureConfig,
    MLPConfig,
    MultiTaskConfig,
    OCSFAnomalyDetector,
    OCSFDataset,
    train_ocsf_anomaly_detector,
)
from ocsf_ssl_lib.detect.evidence import Evidence
from ocsf_ssl_lib.detect.likelihood_scores import LikelihoodScorer

Make = Callable[..., OCSFAnomalyDetector]


# ---- scikit-learn's contract -----------------------------------------------------------------------------------


def test_init_only_stores_what_it_is_given() -> None:
    """Nothing is copied, checked or derived: scikit-learn clones by identity."""
    names = list(inspect.signature(OCSFAnomalyDetector).parameters)
    given = {name: object() for name in names}
    detector = OCSFAnomalyDetector(**given)  # type: ignore[arg-type]
    assert vars(detector).keys() == given.keys()
    for name in names:
        assert getattr(detector, name) is given[name]


def test_parameters_can_be_read_set_and_cloned(make_detector: Make) -> None:
    detector = make_detector(model_config=ContrastiveConfig(temperature=0.5), contamination=0.1)
    copy = clone(detector)
    assert copy is not detector
    assert copy.get_params() == detector.get_params()
    assert copy.set_params(max_epochs=7, score="knn") is copy
    assert (copy.max_epochs, copy.score, detector.max_epochs) == (7, "knn", 2)
    with pytest.raises(ValueError, match="Invalid parameter"):
        copy.set_params(max_epoch=7)


def test_fit_returns_itself_and_leaves_its_parameters_alone(make_detector: Make, events: pd.DataFrame) -> None:
    detector = make_detector()
    before = detector.get_params()
    assert detector.fit(events) is detector
    assert detector.get_params() == before
    new = set(vars(detector)) - set(before)
    assert new
    assert all(name.endswith("_") for name in new)


@pytest.mark.parametrize("method", ["score_samples", "decision_function", "predict", "transform"])
def test_before_fit_every_method_says_so(method: str, make_detector: Make, events: pd.DataFrame) -> None:
    with pytest.raises(NotFittedError):
        getattr(make_detector(), method)(events)


def test_save_before_fit_says_so(make_detector: Make, tmp_path: object) -> None:
    with pytest.raises(NotFittedError):
        make_detector().save(f"{tmp_path}/model")


def test_decision_and_prediction_follow_the_scores(fitted: OCSFAnomalyDetector, events: pd.DataFrame) -> None:
    scores, decisions, said = fitted.score_samples(events), fitted.decision_function(events), fitted.predict(events)
    np.testing.assert_allclose(decisions, scores - fitted.offset_)
    np.testing.assert_array_equal(said == -1, decisions < 0)
    assert set(said.tolist()) <= {-1, 1}
    assert (scores.shape, scores.dtype) == ((300,), np.float64)


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("score", ["mahalanobis", "knn"])
def test_contamination_is_the_share_of_training_events_below_the_threshold(
    contamination: float, score: str, make_detector: Make, events: pd.DataFrame
) -> None:
    detector = make_detector(objective="untrained", contamination=contamination, score=score).fit(events)
    assert (detector.predict(events) == -1).mean() == pytest.approx(contamination, abs=0.005)


def test_fit_predict_is_fit_and_predict(make_detector: Make, events: pd.DataFrame) -> None:
    said = make_detector(objective="untrained").fit_predict(events)
    np.testing.assert_array_equal(said, make_detector(objective="untrained").fit(events).predict(events))


def test_embeddings_have_the_width_of_the_encoder(fitted: OCSFAnomalyDetector, events: pd.DataFrame) -> None:
    embeddings = fitted.transform(events)
    assert embeddings.shape == (300, 16)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(fitted.scorer_.score(embeddings), fitted.score_samples(events))


# ---- rows ------------------------------------------------------------------------------------------------------


def test_a_score_belongs_to_its_row_whatever_the_order_and_the_company(
    fitted: OCSFAnomalyDetector, events: pd.DataFrame
) -> None:
    scores = pd.Series(fitted.score_samples(events), index=events.index)
    shuffled = events.sample(frac=1, random_state=0)
    np.testing.assert_allclose(fitted.score_samples(shuffled), scores[shuffled.index], rtol=1e-4, atol=1e-4)
    for row in (0, 150, 299):
        assert fitted.score_samples(events.iloc[[row]])[0] == pytest.approx(scores[row], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("score", ["mahalanobis", "knn"])
def test_no_events_give_no_scores(score: str, make_detector: Make, events: pd.DataFrame) -> None:
    detector = make_detector(objective="untrained", score=score).fit(events)
    empty = events.head(0)
    assert detector.score_samples(empty).shape == (0,)
    assert detector.decision_function(empty).shape == (0,)
    assert detector.predict(empty).shape == (0,)
    assert detector.transform(empty).shape == (0, 16)


def test_more_events_than_fit_into_one_pass_are_scored_in_order(
    make_detector: Make, events: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = make_detector(objective="untrained").fit(events)
    expected = detector.score_samples(events)
    monkeypatch.setattr("ocsf_ssl_lib.detect.evidence.SLICE", 23)  # 300 = 13 * 23 + 1
    np.testing.assert_allclose(detector.score_samples(events), expected, rtol=1e-4, atol=1e-4)


def test_an_absent_column_is_refused_or_filled(make_detector: Make, events: pd.DataFrame) -> None:
    gone = events.drop(columns="user.name")
    with pytest.raises(InputError, match=r"absent: user\.name"):
        make_detector(objective="untrained").fit(events).score_samples(gone)
    filling = make_detector(objective="untrained", on_missing_column="missing").fit(events)
    assert np.isfinite(filling.score_samples(gone)).all()


@pytest.mark.filterwarnings("ignore::ocsf_ssl_lib.errors.DataWarning")
def test_dirty_events_have_finite_scores(fitted: OCSFAnomalyDetector, events: pd.DataFrame) -> None:
    dirty = events.head(6).astype(object)
    dirty.iloc[0, 2:] = None
    dirty.loc[1, "traffic.bytes"] = np.inf
    dirty.loc[2, "traffic.bytes"] = "-"
    dirty.at[3, "user.name"] = ["a", "list"]
    dirty.loc[4, "dst_endpoint.port"] = "443"
    dirty.loc[5, "status_id"] = 99
    scores = fitted.score_samples(dirty)
    assert np.isfinite(scores).all()


def test_scoring_does_not_change_the_table_the_model_or_the_random_state(
    fitted: OCSFAnomalyDetector, events: pd.DataFrame
) -> None:
    copy, state = events.copy(deep=True), torch.random.get_rng_state()
    first = fitted.score_samples(events)
    np.testing.assert_array_equal(first, fitted.score_samples(events))
    pd.testing.assert_frame_equal(events, copy)
    assert torch.equal(state, torch.random.get_rng_state())


# ---- seeds -----------------------------------------------------------------------------------------------------


def test_the_same_random_state_gives_the_same_scores_and_another_others(
    make_detector: Make, events: pd.DataFrame
) -> None:
    def scores(random_state: object) -> np.ndarray:
        torch.rand(3)
        np.random.rand(3)
        return make_detector(max_epochs=1, random_state=random_state).fit(events).score_samples(events)

    first = scores(7)
    np.testing.assert_array_equal(first, scores(7))
    assert not np.allclose(first, scores(8))
    np.testing.assert_array_equal(scores(np.random.RandomState(3)), scores(np.random.RandomState(3)))


def test_several_processes_need_one_random_state(
    make_detector: Make, events: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # each would hold out other events, and choose other columns of a stream
    with pytest.raises(InputError, match="random_state=None draws another seed in each process"):
        make_detector(objective="untrained", random_state=None).fit(events)


def test_without_a_random_state_the_seed_that_was_drawn_is_kept(make_detector: Make, events: pd.DataFrame) -> None:
    first = make_detector(objective="untrained", random_state=None).fit(events)
    again = make_detector(objective="untrained", random_state=first.seed_).fit(events)
    np.testing.assert_array_equal(first.score_samples(events), again.score_samples(events))
    assert first.seed_ != make_detector(objective="untrained", random_state=None).fit(events).seed_


def test_fitting_again_starts_afresh(make_detector: Make, events: pd.DataFrame, make_events: Callable) -> None:
    other = make_events(80, seed=9)
    twice = make_detector(max_epochs=1).fit(other).fit(events)
    once = make_detector(max_epochs=1).fit(events)
    np.testing.assert_array_equal(twice.score_samples(events), once.score_samples(events))


def test_held_out_events_are_not_trained_on(
    make_detector: Make, events: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[list[float]] = []

    def record(model: object, train: OCSFDataset, validation: OCSFDataset, *_: object, **__: object) -> None:
        parts.extend(d.tensors.numerical[:, 0].tolist() for d in (train, validation))

    monkeypatch.setattr("ocsf_ssl_lib.detect.detector.train_self_supervised", record)
    detector = make_detector(validation_fraction=0.2).fit(events)
    everything = detector.preprocessor_.transform(events).numerical[:, 0]
    assert len(parts[1]) == 60
    assert sorted(parts[0] + parts[1]) == sorted(everything.tolist())


# ---- options ---------------------------------------------------------------------------------------------------


def test_untrained_keeps_the_random_weights_and_training_moves_them(make_detector: Make, events: pd.DataFrame) -> None:
    untrained = make_detector(objective="untrained").fit(events)
    none = make_detector(max_epochs=0).fit(events)
    trained = make_detector().fit(events)
    assert untrained.history_ is None
    assert trained.history_ is not None
    start = untrained.model_.state_dict()
    assert all(torch.equal(v, start[k]) for k, v in none.model_.state_dict().items())
    assert not all(torch.equal(v, start[k]) for k, v in trained.model_.state_dict().items())


def test_columns_are_chosen_and_the_choice_is_explained(make_detector: Make, events: pd.DataFrame) -> None:
    detector = make_detector(numerical_cols=None, categorical_cols=None, objective="untrained").fit(events)
    assert set(detector.column_report_.column) >= set(events.columns)
    assert detector.preprocessor_.numerical_names_ == ["traffic.bytes"]
    assert "time@hour" in detector.preprocessor_.categorical_names_


def test_status_is_protected_by_default_and_the_choice_can_be_overridden(
    make_detector: Make, events: pd.DataFrame
) -> None:
    def protected(**options: object) -> tuple[int, ...]:
        return make_detector(objective="untrained", **options).fit(events).model_.config.protected

    assert protected() == (3,)  # status_id
    assert protected(protected=["user.name", "status_id"]) == (0, 3)
    assert protected(protected=[]) == ()
    assert protected(protected=["auto", "user.name", "status_id"]) == (3, 0)  # the default ones and another
    with pytest.raises(InputError, match=r"protected column\(s\) not among the categorical ones: nothing"):
        protected(protected=["nothing"])


def test_options_of_the_task_and_of_training_reach_the_model(make_detector: Make, events: pd.DataFrame) -> None:
    config = ContrastiveConfig(temperature=0.7, noise_level=0.3, swap="uniform", projection_dim=None)
    detector = make_detector(model_config=config, max_epochs=1, validation_fraction=0.0).fit(events)
    assert detector.model_.config.temperature == 0.7
    assert detector.model_.augmenter.swap == "uniform"
    assert detector.history_.frame.validation_loss.isna().all()
    assert make_detector(max_epochs=1).fit(events).history_.frame.validation_loss.notna().all()


@pytest.mark.parametrize("n", [2, 3, 5, 11])
def test_a_handful_of_events_is_enough_to_fit(n: int, make_detector: Make, make_events: Callable) -> None:
    events = make_events(n)
    assert np.isfinite(make_detector(max_epochs=1, contamination=0.3).fit(events).score_samples(events)).all()


@pytest.mark.parametrize("score", ["mahalanobis", "knn"])
def test_identical_events_have_identical_finite_scores(score: str, make_detector: Make, events: pd.DataFrame) -> None:
    same = pd.concat([events.head(1)] * 20, ignore_index=True)
    scores = make_detector(score=score, max_epochs=1).fit(same).score_samples(same)
    assert np.isfinite(scores).all()
    assert np.ptp(scores) < 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "magic"}, "objective must be one of contrastive, denoising, masked, multitask, untrained"),
        ({"score": "lof"}, "score must be one of"),
        ({"contamination": 0}, "contamination"),
        ({"contamination": 0.6}, "contamination"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"batch_size": 1}, "batch_size"),
        ({"max_epochs": -1}, "max_epochs"),
        ({"patience": 0}, "patience"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": "seven"}, "random_state"),
        ({"scaling": "robust"}, "scaling"),
        ({"on_missing_column": "ignore"}, "on_missing_column"),
        ({"numerical_cols": ["bytes"]}, "no such column: bytes"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_one_line(
    options: dict, message: str, make_detector: Make, events: pd.DataFrame
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make_detector(**options).fit(events)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [np.zeros((4, 2)), [[1, 2]], None])
def test_what_is_no_table_is_refused(bad: object, make_detector: Make, fitted: OCSFAnomalyDetector) -> None:
    for method in (make_detector().fit, fitted.score_samples):
        with pytest.raises(InputError, match="must be a pandas DataFrame"):
            method(bad)  # type: ignore[arg-type]


# ---- objectives and scores -------------------------------------------------------------------------------------


OBJECTIVES = ["contrastive", "denoising", "masked", "multitask"]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_has_a_score_of_its_own_accord(
    objective: str, make_detector: Make, events: pd.DataFrame
) -> None:
    detector = make_detector(objective=objective, max_epochs=1).fit(events)
    assert detector.model_.config.name == objective
    assert detector.score is None
    assert detector.score_name_ == ("mahalanobis" if objective == "contrastive" else "combined")
    shown: Any = detector.transform(events)
    if objective != "contrastive":
        features = detector.preprocessor_.transform(events)
        shown = Evidence(features, shown, detector.cell_surprise(events).to_numpy())
    np.testing.assert_allclose(detector.score_samples(events), detector.scorer_.score(shown))
    assert detector.score_samples(events.head(0)).shape == (0,)
    assert (detector.predict(events) == -1).mean() == pytest.approx(0.01, abs=0.005)


@pytest.mark.parametrize("objective", ["denoising", "masked", "multitask"])
def test_likelihood_works_for_every_objective_that_predicts_cells(
    objective: str, make_detector: Make, events: pd.DataFrame
) -> None:
    detector = make_detector(objective=objective, score="likelihood", max_epochs=1).fit(events)
    again = make_detector(objective=objective, score="likelihood", max_epochs=1).fit(events)
    np.testing.assert_array_equal(detector.score_samples(events), again.score_samples(events))
    scores = pd.Series(detector.score_samples(events), index=events.index)
    shuffled = events.sample(frac=1, random_state=0)
    np.testing.assert_allclose(detector.score_samples(shuffled), scores[shuffled.index], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "contrastive"},
        {"objective": "untrained"},
        {"objective": "multitask", "model_config": MultiTaskConfig(tasks=(ContrastiveConfig(),))},
    ],
    ids=["contrastive", "untrained", "multitask"],
)
def test_likelihood_of_a_task_that_predicts_no_cells_is_refused_before_it_is_trained(
    options: dict, make_detector: Make, events: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocsf_ssl_lib.detect.detector.train_self_supervised", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(InputError, match=r"predicts (no )?cells") as caught:
        make_detector(score="likelihood", **options).fit(events)
    assert "\n" not in str(caught.value)


def test_the_nats_of_the_members_add_up_to_the_score(make_detector: Make, events: pd.DataFrame) -> None:
    detector = make_detector(objective="masked", max_epochs=1).fit(events)
    odd = events.iloc[[5, 3, 8]]
    nats = detector.member_nats(odd)
    assert nats.index.tolist() == [5, 3, 8]
    assert nats.columns.tolist() == list(detector.scorer_.members)
    np.testing.assert_allclose(-nats.mean(axis=1), detector.score_samples(odd))
    assert detector.member_nats(events.head(0)).shape == (0, len(nats.columns))
    with pytest.raises(InputError, match="score='mahalanobis' has no members"):
        make_detector(max_epochs=1, score="mahalanobis").fit(events).member_nats(events)


def test_cell_surprise_is_a_table_of_every_feature(make_detector: Make, events: pd.DataFrame) -> None:
    detector = make_detector(objective="masked", max_epochs=1, protected=["status_id"]).fit(events)
    odd = events.iloc[[5, 3, 8]].copy()
    odd.loc[3, "user.name"], odd.loc[8, "traffic.bytes"] = None, np.nan
    table = detector.cell_surprise(odd)
    assert table.index.tolist() == [5, 3, 8]
    assert table.columns.tolist() == detector.preprocessor_.get_feature_names_out().tolist()
    assert table["status_id"].isna().all()
    assert table.loc[5].drop("status_id").between(0, 50).all()
    assert table.loc[3, "user.name"] == pytest.approx(np.log(270 + 2), rel=1e-4)  # never empty in 270 events
    with pytest.raises(InputError, match="objective='contrastive' predicts no cells"):
        make_detector(max_epochs=0).fit(events).cell_surprise(events)
    with pytest.raises(NotFittedError):
        make_detector(objective="masked").cell_surprise(events)


def test_a_config_of_another_task_is_refused_with_its_objective(make_detector: Make, events: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="model_config is a MaskedFeatureConfig; give objective='masked'"):
        make_detector(objective="contrastive", model_config=MaskedFeatureConfig()).fit(events)
    with pytest.raises(InputError, match="give objective='contrastive'"):
        make_detector(objective="masked", model_config=ContrastiveConfig()).fit(events)
    by_config = make_detector(model_config=MaskedFeatureConfig(), max_epochs=0).fit(events)
    assert (by_config.objective_, by_config.score_name_) == ("masked", "combined")
    assert make_detector(objective=None, max_epochs=0).fit(events).objective_ == "masked"
    untrained = make_detector(objective="untrained", model_config=MaskedFeatureConfig()).fit(events)
    assert untrained.model_.config.name == "masked"
    assert untrained.score_name_ == "combined"
    assert make_detector(objective="untrained").fit(events).score_name_ == "mahalanobis"


def test_options_of_any_task_and_encoder_reach_the_model(make_detector: Make, events: pd.DataFrame) -> None:
    noise = DenoisingConfig(noise_probabilities={"user.name": 0.7}, encoder_config=MLPConfig(d_model=8))
    options = {"objective": "denoising", "model_config": noise, "max_epochs": 0}
    detector = make_detector(encoder_config=None, **options).fit(events)
    assert detector.model_.config.encoder_config == MLPConfig(d_model=8)
    assert detector.model_.probabilities.tolist() == pytest.approx([0.2, 0.7, 0.2, 0.2, 0.2])
    assert detector.model_.config.seed == 0
    assert make_detector(**options).fit(events).model_.config.encoder_config == EncoderConfig(d_model=16, num_blocks=1)


@pytest.mark.parametrize(
    ("objective", "protected"), [("contrastive", (3,)), ("multitask", (3,)), ("masked", ()), ("denoising", ())]
)
def test_columns_are_protected_by_default_where_views_are_made(
    objective: str, protected: tuple[int, ...], make_detector: Make, events: pd.DataFrame
) -> None:
    detector = make_detector(objective=objective, max_epochs=0).fit(events)
    assert detector.model_.config.protected == protected
    if objective == "multitask":
        assert [task.config.protected for task in detector.model_.tasks] == [(3,), ()]
    explicit = make_detector(objective=objective, max_epochs=0, protected=["user.name"]).fit(events)
    assert explicit.model_.config.protected == (0,)


def test_many_training_events_are_sampled_to_fit_the_score(
    make_detector: Make, events: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocsf_ssl_lib.detect.detector.SCORE_ROWS", 50)
    monkeypatch.setattr("ocsf_ssl_lib.detect.detector.REFERENCE_ROWS", 20)
    lengths: list[int] = []
    fit = LikelihoodScorer.fit
    monkeypatch.setattr(LikelihoodScorer, "fit", lambda self, cells: lengths.append(len(cells)) or fit(self, cells))
    detector = make_detector(objective="masked", score="likelihood", max_epochs=0).fit(events)
    assert lengths == [50]
    assert {len(part) for part in detector.reference_} == {20}


def test_the_number_of_epochs_suits_the_size_of_the_table(make_detector: Make, events: pd.DataFrame) -> None:
    detector = make_detector(max_epochs=None)
    small, middle, large = (detector._training_config(256, 0, steps) for steps in (3, 100, 4000))
    assert (small.max_epochs, middle.max_epochs, large.max_epochs) == (300, 15, 1)
    assert (small.patience, middle.patience, large.patience) == (60, 3, 3)
    assert detector._training_config(256, 0, 100).learning_rate == detector.learning_rate


def test_the_threshold_comes_from_events_held_out_where_there_are_enough(
    make_detector: Make, events: pd.DataFrame
) -> None:
    options = {"objective": "masked", "max_epochs": 1, "validation_fraction": 0.5}
    many = make_detector(contamination=0.2, **options).fit(events)
    order = np.random.default_rng(0).permutation(len(events))  # hold_out's, seed 0
    held = many.score_samples(events.iloc[np.sort(order[: len(events) // 2])])
    assert many.offset_ == pytest.approx(np.quantile(held, 0.2))
    enough, few = 1.5 / len(held), 0.5 / len(held)  # one anomaly expected among them, or less
    one = make_detector(contamination=enough, **options).fit(events)
    assert one.offset_ == pytest.approx(np.quantile(held, enough))
    none = make_detector(contamination=few, **options).fit(events)
    assert none.offset_ == pytest.approx(np.quantile(none.score_samples(events), few))


# ---- does it find anything? ------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["mahalanobis", "knn"])
def test_a_plain_anomaly_scores_lower_than_normal_events(
    score: str, make_detector: Make, make_events: Callable
) -> None:
    train, test = make_events(800, seed=1), make_events(200, seed=2)
    plain = test.head(4).copy()
    plain["user.name"], plain["device.hostname"] = "mallory", "laptop-eve"
    plain["dst_endpoint.port"], plain["traffic.bytes"] = 31337, 5e9
    detector = make_detector(score=score, max_epochs=4).fit(train)
    normal = detector.score_samples(test)
    assert detector.score_samples(plain).max() < np.quantile(normal, 0.02)
    assert (detector.predict(plain) == -1).all()
    assert (detector.predict(test) == 1).mean() > 0.9


@pytest.mark.parametrize("objective", ["masked", "multitask"])
def test_usual_values_in_an_unusual_combination_score_low_by_likelihood(
    objective: str, make_detector: Make, make_events: Callable
) -> None:
    train, test = make_events(800, seed=1), make_events(200, seed=2)
    lent = test[test["user.name"] == "ann"].head(5).copy()
    lent["device.hostname"] = "laptop-bob"
    assert (train["device.hostname"] == "laptop-bob").mean() > 0.2
    size = EncoderConfig(d_model=32, num_blocks=1)
    detector = make_detector(objective=objective, score="likelihood", max_epochs=15, encoder_config=size).fit(train)
    assert detector.score_samples(lent).max() < np.quantile(detector.score_samples(test), 0.01)
    excess = detector.cell_surprise(lent).mean() - detector.cell_surprise(test).mean()
    assert set(excess.nlargest(2).index) == {"user.name", "device.hostname"}


def test_the_one_call_form_of_the_source_gives_the_fitted_detector(events: pd.DataFrame) -> None:
    names = list(inspect.signature(train_ocsf_anomaly_detector).parameters)
    assert names[:8] == [
        "ocsf_df", "numerical_cols", "categorical_cols", "d_model", "num_blocks", "num_epochs", "batch_size", "device",
    ]  # fmt: skip
    detector = train_ocsf_anomaly_detector(
        events, ["traffic.bytes"], ["user.name"], d_model=8, num_blocks=1, num_epochs=1, random_state=0, progress=False
    )
    assert isinstance(detector, OCSFAnomalyDetector)
    assert detector.encoder_config == EncoderConfig(d_model=8, num_blocks=1)
    assert len(detector.history_.frame) == 1
    assert detector.score_samples(events).shape == (300,)
