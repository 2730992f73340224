"""Diagrams show what their chapter says of the mechanism."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import FancyArrowPatch, Rectangle

from ocsf_ssl_lib.plots.denoising_autoencoder import swap_noise
from ocsf_ssl_lib.plots.simclr_loss import matrix
from ocsf_ssl_lib.plots.style import smallest_text_px
from ocsf_ssl_lib.plots.training_loop import masks_over_time


def test_masks_change_in_training_and_stay_in_validation() -> None:
    fig = masks_over_time(epochs=3, events=4, cells=5)
    cells = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
    hidden = np.array([bool(cell.get_hatch()) for cell in cells]).reshape(3, 2, 4, 5)  # epoch, part, event, cell
    assert all((hidden[epoch, 0] != hidden[0, 0]).any() for epoch in (1, 2))
    assert (hidden[:, 1] == hidden[0, 1]).all()
    assert smallest_text_px(fig) >= 9


def test_swapped_cell_takes_the_value_that_its_arrow_comes_from() -> None:
    ax = swap_noise().axes[0]
    words = {tuple(np.round(text.get_position(), 2)): text.get_text() for text in ax.texts}
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 3
    changed = 0
    for patch in arrows:
        start, end = (np.round(np.array(point) - (0, 0.17), 2) for point in patch._posA_posB)
        assert words[tuple(start)] == words[tuple(end)]
        changed += words[tuple(end)] != words[1.15, end[1]]
    assert changed == 2


def test_shades_use_their_whole_range() -> None:
    alike = np.array([[1.0, 0.4, 0.9, 0.5], [0.4, 1.0, 0.5, 0.9], [0.9, 0.5, 1.0, 0.4], [0.5, 0.9, 0.4, 1.0]])
    assert matrix(alike, "AB").axes[0].images[0].get_clim() == (0, 1)
    assert matrix(alike - 0.5, "AB").axes[0].images[0].get_clim() == (-1, 1)
