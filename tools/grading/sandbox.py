"""A process for code that nobody has read: limits on time, memory, files and output, no network, no other files.

On Linux, `unshare` gives the process namespaces of its own and `new_root.sh` a file system that holds the two
environments, read-only, and an empty folder in memory. Where that is not allowed there are the limits alone, which
must be asked for by name: `isolation="none"`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
Isolation = Literal["namespaces", "none"]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/localtime")
LONGEST_REPLY = 1 << 20  # bytes


class Refused(Exception):
    """The grader cannot start; the message names the remedy."""


class Broken(Exception):
    """A submission went over a limit or out of line; the message is the reason for its grade."""


@dataclass(frozen=True)
class Limits:
    """What a submission may take.

    Attributes:
        seconds: from its first cell to its last check.
        check_seconds: for one check.
        memory: bytes of address space of each process.
        file: bytes of one file.
        folder: bytes of all its files together.
        files: how many of them.
        processes: processes and threads at a time.
        output: bytes that it prints.
    """

    seconds: int = 300
    check_seconds: int = 120
    memory: int = 6 << 30
    file: int = 50 << 20
    folder: int = 200 << 20
    files: int = 2000
    processes: int = 64
    output: int = 5 << 20


@dataclass(frozen=True)
class Place:
    """Where submissions run.

    Attributes:
        python: interpreter of the course's environment.
        otter: folder of Otter's packages, searched after those of the course.
        source: the repository's root; of it only the package can be seen.
        isolation: see `find_isolation`.
    """

    python: Path
    otter: Path
    source: Path
    isolation: Isolation

    def visible(self) -> list[str]:
        """Paths that a submission can read."""
        environment = self.python.parent.parent
        home = subprocess.run(
            [self.python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True
        ).stdout.strip()
        paths = [*SYSTEM, home, *_with_links(environment), str(self.otter)]
        paths += [str(self.source / "ocsf_ssl_lib"), str(HERE / "inside.py")]
        shown: list[str] = []
        for path in dict.fromkeys(paths):
            if os.path.lexists(path) and not any(Path(path).is_relative_to(s) for s in shown if not os.path.islink(s)):
                shown.append(path)
        return shown


def _with_links(path: Path) -> list[str]:
    """A path, and where it leads if it is a link."""
    return [str(path.resolve()), str(path)] if path.is_symlink() else [str(path)]


@cache
def find_isolation() -> bool:
    """Whether this machine lets us make namespaces and mount in them."""
    if not all(shutil.which(tool) for tool in ("unshare", "setpriv", "findmnt", "pivot_root")):
        return False
    with tempfile.TemporaryDirectory() as root:
        command = [*_unshare(), str(HERE / "new_root.sh"), root, "1m", "1000", *filter(os.path.lexists, SYSTEM)]
        return subprocess.run([*command, "--", "/bin/sh", "-c", ":"], capture_output=True).returncode == 0


def _unshare() -> list[str]:
    spaces = ["--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--uts"]
    return ["unshare", *spaces, "--fork", "--kill-child"]


class Sandbox:
    """One running submission; a context manager that leaves no process and no file behind.

    Args:
        place: where it runs.
        limits: what it may take.
        files: name -> text of the files it finds in its folder.

    Raises:
        Broken: from `ask`, when a limit is reached or the process is gone.
    """

    def __init__(self, place: Place, limits: Limits, files: dict[str, str]) -> None:
        self.place, self.limits, self.files = place, limits, files
        self.printed = b""
        self.count = 0
        self._buffer = b""

    def __enter__(self) -> Sandbox:
        self._folder = tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True)
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        self._process = subprocess.Popen(
            self._command(to_child, from_child),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder.name,
            env=self._environment(),
            pass_fds=(to_child, from_child),
            start_new_session=True,
        )
        os.close(to_child)
        os.close(from_child)
        assert self._process.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._read, selectors.EVENT_READ)
        self._selector.register(self._process.stdout.fileno(), selectors.EVENT_READ)
        self._deadline = time.monotonic() + self.limits.seconds
        self._send(
            {
                "limits": self._rlimits(),
                "append": [str(self.place.otter)],
                "source": str(self.place.source),
                "files": self.files,
            }
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._selector.close()
        os.close(self._write)
        os.close(self._read)
        self._folder.cleanup()

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        """Send a request and wait for its answer, while output is counted and the clock runs."""
        token = secrets.token_hex(16)
        self._send({"do": do, "token": token, "with": options})
        line = self._line()
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        # Whoever writes here without having been asked knows no token.
        if not isinstance(reply, dict) or not secrets.compare_digest(str(reply.get("token", "")), token):
            raise Broken("wrote to the line between the checks and the grader")
        return reply

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            left = self._deadline - time.monotonic()
            ready = self._selector.select(max(0.0, left)) if left > 0 else []
            if not ready:
                raise Broken(f"did not end within {self.limits.seconds} s")
            for key, _ in ready:
                if key.fileobj == self._read:
                    part = os.read(self._read, 1 << 16)
                    if not part:
                        raise Broken(self._gone())
                    self._buffer += part
                    if len(self._buffer) > LONGEST_REPLY:
                        raise Broken("wrote to the line between the checks and the grader")
                else:
                    self._drain(key.fd)
        line, self._buffer = self._buffer.split(b"\n", 1)
        while any(key.fileobj != self._read and not self._drain(key.fd) for key, _ in self._selector.select(0)):
            pass  # what it printed before it answered
        return line

    def _drain(self, descriptor: int) -> bool:
        """Take what was printed; say whether that was the end of it."""
        part = os.read(descriptor, 1 << 16)
        if not part:  # the submission closed its output
            self._selector.unregister(descriptor)
        self.count += len(part)
        self.printed = (self.printed + part)[-4000:]
        if self.count > self.limits.output:
            raise Broken(f"printed more than {self.limits.output >> 20} MB")
        return not part

    def _gone(self) -> str:
        code = self._process.wait()
        if code in (137, -signal.SIGKILL):
            return "its process was killed: too much memory, most likely"
        return f"ended the process it ran in (exit code {code})"

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._write, data) :]
        except BrokenPipeError:
            raise Broken(self._gone()) from None

    def _command(self, to_child: int, from_child: int) -> Sequence[str]:
        run = [str(self.place.python), str(HERE / "inside.py"), str(to_child), str(from_child)]
        if self.place.isolation == "none":
            return run
        size = [str(self.limits.folder), str(self.limits.files)]
        return [*_unshare(), str(HERE / "new_root.sh"), self._folder.name, *size, *self.place.visible(), "--", *run]

    def _rlimits(self) -> dict[str, int]:
        limits = {"CORE": 0, "FSIZE": self.limits.file, "CPU": 2 * self.limits.seconds}
        if sys.platform == "linux":  # elsewhere the address space cannot be limited
            limits["AS"] = self.limits.memory
        if self.place.isolation == "namespaces":  # else everything that the user runs would count
            limits["NPROC"] = self.limits.processes
        return limits

    def _environment(self) -> dict[str, str]:
        """Nothing of this shell's: no keys, no settings."""
        home = "/submission" if self.place.isolation == "namespaces" else self._folder.name
        temporary = "/tmp" if self.place.isolation == "namespaces" else self._folder.name
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": home,
            "TMPDIR": temporary,
            "USER": "student",
            "LANG": "C.UTF-8",
            "MPLBACKEND": "Agg",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
