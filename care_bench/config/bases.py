"""Settings of the methods that stand on their own, and that an equivariant method may wrap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field, PositiveFloat, SerializeAsAny

from care_bench import plugins
from care_bench.config.base import Settings
from care_bench.errors import CareBenchError, unknown

Weight = Annotated[float, Field(ge=0)]
Momentum = Annotated[float, Field(ge=0, le=1)]
Width = Annotated[int, Field(ge=1, le=16384)]
Fidelity = Literal["paper", "released-code"]


class MethodSettings(Settings):
    """What every method's settings share: the name under which METHODS holds it."""

    siamese: ClassVar[bool] = False
    """Whether the method's terms follow from the features of two views, so that EquiMod and AugSelf can wrap it."""

    beside: ClassVar[tuple[str, ...]] = ("preset", "encoder", "augmentation", "training")
    """Keys that stand beside a method's own in the row of a profile, for hints at misspelt ones."""

    name: str
    """The method, a key of ``care_bench.methods.METHODS``."""

    @property
    def base_name(self) -> str | None:
        """Name of the wrapped method, for methods that wrap one."""
        return None

    @property
    def fidelity_used(self) -> Fidelity | None:
        """Which reading of the equivariance term a result uses; None for methods without the term."""
        return None

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError where the method cannot work on batches of this size."""


class SimCLRSettings(MethodSettings):
    """InfoNCE between two views: -s+/temperature, weighted, plus the log-sum-exp over the batch."""

    siamese = True
    name: Literal["simclr"]
    temperature: PositiveFloat = 0.5
    """Temperature of InfoNCE."""
    invariance_weight: Weight = 1.0
    """Weight of the attracting half of InfoNCE; 1 is InfoNCE itself."""


class MoCoV2Settings(MethodSettings):
    """InfoNCE of a query against the key of a momentum encoder and a queue of older keys."""

    name: Literal["moco_v2"]
    temperature: PositiveFloat = 0.2
    """Temperature of InfoNCE."""
    queue: Annotated[int, Field(ge=1, le=2**24)] = 65536
    """Number of keys in the queue; a multiple of the keys of a step, so that none is split."""
    momentum: Momentum = 0.999
    """Share of the momentum encoder that a step keeps."""
    symmetric: bool = False
    """Whether each view is query once and key once; a step then queues the keys of both."""

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError unless the queue takes whole steps."""
        keys = batch_size * (2 if self.symmetric else 1)
        if self.queue % keys:
            raise ValueError(
                f"queue = {self.queue} is not a multiple of the {keys} keys of a step; expected a multiple"
            )


class BYOLSettings(MethodSettings):
    """A predictor on one view's projection meets the other view's projection by a momentum encoder."""

    siamese = True
    name: Literal["byol"]
    predictor_hidden: Width = 4096
    """Width of the predictor's hidden layer."""
    momentum: Momentum = 0.996
    """Share of the momentum encoder that the first step keeps; it rises to 1 on a cosine."""


class BarlowTwinsSettings(MethodSettings):
    """The cross-correlation of two views' projections is drawn to the identity matrix."""

    siamese = True
    name: Literal["barlow_twins"]
    off_diagonal_weight: Weight = 0.0051
    """Weight of the redundancy reduction term."""


class InvarianceSettings(MethodSettings):
    """Alignment of two views alone (loss ablation)."""

    siamese = True
    name: Literal["invariance"]


class UniformitySettings(MethodSettings):
    """Uniformity alone (loss ablation)."""

    name: Literal["uniformity"]


def settings_class(name: str, found: object) -> type[MethodSettings]:
    """Return the settings class of another package's method, its attribute ``Settings``."""
    settings = getattr(found, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, MethodSettings)):
        raise ValueError(
            f"has Settings = {settings!r}; expected a subclass of care_bench.config.MethodSettings as class attribute"
        )
    if name not in get_args(settings.model_fields["name"].annotation):
        raise ValueError(f"has settings {settings.__name__} for another name; expected name: Literal[{name!r}]")
    return settings


BASES: dict[str, type[MethodSettings]] = {
    "simclr": SimCLRSettings,
    "moco_v2": MoCoV2Settings,
    "byol": BYOLSettings,
    "barlow_twins": BarlowTwinsSettings,
    "invariance": InvarianceSettings,
    "uniformity": UniformitySettings,
}
BASE_SETTINGS: plugins.Registry[type[MethodSettings]] = plugins.Registry(plugins.METHODS, BASES, settings_class)


def parse_settings(content: Any, known: Mapping[str, type[MethodSettings]], kind: str) -> Any:
    """Turn plain data into the settings class its ``name`` calls for; settings pass through unchanged.

    Raises:
        ValueError: no name, an unknown one, or settings that are wrong; in one line.
    """
    if not isinstance(content, dict):
        return content
    name = content.get("name")
    if not isinstance(name, str):
        raise ValueError(f"a {kind} needs the key 'name'")
    try:
        if name not in known:
            raise unknown(kind, name, known)
        return known[name].parse(content, f"settings of {name!r}")
    except CareBenchError as error:
        raise ValueError(str(error)) from None


def parse_base(content: Any) -> Any:
    """Turn plain data into the settings of a method that can be wrapped."""
    return parse_settings(content, BASE_SETTINGS, "base method")


BaseSettings = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(parse_base)]
