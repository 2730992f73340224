"""Who does something, when and from where: the context in which an event happens."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ocsf_ssl_lib.events.catalogue import COUNTRIES
from ocsf_ssl_lib.events.world import DAY, HOUR, World, pick

__all__ = ["Context", "draw_context", "locate"]

WEEKEND = 0.12  # activity of people on Saturday and Sunday, against a working day
ON_CALL_NIGHTS = 0.3  # share of the events of a week on call that fall anywhere around the clock
FRESH = 3 * DAY  # how long a laptop counts as new
_OFFSETS = np.array([c.utc_offset for c in COUNTRIES]) * HOUR


@dataclass(frozen=True)
class Context:
    """User, time and place, one entry per event."""

    user: np.ndarray  # index into the world's users
    time: np.ndarray  # milliseconds since the start
    country: np.ndarray  # where the user is: index into COUNTRIES
    host: np.ndarray
    address: np.ndarray  # address of the host: of the office, or of the home or hotel
    public: np.ndarray  # address that the Internet sees
    outside: np.ndarray  # not in the office
    oddity: np.ndarray  # "travel", "on call", "new laptop" or "": unusual, and harmless

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> Context:
        """The context of some of the events."""
        return Context(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_context(world: World, rng: np.random.Generator, user: np.ndarray) -> Context:
    """Draw a time by each user's habits, then locate the user at that time."""
    weekday = (world.start // DAY + 3 + np.arange(world.days)) % 7  # 1 January 1970 was a Thursday
    people = np.where(weekday < 5, 1.0, WEEKEND)
    day_shares = np.cumsum(np.stack([people / people.sum(), np.full(world.days, 1 / world.days)]), axis=1)
    day = pick(rng, day_shares, (world.kind[user] == 4).astype(int))
    hour = pick(rng, world.hours, user)
    called = world.on_call[user, day // 7] & (rng.random(len(user)) < ON_CALL_NIGHTS)
    hour = np.where(called, rng.integers(0, 24, len(user)), hour)
    local = day * DAY + hour * HOUR + rng.integers(0, HOUR, len(user))
    time = (local - _OFFSETS[world.country[user]].astype(np.int64)) % (world.days * DAY)
    return locate(world, rng, user, time.astype(np.int64), called)


def locate(
    world: World, rng: np.random.Generator, user: np.ndarray, time: np.ndarray, called: np.ndarray | None = None
) -> Context:
    """Where each user is at ``time``: in the office, at home, or on a trip; and at which laptop."""
    away = (time >= world.trip_start[user]) & (time < world.trip_end[user])
    outside = away | world.from_home[user, np.minimum(time // DAY, world.days - 1)]
    country = np.where(away, world.trip_country[user], world.country[user])
    which = (time >= world.laptop_time[user]).astype(int)
    own = np.where(away, world.trip_address[user], world.home_address[user])
    gateway = world.gateway_address[country, rng.integers(0, 2, len(user))]
    fresh = (which == 1) & (time < world.laptop_time[user] + FRESH)
    oddity = np.where(fresh, "new laptop", np.full(len(user), "", dtype=object))
    if called is not None:
        oddity = np.where(called, "on call", oddity)
    return Context(
        user=user,
        time=time,
        country=country,
        host=world.laptop[user, which],
        address=np.where(outside, own, world.address[user, which]),
        public=np.where(outside, own, gateway),
        outside=outside,
        oddity=np.where(away, "travel", oddity),
    )
