"""Everyday traffic: users drawn by activity, classes by department, and the repetitions of real logs."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ocsf_ssl_lib.events.activity import Context, draw_context
from ocsf_ssl_lib.events.catalogue import DEPARTMENTS, SERVICES, SITES
from ocsf_ssl_lib.events.classes import BUILDERS, Rows, network_activity
from ocsf_ssl_lib.events.world import DAY, World

__all__ = ["CLASSES", "Part", "draw_class", "draw_traffic", "repeat_rows", "take"]

CLASSES = (3002, 4001, 6003, 1007)  # in the order of ``Department.classes``
_MIX = np.array([d.classes for d in DEPARTMENTS])


BACKUP_SERVICES = [k for k, s in enumerate(SERVICES) if s.name in ("https", "smb")]
BACKUP_SITE = next(k for k, s in enumerate(SITES) if s.name.startswith("storage"))


class Part(NamedTuple):
    """Events of one class with the context they came from."""

    rows: Rows
    context: Context


def take(rows: Rows, index: np.ndarray) -> Rows:
    """Some of the rows, as copies."""
    return {name: values[index] for name, values in rows.items()}


def draw_class(world: World, rng: np.random.Generator, class_uid: int, count: int) -> Part:
    """Everyday events of one class."""
    share = world.activity * _MIX[world.department, CLASSES.index(class_uid)]
    user = rng.choice(len(share), count, p=share / share.sum())
    context = draw_context(world, rng, user)
    if class_uid != 4001:
        return Part(BUILDERS[class_uid](world, rng, context), context)
    # Backups: much is sent to storage, by machines, at any hour. Sending a lot is not yet a theft.
    backup = (world.kind[user] == 4) & (rng.random(count) < 0.15)
    service = np.where(backup, rng.choice(BACKUP_SERVICES, count), -1)
    site = np.where(backup, BACKUP_SITE, -1)
    longer = np.where(backup, 20.0, 1.0)
    context = replace(context, oddity=np.where(backup, "backup", context.oddity))
    return Part(network_activity(world, rng, context, service=service, site=site, longer=longer), context)


def draw_traffic(world: World, rng: np.random.Generator, count: int) -> list[Part]:
    """Everyday events of all classes, ``count`` together."""
    totals = world.activity @ _MIX[world.department]
    edges = np.round(np.cumsum(totals) / totals.sum() * count).astype(int)
    sizes = np.diff(edges, prepend=0)
    return [draw_class(world, rng, c, int(size)) for c, size in zip(CLASSES, sizes, strict=True)]


def repeat_rows(world: World, rng: np.random.Generator, rows: Rows, count: int) -> Rows:
    """``count`` copies that differ in their time only: retries, polling, and lines logged twice.

    Refused rows repeat four times as often: most people who mistype a password do so again, and a stale
    password in a job fails all night. A burst of failures alone is therefore no attack.
    """
    weights = np.where(rows["status_id"] == 2, 4.0, 1.0)
    source = np.repeat(rng.choice(len(weights), count, p=weights / weights.sum()), rng.integers(1, 5, count))[:count]
    copies = take(rows, source)
    limit = world.start + world.days * DAY - 1
    later = np.exp(rng.normal(np.log(20_000), 1.5, count)).astype(np.int64) + 1
    copies["time"] = np.minimum(copies["time"] + later, limit)
    return copies
