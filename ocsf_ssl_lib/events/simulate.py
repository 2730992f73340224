"""Events made: a labelled log of a company that does not exist, in OCSF 1.8.0.

Everyday traffic has structure worth learning and oddities that are harmless; about one event in a hundred belongs to
an attack or is wrong in context. The labels stand apart from the events, keyed by ``metadata.uid``.
The columns of the frame are settled: others build upon them.
"""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events.classes import BOOLEANS, INTEGERS, TEXTS, Rows
from ocsf_ssl_lib.events.context import CONTEXTUAL
from ocsf_ssl_lib.events.scenarios import ATTACKS
from ocsf_ssl_lib.events.traffic import draw_traffic, repeat_rows, take
from ocsf_ssl_lib.events.world import World, build_world, texts

__all__ = ["SCENARIOS", "Simulation", "duplicate_rate", "simulate_events"]

SCENARIOS: tuple[str, ...] = (*ATTACKS, *CONTEXTUAL)
FEWEST = 4  # events of a type from which both sides of a split by time can have some
COLUMNS = tuple(sorted(TEXTS + INTEGERS + BOOLEANS, key=lambda c: (c != "time", c)))


@dataclass(frozen=True)
class Simulation:
    """Simulated events and what they are.

    Attributes:
        frame: events with dotted OCSF columns, sorted by ``time`` (epoch milliseconds).
        labels: for every event ``metadata.uid``, ``is_anomaly``, ``anomaly_type`` ("normal" for the others),
            ``scenario`` (which attack), ``altered_fields`` (for contextual anomalies, comma-joined) and
            ``oddity`` (harmless but unusual: travel, on call, new laptop, backup).
    """

    frame: pd.DataFrame
    labels: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Events, scenarios and first and last time of each type."""
        table = self.labels.assign(time=pd.to_datetime(self.frame["time"].to_numpy(), unit="ms", utc=True))
        groups = table.groupby("anomaly_type")
        counts = groups.agg(events=("time", "size"), first=("time", "min"), last=("time", "max"))
        counts.insert(1, "scenarios", table[table["is_anomaly"]].groupby("anomaly_type")["scenario"].nunique())
        counts["scenarios"] = counts["scenarios"].fillna(0).astype(int)
        return counts.reset_index()


def simulate_events(
    n: int,
    seed: int = 42,
    *,
    start: str = "2026-03-02",
    days: int = 28,
    anomaly_rate: float = 0.01,
    scenarios: Sequence[str] | None = None,
    users: int = 200,
    repetition: float = 0.08,
) -> Simulation:
    """Make ``n`` labelled events of Authentication, Network, API and Process Activity.

    Args:
        n: number of events.
        seed: same seed, same events, byte for byte (under one version of NumPy, which may change its draws).
        start: first day (UTC), ISO 8601.
        days: length of the period.
        anomaly_rate: share of anomalous events, 0 to 0.5. With few events it gives fewer types, so that each
            type has at least four events, spread over the whole period.
        scenarios: types of anomalies to make; all of ``SCENARIOS`` by default.
        users: number of accounts, one in twenty of them a service account.
        repetition: share of everyday events that repeat another but for time and uid, as real logs do.

    Returns:
        Events and labels, row for row in the same order.

    Raises:
        InputError: an argument out of range, or an unknown scenario.

    Example:
        >>> made = simulate_events(2_000, seed=1)
        >>> len(made.frame), int(made.labels["is_anomaly"].sum())
        (2000, 20)
    """
    kinds = _check(n, seed, days, anomaly_rate, scenarios, users, repetition)
    world_rng, traffic_rng, anomaly_rng, order_rng = (
        np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(int(seed)).spawn(4)
    )
    world = build_world(world_rng, users=int(users), start=_epoch(start), days=int(days))
    count = round(n * anomaly_rate)
    parts = _anomalies(world, anomaly_rng, kinds, count)
    copies = round((n - count) * repetition)
    traffic = draw_traffic(world, traffic_rng, n - count - copies)
    everyday: list[Rows] = [{**part.rows, "_oddity": part.context.oddity} for part in traffic]
    shares = np.array([len(rows["time"]) for rows in everyday], dtype=float)
    edges = np.round(np.cumsum(shares) / max(shares.sum(), 1) * copies).astype(int)
    for rows, size in zip(list(everyday), np.diff(edges, prepend=0), strict=True):
        if size:
            everyday.append(repeat_rows(world, traffic_rng, rows, int(size)))
    return _assemble(order_rng, everyday + parts)


def duplicate_rate(frame: pd.DataFrame) -> float:
    """Share of events that repeat an earlier one in everything but time and uid."""
    return float(frame.drop(columns=["time", "metadata.uid"], errors="ignore").astype(str).duplicated().mean())


def _check(
    n: Any, seed: Any, days: Any, rate: Any, scenarios: Sequence[str] | None, users: Any, repetition: Any
) -> list[str]:
    """Refuse bad arguments by name; return the types of anomalies to make."""
    wholes = (("n", n, 1, 10**9), ("seed", seed, 0, 2**64), ("days", days, 1, 3660), ("users", users, 8, 100_000))
    for name, value, least, limit in wholes:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not least <= int(value) <= limit:
            raise InputError(f"{name} must be a whole number from {least} to {limit}, however: {name}={value!r}")
    for name, value, most in (("anomaly_rate", rate, 0.5), ("repetition", repetition, 0.9)):
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) <= most:
            raise InputError(f"{name} must be a number from 0 to {most}, however: {name}={value!r}")
    if isinstance(scenarios, str):
        raise InputError(f"scenarios must be a list of names, however: scenarios={scenarios!r}; write [{scenarios!r}]")
    chosen = list(SCENARIOS) if scenarios is None else list(dict.fromkeys(scenarios))
    for name in chosen:
        if name not in SCENARIOS:
            near = difflib.get_close_matches(str(name), SCENARIOS, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(SCENARIOS)}"
            raise InputError(f"unknown scenario {name!r}; {hint}")
    return chosen


def _epoch(start: str) -> int:
    """Midnight (UTC) of the first day in epoch milliseconds."""
    try:
        stamp = pd.Timestamp(start)
        stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
        seconds = int(stamp.normalize().timestamp())
    except (ValueError, TypeError, OverflowError, AttributeError):
        seconds = -1
    if seconds < 0:
        raise InputError(f"start must be a date since 1970 such as '2026-03-02', however: start={start!r}")
    return seconds * 1000


def _anomalies(world: World, rng: np.random.Generator, kinds: list[str], count: int) -> list[Rows]:
    """``count`` labelled events: every type spread over the period, so that each side of a split has it."""
    if not count or not kinds:
        return []
    kinds = [kinds[k] for k in np.sort(rng.permutation(len(kinds))[: max(1, count // FEWEST)])]
    sizes = [len(chunk) for chunk in np.array_split(np.arange(count), len(kinds))]
    parts: list[Rows] = []
    for kind, size in zip(kinds, sizes, strict=True):
        parts += (_attacks if kind in ATTACKS else _contextual)(world, rng, kind, size)
    return parts


def _attacks(world: World, rng: np.random.Generator, kind: str, size: int) -> list[Rows]:
    """Bursts, one in each of equal stretches of the period."""
    episodes = max(1, min(size, max(5, size // 9)))
    span = world.end - world.start
    parts: list[Rows] = []
    for k, chunk in enumerate(np.array_split(np.arange(size), episodes)):
        begin = int((k + rng.uniform(0.05, 0.9)) / episodes * span)
        for rows in ATTACKS[kind](world, rng, len(chunk), begin):
            parts.append(_labelled(rows, kind, [f"{kind}-{k + 1:03d}"] * len(rows["time"])))
    return parts


def _contextual(world: World, rng: np.random.Generator, kind: str, size: int) -> list[Rows]:
    """Single events, evenly spread: of many candidates in order of time every so-manieth is kept."""
    variants = CONTEXTUAL[kind]
    parts: list[Rows] = []
    for k, chunk in enumerate(np.array_split(np.arange(size), len(variants))):
        if not len(chunk):
            continue
        rows, fields = variants[k](world, rng, 6 * len(chunk) + 60)
        order = np.argsort(rows["time"], kind="stable")
        picks = ((np.arange(len(chunk)) + rng.random(len(chunk))) / len(chunk) * len(order)).astype(int)
        kept = order[picks]
        names = [f"{kind}-{k + 1 + len(variants) * i:03d}" for i in range(len(chunk))]
        parts.append(_labelled(take(rows, kept), kind, names, fields[kept]))
    return parts


def _labelled(rows: Rows, kind: str, names: list[str], fields: np.ndarray | None = None) -> Rows:
    count = len(names)
    blank = np.full(count, "", dtype=object)
    return {
        **rows,
        "_anomaly_type": np.full(count, kind, dtype=object),
        "_scenario": texts(names),
        "_altered_fields": blank if fields is None else fields,
    }


def _assemble(rng: np.random.Generator, parts: list[Rows]) -> Simulation:
    """One table of all parts, in order of time, ties in random order, each row with a random uid."""
    sizes = [len(rows["time"]) for rows in parts]
    total = sum(sizes)
    time = np.concatenate([rows["time"] for rows in parts])
    order = np.lexsort((rng.random(total), time))
    data = np.frombuffer(rng.bytes(16 * total), dtype=np.uint8).tobytes().hex()
    uid = texts([data[k : k + 32] for k in range(0, 32 * total, 32)])
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        if name == "metadata.uid":
            columns[name] = uid
        elif name in TEXTS:
            columns[name] = _gather(parts, sizes, name, np.full(total, None, dtype=object))[order]
        else:
            values = _gather(parts, sizes, name, np.zeros(total, dtype=np.int64))[order]
            missing = _missing(parts, sizes, name, total)[order]
            if name in BOOLEANS:
                columns[name] = pd.arrays.BooleanArray(values.astype(bool), missing)
            else:
                columns[name] = pd.arrays.IntegerArray(values, missing) if missing.any() else values
    labels: dict[str, Any] = {"metadata.uid": uid, "is_anomaly": np.zeros(total, dtype=bool)}
    for name in ("anomaly_type", "scenario", "altered_fields", "oddity"):
        default = "normal" if name == "anomaly_type" else ""
        labels[name] = _gather(parts, sizes, f"_{name}", np.full(total, default, dtype=object))[order]
    labels["is_anomaly"] = labels["anomaly_type"] != "normal"
    return Simulation(pd.DataFrame(columns), pd.DataFrame(labels))


def _gather(parts: list[Rows], sizes: list[int], name: str, out: np.ndarray) -> np.ndarray:
    """Write the parts' values of a column one after the other into ``out``; what is absent stays."""
    begin = 0
    for rows, size in zip(parts, sizes, strict=True):
        if name in rows:
            out[begin : begin + size] = rows[name]
        begin += size
    return out


def _missing(parts: list[Rows], sizes: list[int], name: str, total: int) -> np.ndarray:
    missing = np.ones(total, dtype=bool)
    begin = 0
    for rows, size in zip(parts, sizes, strict=True):
        missing[begin : begin + size] = name not in rows
        begin += size
    return missing
