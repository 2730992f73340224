"""Contextual anomalies: every value is common, only the combination is wrong.

They are made by exchanging values among everyday events. The values are thus exactly as frequent as in everyday
events, column by column: whoever looks at one column at a time is bound to guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ocsf_ssl_lib.events.catalogue import COUNTRIES
from ocsf_ssl_lib.events.classes import Rows
from ocsf_ssl_lib.events.traffic import Part, draw_class, take
from ocsf_ssl_lib.events.world import DAY, HOUR, MACHINES, World, texts

__all__ = ["CONTEXTUAL", "Altered", "shift_groups", "shift_half"]

_OFFSETS = np.array([c.utc_offset for c in COUNTRIES]) * HOUR


class Altered(NamedTuple):
    """Rows with exchanged values and, for each row, the names of the columns that were exchanged."""

    rows: Rows
    fields: np.ndarray


def shift_groups(rng: np.random.Generator, groups: np.ndarray) -> np.ndarray:
    """A permutation under which every row receives from another group, where no group holds more than half.

    Sorted by group and shifted by the size of the largest, no row can land in its own group.
    """
    order = np.lexsort((rng.random(len(groups)), groups))
    largest = int(np.unique(groups, return_counts=True)[1].max()) if len(groups) else 0
    donor = np.empty(len(groups), dtype=int)
    donor[order] = np.roll(order, largest)
    return donor


def shift_half(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """A permutation under which every row receives the value half the distribution away from its own."""
    order = np.lexsort((rng.random(len(values)), values))
    donor = np.empty(len(values), dtype=int)
    donor[order] = np.roll(order, len(values) // 2)
    return donor


def _exchange(part: Part, index: np.ndarray, donor: np.ndarray, columns: list[str], keep: np.ndarray) -> Altered:
    """Give rows ``index`` the values of rows ``donor`` in ``columns``; return those where ``keep``."""
    rows = take(part.rows, index)
    for column in columns:
        rows[column] = part.rows[column][donor]
    rows = take(rows, np.flatnonzero(keep))
    return Altered(rows, texts([",".join(columns)] * int(keep.sum())))


def _calm(world: World, part: Part) -> np.ndarray:
    """Events of people who are where they usually are: changing the place of others might put them right."""
    return np.flatnonzero((part.context.oddity == "") & (world.department[part.context.user] != MACHINES))


def wrong_place(world: World, rng: np.random.Generator, count: int, class_uid: int) -> Altered:
    """The user at a host, address and country of somebody who works in another country."""
    part = draw_class(world, rng, class_uid, count)
    index = _calm(world, part)
    country = part.context.country[index]
    donor = index[shift_groups(rng, country)]
    columns = ["src_endpoint.ip", "src_endpoint.hostname", "src_endpoint.location.country", "device.hostname"]
    return _exchange(part, index, donor, [c for c in columns if c in part.rows], part.context.country[donor] != country)


def wrong_hour(world: World, rng: np.random.Generator, count: int, class_uid: int) -> Altered:
    """The user at an hour at which others, elsewhere, are at work, but this one sleeps.

    The subtlest variant: a single cell, and its value fits everything in the event but the user and the country.
    """
    part = draw_class(world, rng, class_uid, 3 * count)
    index = _calm(world, part)
    offset = _OFFSETS[world.country[part.context.user[index]]].astype(np.int64)
    time = part.rows["time"][index]
    donor = shift_half(rng, time % DAY)
    time = time // DAY * DAY + time[donor] % DAY
    local = (time + offset) % DAY / HOUR
    rows = take(part.rows, index)
    rows["time"] = time
    keep = np.flatnonzero((local < 6) | (local > 21.5))[:count]
    return Altered(take(rows, keep), texts(["time"] * len(keep)))


def wrong_service(world: World, rng: np.random.Generator, count: int, columns: list[str]) -> Altered:
    """The port (or the name) of another service than the rest of the flow speaks of."""
    part = draw_class(world, rng, 4001, count)
    index = np.arange(len(part.context))
    key = np.unique(part.rows[columns[0]].astype(str), return_inverse=True)[1]
    donor = shift_groups(rng, key)
    return _exchange(part, index, donor, columns, key[donor] != key)


def wrong_volume(world: World, rng: np.random.Generator, count: int, columns: list[str]) -> Altered:
    """A duration that does not fit the bytes, or bytes that fit neither duration nor service."""
    part = draw_class(world, rng, 4001, count)
    index = np.flatnonzero(part.rows["status_id"] == 1)
    donor = index[shift_half(rng, part.rows[columns[-1]][index])]
    return _exchange(part, index, donor, columns, np.ones(len(index), dtype=bool))


Variant = Callable[[World, np.random.Generator, int], Altered]

# Each type in several variants, taken in turn.
CONTEXTUAL: dict[str, tuple[Variant, ...]] = {
    "context_user": (
        lambda world, rng, count: wrong_place(world, rng, count, 4001),
        lambda world, rng, count: wrong_place(world, rng, count, 3002),
        lambda world, rng, count: wrong_hour(world, rng, count, 3002),
        lambda world, rng, count: wrong_place(world, rng, count, 1007),
        lambda world, rng, count: wrong_place(world, rng, count, 6003),
    ),
    "context_service": (
        lambda world, rng, count: wrong_service(world, rng, count, ["dst_endpoint.port"]),
        lambda world, rng, count: wrong_service(world, rng, count, ["dst_endpoint.svc_name"]),
        lambda world, rng, count: wrong_service(
            world, rng, count, ["dst_endpoint.port", "connection_info.protocol_name"]
        ),
    ),
    "context_volume": (
        lambda world, rng, count: wrong_volume(world, rng, count, ["duration"]),
        lambda world, rng, count: wrong_volume(world, rng, count, ["traffic.bytes_in", "traffic.bytes_out"]),
        lambda world, rng, count: wrong_volume(world, rng, count, ["traffic.bytes_out"]),
    ),
}
