"""Random rotations of point clouds."""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.augmentations.checks import check_draw, check_length
from care_bench.augmentations.parameters import RotationParameters
from care_bench.augmentations.transfer import to_device


class RandomRotation3D:
    """Rotations about the origin, uniform on SO(3) (Haar measure).

    Example:
        >>> rotation = RandomRotation3D()
        >>> clouds = torch.ones(2, 5, 3)
        >>> rotation.apply(clouds, rotation.sample(2, torch.Generator().manual_seed(0))).shape
        torch.Size([2, 5, 3])
    """

    def sample(self, n: int, generator: torch.Generator) -> RotationParameters:
        """Draw n rotations as unit quaternions: four Gaussian coordinates, normalised (Marsaglia, 1972).

        Args:
            n: number of rotations.
            generator: CPU generator.

        Raises:
            ValueError: n is not positive, or the generator is not on the CPU.
        """
        check_draw(n, generator)
        quaternion = torch.randn(n, 4, generator=generator, dtype=torch.float64)
        quaternion /= quaternion.norm(dim=1, keepdim=True)
        w, x, y, z = quaternion.unbind(1)
        entries = [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
            *(2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
            *(2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
        ]
        return RotationParameters(matrix=torch.stack(entries, dim=1).view(n, 3, 3).float())

    @torch.no_grad()
    def apply(self, points: Tensor, parameters: RotationParameters) -> Tensor:
        """Rotate every cloud by its own matrix: points @ R^T.

        Args:
            points: (n, P, 3) floating point.
            parameters: n rotations.

        Returns:
            (n, P, 3) of the dtype and on the device of ``points``.

        Raises:
            ValueError: wrong shape or dtype, or not one row of parameters per cloud.
        """
        points = self.identity(points)
        check_length("points", len(points), parameters)
        matrix = to_device(parameters.matrix, points.device).to(points.dtype)
        with torch.autocast(points.device.type, enabled=False):
            return torch.bmm(points, matrix.transpose(1, 2))

    def identity(self, points: Tensor) -> Tensor:
        """Return the clouds as they are, (n, P, 3).

        Raises:
            ValueError: wrong shape or dtype.
        """
        if points.ndim != 3 or points.shape[2] != 3 or not points.is_floating_point():
            found = f"shape {tuple(points.shape)} and dtype {points.dtype}"
            raise ValueError(f"points has {found}, expected shape (n, P, 3) and a floating-point dtype")
        return points
