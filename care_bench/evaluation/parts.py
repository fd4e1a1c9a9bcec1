"""The parts of a data set that are embedded: their names, and a check of their embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.errors import CareBenchError

Part = dict[str, Tensor]
"""Representation -> its embeddings."""
SAMPLES = {
    "test": "test samples",
    "augmented": "augmented test samples",
    "composed": "twice augmented test samples",
    "train": "train samples",
    "train_augmented": "augmented train samples",
    "train_pairs": "train samples under draws of their own",
    "test_pairs": "test samples under draws of their own",
    "train_parameters": "draws of the train samples",
    "test_parameters": "draws of the test samples",
    "single": "test samples under one augmentation alone",
    "velocities": "derivatives of test samples",
    "train_clouds": "train clouds",
    "test_clouds": "test clouds",
    "trajectories": "rotated test samples",
    "trajectory_rows": "places of the rotated test samples",
    "first_draw": "test samples under the first draw",
    "coloured": "test samples in other colours",
}
"""Part -> its name in errors."""


def check_finite(where: str, name: str, representation: str, rows: Tensor) -> None:
    """Check the embeddings (..., d) of a part.

    Args:
        where: names the encoder.
        name: of the part.
        representation: which of the encoder's.
        rows: what is checked.

    Raises:
        CareBenchError: one of them is not finite.
    """
    # One copy at a time: isfinite needs more memory than its input.
    copies = rows.unbind() if rows.ndim > 2 else (rows,)
    bad = int(torch.stack([(~torch.isfinite(copy)).any(dim=-1).sum() for copy in copies]).sum())
    if bad:
        raise CareBenchError(
            f"{where}: {bad} {representation} rows of the {SAMPLES[name]} are not finite; expected finite "
            "embeddings (the encoder has diverged)"
        )
