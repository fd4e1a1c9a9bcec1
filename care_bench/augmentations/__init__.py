"""Augmentations as data: draw the parameters once, then apply, share, replay or feed them to a network.

Torchvision draws inside the transform and once per call, so a draw can be neither shared by a chunk of images nor
kept. Here ``sample`` returns the draw and ``apply`` is a pure function of it, batched and on any device.
"""

from care_bench.augmentations.images import ImageAugmentation
from care_bench.augmentations.parameters import ImageParameters, Parameters, RotationParameters
from care_bench.augmentations.point_clouds import RandomRotation3D
from care_bench.augmentations.sharing import Augmentation, draw

__all__ = [
    "Augmentation",
    "ImageAugmentation",
    "ImageParameters",
    "Parameters",
    "RandomRotation3D",
    "RotationParameters",
    "draw",
]
