"""A saved model is a folder of numbers and text: loading one runs no code from it.

Weights and arrays are safetensors, scikit-learn's transformers are skops, everything else is JSON. A manifest holds
the SHA-256 of each file, so a folder with a file missing or altered is refused by name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import skops.io
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ocsf_ssl_lib.errors import InputError

__all__ = ["FORMAT_VERSION", "Artifact", "load_artifact", "save_artifact"]

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
CONFIG, TENSORS, ESTIMATOR = "config.json", "tensors.safetensors", "scaler.skops"


@dataclass
class Artifact:
    """What a folder holds.

    Attributes:
        config: anything JSON can say.
        tensors: name -> tensor.
        estimator: a fitted scikit-learn transformer, or None.
    """

    config: dict[str, Any]
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    estimator: Any = None


def save_artifact(artifact: Artifact, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the folder ``path``: aside first, then moved into place, so that no half-written model is ever seen.

    Raises:
        InputError: the folder exists and ``overwrite`` is False, is not a model, or cannot be written.
    """
    path = Path(path)
    path = path.resolve() if path.is_symlink() else path
    if path.exists():
        if not overwrite:
            raise InputError(f"{path} exists; choose another folder, or allow it to be replaced (overwrite, --force)")
        if not path.is_dir() or not _replaceable(path):
            raise InputError(f"{path} is not a saved model, so it will not be replaced; choose another folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from None
    try:
        (aside / CONFIG).write_text(json.dumps(artifact.config, indent=1, allow_nan=False), encoding="utf-8")
        # Copies: safetensors refuses tensors that share memory, as the tied weights of a model do.
        tensors = {
            k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in artifact.tensors.items()
        }
        save_file(tensors, aside / TENSORS)
        names = [CONFIG, TENSORS]
        if artifact.estimator is not None:
            skops.io.dump(artifact.estimator, aside / ESTIMATOR)
            names.append(ESTIMATOR)
        manifest = {"format": FORMAT_VERSION, "files": {name: _sha256(aside / name) for name in names}}
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        aside.chmod(0o755)
        if path.exists():
            old = aside.with_name(aside.name + ".old")
            os.replace(path, old)
            try:
                os.replace(aside, path)
            except OSError:
                os.replace(old, path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(aside, path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {path}: {reason}; nothing was changed") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return path


def load_artifact(path: str | Path) -> Artifact:
    """Read a folder that ``save_artifact`` wrote.

    Raises:
        InputError: the folder, or a file in it, is missing, altered, of a newer format, or would need code to load.
    """
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"no model at {path}: {'not a folder' if path.exists() else 'no such folder'}")
    if not (path / MANIFEST).is_file():
        raise InputError(f"{path} is not a saved model: it has no {MANIFEST}")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        version, files = manifest["format"], dict(manifest["files"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path / MANIFEST} is damaged; train the model again or restore the file") from None
    if version != FORMAT_VERSION:
        raise InputError(f"{path} has format {version}, this version reads format {FORMAT_VERSION}; train it again")
    if not {CONFIG, TENSORS} <= set(files) <= {CONFIG, TENSORS, ESTIMATOR}:
        raise InputError(f"{path / MANIFEST} does not list the files of a model; train the model again")
    for name, digest in files.items():
        if not (path / name).is_file():
            raise InputError(f"{path} is incomplete: {name} is missing; restore the file or train the model again")
        if _sha256(path / name) != digest:
            raise InputError(f"{path / name} was altered after it was saved; restore the file or train the model again")
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(path / TENSORS)
    except (ValueError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {error}; train the model again") from None
    if not isinstance(config, dict):
        raise InputError(f"{path / CONFIG} holds no options; train the model again")
    return Artifact(config, tensors, _load_estimator(path / ESTIMATOR) if ESTIMATOR in files else None)


def _load_estimator(file: Path) -> Any:
    """The transformer, if it needs no type beyond those skops trusts by itself."""
    try:
        foreign = skops.io.get_untrusted_types(file=file)
        if foreign:
            raise InputError(f"{file} asks for types that a model does not need: {', '.join(foreign)}; not loaded")
        return skops.io.load(file, trusted=[])
    except InputError:
        raise
    except Exception as error:  # skops meets a damaged file with whatever its parser raises
        raise InputError(f"{file} cannot be read: {error}; train the model again") from None


def _replaceable(path: Path) -> bool:
    """True for an empty folder and for one with the files of a model and nothing else: all of it will be deleted."""
    names = {entry.name for entry in path.iterdir()}
    return not names or MANIFEST in names <= {MANIFEST, CONFIG, TENSORS, ESTIMATOR}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
