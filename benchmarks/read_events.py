"""Events per second of ``read_events`` against ``json.loads`` + ``pandas.json_normalize``.

    python benchmarks/read_events.py [--events 100000] [--repeats 3] [--bad-every 0] [--record]

Both read the same file of nested OCSF-like JSON Lines; the repeats alternate, so that a busy machine slows both.
``--bad-every N`` spoils one line in N (a trailing comma, or a text for a number) for ``read_events`` only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import machine
import pandas as pd
import pyarrow as pa
from timing import speed_up

from ocsf_ssl_lib.events.read import read_events


def nested_events(count: int, seed: int = 42) -> Iterator[dict]:
    """Authentication events with about 40 leaves: objects four deep, lists of texts and of objects, an open map."""
    chance = random.Random(seed)
    for number in range(count):
        user, host = chance.randrange(500), chance.randrange(300)
        good = chance.random() < 0.95
        event = {
            "activity_id": 1,
            "activity_name": "Logon",
            "actor": {
                "process": {
                    "name": chance.choice(["sshd", "lsass.exe", "login"]),
                    "pid": chance.randrange(65536),
                    "file": {"name": "sshd", "path": f"/usr/sbin/sshd{user % 7}", "type_id": 1},
                },
                "session": {"uid": f"{chance.getrandbits(64):016x}", "is_remote": bool(user % 2)},
            },
            "auth_protocol_id": chance.randrange(5),
            "category_uid": 3,
            "class_name": "Authentication",
            "class_uid": 3002,
            "cloud": {
                "provider": "AWS",
                "region": chance.choice(["eu-west-1", "us-east-1"]),
                "account": {"uid": "123456789012"},
            },
            "device": {"hostname": f"host-{host}", "os": {"name": "Linux", "type_id": 200}, "type_id": 1},
            "duration": round(chance.expovariate(0.01), 3),
            "is_mfa": chance.random() < 0.5,
            "metadata": {
                "uid": f"{chance.getrandbits(128):032x}",
                "version": "1.8.0",
                "profiles": ["host", "cloud"],
                "product": {"name": "bench", "vendor_name": "none", "feature": {"name": "auth"}},
                "original_time": f"2024-05-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:00Z",
            },
            "observables": [
                {"name": "user.name", "type_id": 4, "value": f"user{user}"},
                {"name": "src_endpoint.ip", "type_id": 2, "value": f"10.0.{user % 250}.{host % 250}"},
            ],
            "severity_id": 1 if good else 3,
            "src_endpoint": {
                "ip": f"10.0.{user % 250}.{host % 250}",
                "port": chance.randrange(1024, 65536),
                "location": {"country": chance.choice(["DE", "US", "FR"])},
            },
            "status": "Success" if good else "Failure",
            "status_id": 1 if good else 2,
            "time": 1714550000000 + number * 137,
            "type_uid": 300201,
            "unmapped": {"Logon Type": str(user % 10), "EventCode": 4624, "flags": [1, 2, user % 3]},
            "user": {"name": f"user{user}", "uid": str(user), "groups": [{"name": "staff"}]},
        }
        if not good:
            event["status_detail"] = chance.choice(["bad password", "locked out"])
        yield event


def by_pandas(path: str) -> pd.DataFrame:
    """What most people write."""
    with open(path, encoding="utf-8") as lines:
        return pd.json_normalize([json.loads(line) for line in lines])


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Elapsed and processor time; the second tells the truth on a machine that others use too."""
    start = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bad-every", type=int, default=0, help="spoil one line in so many; 0: none")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clean, ours = str(Path(folder, "clean.jsonl")), str(Path(folder, "ours.jsonl"))
        with open(clean, "w", encoding="utf-8") as out, open(ours, "w", encoding="utf-8") as other:
            for number, event in enumerate(nested_events(options.events)):
                line = json.dumps(event)
                out.write(line + "\n")
                if options.bad_every and number % options.bad_every == options.bad_every - 1:
                    event["src_endpoint"]["port"] = "ephemeral"
                    line = line[:-1] + ",}" if number % 2 else json.dumps(event)
                other.write(line + "\n")
        size = os.path.getsize(clean)
        print(
            f"{options.events:,} events, {size / 1e6:.0f} MB; {machine.headline()}, "
            f"pandas {pd.__version__}, pyarrow {pa.__version__}"
        )
        times: dict[str, list[tuple[float, float]]] = {"json_normalize": [], "read_events": []}
        for _ in range(options.repeats):
            times["json_normalize"].append(seconds(lambda: by_pandas(clean)))
            times["read_events"].append(seconds(lambda: read_events(ours)))
        rows: list[dict[str, object]] = []
        for place, clock in enumerate(("elapsed", "processor")):
            by_name = {name: [one[place] for one in taken] for name, taken in times.items()}
            for name, taken in by_name.items():
                speed, ratio = options.events / statistics.median(taken), speed_up(by_name["json_normalize"], taken)
                runs = ", ".join(f"{one:.2f} s" for one in taken)
                print(f"{clock:<9} {name:<15} {speed:>9,.0f} events/s  ratio {ratio:.1f}  ({runs})")
                rows.append({"clock": clock, "reader": name, "events_per_second": speed, "ratio": ratio})
        if options.record:
            events = {"events": options.events, "bad_every": options.bad_every, "repeats": options.repeats}
            machine.record("read_events", [events | row for row in rows])


if __name__ == "__main__":
    main()
