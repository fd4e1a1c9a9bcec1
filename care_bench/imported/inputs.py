"""What an imported encoder is given."""

from __future__ import annotations

from dataclasses import dataclass

from care_bench.names import Kind


@dataclass(frozen=True)
class Inputs:
    """The samples of a data set.

    Attributes:
        kind: images or point clouds.
        shape: (C, H, W) of an image, or (P, 3) of a point cloud.
        mean, std: per channel over the training images, in [0, 1]; empty for point clouds.
        sha256: of the data.
    """

    kind: Kind
    shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    sha256: str = ""
