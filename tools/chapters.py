"""The chapters of the book, and the keys that say whether what was computed from them still holds."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[1]

# How cells run, in the book and under nbval: on the CPU, one thread, so that sums are added in one order.
KERNEL_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "",
    "ACCELERATE_MIXED_PRECISION": "no",
    "TZ": "UTC",
    # tqdm complains of absent ipywidgets when accelerate is imported; pages show no progress bars.
    "PYTHONWARNINGS": "ignore:IProgress not found",
}


def kernel_environment(root: Path = ROOT) -> dict[str, str]:
    """Return the environment that cells run in, with an IPython profile of the book's own.

    The profile keeps a reader's own start-up files out, and shows an exception (a lesson, where a page has one)
    by its message, without the paths of this machine.
    """
    profile = root / "_build" / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    config = 'c.InteractiveShell.xmode = "Minimal"\nc.HistoryManager.enabled = False\n'
    (profile / "ipython_config.py").write_text(config, encoding="utf-8")
    quiet = 'c.IPKernelApp.log_level = "ERROR"\n'
    (profile / "ipython_kernel_config.py").write_text(quiet, encoding="utf-8")
    return {**KERNEL_ENVIRONMENT, "IPYTHONDIR": str(profile.parent)}


@cache
def _config(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def repository_url(root: Path = ROOT) -> str:
    """Return the address of the repository, which stands in ``_config.yml`` alone."""
    return str(_config(root)["repository"]["url"]).rstrip("/")


def branch(root: Path = ROOT) -> str:
    """Return the branch that links lead to."""
    return str(_config(root)["repository"].get("branch", "main"))


def book_url(root: Path = ROOT) -> str:
    """Return the address of the deployed book: GitHub Pages of the repository."""
    owner, name = urlsplit(repository_url(root)).path.strip("/").split("/")[:2]
    return f"https://{owner}.github.io/{name}/"


def pages(root: Path = ROOT) -> list[Path]:
    """Return the pages of the book in the order of ``_toc.yml``."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    names: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            names.extend(str(node[k]) for k in ("root", "file") if k in node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(toc)
    return [root / (name if name.endswith(".md") else f"{name}.md") for name in names]


def has_code(text: str) -> bool:
    """Say whether a page has cells to run."""
    return re.search(r"^`{3,}\{code-cell\}", text, flags=re.MULTILINE) is not None


def executed_pages(root: Path = ROOT) -> list[Path]:
    """Return the pages that have cells to run: each of them has a notebook."""
    return [page for page in pages(root) if has_code(page.read_text(encoding="utf-8"))]


def environment_key(root: Path = ROOT) -> str:
    """Return a key of all that results depend on beside a chapter's own text."""
    files = [root / "requirements.txt"]
    files += (root / "ocsf_ssl_lib").rglob("*.py")
    for measured in ("experiments", "benchmarks"):
        files += (p for p in (root / measured / "results").rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0")
        digest.update(file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:16]


def chapter_key(text: str, environment: str) -> str:
    """Return the key of one chapter's results: its text and `environment_key`."""
    return hashlib.sha256(f"{text}\0{environment}".encode()).hexdigest()[:16]
