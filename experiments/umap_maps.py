"""UMAP maps of events and of pure noise, for the chapter on embedding quality.

    pip install umap-learn
    python experiments/umap_maps.py

umap-learn is no dependency of the book: with numba and llvmlite it adds about 200 MB for one figure, and its first call
compiles for half a minute. So the coordinates are computed here once and kept in ``results/umap_maps.csv``.

Both maps are of as many points in as many dimensions: ``events`` are embeddings of an untrained encoder, whose groups
are event classes, and ``noise`` is drawn from one normal distribution. Each is drawn with few and with many neighbours.
"""

from __future__ import annotations

import numpy as np
import torch
from embedding_quality import DEPARTMENT, ENCODER, WHO
from record import append, done

from ocsf_ssl_lib import ContrastiveConfig, OCSFDataset, OCSFPreprocessor, build_model, simulate_events, split_by_time

NAME = "umap_maps"
POINTS = 300
NEIGHBOURS = (5, 50)  # umap-learn's default is 15


def event_embeddings() -> tuple[np.ndarray, np.ndarray]:
    """(POINTS, d) embeddings of events of a later period, and the class of each."""
    past, future = split_by_time(simulate_events(6_000, seed=7, anomaly_rate=0.02).frame)
    future = future[future[DEPARTMENT].notna()].sample(POINTS, random_state=0)
    seen = [part.drop(columns=[c for c in part if c.startswith(WHO)]) for part in (past, future)]
    prep = OCSFPreprocessor().fit(seen[0])
    config = ContrastiveConfig(encoder_config=ENCODER)
    model = build_model(config, len(prep.numerical_names_), prep.cardinalities_).eval()
    with torch.inference_mode():
        z = model.featurize(OCSFDataset.from_frame(prep, seen[1]).tensors).numpy()
    return z, future["class_uid"].astype(str).to_numpy()


def run() -> None:
    import umap  # here, so that the coordinates can be looked at without it

    z, classes = event_embeddings()
    noise = np.random.default_rng(0).normal(size=z.shape)
    for data, points, groups in (("events", z, classes), ("noise", noise, np.full(POINTS, "noise"))):
        for k in NEIGHBOURS:
            if done(NAME, data=data, neighbours=k):
                continue
            places = umap.UMAP(n_neighbors=k, metric="cosine", random_state=0).fit_transform(points)
            append(
                NAME,
                [
                    {"data": data, "neighbours": k, "x": x, "y": y, "group": group, "umap": umap.__version__}
                    for (x, y), group in zip(places.round(3), groups, strict=True)
                ],
            )
            print(data, k, places.std(axis=0).round(2), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run()
