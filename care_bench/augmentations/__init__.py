"""Augmentations as data: draw the parameters once, then apply, share, replay or feed them to a network.

Torchvision draws inside the transform, so a draw can be neither shared by a chunk of images nor kept. Here ``sample``
returns the draw and ``apply`` is a pure function of it, batched and on any device.

The names below are imported on first use, so that ``distribution`` can be imported without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "Augmentation": "sharing",
    "ImageAugmentation": "images",
    "ImageParameters": "parameters",
    "Parameters": "parameters",
    "RandomRotation3D": "point_clouds",
    "RotationParameters": "parameters",
    "draw": "sharing",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
