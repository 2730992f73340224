"""Where the peers' environment has lightly's NT-Xent; ``python benchmarks/peers/lightly_loss.py`` prints the path.

The file alone is of use: ``import lightly.loss`` would need all of lightly's dependencies, which are not installed.
"""

from __future__ import annotations

from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-peers"


def ntxent_file(environment: Path = ENVIRONMENT) -> Path:
    """The path of ``lightly/loss/ntx_ent_loss.py``.

    Raises:
        FileNotFoundError: the environment was not made yet.
    """
    found = sorted(environment.glob("lib/python*/site-packages/lightly/loss/ntx_ent_loss.py"))
    if not found:
        raise FileNotFoundError(f"no lightly in {environment}; make it with: make .venv-peers/.installed")
    return found[0]


if __name__ == "__main__":
    print(ntxent_file())
