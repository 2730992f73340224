"""The folder of a saved model: numbers and text only, whole or refused, and never half-written."""

from __future__ import annotations

import builtins
import errno
import json
import os
import pickle
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import torch
from safetensors import SafetensorError
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from ocsf_ssl_lib import InputError, OCSFAnomalyDetector
from ocsf_ssl_lib.artifact import CONFIG, ESTIMATOR, MANIFEST, TENSORS, Artifact, _sha256, load_artifact, save_artifact

FILES = {CONFIG, TENSORS, ESTIMATOR, MANIFEST}


def artifact(number: float = 1.0) -> Artifact:
    scaler = StandardScaler().fit(np.arange(6.0)[:, None])
    return Artifact({"a": number, "b": ["x", None]}, {"w": torch.full((2, 3), number)}, scaler)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_artifact(artifact(), tmp_path / "model")


def sign(folder: Path, name: str) -> None:
    """Write the right digest of a file that was changed: what someone with bad intent would do."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = _sha256(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_artifact(folder)
    assert "\n" not in str(caught.value)


# ---- round trip ------------------------------------------------------------------------------------------------


def test_what_is_loaded_is_what_was_saved(saved: Path) -> None:
    loaded = load_artifact(saved)
    assert loaded.config == {"a": 1.0, "b": ["x", None]}
    assert torch.equal(loaded.tensors["w"], torch.ones(2, 3))
    assert loaded.estimator.mean_ == pytest.approx(2.5)
    assert {f.name for f in saved.iterdir()} == FILES


def test_tensors_that_share_memory_are_saved_each(tmp_path: Path) -> None:
    weight = torch.arange(6.0).view(2, 3)
    loaded = load_artifact(save_artifact(Artifact({}, {"a": weight, "tied": weight, "t": weight.T}), tmp_path / "m"))
    assert torch.equal(loaded.tensors["tied"], weight)
    assert torch.equal(loaded.tensors["t"], weight.T)


def test_a_model_without_a_scaler_has_no_scaler_file(tmp_path: Path) -> None:
    folder = save_artifact(Artifact({}, {"w": torch.zeros(1)}), tmp_path / "m")
    assert ESTIMATOR not in {f.name for f in folder.iterdir()}
    assert load_artifact(str(folder)).estimator is None


def test_folders_above_are_made(tmp_path: Path) -> None:
    assert load_artifact(save_artifact(artifact(), tmp_path / "a" / "b" / "m")).config["a"] == 1.0


# ---- no code ---------------------------------------------------------------------------------------------------


def test_neither_saving_nor_loading_ever_calls_pickle(
    fitted: OCSFAnomalyDetector, events: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: object, **__: object) -> None:
        raise AssertionError("pickle was called")

    OCSFAnomalyDetector.load(fitted.save(tmp_path / "first"))  # modules imported on first use are executed here
    for module, names in ((pickle, ("load", "loads", "dump", "dumps", "Unpickler")), (torch, ("load", "save"))):
        for name in names:
            monkeypatch.setattr(module, name, no)
    for name in ("eval", "exec"):
        monkeypatch.setattr(builtins, name, no)
    folder = fitted.save(tmp_path / "model")
    loaded = OCSFAnomalyDetector.load(folder)
    monkeypatch.undo()
    assert np.isfinite(loaded.score_samples(events)).all()


def test_the_files_are_json_safetensors_and_skops(saved: Path) -> None:
    json.loads((saved / CONFIG).read_text())
    json.loads((saved / MANIFEST).read_text())
    header = int.from_bytes((saved / TENSORS).read_bytes()[:8], "little")
    json.loads((saved / TENSORS).read_bytes()[8 : 8 + header])
    assert skops.io.get_untrusted_types(file=saved / ESTIMATOR) == []
    for file in saved.iterdir():
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever pickle says of bytes that are none
            pickle.loads(file.read_bytes())


def test_a_scaler_that_asks_for_foreign_types_is_refused_and_not_run(saved: Path) -> None:
    skops.io.dump(FunctionTransformer(os.system), saved / ESTIMATOR)
    sign(saved, ESTIMATOR)
    refused(saved, "asks for types that a model does not need: .*system.*; not loaded")


def test_a_pickle_in_place_of_the_scaler_is_refused_and_not_run(saved: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    (saved / ESTIMATOR).write_bytes(pickle.dumps(Bomb()))
    sign(saved, ESTIMATOR)
    refused(saved, "cannot be read")
    torch.save({"w": torch.ones(1)}, saved / TENSORS)
    sign(saved, TENSORS)
    refused(saved, "cannot be read")
    assert not (tmp_path / "exploded").exists()


# ---- what is refused on load -----------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none", "no model at .*none: no such folder")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "not a folder")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    refused(tmp_path, f"not a saved model: it has no {MANIFEST}")
    (tmp_path / MANIFEST).write_text('{"name": "a web page", "icons": []}')
    refused(tmp_path, "damaged")


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_refused_by_name(saved: Path, name: str) -> None:
    (saved / name).unlink()
    refused(saved, f"{name}")


@pytest.mark.parametrize("name", [CONFIG, TENSORS, ESTIMATOR])
@pytest.mark.parametrize("how", ["altered", "truncated", "emptied", "longer"])
def test_a_changed_file_is_refused_by_name(saved: Path, name: str, how: str) -> None:
    content = (saved / name).read_bytes()
    middle = len(content) // 2
    new = {
        "altered": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "truncated": content[:-1],
        "emptied": b"",
        "longer": content + b" ",
    }
    (saved / name).write_bytes(new[how])
    refused(saved, f"{name} was altered")


@pytest.mark.parametrize("name", [CONFIG, TENSORS, ESTIMATOR])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00rubbish" * 9, b"[]"])
def test_rubbish_that_was_signed_is_refused(saved: Path, name: str, content: bytes) -> None:
    (saved / name).write_bytes(content)
    sign(saved, name)
    refused(saved, "cannot be read|holds no options")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"format": 1}', '{"format": 1, "files": 3}', "\x00"])
def test_a_damaged_manifest_is_refused(saved: Path, text: str) -> None:
    (saved / MANIFEST).write_text(text)
    refused(saved, f"{MANIFEST} is damaged")


def test_a_manifest_that_is_not_text_is_refused(saved: Path) -> None:
    (saved / MANIFEST).write_bytes(b"\xff\xfe\xfd")
    refused(saved, f"{MANIFEST} is damaged")


def test_a_newer_format_is_refused_by_its_number(saved: Path) -> None:
    manifest = json.loads((saved / MANIFEST).read_text())
    (saved / MANIFEST).write_text(json.dumps(manifest | {"format": 2}))
    refused(saved, "has format 2, this version reads format 1")


@pytest.mark.parametrize("files", [{}, {CONFIG: "0"}, {"../../secret": "0", CONFIG: "0", TENSORS: "0"}])
def test_a_manifest_that_lists_other_files_is_refused(saved: Path, files: dict[str, str]) -> None:
    (saved / MANIFEST).write_text(json.dumps({"format": 1, "files": files}))
    refused(saved, "does not list the files of a model")


# ---- overwriting -----------------------------------------------------------------------------------------------


def test_a_folder_that_exists_is_replaced_only_when_asked(saved: Path) -> None:
    with pytest.raises(InputError, match="exists; choose another folder"):
        save_artifact(artifact(2.0), saved)
    assert load_artifact(saved).config["a"] == 1.0
    save_artifact(artifact(2.0), saved, overwrite=True)
    assert load_artifact(saved).config["a"] == 2.0
    assert [p.name for p in saved.parent.iterdir()] == ["model"]


def test_overwriting_takes_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    assert load_artifact(save_artifact(artifact(), tmp_path / "m", overwrite=True)).config["a"] == 1.0


@pytest.mark.parametrize(
    "names", [["notes.txt"], ["manifest.json", "index.html"], ["manifest.json", "config.json", ".git"]]
)
def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("{}")
    with pytest.raises(InputError, match="is not a saved model, so it will not be replaced"):
        save_artifact(artifact(), folder, overwrite=True)
    assert {f.name for f in folder.iterdir()} == set(names)


def test_a_file_is_never_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("precious")
    with pytest.raises(InputError, match="will not be replaced"):
        save_artifact(artifact(), tmp_path / "m", overwrite=True)
    assert (tmp_path / "m").read_text() == "precious"


def test_overwriting_through_a_link_replaces_what_it_points_to(saved: Path) -> None:
    link = saved.parent / "current"
    link.symlink_to(saved)
    save_artifact(artifact(3.0), link, overwrite=True)
    assert link.is_symlink()
    assert load_artifact(saved).config["a"] == 3.0


# ---- nothing half-written --------------------------------------------------------------------------------------


def broken(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def broken_tensors(*_: object, **__: object) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device")


@pytest.mark.parametrize("there", [False, True], ids=["new", "overwriting"])
@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("tempfile.mkdtemp", broken),
        ("pathlib.Path.write_text", broken),
        ("ocsf_ssl_lib.artifact.save_file", broken_tensors),
        ("ocsf_ssl_lib.artifact.save_file", broken),
        ("skops.io.dump", broken),
        ("os.replace", broken),
    ],
    ids=["mkdtemp", "json", "tensors", "tensors-os", "scaler", "replace"],
)
def test_a_failure_while_saving_leaves_nothing_and_changes_nothing(
    target: str, fault: Any, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    if there:
        save_artifact(artifact(1.0), path)
    monkeypatch.setattr(target, fault)
    with pytest.raises(InputError, match=r"cannot write .*No space left") as caught:
        save_artifact(artifact(2.0), path, overwrite=True)
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == (["model"] if there else [])
    if there:
        assert load_artifact(path).config["a"] == 1.0


def test_a_failure_between_the_two_moves_puts_the_old_model_back(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.replace, []

    def second_fails(source: Any, target: Any) -> None:
        calls.append(source)
        if len(calls) == 2:
            broken()
        real(source, target)

    monkeypatch.setattr("os.replace", second_fails)
    with pytest.raises(InputError, match="nothing was changed"):
        save_artifact(artifact(2.0), saved, overwrite=True)
    assert len(calls) == 3
    assert load_artifact(saved).config["a"] == 1.0
    assert [p.name for p in saved.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("config", [{"a": float("nan")}, {"a": object()}])
def test_options_that_json_cannot_say_leave_nothing_behind(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError)):
        save_artifact(Artifact(config), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_saving_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("skops.io.dump", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_artifact(artifact(), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        save_artifact(artifact(), tmp_path / "file" / "m")


def test_a_read_only_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> str:  # what the system says to anyone but root, who may write anywhere
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("ocsf_ssl_lib.artifact.tempfile.mkdtemp", refuse)
    with pytest.raises(InputError, match=r"cannot write .*Permission denied"):
        save_artifact(artifact(), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_really_fails_is_one_line_and_nothing_is_left(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: the write itself fails, inside safetensors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(InputError, match="cannot write") as caught:
            save_artifact(Artifact({}, {"w": torch.zeros(1_000_000)}), tmp_path / "m")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
