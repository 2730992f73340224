"""Stable pseudonyms for names, addresses and hosts, so that a result can leave the room without them.

A pseudonym is a keyed hash (HMAC-SHA-256; RFC 2104) under a secret that is drawn for each run and never written. Equal
values therefore have equal pseudonyms within a run, and a list of all employees cannot be hashed to find who is who.

What it does not do: the shape of the behaviour stays (someone who knows that ann logs on at 04:00 from Peru finds her),
and so does text that names someone in a column that nothing marks as identifying. Read a report before it is shared.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import numbers
import re
import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from ocsf_ssl_lib.columns import KEY
from ocsf_ssl_lib.vocabulary import canonical_key

__all__ = ["Redactor", "identifying_kind"]

DIGITS = 10  # hexadecimal: 40 bits; two of 100 000 names share a pseudonym with probability 0.005

# Word in the name of a column -> what its pseudonyms are called. The last word that is known decides:
# src_endpoint.hostname holds hosts, actor.user.email_addr holds addresses of mail.
KINDS = {
    "user": ("user", "users", "username", "account", "accounts", "owner", "principal", "identity", "login", "employee"),
    "host": ("host", "hosts", "hostname", "device", "endpoint", "computer", "machine", "domain", "fqdn", "interface"),
    "ip": ("ip", "ips", "ipv4", "ipv6", "subnet", "mac"),
    "email": ("email", "mail", "mailbox"),
    "session": ("session", "credential", "token", "cookie"),
    "url": ("url", "uri", "referrer", "query"),
    "path": ("path", "file", "folder", "directory", "cmd", "command"),
    "resource": ("resource", "resources", "bucket", "arn"),
    "text": ("message", "raw"),
}
# Words that say that something is identified, and not what: they count where no word above stands.
VAGUE_KINDS = {"user": ("actor",), "ip": ("addr", "address"), "id": ("id", "uid", "uuid", "guid", "sid", "serial")}
_CLEAR, _VAGUE = ({w: kind for kind, words in kinds.items() for w in words} for kinds in (KINDS, VAGUE_KINDS))

# Last parts of a name that tell a sort of thing, a place or a role, and not which one.
SAFE_LEAVES = re.compile(
    r"(type|\w+_type|port|country|continent|region|city|svc_name|ou_name|os|user_agent|method|count"
    r"|class_uid|category_uid|type_uid|is_\w+)"
)
# Kinds whose numbers identify as well: the user with uid 1001.
_NUMBERS_TOO = {*VAGUE_KINDS["id"], *KINDS["ip"], *KINDS["session"]}

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Four numbers with points; not the version in Chrome/120.0.0.0.
_IPV4 = re.compile(r"(?<![\w.])(?<!\w/)(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")


def identifying_kind(column: str) -> str | None:
    """What the values of a column are called when they are hidden, or ``None`` if its name marks nobody.

    Example:
        >>> [identifying_kind(c) for c in ("actor.user.name", "src_endpoint.ip", "user_id", "user.type_id")]
        ['user', 'ip', 'user', None]
    """
    leaf = column.rpartition(".")[2]
    code = leaf.lower().endswith("_id") and not any(word in _CLEAR for word in _words(leaf))  # OCSF: type_id, status_id
    # The id of the event names nobody; the owner of the log finds the event by it.
    if column == KEY or code or SAFE_LEAVES.fullmatch(leaf.lower()):
        return None
    words = _words(column)
    kinds = [_CLEAR[w] for w in words if w in _CLEAR] or [_VAGUE[w] for w in words if w in _VAGUE]
    return kinds[-1] if kinds else None


def _words(name: str) -> list[str]:
    """``src_endpoint.userName`` -> src, endpoint, user, name."""
    return re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


class Redactor:
    """Replaces what identifies people and machines by pseudonyms such as ``user-3fa9c1d07b``.

    A column is identifying by its name (``identifying_kind``). In all other text, addresses of mail and of the
    Internet are replaced wherever they stand. ``metadata.uid``, codes (``*_id``), ports and countries stay.

    Args:
        secret: the key; ``None`` draws one, which is what to do unless two runs must agree.

    Example:
        >>> import pandas as pd
        >>> hidden = Redactor().frame(pd.DataFrame({"user.name": ["ann", "bob", "ann"], "status_id": [1, 2, 1]}))
        >>> hidden["user.name"].nunique(), hidden["user.name"].str.startswith("user-").all().item()
        (2, True)
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secrets.token_bytes(32) if secret is None else secret

    def value(self, value: Any, column: str) -> Any:
        """One value of ``column``; a missing one stays missing."""
        return self._rule(column)(value)

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A copy of N events; every distinct value is worked out once."""
        return pd.DataFrame({c: self._column(frame[c], str(c)) for c in frame.columns}, index=frame.index)

    def explanations(self, table: pd.DataFrame) -> pd.DataFrame:
        """A copy of a table with one row per named cell: ``column`` says what ``value`` and ``expected`` are of."""
        result = table.copy()
        for name in {"value", "expected"} & set(table.columns):
            pairs = zip(table[name], table["column"], strict=True)
            result[name] = pd.Series([self.value(v, str(c)) for v, c in pairs], index=table.index, dtype=object)
        return result

    def _column(self, column: pd.Series, name: str) -> pd.Series:
        if pd.api.types.is_bool_dtype(column) or (_holds_numbers(column) and not _hides_numbers(name)):
            return column
        values: Any = column
        if pd.api.types.is_object_dtype(column):  # lists have no hash; None last keeps the array at rank 1
            values = np.array([_hashable(v) for v in column] + [None], dtype=object)[:-1]
        codes, distinct = pd.factorize(values)
        hide = self._rule(name)
        hidden = pd.Series([hide(v) for v in distinct], dtype=object).reindex(codes)  # code -1, missing, becomes NaN
        return hidden.set_axis(column.index)

    def _rule(self, column: str) -> Callable[[Any], Any]:
        kind = identifying_kind(column)
        if kind is None:
            return self._in_text
        hide_numbers = _hides_numbers(column)

        def hide(value: Any) -> Any:
            if isinstance(value, bool | np.bool_) or (not hide_numbers and isinstance(value, numbers.Number)):
                return value
            if isinstance(value, list | tuple):
                return [hide(v) for v in value]
            key = canonical_key(value)
            return value if key is None else self._pseudonym(kind, key)

        return hide

    def _in_text(self, value: Any) -> Any:
        """Addresses inside text that is not identifying as a whole."""
        if isinstance(value, list | tuple):
            return [self._in_text(v) for v in value]
        if not isinstance(value, str):
            return value
        if ":" in value and _is_address(value):
            return self._pseudonym("ip", value)
        value = _EMAIL.sub(lambda m: self._pseudonym("email", m[0]), value)
        return _IPV4.sub(lambda m: self._pseudonym("ip", m[0]), value)

    def _pseudonym(self, kind: str, key: str) -> str:
        # The kind is not hashed: one address has the same digits in every column.
        digest = hmac.new(self._secret, key.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"{kind}-{digest[:DIGITS]}"


def _hides_numbers(column: str) -> bool:
    return identifying_kind(column) is not None and not _NUMBERS_TOO.isdisjoint(_words(column.rpartition(".")[2]))


def _holds_numbers(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)


def _hashable(value: Any) -> Any:
    return canonical_key(value) if isinstance(value, list | tuple | dict) else value


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
