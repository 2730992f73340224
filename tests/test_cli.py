"""The command line as a user meets it: results, and one line with exit code 2 for whatever cannot be used."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import OCSFAnomalyDetector, read_events
from ocsf_ssl_lib.cli import main

Run = Callable[..., tuple[int, str, str]]
SMALL = ("--epochs", "1", "--width", "8", "--blocks", "1")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ocsf-ssl", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated events, their labels and a model trained on them."""
    folder = tmp_path_factory.mktemp("workshop")
    steps = (
        ("simulate", "-n", "600", "--seed", "3", "-o", folder / "events.jsonl", "--labels", folder / "labels.csv"),
        ("train", folder / "events.jsonl", "-m", folder / "model", *SMALL),
    )
    for step in steps:
        command = [sys.executable, "-m", "ocsf_ssl_lib.cli", *map(str, step)]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def test_simulate_train_score_evaluate_go_through(run: Run, workshop: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    code, out, err = run("score", workshop / "events.jsonl", "-m", workshop / "model", "-o", scores, "--top", 3)
    assert code == 0, err
    assert "3 lines" in out
    table = pd.read_csv(scores)
    assert table["rank"].tolist() == list(range(1, 601))
    assert table["score"].is_monotonic_increasing
    code, out, err = run("evaluate", scores, workshop / "labels.csv", "-o", tmp_path / "report.csv")
    assert code == 0, err
    report = pd.read_csv(tmp_path / "report.csv")
    assert report.anomaly_type[0] == "all"
    assert report.roc_auc.between(0, 1).all()


def test_protect_adds_columns_to_the_usual_ones_or_replaces_them(run: Run, workshop: Path, tmp_path: Path) -> None:
    def protected(names: str) -> set[str]:
        options = ("--objective", "untrained", "--width", 8, "--blocks", 1, "--force", "--protect", names)
        code, _, err = run("train", workshop / "events.jsonl", "-m", tmp_path / "m", *options)
        assert code == 0, err
        detector = OCSFAnomalyDetector.load(tmp_path / "m")
        columns = detector.preprocessor_.categorical_names_
        return {columns[k] for k in detector.model_.config.protected}

    added = {"connection_info.direction_id", "is_mfa"}
    usual = protected("auto")
    assert "status_id" in usual
    assert not added & usual
    assert protected("auto, connection_info.direction_id,is_mfa") == usual | added
    assert protected("is_mfa") == {"is_mfa"}
    code, _, err = run("train", workshop / "events.jsonl", "-m", tmp_path / "m2", *SMALL, "--protect", "auto,nothing")
    assert code == 2
    assert "not among the categorical ones: nothing" in err


def test_scores_go_to_standard_output_as_json_lines(run: Run, workshop: Path) -> None:
    code, out, err = run("score", workshop / "events.jsonl", "-m", workshop / "model", "-o", "-")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 600
    assert {"rank", "metadata.uid", "score", "is_anomaly"} <= set(rows[0])


def test_explain_names_fields_and_what_was_expected(run: Run, workshop: Path, tmp_path: Path) -> None:
    events, model = workshop / "events.jsonl", workshop / "model"
    output, scores = tmp_path / "explain.json", tmp_path / "scores.csv"
    code, out, err = run("explain", events, "-m", model, "--top", 2, "-o", output)
    assert code == 0, err
    assert run("score", events, "-m", model, "--top", 0, "-o", scores)[0] == 0
    table, explained = pd.read_csv(scores), json.loads(output.read_text())
    assert [e["metadata.uid"] for e in explained] == table["metadata.uid"].head(2).tolist()
    assert [e["row"] for e in explained] == table["row"].head(2).tolist()
    assert [e["rank"] for e in explained] == [1, 2]
    for event in explained:
        best = event["cells"][0]
        assert best["column"] in out
        assert f"{best['nats']:.1f}" in out
        assert event["sentence"][:30] in out
        assert f"by {event['strongest']['name']} (" in out or event["strongest"]["nats"] < 3
        assert len(event["neighbours"]) == 3
    assert re.search(r"repair takes\s*out", out)
    assert out.count("nearest ordinary event") == 2


def test_explain_takes_one_event_by_row_or_id(run: Run, workshop: Path) -> None:
    events, model = workshop / "events.jsonl", workshop / "model"
    options = ("-m", model, "-o", "-")
    uid = json.loads(events.read_text().splitlines()[12])["metadata"]["uid"]
    by_row, by_id = (run("explain", events, *options, *one) for one in (("--row", 12), ("--id", uid)))
    assert by_row[0] == by_id[0] == 0, by_row[2] + by_id[2]
    assert by_row[1] == by_id[1]
    assert [e["metadata.uid"] for e in json.loads(by_row[1])] == [uid]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--row", "600"), "--row 600: there are 600 events, counted from 0"),
        (("--id", "nobody"), "no event has the metadata.uid 'nobody'"),
        (("--row", "1", "--top", "2"), "--top and --row name different events"),
        (("-o", "explained.txt"), "explained.txt: the name must end in .json"),
        (("-o", "no-such-folder/x.json"), "no-such-folder is not a folder"),
        (("--missing-columns", "drop"), "--missing-columns must be error or fill, however: drop"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(
    options: tuple[str, ...], message: str, run: Run, workshop: Path
) -> None:
    code, out, err = run("explain", workshop / "events.jsonl", "-m", workshop / "model", *options)
    assert code == 2
    assert out == ""
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_an_explained_value_can_neither_be_markup_nor_move_the_cursor(run: Run, tmp_path: Path) -> None:
    hostile = "[red]x[/red]\x1b[2J\u202e"
    lines = [{"class_uid": 3002, "user": {"name": hostile if i % 2 else "bob"}, "n": {"b": i}} for i in range(60)]
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(map(json.dumps, lines)))
    assert run("train", events, "-m", tmp_path / "model", *SMALL)[0] == 0
    code, out, err = run("explain", events, "-m", tmp_path / "model", "--top", 60)
    assert code == 0, err
    assert r"[red]x[/red]\x1b[2J\u202e" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_a_command_that_is_stopped_ends_with_130_and_a_fault_is_not_hidden(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(error: BaseException) -> Callable[..., None]:
        def raises(*_: object, **__: object) -> None:
            raise error

        return raises

    simulate = ("simulate", "-n", 10, "-o", tmp_path / "e.jsonl")
    monkeypatch.setattr("ocsf_ssl_lib.cli.simulate.simulate_events", end(KeyboardInterrupt()))
    assert run(*simulate)[0] == 130
    monkeypatch.setattr("ocsf_ssl_lib.cli.simulate.simulate_events", end(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):  # a traceback, and 1 as Python ends
        run(*simulate)


def test_events_come_from_standard_input(workshop: Path) -> None:
    command = [sys.executable, "-m", "ocsf_ssl_lib.cli", "inspect", "-"]
    with (workshop / "events.jsonl").open("rb") as stream:
        done = subprocess.run(command, stdin=stream, capture_output=True, text=True, check=True)
    assert "600 events" in done.stdout


def test_same_seed_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run("simulate", "-n", 200, "--seed", 5, "-o", tmp_path / f"{name}.jsonl.gz")[0] == 0
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_inspect_lists_refused_records_and_roles(run: Run, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text('{"class_uid": 3002, "user": {"name": "ann"}}\n{"class_uid": 3002,}\n{"class_uid": 4001}\n')
    code, out, err = run("inspect", events, "--rejected", tmp_path / "rejected.csv")
    assert code == 0, err
    assert "2 events" in out
    assert "line 2" in out
    assert "user.name" in out
    assert len(pd.read_csv(tmp_path / "rejected.csv")) == 1


def test_period_selects_events(run: Run, workshop: Path, tmp_path: Path) -> None:
    events = workshop / "events.jsonl"
    times = sorted(json.loads(line)["time"] for line in events.read_text().splitlines())
    middle = times[300]
    scores = tmp_path / "late.csv"
    code, _, err = run("score", events, "-m", workshop / "model", "--since", middle, "-o", scores, "--top", 0)
    assert code == 0, err
    assert len(pd.read_csv(scores)) == sum(t >= middle for t in times)
    code, _, err = run("score", events, "-m", workshop / "model", "--since", "2100-01-01")
    assert code == 2
    assert "no event in the period" in err


def test_markup_in_field_values_is_printed_as_it_is(run: Run, tmp_path: Path) -> None:
    lines = [
        {"class_uid": 3002, "user": {"name": "[red]x[/red]" if i % 2 else "bob"}, "n": {"b": i}} for i in range(60)
    ]
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(map(json.dumps, lines)))
    assert run("train", events, "-m", tmp_path / "model", *SMALL)[0] == 0
    assert "[red]x[/red]" in run("score", events, "-m", tmp_path / "model")[1]


# ---- decisions and reports -------------------------------------------------------------------------------------


def test_a_burst_is_one_line_unless_asked_for_event_by_event(run: Run, workshop: Path, tmp_path: Path) -> None:
    lines = (workshop / "events.jsonl").read_text().splitlines()
    odd = json.loads(lines[0]) | {"severity_id": 6, "status_id": 99}
    burst = [json.dumps(odd | {"time": odd["time"] + 1000 * i}) for i in range(30)]
    (tmp_path / "events.jsonl").write_text("\n".join(lines + burst))
    score = ("score", tmp_path / "events.jsonl", "-m", workshop / "model", "--threshold", "score=1e9", "--top", 650)
    code, grouped, err = run(*score)
    assert code == 0, err
    assert "630 of 630 events" in grouped
    assert int(re.findall(r"(\d+) lines", grouped)[0]) <= 601
    assert re.search(r"│ 30 +│", grouped)
    single = run(*score, "--no-group")[1]
    assert "630 of 630 events" in single
    assert not re.search(r"│ 30 +│ 20", single)


def test_the_report_lists_the_alerts_of_the_threshold(run: Run, workshop: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    score = ("score", workshop / "events.jsonl", "-m", workshop / "model", "--top", 0, "-o", scores)
    assert run(*score)[0] == 0
    tenth = pd.read_csv(scores)["score"][9]
    options = ("--threshold", f"score={tenth}", "--no-group", "--report", tmp_path / "r.html")
    code, out, err = run(*score, *options)
    assert code == 0, err
    assert out == ""
    assert "report of 9 alerts" in err
    assert pd.read_csv(scores)["is_anomaly"].sum() == 9
    html = (tmp_path / "r.html").read_text()
    assert html.count('<li class="line">') == 9
    assert html.count("Most unusual by ") == 9
    assert "its repair takes out" in html
    assert "named by you" in html
    assert "holds names" in html


def names_in(frame: pd.DataFrame) -> set[str]:
    columns = ("actor.user.name", "user.name", "src_endpoint.ip", "dst_endpoint.hostname", "device.hostname")
    return {str(v) for c in columns for v in frame[c].dropna()}


def test_redact_leaves_no_name_in_list_file_or_report(run: Run, workshop: Path, tmp_path: Path) -> None:
    frame = read_events(workshop / "events.jsonl").frame
    secret = names_in(frame)
    score = ("score", workshop / "events.jsonl", "-m", workshop / "model", "--threshold", "score=1e9")
    output = ("-o", tmp_path / "s.csv", "--report", tmp_path / "r.html")
    code, out, err = run(*score, *output, "--redact")
    assert code == 0, err
    files = [(tmp_path / name).read_text() for name in ("s.csv", "r.html")]
    words = set(re.findall(r"[\w.-]+", " ".join([out, *files])))
    assert not secret & words
    assert "user-" in out
    ids = pd.read_csv(tmp_path / "s.csv")["metadata.uid"]
    assert set(ids) == set(frame["metadata.uid"])  # the way back for who has the log
    assert secret & set(re.findall(r"[\w.-]+", run(*score, *output)[1]))


def test_redact_leaves_no_name_in_an_explanation(run: Run, workshop: Path) -> None:
    secret = names_in(read_events(workshop / "events.jsonl").frame)
    explain = ("explain", workshop / "events.jsonl", "-m", workshop / "model", "--top", 20, "-o", "-")
    words = [set(re.findall(r"[\w.-]+", run(*explain, *option)[1])) for option in ((), ("--redact",))]
    assert secret & words[0]
    assert not secret & words[1]


def test_a_threshold_comes_from_the_calibration_in_the_model(
    run: Run, workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = ("score", workshop / "events.jsonl", "-m", workshop / "model", "--top", 0, "-o", tmp_path / "s.csv")
    kept = OCSFAnomalyDetector.load(workshop / "model").calibration_
    assert len(kept.scores_) == 60
    assert kept.events_per_day_ * kept.days_ == pytest.approx(600)  # a tenth was held out of all of them
    for option in ({"contamination": 0.05}, {"quantile": 0.05}, {"per_day": kept.events_per_day_ / 20}):
        ((name, value),) = option.items()
        code, _, err = run(*score, "--threshold", f"{name.replace('_', '-')}={value}")
        assert code == 0, err
        table = pd.read_csv(tmp_path / "s.csv")
        assert table["is_anomaly"].sum() == (table["score"] < kept.threshold(**option)).sum() > 0
        assert table["p_value"].between(0, 1).all()
    load = OCSFAnomalyDetector.load

    def without_calibration(path: Path) -> OCSFAnomalyDetector:
        detector = load(path)
        detector.calibration_ = None
        return detector

    monkeypatch.setattr(OCSFAnomalyDetector, "load", without_calibration)
    code, _, err = run(*score, "--threshold", "per-day=3")
    assert code == 2
    assert err.count("\n") == 1
    assert "the model holds no calibration; train it again" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threshold", "0.01"), "--threshold must be one of contamination=NUMBER"),
        (("--threshold", "per-day=many"), "however: 'per-day=many'"),
        (("--threshold", "score=nan"), "however: 'score=nan'"),
        (("--report", "r.pdf"), "must end in .html"),
        (("--report", "nowhere/r.html"), "nowhere is not a folder"),
    ],
)
def test_a_decision_or_report_that_cannot_be_is_refused_before_any_work(
    options: tuple[str, ...], message: str, run: Run, tmp_path: Path
) -> None:
    code, out, err = run("score", tmp_path / "nothing.jsonl", "-m", tmp_path / "no model", *options)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_field_value_cannot_pass_for_another_field_or_move_the_cursor(run: Run, tmp_path: Path) -> None:
    evil = "x  status_id=1\x1b[2J\u202e\n"
    lines = [{"class_uid": 3002, "user": {"name": evil if i % 2 else "bob"}, "n": {"b": i}} for i in range(60)]
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(map(json.dumps, lines)))
    assert run("train", events, "-m", tmp_path / "model", *SMALL)[0] == 0
    for command in (("score", events, "-m", tmp_path / "model"), ("inspect", events)):
        code, out, err = run(*command)
        assert code == 0, err
        assert not set(out + err) & {"\x1b", "\u202e"}
    assert r'user.name="x  status_id=1\x1b[2J\u202e\n"' in run("score", events, "-m", tmp_path / "model")[1]


def _nothing(folder: Path) -> Path:
    return folder / "nothing.jsonl"


def _empty(folder: Path) -> Path:
    path = folder / "empty.jsonl"
    path.touch()
    return path


def _empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def _truncated_gzip(folder: Path) -> Path:
    path = folder / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"class_uid": 3002}')[:15])
    return path


def _rubbish(folder: Path) -> Path:
    path = folder / "rubbish.json"
    path.write_bytes(bytes(range(256)) * 8)
    return path


def _foreign_parquet(folder: Path) -> Path:
    path = folder / "foreign.parquet"
    path.write_bytes(b"PAR1 this is no Parquet file PAR1")
    return path


def _parquet_of_something_else(folder: Path) -> Path:
    path = folder / "shop.parquet"
    pd.DataFrame({"colour": ["red", "blue"] * 50, "price": range(100)}).to_parquet(path)
    return path


def _one_row(folder: Path) -> Path:
    path = folder / "one.jsonl"
    path.write_text('{"class_uid": 3002, "user": {"name": "ann"}}\n')
    return path


def _constant(folder: Path) -> Path:
    path = folder / "constant.jsonl"
    path.write_text('{"class_uid": 3002, "user": {"name": "ann"}}\n' * 50)
    return path


BAD_EVENTS = [_nothing, _empty, _empty_folder, _truncated_gzip, _rubbish, _foreign_parquet, _parquet_of_something_else]
BAD_EVENTS += [_one_row, _constant]


@pytest.mark.parametrize("make", BAD_EVENTS, ids=lambda f: f.__name__.strip("_"))
def test_bad_events_give_one_line_code_2_and_no_model(run: Run, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, out, err = run("train", path, "-m", tmp_path / "model", *SMALL)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_table_of_something_else_is_taken_when_asked_for(run: Run, tmp_path: Path) -> None:
    path = _parquet_of_something_else(tmp_path)
    assert run("inspect", path)[0] == 2
    assert run("train", path, "-m", tmp_path / "model", "--any-table", *SMALL)[0] == 0
    assert run("score", path, "-m", tmp_path / "model")[0] == 0


def test_absent_column_is_named_with_the_remedy(run: Run, workshop: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text('{"class_uid": 3002, "user": {"name": "ann"}}\n')
    code, _, err = run("score", events, "-m", workshop / "model")
    assert code == 2
    assert "actor.user.name" in err
    assert "--missing-columns fill" in err
    code, _, err = run("score", events, "-m", workshop / "model", "--missing-columns", "fill")
    assert code == 0, err
    code, _, err = run("train", workshop / "events.jsonl", "-m", tmp_path / "m", "--categorical", "user.nam", *SMALL)
    assert code == 2
    assert "user.nam" in err


def test_missing_or_altered_file_of_a_model_is_named(run: Run, workshop: Path, tmp_path: Path) -> None:
    for name in sorted(os.listdir(workshop / "model")):
        for damage in ("remove", "alter"):
            copy = tmp_path / f"{name}-{damage}"
            copy.mkdir()
            for file in (workshop / "model").iterdir():
                (copy / file.name).write_bytes(file.read_bytes())
            if damage == "remove":
                (copy / name).unlink()
            else:
                (copy / name).write_bytes((copy / name).read_bytes()[:-3] + b"xyz")
            code, out, err = run("score", workshop / "events.jsonl", "-m", copy)
            assert code == 2, (name, damage)
            assert out == ""
            assert name in err
            assert err.count("\n") == 1


def test_a_model_that_is_there_is_not_replaced_unasked(run: Run, workshop: Path) -> None:
    before = {f.name: f.read_bytes() for f in (workshop / "model").iterdir()}
    code, _, err = run("train", workshop / "events.jsonl", "-m", workshop / "model", *SMALL)
    assert code == 2
    assert "--force" in err
    assert {f.name: f.read_bytes() for f in (workshop / "model").iterdir()} == before


@pytest.mark.parametrize("name", ["events.doc", "no-such-folder/events.jsonl"])
def test_output_that_cannot_be_written_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    code, _, err = run("simulate", "-n", 50, "-o", tmp_path / name)
    assert code == 2
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_labels_of_other_events_are_refused(run: Run, workshop: Path, tmp_path: Path) -> None:
    pd.DataFrame({"metadata.uid": ["x"], "score": [1.0]}).to_csv(tmp_path / "scores.csv")
    code, _, err = run("evaluate", tmp_path / "scores.csv", workshop / "labels.csv")
    assert code == 2
    assert "'x'" in err


@pytest.fixture
def rankings(tmp_path: Path) -> Path:
    """Scores of two detectors of which the second is worse, and labels."""
    rng = np.random.default_rng(0)
    anomaly, noise, uid = np.arange(500) < 50, rng.normal(size=500), [f"id-{i}" for i in range(500)]
    for name, strength in (("good", 2.0), ("bad", 0.5)):
        table = pd.DataFrame({"metadata.uid": uid, "score": noise - strength * anomaly})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    kinds = np.where(anomaly, "[red]beacon", "normal")  # a label is no markup
    labels = pd.DataFrame({"metadata.uid": uid, "is_anomaly": anomaly, "anomaly_type": kinds})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path


def test_evaluate_prints_intervals_precision_at_k_and_recall_at_a_budget(run: Run, rankings: Path) -> None:
    files = rankings / "good.csv", rankings / "labels.csv"
    options = ("--k", 20, "--false-alarms", 3, "--days", 2, "--resamples", 50)
    code, out, err = run("evaluate", *files, *options, "-o", rankings / "report.csv")
    assert code == 0, err
    assert "precision at 20" in out
    assert "recall at 6 false alarms" in out
    assert "[low, high]: 95% interval" in out
    assert "[red]beacon" in out
    report = pd.read_csv(rankings / "report.csv")
    assert (report.roc_auc_low < report.roc_auc).all()
    code, out, err = run("evaluate", *files, "--resamples", 0)
    assert code == 0, err
    assert "interval" not in out


def test_evaluate_prints_no_interval_for_few_anomalies(run: Run, rankings: Path) -> None:
    good, bad, labels = (rankings / f"{name}.csv" for name in ("good", "bad", "labels"))
    table = pd.read_csv(labels)
    table.loc[0, "anomaly_type"] = "single"
    table.to_csv(labels, index=False)
    code, out, err = run("evaluate", good, labels, "--against", bad, "--resamples", 50)
    assert code == 0, err
    single = [line for line in out.splitlines() if "single (few)" in line]
    assert len(single) == 2  # in the report and in the comparison
    assert all(re.search(r"\d\.\d{3}", line) and "p=" not in line and "nan" not in line for line in single)
    assert not any("[" in line for line in single)
    assert "(few): fewer than 20, no interval" in out
    assert re.search(r"all .*\[0\.\d{3}, ", out)


def test_evaluate_compares_two_detectors_on_the_same_events(run: Run, rankings: Path) -> None:
    good, bad, labels = (rankings / f"{name}.csv" for name in ("good", "bad", "labels"))
    code, out, err = run("evaluate", good, labels, "--against", bad, "--resamples", 99, "-o", rankings / "c.csv")
    assert code == 0, err
    assert "p=0.020" in out  # twice 1 in 100: no resample turned the order
    comparison = pd.read_csv(rankings / "c.csv")
    assert (comparison[comparison.metric == "roc_auc"].low > 0).all()
    code, _, err = run("evaluate", good, labels, "--against", bad, "--resamples", 0)
    assert code == 2
    assert "--resamples" in err
    pd.read_csv(bad).iloc[1:].to_csv(bad, index=False)
    code, _, err = run("evaluate", good, labels, "--against", bad)
    assert code == 2
    assert "'id-0'" in err


def test_drift_says_whether_to_retrain(run: Run, rankings: Path) -> None:
    good = rankings / "good.csv"
    code, out, err = run("drift", good, good)
    assert code == 0, err
    assert "Keep the model" in out
    table = pd.read_csv(good)
    table.assign(score=table.score - 3).to_csv(rankings / "new.csv", index=False)
    code, out, err = run("drift", good, rankings / "new.csv", "-o", rankings / "drift.jsonl")
    assert code == 0, err
    assert "Retrain" in out
    row = json.loads((rankings / "drift.jsonl").read_text())
    assert row["verdict"] == "retrain"
    code, _, err = run("drift", good, rankings / "labels.csv")
    assert code == 2
    assert "no column 'score'" in err


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; import ocsf_ssl_lib.cli; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_that_was_killed_goes_on_with_resume(run: Run, workshop: Path, tmp_path: Path) -> None:
    train = ("train", workshop / "events.jsonl", "--checkpoints", tmp_path / "c", *SMALL)
    code, _, err = run(*train, "-m", tmp_path / "first")
    assert code == 0, err
    code, _, err = run(*train, "-m", tmp_path / "again")
    assert code == 2
    assert "holds checkpoints of an earlier run" in err
    assert "--resume" in err
    code, _, err = run(*train, "-m", tmp_path / "again", "--resume")
    assert code == 0, err
    assert "resumed from step-" in err
    first, again = ((tmp_path / name / "tensors.safetensors").read_bytes() for name in ("first", "again"))
    assert first == again


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--resume",), "--resume needs --checkpoints"),
        (("--threads", "many"), "--threads must be a number from 1 on, or auto, however: many"),
        (("--threads", "0"), "--threads must be a number from 1 on, or auto, however: 0"),
        (("--threads", "²"), "--threads must be a number from 1 on, or auto, however: ²"),
        (("--precision", "fp8"), "precision"),
    ],
)
def test_an_option_of_training_that_cannot_be_is_refused_in_one_line(
    options: tuple[str, ...], message: str, run: Run, workshop: Path, tmp_path: Path
) -> None:
    code, _, err = run("train", workshop / "events.jsonl", "-m", tmp_path / "m", *SMALL, *options)
    assert code == 2
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_precision_and_threads_that_are_measured_are_said(run: Run, workshop: Path, tmp_path: Path) -> None:
    options = ("--precision", "auto", "--threads", "auto")
    code, _, err = run("train", workshop / "events.jsonl", "-m", tmp_path / "m", *SMALL, *options)
    assert code == 0, err
    assert "thread" in err
    assert "bf16" in err


# ---- streamed --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(workshop: Path) -> Path:
    """The workshop's events as a folder of Parquet files."""
    folder = workshop / "stored"
    folder.mkdir()
    frame = read_events(workshop / "events.jsonl").frame
    frame[:400].to_parquet(folder / "a.parquet", row_group_size=64)
    frame[400:].to_parquet(folder / "b.parquet")
    return folder


def test_train_streams_parquet_and_the_model_scores(run: Run, stored: Path, tmp_path: Path) -> None:
    code, _, err = run("train", stored, "--stream", "-m", tmp_path / "model", *SMALL)
    assert code == 0, err
    assert "600 events" in err
    code, out, err = run("score", stored, "-m", tmp_path / "model", "-o", "-")
    assert code == 0, err
    assert len(out.splitlines()) == 600


def test_a_streamed_period_is_the_period_of_events_in_memory(run: Run, stored: Path, tmp_path: Path) -> None:
    period = ("--since", "2026-03-10", "--until", "2026-03-20T12:00")
    notes = []
    for number, option in enumerate(((), ("--stream",))):
        code, _, err = run("train", stored, *option, *period, "-m", tmp_path / f"{number}", *SMALL)
        assert code == 0, err
        notes.append(err.split(" events, ")[0])
    assert notes[0] == notes[1]
    assert 0 < int(notes[0]) < 600


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["events.jsonl"], "only plain Parquet can be streamed"),
        (["-"], "can be read only once"),
        (["stored", "--until", "2020"], "no event in the period"),
        (["labels.parquet"], "no field of an OCSF event"),
    ],
)
def test_what_cannot_be_streamed_is_refused_in_one_line(
    run: Run, workshop: Path, stored: Path, tmp_path: Path, paths: list[str], message: str
) -> None:
    pd.read_csv(workshop / "labels.csv")[["scenario"]].to_parquet(workshop / "labels.parquet")
    given = [workshop / name if (workshop / name).exists() else name for name in paths]
    code, _, err = run("train", *given, "--stream", "-m", tmp_path / "model", *SMALL)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
