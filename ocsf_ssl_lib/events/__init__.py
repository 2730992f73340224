"""Stage 1 of the data's way: events in (``read``), events made (``simulate``), events out (``write``)."""

from ocsf_ssl_lib.events.read import Events, read_events
from ocsf_ssl_lib.events.simulate import Simulation, duplicate_rate, simulate_events
from ocsf_ssl_lib.events.tables import write_events
from ocsf_ssl_lib.events.write import to_ocsf_records, write_jsonl

__all__ = [
    "Events",
    "Simulation",
    "duplicate_rate",
    "read_events",
    "simulate_events",
    "to_ocsf_records",
    "write_events",
    "write_jsonl",
]
