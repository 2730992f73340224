"""Builders of the four OCSF 1.8.0 classes: a context goes in, columns come out.

A builder draws what its caller leaves open and keeps the relations of the catalogue: service -> port, protocol and
size, program -> parent, operation -> activity. Attacks use the same builders as everyday traffic and change a few
columns afterwards; nothing but the attack itself can then tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ocsf_ssl_lib.events.activity import Context
from ocsf_ssl_lib.events.catalogue import AGENTS, COUNTRIES, DEPARTMENTS, LOGONS, OPERATIONS, PROGRAMS, SERVICES, SITES
from ocsf_ssl_lib.events.world import World, pick, texts, trait_weights, without

__all__ = [
    "BOOLEANS",
    "BUILDERS",
    "INTEGERS",
    "TEXTS",
    "Rows",
    "api_activity",
    "authentication",
    "network_activity",
    "process_activity",
]

Rows = dict[str, np.ndarray]  # column -> values, all of one length; a column that is absent does not apply

# The columns of the simulated events, in order. This list is settled: others build upon it.
TEXTS = (
    "metadata.uid", "metadata.version", "metadata.product.name", "metadata.profiles",
    "actor.user.name", "actor.user.org.name", "actor.user.org.ou_name", "user.name",
    "src_endpoint.ip", "src_endpoint.hostname", "src_endpoint.location.country",
    "dst_endpoint.ip", "dst_endpoint.hostname", "dst_endpoint.svc_name", "dst_endpoint.location.country",
    "connection_info.protocol_name", "status_detail", "device.hostname",
    "api.operation", "api.service.name", "http_request.user_agent", "cloud.provider", "cloud.region",
    "process.name", "process.parent_process.name",
)  # fmt: skip
INTEGERS = (
    "time", "class_uid", "category_uid", "type_uid", "activity_id", "severity_id", "status_id",
    "actor.user.type_id", "dst_endpoint.port", "connection_info.direction_id",
    "traffic.bytes_in", "traffic.bytes_out", "duration", "logon_type_id", "auth_protocol_id",
    "device.type_id", "api.response.code", "process.pid", "process.integrity_id", "process.parent_process.pid",
)  # fmt: skip
BOOLEANS = ("is_mfa", "is_remote")

_CODES = texts([c.code for c in COUNTRIES])
_REGIONS = texts([c.region for c in COUNTRIES])
_UNITS = texts([d.name for d in DEPARTMENTS])
MAX_PID = 4_194_304  # Linux's limit on 64 bits


def _common(
    world: World, rng: np.random.Generator, context: Context, class_uid: int, activity: np.ndarray, failed: np.ndarray
) -> Rows:
    """The columns of every class. Severity follows failure, with noise, and knows nothing else."""
    count = len(context)
    raised = rng.random(count) < np.where(failed, 0.35, 0.02)
    product = {3002: "Identity Log", 4001: "Flow Sensor", 6003: "Cloud Audit", 1007: "Endpoint Sensor"}[class_uid]
    rows: Rows = {
        "time": context.time + world.start,
        "class_uid": np.full(count, class_uid),
        "category_uid": np.full(count, class_uid // 1000),
        "type_uid": class_uid * 100 + activity,
        "activity_id": activity,
        "severity_id": np.where(raised, np.where(rng.random(count) < 0.2, 3, 2), 1),
        "status_id": np.where(failed, 2, 1),
        "metadata.version": np.full(count, "1.8.0", dtype=object),
        "metadata.product.name": np.full(count, product, dtype=object),
        "actor.user.name": world.name[context.user],
        "actor.user.org.name": np.full(count, "Example Corp", dtype=object),
        "actor.user.org.ou_name": _UNITS[world.department[context.user]],
        "actor.user.type_id": world.kind[context.user],
    }
    profile = {4001: '["host"]', 6003: '["cloud"]'}.get(class_uid)
    if profile:
        rows["metadata.profiles"] = np.full(count, profile, dtype=object)
    return rows


def _place(rng: np.random.Generator, context: Context, *, nameless: float) -> Rows:
    """The source. Outside the office the log often lacks the host name."""
    lost = rng.random(len(context)) < np.where(context.outside, nameless, 0.03)
    return {
        "src_endpoint.ip": context.address,
        "src_endpoint.hostname": without(context.host, lost),
        "src_endpoint.location.country": _CODES[context.country],
    }


def _or(given: np.ndarray | None, drawn: np.ndarray) -> np.ndarray:
    """What the caller wants, and the draw where it wants nothing (None, or -1 in a row)."""
    return drawn if given is None else np.where(given >= 0, given, drawn)


def _server(world: World, rng: np.random.Generator, roles: np.ndarray, country: np.ndarray) -> np.ndarray:
    """A server of the role asked for, by preference a near one; -1 where the role has none."""
    server = np.full(len(roles), -1)
    for role, members in world.role_servers.items():
        rows = np.flatnonzero(roles == role)
        if len(rows):
            server[rows] = members[pick(rng, world.near[role], country[rows])]
    return server


_LOGON_WEIGHTS = trait_weights([w.weights for w in LOGONS])
_LOGON_SERVICE = texts([w.service for w in LOGONS])
_LOGON_ROLE = texts([w.role for w in LOGONS])
_LOGON_PORT = np.array([w.port for w in LOGONS])
_LOGON_TYPE = np.array([w.logon_type for w in LOGONS])
_LOGON_PROTOCOL = np.array([w.protocol for w in LOGONS])
_LOGON_MFA = np.array([w.mfa for w in LOGONS])
_LOGON_REMOTE = np.array([w.remote for w in LOGONS])
_REFUSALS = texts(
    ["bad password", "bad password", "bad password", "account locked", "second factor refused", "password expired"]
)


def authentication(
    world: World,
    rng: np.random.Generator,
    context: Context,
    *,
    way: np.ndarray | None = None,
    fails: np.ndarray | float = 0.08,
) -> Rows:
    """Authentication 3002. ``way`` indexes LOGONS, ``fails`` is the chance of a refusal."""
    count = len(context)
    way = _or(way, pick(rng, _LOGON_WEIGHTS, world.department[context.user]))
    server = _server(world, rng, _LOGON_ROLE[way], context.country)
    failed = rng.random(count) < fails
    # Administrators act under other accounts at times; OCSF calls that an account switch.
    switch = rng.random(count) < np.where(world.kind[context.user] == 2, 0.08, 0.002)
    activity = np.where(switch, 7, np.where(~failed & (rng.random(count) < 0.22), 2, 1))
    target = np.where(switch, _other_admin(world, rng, count), context.user)
    return {
        **_common(world, rng, context, 3002, activity, failed),
        **_place(rng, context, nameless=0.4),
        "user.name": world.name[target],
        "dst_endpoint.ip": world.server_address[server],
        "dst_endpoint.hostname": world.server_name[server],
        "dst_endpoint.port": _LOGON_PORT[way],
        "dst_endpoint.svc_name": _LOGON_SERVICE[way],
        "dst_endpoint.location.country": _CODES[world.server_country[server]],
        "logon_type_id": _LOGON_TYPE[way],
        "auth_protocol_id": _LOGON_PROTOCOL[way],
        "is_mfa": rng.random(count) < _LOGON_MFA[way],
        "is_remote": _LOGON_REMOTE[way],
        "status_detail": without(_REFUSALS[rng.integers(0, len(_REFUSALS), count)], ~failed),
        "duration": np.exp(rng.normal(np.log(np.where(failed, 420, 260)), 0.5)).astype(np.int64) + 5,
    }


def _other_admin(world: World, rng: np.random.Generator, count: int) -> np.ndarray:
    admins = np.flatnonzero(world.kind == 2)
    return rng.choice(admins if len(admins) else np.arange(len(world.kind)), count)


_SERVICE_WEIGHTS = trait_weights([s.weights for s in SERVICES])
_SERVICE_NAME = texts([s.name for s in SERVICES])
_SERVICE_PORT = np.array([s.port for s in SERVICES])
_SERVICE_PROTOCOL = texts([s.protocol for s in SERVICES])
_SERVICE_ROLE = texts([s.role for s in SERVICES])
_SERVICE_TIME = np.log([s.milliseconds for s in SERVICES])
_SERVICE_SPREAD = np.array([s.spread for s in SERVICES])
_SERVICE_RATES = np.array([[s.rate_in, s.rate_out] for s in SERVICES])
_SITE_WEIGHTS = trait_weights([s.weights for s in SITES])
_SITE_NAME = texts([s.name for s in SITES])
_SITE_COUNTRY = texts([s.country for s in SITES])
_SITE_FACTORS = np.array([[s.more_in, s.more_out] for s in SITES])


def network_activity(
    world: World,
    rng: np.random.Generator,
    context: Context,
    *,
    service: np.ndarray | None = None,
    site: np.ndarray | None = None,
    longer: np.ndarray | float = 1.0,
) -> Rows:
    """Network Activity 4001. ``service`` and ``site`` index the catalogue, ``longer`` stretches the duration."""
    count = len(context)
    department = world.department[context.user]
    service = _or(service, pick(rng, _SERVICE_WEIGHTS, department))
    site = _or(site, pick(rng, _SITE_WEIGHTS, department))
    web = _SERVICE_ROLE[service] == "web"
    server = _server(world, rng, _SERVICE_ROLE[service], context.country)
    failed = rng.random(count) < 0.025
    # A long flow carries more: bytes follow the duration, with the rate of the service and of the site.
    duration = np.exp(_SERVICE_TIME[service] + _SERVICE_SPREAD[service] * rng.normal(size=count)) * longer
    duration = np.where(failed, np.minimum(duration, rng.integers(2, 400, count)), duration)
    seconds = (np.maximum(duration, 1.0) / 1000) ** 0.9
    factors = np.where(web[:, None], _SITE_FACTORS[site], 1.0)
    volume = _SERVICE_RATES[service] * factors * seconds[:, None] * np.exp(rng.normal(0, 0.45, (count, 2)))
    volume = np.where(failed[:, None], volume * 0.02, volume) + rng.integers(54, 120, (count, 2))
    activity = np.where(failed, 4, np.where(rng.random(count) < 0.3, 2, 6))
    return {
        **_common(world, rng, context, 4001, activity, failed),
        **_place(rng, context, nameless=0.04),
        "dst_endpoint.ip": np.where(web, world.site_address[site], world.server_address[server]),
        "dst_endpoint.hostname": without(
            np.where(web, _SITE_NAME[site], world.server_name[server]), rng.random(count) < 0.02
        ),
        "dst_endpoint.port": _SERVICE_PORT[service],
        "dst_endpoint.svc_name": _SERVICE_NAME[service],
        "dst_endpoint.location.country": np.where(web, _SITE_COUNTRY[site], _CODES[world.server_country[server]]),
        "connection_info.protocol_name": _SERVICE_PROTOCOL[service],
        "connection_info.direction_id": np.where(web, 2, 3),
        "traffic.bytes_in": volume[:, 0].astype(np.int64),
        "traffic.bytes_out": volume[:, 1].astype(np.int64),
        "duration": np.maximum(duration, 1).astype(np.int64),
    }


_OPERATION_WEIGHTS = trait_weights([o.weights for o in OPERATIONS])
_OPERATION_NAME = texts([o.name for o in OPERATIONS])
_OPERATION_SERVICE = texts([o.service for o in OPERATIONS])
_OPERATION_ACTIVITY = np.array([o.activity for o in OPERATIONS])
_OPERATION_TIME = np.log([o.milliseconds for o in OPERATIONS])
_AGENT = texts([name for name, _ in AGENTS])
_ERRORS = texts(["AccessDenied", "AccessDenied", "NoSuchKey", "ThrottlingException", "ValidationError"])
_ERROR_CODES = np.array([403, 403, 404, 429, 400])


def api_activity(
    world: World,
    rng: np.random.Generator,
    context: Context,
    *,
    operation: np.ndarray | None = None,
    fails: np.ndarray | float = 0.06,
) -> Rows:
    """API Activity 6003. ``operation`` indexes OPERATIONS."""
    count = len(context)
    operation = _or(operation, pick(rng, _OPERATION_WEIGHTS, world.department[context.user]))
    failed = rng.random(count) < fails
    error = rng.integers(0, len(_ERRORS), count)
    home = np.where(rng.random(count) < 0.85, world.country[context.user], rng.integers(0, 5, count))
    agent = world.agent[context.user, (rng.random(count) < 0.25).astype(int)]
    return {
        **_common(world, rng, context, 6003, _OPERATION_ACTIVITY[operation], failed),
        "src_endpoint.ip": context.public,
        "src_endpoint.location.country": _CODES[context.country],
        "api.operation": _OPERATION_NAME[operation],
        "api.service.name": _OPERATION_SERVICE[operation],
        "api.response.code": np.where(failed, _ERROR_CODES[error], 200),
        "status_detail": without(_ERRORS[error], ~failed),
        "http_request.user_agent": _AGENT[agent],
        "cloud.provider": np.full(count, "AWS", dtype=object),
        "cloud.region": _REGIONS[home],
        "duration": np.exp(_OPERATION_TIME[operation] + 0.45 * rng.normal(size=count)).astype(np.int64) + 2,
    }


_PROGRAM_WEIGHTS = trait_weights([p.weights for p in PROGRAMS])
_PROGRAM_NAME = texts([p.name for p in PROGRAMS])
_PROGRAM_PARENT = texts([p.parent for p in PROGRAMS])
_PROGRAM_INTEGRITY = np.array([p.integrity for p in PROGRAMS])


def process_activity(
    world: World, rng: np.random.Generator, context: Context, *, program: np.ndarray | None = None
) -> Rows:
    """Process Activity 1007. ``program`` indexes PROGRAMS."""
    count = len(context)
    program = _or(program, pick(rng, _PROGRAM_WEIGHTS, world.department[context.user]))
    failed = rng.random(count) < 0.02
    activity = np.where(~failed & (rng.random(count) < 0.25), 2, 1)
    return {
        **_common(world, rng, context, 1007, activity, failed),
        "device.hostname": context.host,
        "device.type_id": np.where(world.kind[context.user] == 4, 1, 3),
        "process.name": _PROGRAM_NAME[program],
        "process.pid": rng.integers(300, MAX_PID, count),
        "process.integrity_id": _PROGRAM_INTEGRITY[program],
        "process.parent_process.name": _PROGRAM_PARENT[program],
        "process.parent_process.pid": rng.integers(300, MAX_PID, count),
    }


Builder = Callable[..., Rows]
BUILDERS: dict[int, Builder] = {
    3002: authentication,
    4001: network_activity,
    6003: api_activity,
    1007: process_activity,
}
