"""Compact JSON text with sorted keys: how a list, a deep object or an open map becomes one column.

Two writers with one result: ``json_text`` for Python values, ``arrow_json_text`` for Arrow arrays (vectorised).
An Arrow struct cannot tell an absent member from a null one, so both leave out members that are null; neither
can an Arrow array of floats tell ``1`` from ``1.0``, so both write whole numbers without a point.
"""

from __future__ import annotations

import math
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["EXACT", "arrow_json_text", "json_text", "number_text"]

EXACT = 2**53  # from here on a float no longer tells neighbouring integers apart
NEEDS_ESCAPE = r'["\\\x00-\x1f]'


def number_text(value: float) -> str:
    """A float as JSON: whole numbers as integers, infinity as a literal that reads back as infinity."""
    if math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    if value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    return "null" if math.isnan(value) else repr(value)


def json_text(value: Any) -> str:
    """A Python value as compact JSON with sorted keys and without null members.

    Example:
        >>> json_text({"b": [1.0, None], "a": "x", "c": None})
        '{"a":"x","b":[1,null]}'
    """
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, dict):
        members = [(str(key), member) for key, member in value.items() if member is not None]
        members.sort(key=itemgetter(0))
        return "{" + ",".join([f"{encode_basestring(key)}:{json_text(member)}" for key, member in members]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([json_text(member) for member in value]) + "]"
    if isinstance(value, bytes):
        return encode_basestring(value.decode("utf-8", "backslashreplace"))
    return encode_basestring(str(value))  # dates, decimals and the like: from Parquet only


def arrow_json_text(array: pa.Array) -> pa.Array:
    """Each value of an Arrow array as ``json_text`` writes it; null stays null."""
    kind = array.type
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.string())
    if pa.types.is_struct(kind):
        return _struct_text(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _list_text(array)
    if pa.types.is_string(kind):
        return _string_text(array)
    if pa.types.is_signed_integer(kind) or pa.types.is_boolean(kind):
        return pc.cast(array, pa.string())
    return _through_python(array)


def _struct_text(array: pa.StructArray) -> pa.Array:
    parts = []
    names = [field.name for field in array.type]
    if len(set(names)) < len(names):  # legal in Arrow, not in JSON
        return _through_python(array)
    children = array.flatten()  # unlike .field(i) this carries the nulls of the struct down
    for name, child in sorted(zip(names, children, strict=True), key=itemgetter(0)):
        if child.null_count < len(child):
            text = pc.binary_join_element_wise(f",{encode_basestring(name)}:", arrow_json_text(child), "")
            parts.append(pc.fill_null(text, "") if child.null_count else text)
    if parts:
        body = pc.utf8_ltrim(pc.binary_join_element_wise(*parts, ""), characters=",")
        text = pc.binary_join_element_wise("{", body, "}", "")
    else:
        text = pa.array(["{}"] * len(array), pa.string())
    return _nulls_of(array, text)


def _list_text(array: pa.ListArray) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    ends = pc.cumulative_sum(pc.cast(lengths, pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    members = pc.fill_null(arrow_json_text(array.flatten()), "null")  # flatten() skips what null lists hide
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, members), ",")
    return _nulls_of(array, pc.binary_join_element_wise("[", joined, "]", ""))


def _string_text(array: pa.StringArray) -> pa.Array:
    if pc.any(pc.match_substring_regex(array, NEEDS_ESCAPE)).as_py():
        return _through_python(array)
    return pc.binary_join_element_wise('"', array, '"', "")


def _through_python(array: pa.Array) -> pa.Array:
    """The rare and the repetitive: texts with escapes, floats, maps, dates. Each distinct value is written once."""
    if pa.types.is_string(array.type) or pa.types.is_floating(array.type):
        encoded = array.dictionary_encode()
        written = [json_text(value) for value in encoded.dictionary.to_pylist()]
        return pc.take(pa.array(written, pa.string()), encoded.indices)
    values = (_maps_as_dicts(value, array.type) for value in array.to_pylist())
    return pa.array([None if value is None else json_text(value) for value in values], pa.string())


def _maps_as_dicts(value: Any, kind: pa.DataType) -> Any:
    """Arrow gives a map as a list of pairs (its own switch for that is only in recent versions)."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return {str(key): _maps_as_dicts(item, kind.item_type) for key, item in value}
    if pa.types.is_struct(kind):
        return {field.name: _maps_as_dicts(value[field.name], field.type) for field in kind}
    if pa.types.is_nested(kind) and isinstance(value, list):
        return [_maps_as_dicts(one, kind.value_type) for one in value]
    return value


def _nulls_of(array: pa.Array, text: pa.Array) -> pa.Array:
    return pc.if_else(array.is_valid(), text, pa.scalar(None, pa.string())) if array.null_count else text
