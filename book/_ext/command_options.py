"""The reStructuredText directive ``command-options``: a command of ``ocsf-ssl``, as the application itself tells it.

The page holds no second copy of an option, its default or its help. ``sphinx-click`` would do as much for an
application of Click, and does not know one of Typer, which brings its own Click along since 0.26.

Options are those of Sphinx (``option``): each has an address, a line in the index, and can be referred to,
``{option}`ocsf-ssl score --redact```.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.rst import escape
from typer.main import get_command

from ocsf_ssl_lib.cli import app as cli

PROGRAM = "ocsf-ssl"
OPTION = re.compile(r"((?<![\w-])--?[a-z][\w-]*)")


def commands() -> dict[str, Any]:
    """Return the commands by name, in the order in which help lists them."""
    found: dict[str, Any] = get_command(cli).commands  # type: ignore[attr-defined]
    return found


def option_lines(name: str) -> list[str]:
    """Return a command's help, arguments and options as lines of reStructuredText."""
    command = commands()[name]
    context = command.make_context(name, [], resilient_parsing=True)
    lines = [f".. program:: {PROGRAM} {name}", "", _prose(command.help), ""]
    for parameter in command.params:
        declared, text = parameter.get_help_record(context)
        declared = declared.replace(" / ", ", ").replace("...", "")  # the dots would be part of an argument's address
        lines += [f".. option:: {declared}", "", f"   {_prose(text)}", ""]
    return lines


def _prose(text: str) -> str:
    """Return help as reStructuredText; options in it are literals, or ``--days`` would become a dash and a word."""
    parts = OPTION.split(text)
    return "".join(f"``{part}``" if k % 2 else escape(part) for k, part in enumerate(parts))


class _CommandOptions(SphinxDirective):
    """Put a command's help, arguments and options where it stands; its argument is the command's name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the parsed lines."""
        name = self.arguments[0]
        if name not in commands():
            raise self.error(f"{PROGRAM} has no command {name!r}; it has {', '.join(commands())}")
        parent = nodes.Element()
        self.state.nested_parse(StringList(option_lines(name), source=f"{PROGRAM} {name}"), 0, parent)
        return parent.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("command-options", _CommandOptions)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
