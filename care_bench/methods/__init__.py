"""Pretraining methods: which views they draw, and the loss terms they return."""

from inspect import isabstract
from typing import Any

from care_bench import plugins
from care_bench.augmentations import Augmentation
from care_bench.config import MethodSettings
from care_bench.config.bases import settings_class
from care_bench.methods.augself import AugSelf
from care_bench.methods.barlow_twins import BarlowTwins
from care_bench.methods.base import PLAIN, Context, Method, SiameseMethod, View
from care_bench.methods.byol import BYOL
from care_bench.methods.care import Care
from care_bench.methods.equimod import EquiMod
from care_bench.methods.equivariance import EquivarianceOnly
from care_bench.methods.invariance import InvarianceOnly
from care_bench.methods.moco_v2 import MoCoV2
from care_bench.methods.simclr import SimCLR
from care_bench.methods.uniformity import UniformityOnly
from care_bench.methods.uniformity_equivariance import UniformityEquivariance
from care_bench.models import Encoder


def _method(name: str, found: object) -> type[Method]:
    siamese = settings_class(name, found).siamese
    kind = SiameseMethod if siamese else Method
    if not (isinstance(found, type) and issubclass(found, kind)) or isabstract(found):
        raise ValueError(
            f"holds {found!r} with Settings.siamese = {siamese}; expected a subclass of "
            f"care_bench.methods.{kind.__name__} that leaves nothing abstract"
        )
    return found


METHODS: plugins.Registry[type[Method]] = plugins.Registry(
    plugins.METHODS,
    {
        "simclr": SimCLR,
        "moco_v2": MoCoV2,
        "byol": BYOL,
        "barlow_twins": BarlowTwins,
        "equimod": EquiMod,
        "augself": AugSelf,
        "care": Care,
        "invariance": InvarianceOnly,
        "uniformity": UniformityOnly,
        "equivariance": EquivarianceOnly,
        "uniformity_equivariance": UniformityEquivariance,
    },
    _method,
)


def build_method(settings: MethodSettings, encoder: Encoder, augmentation: Augmentation[Any], seed: int) -> Method:
    """Build the method that the settings name, and the one it wraps.

    Args:
        settings: settings of the method.
        encoder: the encoder with its initial weights, before it is trained or moved to a device.
        augmentation: what draws the views.
        seed: seed of whatever the method initialises, such as a predictor or a queue.
    """

    def build(settings: MethodSettings) -> Method:
        return METHODS[settings.name].from_settings(settings, context)

    context = Context(encoder, augmentation, seed, build)
    return build(settings)


__all__ = ["METHODS", "PLAIN", "Context", "Method", "SiameseMethod", "View", "build_method"]
