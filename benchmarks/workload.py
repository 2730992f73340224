"""W1, the workload of the speed claims: the size of the source tutorial's example.

10 000 rows of 50 numbers and four categories, batches of 256, an encoder of width 256 with 6 blocks and dropout 0.1.
NumPy alone: the peers read it too, in their own environment.
"""

from __future__ import annotations

import numpy as np

ROWS = 10_000
NUMBERS = 50
VALUES = (100, 50, 200, 1000)  # of the four categories
BATCH = 256
WIDTH = 256
BLOCKS = 6
DROPOUT = 0.1
EPOCHS = 50


def table(rows: int = ROWS, seed: int = 42) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (rows, 50) float32, standard normal; categories (rows, 4) int64 from 0, all values equally often.

    Columns are independent, as in the source: nothing but speed can be learned from them.
    """
    chance = np.random.default_rng(seed)
    numbers = chance.standard_normal((rows, NUMBERS), dtype=np.float32)
    return numbers, chance.integers(0, VALUES, (rows, len(VALUES)))
