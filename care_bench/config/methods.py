"""Settings of the pretraining methods, one class each; ``METHOD_SETTINGS`` is the table of names."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, SerializeAsAny, model_validator

from care_bench.config.base import Settings
from care_bench.errors import CareBenchError, unknown

Weight = Annotated[float, Field(ge=0)]
Fidelity = Literal["paper", "released-code"]


class MethodSettings(Settings):
    """What every method's settings share: the name under which METHODS holds it."""

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

    name: Literal["simclr"]
    temperature: PositiveFloat = 0.5
    """Temperature of InfoNCE."""
    invariance_weight: Weight = 1.0
    """Weight of the attracting half of InfoNCE; 1 is InfoNCE itself."""


class InvarianceSettings(MethodSettings):
    """Alignment of two views alone (loss ablation)."""

    name: Literal["invariance"]


class UniformitySettings(MethodSettings):
    """Uniformity alone (loss ablation)."""

    name: Literal["uniformity"]


class SharedDraw(MethodSettings):
    """The equivariance term: how the batch is cut, which formula, and how far one augmentation is shared."""

    splits: PositiveInt
    """Number of chunks a batch is divided into for the equivariance term."""
    fidelity: Fidelity = "paper"
    """`paper`: mean over pairs; `released-code`: 2 (chunk - 1) times that, as the released implementation has it."""
    sharing: Literal["chunk", "batch"] | None = None
    """One draw per `chunk` or per `batch`; the default is the fidelity's own: paper chunk, released-code batch."""

    @model_validator(mode="before")
    @classmethod
    def _sharing_follows_fidelity(cls, content: Any) -> Any:
        if isinstance(content, dict) and content.get("sharing") is None:
            default = "batch" if content.get("fidelity", "paper") == "released-code" else "chunk"
            return {**content, "sharing": default}
        return content

    @property
    def fidelity_used(self) -> Fidelity:
        """The chosen fidelity."""
        return self.fidelity

    def check_batch(self, batch_size: int) -> None:
        """Raise ValueError unless the batch divides into chunks of at least two."""
        if batch_size % self.splits:
            raise ValueError(f"splits = {self.splits} does not divide batch_size = {batch_size}; expected a divisor")
        if batch_size // self.splits < 2:
            raise ValueError(
                f"splits = {self.splits} leaves chunks of one at batch_size = {batch_size}; "
                f"expected at most {batch_size // 2}, since the loss compares pairs"
            )


class EquivarianceSettings(SharedDraw):
    """The equivariance term alone (loss ablation); it has trivial minima, which is the point of the ablation."""

    name: Literal["equivariance"]


class UniformityEquivarianceSettings(SharedDraw):
    """Uniformity plus weight times equivariance, without invariance (loss ablation)."""

    name: Literal["uniformity_equivariance"]
    weight: Weight
    """Weight of the equivariance term."""

    @property
    def base(self) -> MethodSettings:
        """What the equivariance term is added to; not a choice here."""
        return UniformitySettings(name="uniformity")


class CareSettings(SharedDraw):
    """A base method plus weight times the equivariance term."""

    name: Literal["care"]
    base: AnyMethodSettings
    """Settings of the wrapped method."""
    weight: Weight
    """Weight of the equivariance term, the paper's lambda."""

    @model_validator(mode="after")
    def _base_is_not_equivariant(self) -> Self:
        if self.base.fidelity_used is not None:
            raise ValueError(f"care cannot wrap {self.base.name!r}, which has an equivariance term of its own")
        return self

    @property
    def base_name(self) -> str:
        """Name of the wrapped method."""
        return self.base.name


METHOD_SETTINGS: dict[str, type[MethodSettings]] = {
    "simclr": SimCLRSettings,
    "care": CareSettings,
    "invariance": InvarianceSettings,
    "uniformity": UniformitySettings,
    "equivariance": EquivarianceSettings,
    "uniformity_equivariance": UniformityEquivarianceSettings,
}


def parse_method(content: Any) -> Any:
    """Turn plain data into the settings class its ``name`` calls for; settings pass through unchanged."""
    if not isinstance(content, dict):
        return content
    name = content.get("name")
    if not isinstance(name, str):
        raise ValueError("a method needs the key 'name'")
    if name not in METHOD_SETTINGS:
        raise ValueError(str(unknown("method", name, METHOD_SETTINGS)))
    try:
        return METHOD_SETTINGS[name].parse(content, f"settings of {name!r}")
    except CareBenchError as error:
        raise ValueError(str(error)) from None


AnyMethodSettings = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(parse_method)]
CareSettings.model_rebuild()
