"""Cut MyST Markdown into lines and fenced blocks, and cut the shown part out of an included file."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass, field

import yaml

FENCE = re.compile(r"^(?P<indent> {0,3})(?P<mark>`{3,}|~{3,}|:{3,})(?P<info>.*)$")
DIRECTIVE = re.compile(r"^\{(?P<name>[\w:.-]+)\}\s*(?P<argument>.*)$")


class MystError(Exception):
    """Something the notebooks could not show; the message says what."""


@dataclass
class Block:
    """A fenced block: a directive, or code when `name` is empty."""

    name: str
    argument: str
    options: dict[str, str]
    body: list[str]
    lines: list[str] = field(default_factory=list)


def split_blocks(text: str) -> list[str | Block]:
    """Cut Markdown into lines and fenced blocks; blocks inside a block stay in its body."""
    lines = text.splitlines()
    parts: list[str | Block] = []
    i = 0
    while i < len(lines):
        opening = FENCE.match(lines[i])
        directive = opening and DIRECTIVE.match(opening["info"].strip())
        if not opening or (opening["mark"][0] == ":" and not directive):
            parts.append(lines[i])
            i += 1
            continue
        mark = opening["mark"]
        if mark[0] == "`" and "`" in opening["info"]:
            if directive:
                raise MystError(f"a title with backticks needs a colon fence (:::): {lines[i].strip()}")
            parts.append(lines[i])
            i += 1
            continue
        closing = re.compile(rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}\s*$")
        end = i + 1
        while end < len(lines) and not closing.match(lines[end]):
            end += 1
        if end == len(lines):
            raise MystError(f"block is never closed: {lines[i].strip()}")
        body = lines[i + 1 : end]
        whole = lines[i : end + 1]
        if directive:
            options, body = _options(body)
            parts.append(Block(directive["name"], directive["argument"].strip(), options, body, whole))
        else:
            parts.append(Block("", opening["info"].strip(), {}, body, whole))
        i = end + 1
    return parts


def _options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take a directive's options (``:key: value`` lines, or YAML between dashes) off its body."""
    options: dict[str, str] = {}
    if body and body[0].strip() == "---":
        end = next((i for i, line in enumerate(body[1:], 1) if line.strip() == "---"), len(body))
        loaded = yaml.safe_load("\n".join(body[1:end])) or {}
        options = {str(k): "" if v is None else str(v) for k, v in loaded.items()}
        body = body[end + 1 :]
    else:
        while body and (match := re.match(r"^:([\w-]+):\s*(.*)$", body[0])):
            options[match[1]] = match[2]
            body = body[1:]
    while body and not body[0].strip():
        body = body[1:]
    return options, body


def cell_header(lines: list[str]) -> str:
    """Return the YAML header of a code cell, whichever way it is written."""
    body = lines[1:-1]
    if body and body[0].strip() == "---":
        end = next(i for i, line in enumerate(body[1:], 1) if line.strip() == "---")
        return "\n".join(body[1:end])
    options = []
    for line in body:
        if not line.startswith(":"):
            break
        options.append(line[1:])
    return "\n".join(options)


def included(text: str, options: dict[str, str], path: str) -> str:
    """Cut out of a file what a literalinclude shows."""
    lines = text.splitlines()
    if name := options.get("pyobject"):
        node: ast.AST = ast.parse(text)
        for part in name.split("."):
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            inner = [n for n in ast.iter_child_nodes(node) if isinstance(n, kinds) and n.name == part]
            if not inner:
                raise MystError(f"{path} has no {name}")
            node = inner[0]
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])  # type: ignore[attr-defined]
        lines = lines[first - 1 : node.end_lineno]  # type: ignore[attr-defined]
    for option, after in (("start-after", 1), ("start-at", 0)):
        if mark := options.get(option):
            at = next((i for i, line in enumerate(lines) if mark in line), None)
            if at is None:
                raise MystError(f"{path} has no line with {mark}")
            lines = lines[at + after :]
    for option, after in (("end-before", 0), ("end-at", 1)):
        if mark := options.get(option):
            at = next((i for i, line in enumerate(lines) if mark in line), None)
            if at is None:
                raise MystError(f"{path} has no line with {mark}")
            lines = lines[: at + after]
    body = "\n".join(lines)
    return textwrap.dedent(body).strip("\n") if "dedent" in options else body.strip("\n")
