"""What every method's settings share, the table of methods, and how plain data becomes settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, get_args

from pydantic import BeforeValidator, Field, SerializeAsAny

from care_bench import plugins
from care_bench.config.base import Settings, parse_by_name
from care_bench.names import Fidelity, Reference

if TYPE_CHECKING:
    from care_bench.config.run import AugmentationConfig

Weight = Annotated[float, Field(ge=0)]
Momentum = Annotated[float, Field(ge=0, le=1)]
Width = Annotated[int, Field(ge=1, le=16384)]


class MethodSettings(Settings):
    """A method's entry: fields are its settings, class attributes describe it."""

    implementation: ClassVar[str] = ""
    """Where its class is, as `package.module:Class`; imported when the method is built."""

    label: ClassVar[str] = ""
    """Its label in tables; its name where empty."""

    siamese: ClassVar[bool] = False
    """Whether the method's terms follow from the features of two views, so that EquiMod and others can wrap it."""

    wrapper: ClassVar[bool] = False
    """Whether it adds a term of its own to a base method, so that no other method wraps it."""

    reference: ClassVar[Reference | None] = None
    """Of a reference row, for which nothing is trained: what is measured."""

    variant_keys: ClassVar[tuple[str, ...]] = ("preset", "encoder", "augmentation", "training")
    """Keys of a variant that are not the method's own, for hints at misspelt ones."""

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

    @property
    def batchnorm_groups(self) -> int:
        """Groups of a batch whose BatchNorm statistics in the encoder are taken apart; 1: the batch is not divided."""
        return 1

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError where the method cannot work on batches of this size."""

    def check_augmentation(self, augmentation: AugmentationConfig) -> None:
        """Raise ValueError where the method cannot work with this augmentation of the views."""

    def shortened(self, batch_size: int) -> Self:
        """Return the settings for a check with a smaller batch, a power of two, whose parts are smaller or fewer."""
        return self


def settings_class(name: str, found: Any) -> type[MethodSettings]:
    """Return the settings class of a method: an entry itself, or the ``Settings`` of a method's class.

    Raises:
        ValueError: it is neither, or its settings are for another name.
    """
    entry = isinstance(found, type) and issubclass(found, MethodSettings)
    settings = found if entry else getattr(found, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, MethodSettings)):
        raise ValueError(
            f"has Settings = {settings!r}; expected a subclass of care_bench.config.MethodSettings as class attribute"
        )
    if name not in get_args(settings.model_fields["name"].annotation):
        raise ValueError(f"has settings {settings.__name__} for another name; expected name: Literal[{name!r}]")
    return settings


METHOD_SETTINGS: plugins.Registry[type[MethodSettings]] = plugins.Registry(plugins.METHODS, {}, settings_class)
"""Method -> its entry, in the order of tables."""

Entry = TypeVar("Entry", bound=MethodSettings)


def method(entry: type[Entry]) -> type[Entry]:
    """Register a settings class of care_bench under the name that its field ``name`` takes."""
    (name,) = get_args(entry.model_fields["name"].annotation)
    METHOD_SETTINGS.data[name] = entry
    return entry


def parse_method(content: Any) -> Any:
    """Turn plain data into the settings class its ``name`` calls for; settings pass through unchanged.

    Raises:
        ValueError: no name, an unknown one, or settings that are wrong; in one line.
    """
    return parse_by_name(content, "method", METHOD_SETTINGS, set(METHOD_SETTINGS))


def parse_base(content: Any) -> Any:
    """Turn plain data into the settings of a method that can be wrapped; raises as :func:`parse_method`."""
    no_base = {name for name, entry in METHOD_SETTINGS.data.items() if entry.wrapper or entry.reference}
    return parse_by_name(content, "base method", METHOD_SETTINGS, set(METHOD_SETTINGS) - no_base)


AnyMethodSettings = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(parse_method)]
AnyBaseSettings = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(parse_base)]
