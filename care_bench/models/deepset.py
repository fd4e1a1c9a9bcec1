"""DeepSet encoder of point clouds (Zaheer et al. 2017), the paper's encoder for proteins."""

from __future__ import annotations

from torch import Tensor, nn

from care_bench.config.backbones import DeepSetSettings


class DeepSet(nn.Module):
    """An MLP per point, the mean over the points, and an MLP on the mean: invariant to the order of the points.

    Args:
        width: width of the hidden layers and of the features.
        coordinates: coordinates of a point.

    Shape: (n, points, coordinates) -> (n, width).
    """

    def __init__(self, width: int, coordinates: int = 3) -> None:
        super().__init__()
        self.dimension = width
        self.per_point = nn.Sequential(
            nn.Linear(coordinates, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.on_mean = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, clouds: Tensor) -> Tensor:
        """Return the features of a batch of point clouds."""
        *layers, last = self.per_point
        for layer in layers:
            clouds = layer(clouds)
        # The last layer is affine, so it goes through the mean: it runs once per cloud, not once per point.
        features: Tensor = self.on_mean(last(clouds.mean(dim=1)))
        return features


def build(settings: DeepSetSettings, channels: int) -> DeepSet:
    """Build the backbone from its settings; point clouds have no channels."""
    return DeepSet(settings.width)
