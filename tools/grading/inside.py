"""The part of the grader that shares a process with a submission: runs its cells, then one check after the other.

    python inside.py READ_FD WRITE_FD

Requests come in and replies go out as lines of JSON. Nothing that is written here can be trusted once the first
cell has run; what follows from it is said in `submission`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

LONGEST_MESSAGE = 2000  # characters
# No honest answer opens a file of such a name.
RESERVED = frozenset({"autograder", "results.json", "results.pkl"})
OPENING = frozenset({"open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir"})


class CheckTookTooLong(BaseException):
    """Not an ``Exception``: an ``except Exception`` in a submission does not stop it."""


def restrict(limits: dict[str, int]) -> None:
    """Set what this process and its children may take; none of it can be raised again."""
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            resource.setrlimit(kind, (value, value))


class Watch:
    """Notes the use of reserved names and of the network. An audit hook cannot be removed by Python code."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event in OPENING and args and isinstance(args[0], (str, bytes, os.PathLike)):
            name = os.fsdecode(args[0])
            if not RESERVED.isdisjoint(Path(name).parts):
                self._note(f"touched {name}")
        elif event == "socket.connect":
            self._note("reached for the network")

    def _note(self, what: str) -> None:
        if what not in self.seen and len(self.seen) < 20:
            self.seen.append(what[:200])


class Run:
    """One submission: its namespace, and the files it was given."""

    def __init__(self, files: dict[str, str]) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        self.files = files
        self.source = ""
        self.read: list[Any] = []
        for name, text in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        config.InteractiveShell.xmode = "Minimal"
        self.shell = InteractiveShell.instance(config=config)
        sys.argv = ["notebook"]
        self.watch = Watch()

    def cells(self, cells: list[str]) -> dict[str, Any]:
        """Run the notebook from top to bottom; go on after an error, as Otter does."""
        errors = []
        for number, source in enumerate(cells, start=1):
            result = self.shell.run_cell(source, store_history=False)
            error = result.error_before_exec or result.error_in_exec
            if error is not None:
                errors.append({"cell": number, "error": _say(error)})
        return {"errors": errors[:50]}

    def check(self, source: str, index: int, seconds: int) -> dict[str, Any]:
        """Run one case of a test file in Otter's exception-based format."""
        case = self._cases(source)[index].body

        def late(*_: object) -> None:
            raise CheckTookTooLong(f"the check did not end within {seconds} s")

        signal.signal(signal.SIGALRM, late)
        signal.alarm(seconds)
        try:
            case.call_func(self.shell.user_ns)
        except BaseException as error:  # SystemExit included: a function that ends the process has not passed
            return {"passed": False, "message": _say(error)}
        finally:
            signal.alarm(0)
        return {"passed": True, "message": ""}

    def _cases(self, source: str) -> list[Any]:
        """A test file is read once, as in Otter: a case may keep for a later one what took long to compute."""
        from otter.test_files.exception_test import ExceptionTestFile

        if source != self.source:
            self.source, self.read = source, ExceptionTestFile.from_string(source).test_cases
        return self.read

    def end(self) -> dict[str, Any]:
        """What was noticed on the way."""
        damaged = [n for n, text in self.files.items() if not _holds(Path(n), text)]
        return {"seen": self.watch.seen, "damaged": damaged}


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def _say(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(it cannot be shown)"
    name = type(error).__name__
    said = text if isinstance(error, (AssertionError, CheckTookTooLong)) and text else f"{name}: {text}"
    return said[:LONGEST_MESSAGE]


def main() -> None:
    """Answer requests until the other side closes the line."""
    requests = os.fdopen(int(sys.argv[1]), encoding="utf-8")
    replies = os.fdopen(int(sys.argv[2]), "w", encoding="utf-8")
    first = json.loads(requests.readline())
    restrict(first["limits"])
    sys.path[:] = [p for p in sys.path if p != str(Path(__file__).parent)] + first["append"]
    sys.path.insert(0, first["source"])
    run = Run(first["files"])
    actions = {"cells": run.cells, "check": run.check, "end": run.end}
    for line in requests:
        request = json.loads(line)
        answer = actions[request["do"]](**request["with"])
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # a submission may have closed or replaced it
                stream.flush()
        replies.write(json.dumps({"token": request["token"], **answer}) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
