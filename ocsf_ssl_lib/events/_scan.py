"""The careful reader: any text of JSON events, one record at a time, going on after a bad one.

It takes JSON Lines, pretty-printed objects, arrays, and objects run together with or without commas, all in one
text. The fast reader hands it what it cannot parse, so both must agree on what a good record is.
"""

from __future__ import annotations

import gc
import json
import re
from typing import Any

__all__ = ["MAX_LEVELS", "Scanner"]

# Between records: white space, commas, byte order marks, and the record separator of JSON text sequences (RFC 7464).
BETWEEN = re.compile("[ \t\r\n,\ufeff\x1e]*")
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]]')
UNDECODED = re.compile("[\udc80-\udcff]")
LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
WHITE = re.compile(r"[ \t\r\n]*")
CLASS = "class_uid"
# Python 3.11 parses some 900 levels, 3.12 ten thousand. What comes after calls itself for each level: far below both.
MAX_LEVELS = 128
TOO_DEEP = f"nested too deeply (over {MAX_LEVELS} levels)"

PYTHON_WORDS = {"None": "null", "True": "true", "False": "false", "undefined": "null", "nan": "null", "inf": "null"}
KINDS = {str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}


class Scanner:
    """Reads a text block by block and remembers between blocks where it is.

    Attributes:
        line: number of the line at which the next block begins.
        open_arrays: top-level arrays begun and not yet ended.
        rejected: (line, reason) of every record refused so far.
    """

    def __init__(self) -> None:
        self.line = 1
        self.open_arrays = 0
        self.rejected: list[tuple[int, str]] = []
        self._decoder = json.JSONDecoder()

    def scan(self, text: str, *, final: bool) -> tuple[list[dict[str, Any]], list[int], str]:
        """Read all records of a text.

        Args:
            text: UTF-8 text decoded with ``surrogateescape``.
            final: no more text follows; a record without an end is refused rather than kept for later.

        Returns:
            The events, the line each begins at, and the unfinished rest of the text ("" if ``final``).
        """
        # Collecting garbage while millions of new dicts pile up costs three times the parsing, and finds none.
        collecting = gc.isenabled()
        gc.disable()
        try:
            return self._scan(text, final=final)
        finally:
            if collecting:
                gc.enable()

    def _scan(self, text: str, *, final: bool) -> tuple[list[dict[str, Any]], list[int], str]:
        events: list[dict[str, Any]] = []
        lines: list[int] = []
        clean = not UNDECODED.search(text)
        position = counted = 0
        while True:
            position = BETWEEN.match(text, position).end()  # type: ignore[union-attr]
            self.line += text.count("\n", counted, position)
            counted = position
            if position >= len(text):
                return events, lines, ""
            first = text[position]
            if first == "[" or (first == "]" and self.open_arrays):
                self.open_arrays += 1 if first == "[" else -1
                position += 1
                continue
            try:
                value, end = self._decoder.raw_decode(text, position)
            except RecursionError:
                end = self._after_bad(text, position) or len(text)
                self.rejected.append((self.line, TOO_DEEP))
            except json.JSONDecodeError as error:
                resume = self._after_bad(text, position)
                # A text that ends before the record does says nothing against the record yet.
                ran_out = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
                if first == "{" and not final and (resume is None or ran_out):
                    return events, lines, text[position:]
                end = len(text) if resume is None else resume
                self._refuse(text, position, _place(text, error), error.msg, resume)
            except ValueError as error:  # an integer of more digits than Python converts
                end = self._after_bad(text, position) or len(text)
                self.rejected.append((self.line, f"a number too long to read ({str(error).split(';')[0]})"))
            else:
                raw = text[position:end]
                if not clean and (undecoded := UNDECODED.search(raw)):
                    byte = ord(undecoded.group()) - 0xDC00
                    self.rejected.append((self.line, f"not UTF-8 (byte 0x{byte:02x}): convert the file to UTF-8"))
                elif raw.count("{") + raw.count("[") > MAX_LEVELS and _is_too_deep(value):
                    self.rejected.append((self.line, TOO_DEEP))
                elif type(value) is not dict:
                    self.rejected.append((self.line, f"{KINDS[type(value)]} ({raw[:40]}), not an event object"))
                else:
                    if LONE_SURROGATE.search(raw):
                        value = _without_lone_surrogates(value)
                    for event in _unwrap(value):
                        events.append(event)
                        lines.append(self.line)
            position = end

    def _after_bad(self, text: str, position: int) -> int | None:
        """Where to go on after the bad record at ``position``; None if it has no end in this text.

        Its own closing brace if the braces balance before the next line on which a record may begin (no deeper
        indented than this one: deeper ones are parts of it), else that line. A part of an event must not be
        taken for an event.
        """
        if text[position] != "{":
            newline = text.find("\n", position)
            return None if newline < 0 else newline
        margin = text[text.rfind("\n", 0, position) + 1 : position]
        indent = len(margin) - len(margin.lstrip(" \t"))
        following = re.compile(rf"\n[ \t]{{0,{indent}}}(?:\}}[ \t]*,?[ \t]*)?(?=\{{)").search(text, position)
        stop = following.end() if following else len(text)
        depth = 0
        for token in TOKEN.finditer(text, position, stop):
            sign = token.group()
            depth += sign in ("{", "[")
            depth -= sign in ("}", "]")
            if depth == 0 and sign in ("}", "]"):
                return token.end()
        return following.end() if following else None

    def _refuse(self, text: str, start: int, at: int, message: str, resume: int | None) -> None:
        """Note a record that is no JSON: the line of the fault, in words that say how to mend it."""
        end = len(text.rstrip()) if resume is None else resume
        cut = resume is None and message.startswith("Unterminated string")
        if at >= end or cut or not text[at:end].strip(" \t\r\n"):
            reason = "the record has no end: a closing quote or brace is missing, or the line was cut off"
            self.rejected.append((self.line, reason))
            return
        line = self.line + text.count("\n", start, at)
        column = at - text.rfind("\n", 0, at)
        began = f" of the record that begins at line {self.line}" if line > self.line else ""
        self.rejected.append((line, f"{_fault(text, start, at, message)}, at column {column}{began}"))


def _is_too_deep(value: Any) -> bool:
    """Say whether objects and lists are nested in more than `MAX_LEVELS`, without calling itself for each level."""
    layer = [value]
    for _ in range(MAX_LEVELS):
        members = (one for nest in layer for one in (nest.values() if type(nest) is dict else nest))
        layer = [one for one in members if type(one) is dict or type(one) is list]
        if not layer:
            return False
    return True


def _place(text: str, error: json.JSONDecodeError) -> int:
    """Where a record is at fault: for a trailing comma the bracket after it, which Python names before 3.13."""
    if error.msg.startswith("Illegal trailing comma"):
        return WHITE.match(text, error.pos + 1).end()  # type: ignore[union-attr]
    return error.pos


def _fault(text: str, start: int, at: int, message: str) -> str:
    """What is wrong at a position, as a person would say it."""
    here = text[at : at + 20]
    sign = here[:1]
    before = text[start:at].rstrip()[-1:]
    word = next((word for word in PYTHON_WORDS if here.startswith(word)), None)
    if sign in ("}", "]") and before == ",":
        return f"trailing comma: remove the comma before {sign!r}"
    if sign == "," and before == ",":
        return "two commas in a row"
    if here.startswith(("//", "/*", "#")):
        return f"a comment, which JSON does not allow: remove {here.splitlines()[0].strip()!r}"
    if sign == "'":
        return "single quotes; JSON wants double quotes"
    if word:
        return f"{word} is not JSON; write {PYTHON_WORDS[word]}"
    if message.startswith("Unterminated string") or (message.startswith("Invalid control") and sign in "\r\n"):
        return "a text without its closing quote"
    if message.startswith("Invalid control"):
        return f"a raw control character (0x{ord(sign):02x}) inside a text; it must be escaped"
    if message.startswith("Invalid \\"):
        return "a wrong backslash escape inside a text"
    if at == start:
        return f"not JSON: it begins with {here.splitlines()[0]!r}"
    expected = {"Expecting ',' delimiter": "a comma or a closing bracket", "Expecting ':' delimiter": "a colon"}
    wanted = expected.get(message, "a name in double quotes" if "property name" in message else "a value")
    return f"not valid JSON: {here.split()[0][:20]!r} stands where {wanted} should be"


def _unwrap(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The events inside an envelope such as ``{"Records": [...]}`` or ``{"event": {...}}``, else the object itself."""
    if CLASS not in value:
        for member in value.values():
            if type(member) is dict and CLASS in member:
                return [member]
            if type(member) is list and member and all(type(one) is dict and CLASS in one for one in member):
                return member
    return [value]


def _without_lone_surrogates(value: Any) -> Any:
    """Half a surrogate pair is no character and cannot be stored: it becomes U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {_without_lone_surrogates(key): _without_lone_surrogates(one) for key, one in value.items()}
    return value
