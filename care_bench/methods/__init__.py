"""Pretraining methods: which views they draw, and the loss terms they return."""

from care_bench.config.methods import MethodSettings
from care_bench.methods.base import Method, View
from care_bench.methods.care import Care
from care_bench.methods.equivariance import EquivarianceOnly
from care_bench.methods.invariance import InvarianceOnly
from care_bench.methods.simclr import SimCLR
from care_bench.methods.uniformity import UniformityOnly
from care_bench.methods.uniformity_equivariance import UniformityEquivariance

METHODS: dict[str, type[Method]] = {
    "simclr": SimCLR,
    "care": Care,
    "invariance": InvarianceOnly,
    "uniformity": UniformityOnly,
    "equivariance": EquivarianceOnly,
    "uniformity_equivariance": UniformityEquivariance,
}


def build_method(settings: MethodSettings) -> Method:
    """Build the method that the settings name, and the one it wraps."""
    return METHODS[settings.name].from_settings(settings, build_method)


__all__ = ["METHODS", "Method", "View", "build_method"]
