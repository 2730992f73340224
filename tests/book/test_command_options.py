"""The page of the command line says all that the application knows, and its examples are commands that it takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from chapters import ROOT
from command_options import PROGRAM, commands, option_lines
from sphinx.cmd.build import build_main

PAGE = ROOT / "book" / "command-line.md"
EXAMPLES = re.findall(rf"^{PROGRAM} (\S+)(.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> BeautifulSoup:
    """The directives of the page, as a small site of their own, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "conf.py").write_text('extensions = ["command_options"]\n')
    directives = re.findall(r"^\.\. command-options:: .*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (folder / "index.rst").write_text("\n\n".join(["Commands\n========", *directives]) + "\n")
    assert build_main(["-q", "-W", "-n", str(folder), str(folder / "html")]) == 0
    return BeautifulSoup((folder / "html" / "index.html").read_text(encoding="utf-8"), "html.parser")


def _words(text: str) -> str:
    """Text on one line, with the quotes and dots of a keyboard; an option whose hyphens became a dash stays wrong."""
    return " ".join(text.translate({0x2018: "'", 0x2019: "'", 0x2026: "..."}).split())


@pytest.mark.parametrize("name", commands())
def test_every_option_of_a_command_stands_on_the_page_with_its_help(name: str, site: BeautifulSoup) -> None:
    command = commands()[name]
    assert _words(command.help) in _words(site.text)
    for parameter in command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            place = option.lstrip("-") if option.startswith("-") else f"arg-{option}"
            term = site.find(id=f"cmdoption-{PROGRAM}-{name}-{place}")
            assert term is not None, option
            entry = term.find_parent("dl")
            assert option in re.split(r"[\s,¶]+", entry.dt.text)
            assert _words(parameter.help) in _words(entry.dd.text)


def test_bounds_and_defaults_are_those_of_the_program() -> None:
    lines = "\n".join(option_lines("score")).replace("\\", "")  # as they read once they are parsed
    assert ".. option:: --top <int range>\n" in lines
    assert "[default: 20; x>=0]" in lines
    assert ".. option:: --group, --no-group\n" in lines


def test_every_command_has_a_heading_an_example_and_its_options_in_the_order_of_help() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for found in (
        re.findall(r"^### (\S+)$", text, flags=re.MULTILINE),
        re.findall(r"^\.\. command-options:: (\S+)$", text, flags=re.MULTILINE),
        [name for name, _ in EXAMPLES],
    ):
        assert found == list(commands())


@pytest.mark.parametrize(("name", "arguments"), EXAMPLES)
def test_an_example_is_a_command_that_the_program_takes(name: str, arguments: str) -> None:
    commands()[name].make_context(name, shlex.split(arguments))  # raises where an option is unknown or left out


def test_an_unknown_command_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conf.py").write_text('extensions = ["command_options"]\n')
    (tmp_path / "index.rst").write_text("A\n=\n\n.. command-options:: scor\n")
    assert build_main(["-q", "-W", str(tmp_path), str(tmp_path / "html")]) != 0
    assert "ocsf-ssl has no command 'scor'; it has simulate, inspect" in capsys.readouterr().err
