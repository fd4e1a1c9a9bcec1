"""The encoder: a backbone, a projection head, and the unit sphere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench import plugins
from care_bench.config.run import EncoderConfig
from care_bench.models.heads import projection_head
from care_bench.names import REPRESENTATIONS


class FeatureExtractor(nn.Module, ABC):
    """A network that gives one or several representations of its inputs in one pass.

    Attributes:
        representations: their names.
    """

    representations: tuple[str, ...]

    @abstractmethod
    def represent(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return name -> (n, d) in float32, for every name in ``representations``."""


class Encoder(FeatureExtractor):
    """The paper's f: inputs -> unit sphere of R^d, by way of the backbone's features.

    Args:
        backbone: module inputs -> (n, features).
        projector: module (n, features) -> (n, d).
        feature_dimension: dimension of the backbone's features.
        dimension: dimension d of the embedding.
        package: what the backbone comes from, as :func:`care_bench.plugins.owner` has it; None for one of ours.

    Attributes:
        gather: applied to the backbone's features. Where several ranks share a batch, it joins their rows, with
            gradients, so that heads and losses see the whole batch in every rank. Otherwise the identity.
        groups: groups of consecutive rows whose BatchNorm statistics the backbone takes apart; 1: all rows together.
    """

    representations = REPRESENTATIONS

    def __init__(
        self,
        backbone: nn.Module,
        projector: nn.Module,
        feature_dimension: int,
        dimension: int,
        package: str | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = projector
        self.feature_dimension = feature_dimension
        self.dimension = dimension
        self.package = package
        self.gather: Callable[[Tensor], Tensor] = _identity
        self.groups = 1

    def features(self, inputs: Tensor) -> Tensor:
        """Return the backbone's features (n, features), on which linear probes are trained."""
        return self.gather(self._of_backbone(inputs))

    def features_together(self, views: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of several views of one batch from one pass: BatchNorm sees them together.

        Where it takes groups of rows apart, it sees the views of one group together.
        """
        groups = zip(*(view.chunk(self.groups) for view in views), strict=True)
        features = self._of_backbone(torch.cat([rows for group in groups for rows in group]))
        parts = features.chunk(self.groups * len(views))
        return [self.gather(torch.cat(parts[view :: len(views)])) for view in range(len(views))]

    def _of_backbone(self, inputs: Tensor) -> Tensor:
        """Return what the backbone gives, or a line on the package whose backbone fails or gives something else."""
        with plugins.guarded(self.package, "failed"):
            features: Tensor = self.backbone(inputs)
            expected = (len(inputs), self.feature_dimension)
            if self.package is not None and tuple(features.shape) != expected:
                raise ValueError(f"it gives {tuple(features.shape)}, expected {expected}")
        return features

    def head(self, features: Tensor) -> Tensor:
        """Return the projection head's output (n, d) in float32, not normalised."""
        projected: Tensor = self.projector(features)
        return projected.float()

    def project(self, features: Tensor) -> Tensor:
        """Return the embedding (n, d) of given features: projected and scaled to unit length, in float32."""
        return functional.normalize(self.head(features), dim=1)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return f(x), rows of unit length (n, d)."""
        return self.project(self.features(inputs))

    def represent(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return the embedding as `projection` (n, d), and the backbone's `features` (n, features)."""
        features = self.features(inputs)
        return {"projection": self.project(features), "features": features.float()}

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``embed(inputs)``."""
        return self.embed(inputs)


def _identity(rows: Tensor) -> Tensor:
    return rows


def build_encoder(config: EncoderConfig, channels: int, seed: int) -> Encoder:
    """Build an encoder whose initial weights depend on nothing but ``seed``.

    Args:
        config: backbone and projection head.
        channels: channels of the images; not used for point clouds.
        seed: seed of the initial weights; the global generator is restored.

    Raises:
        CareBenchError: another package's backbone fails, or is not what its group expects.
    """
    package = plugins.owner(plugins.BACKBONES, config.backbone.name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the accelerators' as well
        with plugins.guarded(package, "cannot be built"):
            backbone = plugins.load(config.backbone.implementation)(config.backbone, channels)
            if not isinstance(backbone, nn.Module):
                raise TypeError(f"the function gives {type(backbone).__name__}, not a torch.nn.Module")
            head = config.projector
            dimension: Any = backbone.dimension
            projector = projection_head(dimension, head.hidden, head.output, batchnorm=head.batchnorm)
            return Encoder(backbone, projector, dimension, head.output, package)
