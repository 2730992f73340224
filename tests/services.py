"""Events in which one field can be seen to be wrong: the service decides all the others but the user."""

from __future__ import annotations

import numpy as np
import pandas as pd

PORTS = {"web": "443", "shell": "22", "names": "53", "mail": "25"}
HOSTS = {"web": "front", "shell": "bastion", "names": "resolver", "mail": "relay"}
VOLUMES = {"web": 20_000.0, "shell": 3_000.0, "names": 200.0, "mail": 60_000.0}


def service_events(n: int, seed: int = 0) -> pd.DataFrame:
    """The service decides port, host and volume, so that one of the four that is wrong stands against three."""
    rng = np.random.default_rng(seed)
    service = rng.choice(list(PORTS), n)
    return pd.DataFrame(
        {
            "metadata.uid": [f"event-{seed}-{i}" for i in range(n)],
            "svc": service,
            "port": [PORTS[s] for s in service],
            "host": [HOSTS[s] for s in service],
            "user": rng.choice(["ann", "bob", "cid"], n),
            "bytes": [VOLUMES[s] for s in service] * np.exp(rng.normal(0, 0.2, n)),
        }
    )
