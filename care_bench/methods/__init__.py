"""Pretraining methods: which views they draw, and the loss terms they return."""

from inspect import isabstract
from typing import Any

from care_bench import plugins
from care_bench.augmentations import Augmentation
from care_bench.config import METHOD_SETTINGS, MethodSettings
from care_bench.config.methods.base import settings_class
from care_bench.methods.base import PLAIN, Context, Method, SiameseMethod, View
from care_bench.models import Encoder


def _method(name: str, found: Any) -> type[Method]:
    """Return the class of an entry, or the class in another package's entry point."""
    settings = settings_class(name, found)
    implementation = plugins.load(settings.implementation) if found is settings else found
    kind = SiameseMethod if settings.siamese else Method
    if (
        not (isinstance(implementation, type) and issubclass(implementation, kind))
        or isabstract(implementation)
        or not issubclass(settings, implementation.Settings)
    ):
        raise ValueError(
            f"holds {implementation!r} with Settings.siamese = {settings.siamese}; expected a subclass of "
            f"care_bench.methods.{kind.__name__} that leaves nothing abstract, with these Settings"
        )
    return implementation


METHODS: plugins.Registry[type[Method]] = plugins.Registry(plugins.METHODS, METHOD_SETTINGS.data, _method)
"""Method -> its class, imported when it is looked up: ours in the order of tables, then those of other packages."""


def build_method(settings: MethodSettings, encoder: Encoder, augmentation: Augmentation[Any], seed: int) -> Method:
    """Build the method that the settings name, and the one it wraps.

    Args:
        settings: settings of the method.
        encoder: the encoder with its initial weights, before it is trained or moved to a device.
        augmentation: what draws the views.
        seed: seed of all that the method initialises, such as a predictor or a queue.

    Raises:
        CareBenchError: another package's method cannot be built.
    """

    def build(settings: MethodSettings) -> Method:
        with plugins.guarded(plugins.owner(plugins.METHODS, settings.name), "cannot be built"):
            return METHODS[settings.name].from_settings(settings, context)

    context = Context(encoder, augmentation, seed, build)
    return build(settings)


def package_of(settings: MethodSettings) -> str | None:
    """Return the other package that a method or the one it wraps comes from, in words; None for ours."""
    names = (settings.name, settings.base_name)
    return next((found for name in names if name and (found := plugins.owner(plugins.METHODS, name))), None)


__all__ = ["METHODS", "PLAIN", "Context", "Method", "SiameseMethod", "View", "build_method", "package_of"]
