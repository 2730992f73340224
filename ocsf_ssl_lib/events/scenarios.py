"""The attacks: bursts in time, made by the same builders as everyday traffic.

Every attack takes the user, host, address or site of somebody or something that everyday traffic also shows, so
that no name, address or port gives it away. What is wrong is who does what from where, and in what company.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ocsf_ssl_lib.events.activity import locate
from ocsf_ssl_lib.events.catalogue import COUNTRIES, LOGONS, OPERATIONS, PROGRAMS, SERVICES, SITES
from ocsf_ssl_lib.events.classes import Rows, api_activity, authentication, network_activity, process_activity
from ocsf_ssl_lib.events.world import HOUR, World, texts, without

__all__ = ["ATTACKS", "Attack"]

MINUTE = 60_000
_CODES = texts([c.code for c in COUNTRIES])
Attack = Callable[[World, np.random.Generator, int, int], list[Rows]]


def _ways(*names: str) -> np.ndarray:
    return np.array([k for k, w in enumerate(LOGONS) if w.service in names])


def _services(*names: str) -> np.ndarray:
    return np.array([k for k, s in enumerate(SERVICES) if s.name in names])


def _sites(*prefixes: str) -> np.ndarray:
    return np.array([k for k, s in enumerate(SITES) if s.name.startswith(prefixes)])


def _operations(*names: str) -> np.ndarray:
    return np.array([k for k, o in enumerate(OPERATIONS) if o.name in names])


def _person(world: World, rng: np.random.Generator, *, admins: bool = True) -> int:
    """Somebody, the busy ones more often: attackers, too, meet them first."""
    people = world.humans if admins else world.humans[world.kind[world.humans] == 1]
    people = people if len(people) else world.humans
    weights = world.activity[people] ** 0.7
    return int(rng.choice(people, p=weights / weights.sum()))


def _times(world: World, rng: np.random.Generator, size: int, start: int, gap: float) -> np.ndarray:
    """``size`` moments from ``start`` on, ``gap`` milliseconds apart on average, inside the period."""
    return _inside(world, start + np.cumsum(rng.exponential(gap, size)))


def _inside(world: World, times: np.ndarray) -> np.ndarray:
    """Begin earlier where the end of the period would cut the attack off."""
    last = world.end - world.start - 1
    return np.clip(times - max(0.0, float(times.max()) - last), 0, last).astype(np.int64)


def _stranger(world: World, rng: np.random.Generator, but: int = -1) -> tuple[int, str]:
    """A country other than ``but`` and a public address there, one that travellers and homes use as well."""
    country = int((but + rng.integers(1, len(COUNTRIES))) % len(COUNTRIES))
    return country, str(rng.choice(world.public_address[country]))


def _from(rows: Rows, country: int, address: str) -> Rows:
    """Move the source outside."""
    count = len(rows["time"])
    rows["src_endpoint.ip"] = np.full(count, address, dtype=object)
    rows["src_endpoint.location.country"] = np.full(count, _CODES[country], dtype=object)
    return rows


def _fail(size: int, share: float, rng: np.random.Generator) -> np.ndarray:
    return (rng.random(size) < share).astype(float)


def brute_force(world: World, rng: np.random.Generator, size: int, start: int) -> list[Rows]:
    """One account, many passwords: refused again and again from one strange place, at times accepted at last."""
    victim = _person(world, rng)
    context = locate(world, rng, np.full(size, victim), _times(world, rng, size, start, 15_000))
    way = np.full(size, rng.choice(_ways("sso", "vpn", "rdp", "ssh", "smb")))
    fails = np.ones(size)
    fails[-1] = rng.random() < 0.5
    rows = authentication(world, rng, context, way=way, fails=fails)
    server = rng.integers(size)  # one target
    for column in ("dst_endpoint.ip", "dst_endpoint.hostname", "dst_endpoint.location.country"):
        rows[column][:] = rows[column][server]
    if rng.random() < 0.5:  # from a colleague's laptop that was taken over
        other = _person(world, rng)
        rows = _from(rows, int(world.country[other]), str(world.address[other, 0]))
        rows["src_endpoint.hostname"] = np.full(size, world.laptop[other, 0], dtype=object)
    else:
        rows = _from(rows, *_stranger(world, rng))
        rows["src_endpoint.hostname"] = np.full(size, None, dtype=object)
    return [rows]


def credential_stuffing(world: World, rng: np.random.Generator, size: int, start: int) -> list[Rows]:
    """Many accounts from one address, with passwords leaked elsewhere: mostly refused, some are let in."""
    users = np.array([_person(world, rng) for _ in range(size)])
    context = locate(world, rng, users, _times(world, rng, size, start, 25_000))
    way = rng.choice(_ways("sso", "vpn"), size)
    rows = authentication(world, rng, context, way=way, fails=_fail(size, 0.8, rng))
    rows["src_endpoint.hostname"] = np.full(size, None, dtype=object)
    return [_from(rows, *_stranger(world, rng))]


def exfiltration(world: World, rng: np.random.Generator, size: int, start: int) -> list[Rows]:
    """Data leaves: long flows that send far more than they receive, or a stream of downloads by API."""
    user = _person(world, rng)
    context = locate(world, rng, np.full(size, user), _times(world, rng, size, start, 6 * MINUTE))
    by_api = rng.random(size) < 0.25
    flows, calls = context.take(~by_api), context.take(by_api)
    site = np.full(len(flows), rng.choice(_sites("storage", "share", "edge")))
    rows = network_activity(
        world, rng, flows, service=rng.choice(_services("https", "quic"), len(flows)), site=site, longer=2.0
    )
    ok = rows["status_id"] == 1  # no more in a flow than backups and meetings send, but much where little is usual
    more = np.maximum(1.2, np.exp(rng.normal(np.log(2.5), 0.5, len(flows))))
    rows["traffic.bytes_out"] = np.where(
        ok, np.maximum(rows["traffic.bytes_out"], rows["traffic.bytes_in"]) * more, rows["traffic.bytes_out"]
    ).astype(np.int64)
    reads = api_activity(
        world, rng, calls, operation=rng.choice(_operations("GetObject", "ListObjectsV2", "Decrypt"), len(calls))
    )
    return [rows, _from(reads, *_stranger(world, rng, int(world.country[user])))]


def beaconing(world: World, rng: np.random.Generator, size: int, start: int) -> list[Rows]:
    """An implant calls home: small flows of one size to one site, by the clock, day and night."""
    user = _person(world, rng)
    beat = int(rng.choice([5, 10, 15, 30])) * MINUTE
    times = start + np.arange(size) * beat + rng.normal(0, 0.02 * beat, size)
    context = locate(world, rng, np.full(size, user), _inside(world, times))
    site = np.full(size, rng.choice(_sites("edge")))
    rows = network_activity(world, rng, context, service=np.full(size, _services("https")[0]), site=site)
    for column, middle in (("traffic.bytes_in", 900), ("traffic.bytes_out", 1_400), ("duration", 350)):
        level = middle * np.exp(rng.normal(0, 0.5))
        rows[column] = np.maximum(1, level * rng.normal(1, 0.015, size)).astype(np.int64)
    return [rows]


def lateral_movement(world: World, rng: np.random.Generator, size: int, start: int) -> list[Rows]:
    """From one taken laptop to server after server: flows, logons, and remote commands on others' hosts."""
    user = _person(world, rng, admins=False)
    context = locate(world, rng, np.full(size, user), _times(world, rng, size, start, 3 * MINUTE))
    step = rng.choice(3, size, p=[0.4, 0.35, 0.25])
    flows, logons, commands = (context.take(step == k) for k in range(3))
    far = replace(flows, country=rng.integers(0, 5, len(flows)))
    rows = network_activity(world, rng, far, service=rng.choice(_services("smb", "rdp", "winrm", "ssh"), len(flows)))
    rows["src_endpoint.location.country"] = _CODES[flows.country]
    far = replace(logons, country=rng.integers(0, 5, len(logons)))
    entries = authentication(
        world, rng, far, way=rng.choice(_ways("smb", "rdp", "ssh"), len(logons)), fails=_fail(len(logons), 0.25, rng)
    )
    entries["src_endpoint.location.country"] = _CODES[logons.country]
    remote = [k for k, p in enumerate(PROGRAMS) if "psexesvc" in p.parent + p.name or p.name == "net.exe"]
    runs = process_activity(world, rng, commands, program=rng.choice(remote, len(commands)))
    runs["device.hostname"] = world.laptop[[_person(world, rng) for _ in range(len(commands))], 0]
    return [rows, entries, runs]


def privilege_escalation(world: World, rng: np.random.Generator, size: int, start: int) -> list[Rows]:
    """A plain user gains an administrator's rights: on the host, by another account, or in the cloud."""
    user = _person(world, rng, admins=False)
    context = locate(world, rng, np.full(size, user), _times(world, rng, size, start, 4 * MINUTE))
    step = rng.choice(3, size, p=[0.5, 0.2, 0.3])
    local, switches, calls = (context.take(step == k) for k in range(3))
    raised = [
        k
        for k, p in enumerate(PROGRAMS)
        if p.integrity >= 4 and p.parent in ("powershell.exe", "explorer.exe", "psexesvc.exe", "bash")
    ]
    runs = process_activity(world, rng, local, program=rng.choice(raised, len(local)))
    parents = texts(["winword.exe", "excel.exe", "outlook.exe", "chrome.exe"])
    odd = rng.random(len(local)) < 0.5
    runs["process.parent_process.name"] = np.where(
        odd, parents[rng.integers(0, 4, len(local))], runs["process.parent_process.name"]
    )
    entries = authentication(world, rng, switches, fails=_fail(len(switches), 0.15, rng))
    entries["activity_id"] = np.full(len(switches), 7)
    entries["type_uid"] = np.full(len(switches), 300207)
    admins = np.flatnonzero(world.kind == 2)
    entries["user.name"] = world.name[rng.choice(admins if len(admins) else world.humans, len(switches))]
    grants = _operations(
        "AttachUserPolicy", "CreateAccessKey", "CreateUser", "GetSecretValue", "AssumeRole", "ListUsers"
    )
    return [runs, entries, api_activity(world, rng, calls, operation=rng.choice(grants, len(calls)), fails=0.15)]


def impossible_travel(world: World, rng: np.random.Generator, size: int, start: int) -> list[Rows]:
    """Somebody at work in one country is let in from another within the hour."""
    user = _person(world, rng)
    context = locate(world, rng, np.full(size, user), _times(world, rng, size, start, HOUR // 4))
    by_api = rng.random(size) < 0.35
    country, address = _stranger(world, rng, int(context.country[0]))
    logons, calls = context.take(~by_api), context.take(by_api)
    entries = authentication(world, rng, logons, way=rng.choice(_ways("sso", "vpn"), len(logons)))
    lost = rng.random(len(logons)) < 0.4
    entries["src_endpoint.hostname"] = without(logons.host, lost)
    return [_from(entries, country, address), _from(api_activity(world, rng, calls), country, address)]


ATTACKS: dict[str, Attack] = {
    "brute_force": brute_force,
    "credential_stuffing": credential_stuffing,
    "exfiltration": exfiltration,
    "beaconing": beaconing,
    "lateral_movement": lateral_movement,
    "privilege_escalation": privilege_escalation,
    "impossible_travel": impossible_travel,
}
