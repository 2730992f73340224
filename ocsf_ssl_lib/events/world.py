"""Who and what is in the simulated company: users, their hosts and habits, servers, addresses.

Everything is drawn once from one generator and kept in flat arrays, so that a hundred thousand events are
fancy indexing and no Python loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ocsf_ssl_lib.events.catalogue import AGENTS, COUNTRIES, DEPARTMENTS, SERVICES, SITES

__all__ = ["DAY", "HOUR", "MACHINES", "World", "build_world", "pick", "texts", "trait_weights", "without"]

HOUR = 3_600_000  # milliseconds
DAY = 24 * HOUR
ADDRESSES_PER_COUNTRY = 24  # public addresses shared by homes, hotels and strangers
MACHINES = len(DEPARTMENTS) - 1  # the department of the service accounts

_SURNAMES = (
    "adams akhtar alves baker bauer becker brandt brown carter chen costa cruz das dias evans fischer fraser "
    "garcia ghosh gomez gray gupta haas hall hansen hughes ito iyer jain jones kaur keller khan kim klein kumar "
    "lange lee lim lopez martin mehta meyer mori nair ng nguyen novak ortiz patel perez pinto rao reis rossi "
    "sato schmidt sharma silva singh smith souza tan tanaka vogel wagner walker weber wolf wong wright yamada "
    "young zhang"
)
_SERVICE_ACCOUNTS = (
    "svc-backup",
    "svc-ci",
    "svc-monitor",
    "svc-etl",
    "svc-deploy",
    "svc-scan",
    "svc-sync",
    "svc-report",
)
_SERVERS_PER_ROLE = {
    "directory": 4, "resolver": 3, "mail": 2, "voice": 2, "files": 6, "compute": 10, "terminal": 5,
    "database": 6, "logs": 2, "identity": 2, "gateway": 3,
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """The company. Arrays over users unless said otherwise; ``*_time`` are milliseconds since the start."""

    start: int  # epoch milliseconds of the first day's midnight
    days: int
    name: np.ndarray
    department: np.ndarray  # index into DEPARTMENTS
    kind: np.ndarray  # OCSF user.type_id: 1 user, 2 admin, 4 service
    country: np.ndarray  # index into COUNTRIES
    activity: np.ndarray  # share of all events
    hours: np.ndarray  # (users, 24) share of a working day's events per local hour, cumulated
    laptop: np.ndarray  # (users, 2) host name: until and from laptop_time
    address: np.ndarray  # (users, 2) address in the office
    laptop_time: np.ndarray  # when a new laptop comes; beyond the end for most
    home_address: np.ndarray
    from_home: np.ndarray  # (users, days) works from home that day
    trip_start: np.ndarray
    trip_end: np.ndarray
    trip_country: np.ndarray
    trip_address: np.ndarray
    on_call: np.ndarray  # (users, weeks)
    agent: np.ndarray  # (users, 2) the user agents a user keeps to
    gateway_address: np.ndarray  # (countries, 2) the office's way to the Internet
    public_address: np.ndarray  # (countries, addresses)
    server_name: np.ndarray  # servers
    server_address: np.ndarray
    server_country: np.ndarray
    server_role: np.ndarray  # text
    near: dict[str, np.ndarray]  # role -> (countries, servers of it) weights, cumulated; near ones are preferred
    role_servers: dict[str, np.ndarray]  # role -> indices of its servers
    site_address: np.ndarray  # sites

    @property
    def end(self) -> int:
        """Epoch milliseconds of the end of the last day."""
        return self.start + self.days * DAY

    @property
    def humans(self) -> np.ndarray:
        """Indices of the users that are people."""
        return np.flatnonzero(self.department != MACHINES)


def texts(values: Any) -> np.ndarray:
    """An object array of texts, for fancy indexing and None."""
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out


def without(values: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """The texts with None where ``lost``."""
    out = values.astype(object)
    out[lost] = None
    return out


def trait_weights(weights: list[dict[str, float]]) -> np.ndarray:
    """The ``weights`` of a table as cumulated shares ``(departments, items)``."""
    table = np.array([[w.get(d.trait, 0.0) for w in weights] for d in DEPARTMENTS], dtype=float)
    return np.cumsum(table / table.sum(axis=1, keepdims=True), axis=1)


def pick(rng: np.random.Generator, cumulated: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """One item per entry of ``rows``, drawn by the cumulated shares in that row of the table.

    Shifting row ``r`` of the table by ``r`` makes one sorted array of all: a single binary search per draw.
    """
    width = cumulated.shape[1]
    shifted = np.minimum(cumulated, 1.0) + np.arange(len(cumulated))[:, None]
    found = np.searchsorted(shifted.ravel(), rows + rng.random(len(rows)), side="right")
    return np.clip(found - rows * width, 0, width - 1)


def build_world(rng: np.random.Generator, *, users: int, start: int, days: int) -> World:
    """Draw a company with ``users`` accounts, one in twenty of them a service account (at least two)."""
    machines = min(max(2, users // 20), users - 1)
    people = users - machines
    # Quotas rather than draws: even a small company has every department and country of note.
    department = _quota(rng, [d.staff for d in DEPARTMENTS[:MACHINES]], people)
    department = np.concatenate([department, np.full(machines, MACHINES)])
    country = np.concatenate(
        [_quota(rng, [c.staff for c in COUNTRIES], people), rng.integers(0, 5, machines)]  # servers stand in offices
    )
    is_admin = rng.random(users) < np.where(department == 6, 0.7, np.where(department == 0, 0.06, 0.0))
    kind = np.where(department == MACHINES, 4, np.where(is_admin, 2, 1))
    rank = rng.permutation(people)
    activity = np.concatenate([(rank + 3.0) ** -0.85, np.zeros(machines)])
    activity[people:] = 0.12 / machines * activity[:people].sum() / 0.88
    servers, near, role_servers = _servers(rng)
    public = texts([f"198.51.100.{k}" for k in range(1, 255)] + [f"192.0.2.{k}" for k in range(1, 255)])
    public = rng.permutation(public)
    pool = public[: len(COUNTRIES) * ADDRESSES_PER_COUNTRY].reshape(len(COUNTRIES), ADDRESSES_PER_COUNTRY)
    gateways = public[-2 * len(COUNTRIES) :].reshape(len(COUNTRIES), 2)
    laptop, address = _laptops(rng, country, department)
    # A service account lives on a server of its country.
    for user in range(people, users):
        here = np.flatnonzero((servers["role"] == "compute") | (servers["role"] == "database"))
        host = rng.choice(here)
        laptop[user], address[user] = servers["name"][host], servers["address"][host]
        country[user] = servers["country"][host]
    span = days * DAY
    trips = rng.random(users) < np.where(department == 1, 0.4, np.where(kind == 4, 0.0, 0.12))
    trip_start = np.where(trips, rng.integers(0, span, users), 2 * span)
    trip_country = (country + rng.integers(1, len(COUNTRIES), users)) % len(COUNTRIES)
    office = np.array([c.office for c in COUNTRIES])
    from_home = rng.random((users, days)) < np.where(office[country], 0.18, 1.0)[:, None]
    from_home[kind == 4] = False
    weeks = days // 7 + 1
    on_call = rng.random((users, weeks)) < np.where(department == 6, 0.3, np.where(department == 0, 0.08, 0.0))[:, None]
    new_laptop = (rng.random(users) < 0.15) & (kind != 4)
    return World(
        start=start,
        days=days,
        name=_names(rng, people, machines),
        department=department,
        kind=kind,
        country=country,
        activity=activity / activity.sum(),
        hours=_hours(rng, users, kind == 4),
        laptop=laptop,
        address=address,
        laptop_time=np.where(new_laptop, rng.integers(0, span, users), 2 * span),
        home_address=pool[country, rng.integers(0, ADDRESSES_PER_COUNTRY, users)],
        from_home=from_home,
        trip_start=trip_start,
        trip_end=trip_start + rng.integers(DAY, 5 * DAY, users),
        trip_country=trip_country,
        trip_address=pool[trip_country, rng.integers(0, ADDRESSES_PER_COUNTRY, users)],
        on_call=on_call,
        agent=_agents(rng, department),
        gateway_address=gateways,
        public_address=pool,
        server_name=servers["name"],
        server_address=servers["address"],
        server_country=servers["country"],
        server_role=servers["role"],
        near=near,
        role_servers=role_servers,
        site_address=texts([f"203.0.113.{k}" for k in rng.permutation(254)[: len(SITES)] + 1]),
    )


def _quota(rng: np.random.Generator, shares: list[float], count: int) -> np.ndarray:
    """``count`` indices in the proportions of ``shares``, shuffled."""
    edges = np.round(np.cumsum(shares) / np.sum(shares) * count).astype(int)
    return rng.permutation(np.searchsorted(edges, np.arange(count), side="right"))


def _names(rng: np.random.Generator, people: int, machines: int) -> np.ndarray:
    """``initial.surname``, numbered once they run out, and the names of service accounts."""
    initials = "abcdefghijklmnoprstvwy"
    stock = [f"{i}.{s}" for i in initials for s in _SURNAMES.split()]
    order = rng.permutation(len(stock))
    humans = [
        stock[order[k % len(stock)]] + (str(k // len(stock) + 1) if k >= len(stock) else "") for k in range(people)
    ]
    known = len(_SERVICE_ACCOUNTS)
    services = [_SERVICE_ACCOUNTS[k % known] + (f"-{k // known + 1}" if k >= known else "") for k in range(machines)]
    return texts(humans + services)


def _laptops(rng: np.random.Generator, country: np.ndarray, department: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two laptops per user, named by country, in the subnet of country and department."""
    users = len(country)
    numbers = rng.permutation(max(10_000, 2 * users))[: 2 * users].reshape(users, 2)
    laptop = np.empty((users, 2), dtype=object)
    address = np.empty((users, 2), dtype=object)
    taken: dict[tuple[int, int], int] = {}
    for user in range(users):
        subnet = int(country[user]), int(department[user])
        for k in range(2):
            laptop[user, k] = f"{COUNTRIES[subnet[0]].code.lower()}-lt-{numbers[user, k]:04d}"
            host = taken.get(subnet, 0)
            taken[subnet] = host + 1
            address[user, k] = f"10.{subnet[0] + 10}.{subnet[1] * 32 + host // 250 % 32}.{host % 250 + 4}"
    return laptop, address


def _hours(rng: np.random.Generator, users: int, is_machine: np.ndarray) -> np.ndarray:
    """Cumulated share of events per local hour: a working day with a lunch dip, its start differs by user."""
    hour = np.arange(24) + 0.5
    begin = rng.normal(8.6, 0.9, users)[:, None]
    length = rng.normal(8.8, 0.6, users)[:, None]
    ramp = 1 / (1 + np.exp(-(hour - begin) * 2.5)) / (1 + np.exp((hour - begin - length) * 2.5))
    lunch = 1 - 0.45 * np.exp(-(((hour - begin - 3.9) / 0.7) ** 2))
    day = ramp * lunch + 0.004
    peak = rng.integers(0, 24, users)[:, None]
    # Machines work all day, with a nightly or daily job at an hour of their own.
    machine = 0.5 + 4.0 * (np.abs((hour - peak + 12) % 24 - 12) < 1)
    shares = np.where(is_machine[:, None], machine, day)
    return np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)


def _agents(rng: np.random.Generator, department: np.ndarray) -> np.ndarray:
    """Two user agents per user, by the taste of the department."""
    weights = trait_weights([w for _, w in AGENTS])
    return np.stack([pick(rng, weights, department), pick(rng, weights, department)], axis=1)


def _servers(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Servers spread over the offices; clients prefer those of their own country."""
    assert {s.role for s in SERVICES} <= {"web", *_SERVERS_PER_ROLE}
    names, addresses, countries, roles = [], [], [], []
    for r, (role, count) in enumerate(_SERVERS_PER_ROLE.items()):
        order = rng.permutation(5)
        for k in range(count):
            where = int(order[k % 5])
            names.append(f"{role[:4]}-{COUNTRIES[where].code.lower()}-{k + 1:02d}")
            addresses.append(f"10.{where + 10}.240.{r * 12 + k + 4}")
            countries.append(where)
            roles.append(role)
    country, role_of = np.array(countries), texts(roles)
    near, members = {}, {}
    for role in _SERVERS_PER_ROLE:
        members[role] = np.flatnonzero(role_of == role)
        taste = rng.exponential(1.0, len(members[role])) + 0.3
        weights = taste * np.where(country[members[role]] == np.arange(len(COUNTRIES))[:, None], 8.0, 1.0)
        near[role] = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    table = {"name": texts(names), "address": texts(addresses), "country": country, "role": role_of}
    return table, near, members
