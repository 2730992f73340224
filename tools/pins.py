"""Write requirements.txt anew from what the environment holds: python tools/pins.py."""

from __future__ import annotations

import re
import subprocess
import sys

from chapters import ROOT

HEADER = """\
# Exact pins of everything that the book, the tests and the package need; pyproject.toml has the ranges.
# Renew them with: make pins
"""


def main() -> int:
    """Keep the packages that are pinned now, at the versions that are installed now."""
    file = ROOT / "requirements.txt"
    command = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"]
    frozen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # A local version (torch's +cpu) is a matter of the machine, not of the project.
    installed = {
        re.sub(r"[-_.]+", "-", name).lower(): f"{name}=={release.split('+')[0]}"
        for name, release in re.findall(r"^([\w.-]+)==(\S+)$", frozen, flags=re.MULTILINE)
    }
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"^([\w.-]+)==", line):
            kept.append(installed.get(re.sub(r"[-_.]+", "-", match[1]).lower(), line))
    file.write_text(HEADER + "\n".join(sorted(kept, key=str.lower)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
