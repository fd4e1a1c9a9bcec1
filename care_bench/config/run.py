"""The full configuration of one pretraining run; its hash is the run's identity in every record."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from care_bench.augmentations.distribution import ImageDistribution, TestView
from care_bench.config.backbones import AnyBackboneSettings
from care_bench.config.base import Settings
from care_bench.config.methods import AnyMethodSettings
from care_bench.config.methods.base import Momentum, Weight, Width
from care_bench.names import Kind

KINDS: dict[Kind, Literal["image", "rotation"]] = {"image": "image", "point_cloud": "rotation"}
"""Kind of samples -> the kind of augmentation they take."""

SHAPE = ("size", "test_view")
"""Keys of an augmentation that fix the shape of a view; they are not drawn."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
MOST_THREADS = 1024
"""Most CPU threads."""


class ProjectorConfig(Settings):
    """The projection head: Linear, BatchNorm (or none), ReLU for each hidden width, then Linear to the embedding."""

    hidden: tuple[Width, ...] = (512,)
    """Widths of the hidden layers."""
    output: Width = 128
    """Dimension d of the embedding on the unit sphere."""
    batchnorm: bool = True
    """Whether the hidden layers have BatchNorm; without it they have biases, as in MoCo-v2."""


class EncoderConfig(Settings):
    """Backbone and projection head."""

    backbone: AnyBackboneSettings
    projector: ProjectorConfig = ProjectorConfig()


@dataclass(frozen=True, kw_only=True)
class ImageAugmentationConfig(ImageDistribution):
    """SimCLR's image augmentations, as ``care_bench.augmentations`` declares and checks them, on square views."""

    __pydantic_config__ = Settings.model_config

    kind: Literal["image"]
    size: Annotated[int, Field(ge=1, le=4096)]
    """Side of the square view in pixels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_view((self.size, self.size))

    def distribution(self) -> dict[str, Any]:
        """Return the arguments of an ImageAugmentation except sizes and channel statistics."""
        return {field.name: getattr(self, field.name) for field in fields(ImageDistribution)}

    def drawn(self) -> dict[str, Any]:
        """Return what decides the draws: all keys but those of ``SHAPE``."""
        return {"kind": self.kind, **{key: value for key, value in self.distribution().items() if key not in SHAPE}}

    def in_shape_of(self, other: Self) -> Self:
        """Return these draws on views of the other's size and test view."""
        return self.on_views(other.size, other.test_view)

    def on_views(self, size: int, test_view: TestView) -> Self:
        """Return these draws on views of another size, with a blur that is as wide relative to the view.

        Raises:
            ValueError: the blur is too wide for the size.
        """
        scale = size / self.size
        kernel, low, high = self.blur_kernel, *(scale * sigma for sigma in self.blur_sigma)
        if scale != 1 and kernel > 1:
            kernel = max(2 * round((scale * kernel - 1) / 2) + 1, 3)
        return replace(self, size=size, test_view=test_view, blur_kernel=kernel, blur_sigma=(low, high))


@dataclass(frozen=True, kw_only=True)
class RotationAugmentationConfig:
    """Uniform random rotations of point clouds in SO(3)."""

    __pydantic_config__ = Settings.model_config

    kind: Literal["rotation"]

    def drawn(self) -> dict[str, Any]:
        """Return what decides the draws."""
        return {"kind": self.kind}

    def in_shape_of(self, other: Self) -> Self:
        """Return these draws; point clouds have no views."""
        return self


AugmentationConfig: TypeAlias = Annotated[
    ImageAugmentationConfig | RotationAugmentationConfig, Field(discriminator="kind")
]


class AdamConfig(Settings):
    """Adam with L2 weight decay, as torch.optim.Adam has it."""

    name: Literal["adam"]
    learning_rate: PositiveFloat = 1e-3
    weight_decay: Weight = 1e-6


class SGDConfig(Settings):
    """Stochastic gradient descent."""

    name: Literal["sgd"]
    learning_rate: PositiveFloat
    momentum: Momentum = 0.9
    weight_decay: Weight = 5e-4


class LARSConfig(Settings):
    """SGD whose step of each weight is scaled by the weight's norm over its gradient's (You et al. 2017).

    Biases and the parameters of BatchNorm are left out of the scaling and of the weight decay, as in SimCLR and BYOL.
    """

    name: Literal["lars"]
    learning_rate: PositiveFloat
    momentum: Momentum = 0.9
    weight_decay: Weight = 1e-6
    trust_coefficient: PositiveFloat = 0.001
    """Length of a step relative to the weight's norm, at learning rate 1."""


OptimizerConfig: TypeAlias = AdamConfig | SGDConfig | LARSConfig


class TrainingConfig(Settings):
    """How a run is trained. Nothing is scaled silently: the learning rate is the one written here."""

    epochs: PositiveInt
    batch_size: Annotated[int, Field(ge=2)] = 256
    samples: PositiveInt | None = None
    """Train on at most this many samples of the training split, evenly spaced; probes and neighbours still use
    the whole split. None: all of them."""
    optimizer: Annotated[OptimizerConfig, Field(discriminator="name")]
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_epochs: NonNegativeInt = 0
    """Epochs over which the learning rate rises linearly from 0."""
    warmup_steps: NonNegativeInt = 0
    """Steps over which it rises, instead of ``warmup_epochs``."""
    steps: PositiveInt | None = None
    """Stop after this many steps, to check a profile end to end; the schedule is cut to the same length."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    """How the weights of convolutions, and with them images on their way through the encoder, lie in memory."""
    tf32: bool = False
    """Let a GPU multiply float32 numbers as TF32, which keeps about three digits; in the evaluation too."""
    devices: Annotated[int, Field(ge=1, le=64)] = 1
    """Ranks that share every batch: one process per GPU, or that many on the CPU; it has to divide `batch_size`."""
    batchnorm: Literal["per-device", "synchronised"] = "per-device"
    """With several devices: the backbone's statistics are of each device's shard of the batch, or of the whole batch.
    The projection head sees the whole batch."""
    batchnorm_rows: Annotated[int, Field(ge=2)] | None = None
    """Rows of a batch whose BatchNorm statistics in the encoder are taken together, whatever the number of devices;
    running statistics follow the first of them. None: all rows of a device."""
    deterministic: bool = True
    """Deterministic kernels: bit-identical weights for the same config, seed and device."""
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    """CPU threads of the run; part of the config because sums depend on it in the last bit."""
    checkpoint_every: PositiveInt = 500
    """Steps between checkpoints."""
    snapshot_epochs: tuple[PositiveInt, ...] = ()
    """Epochs after which the encoder is kept and later measured, in rising order."""

    @model_validator(mode="after")
    def _warm_up_ends(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise ValueError(
                f"warmup_epochs = {self.warmup_epochs} (from the preset, unless set beside epochs): "
                f"expected at most the {self.epochs} epochs of the run"
            )
        if self.warmup_steps and self.warmup_epochs:
            raise ValueError(
                f"warmup_steps = {self.warmup_steps} and warmup_epochs = {self.warmup_epochs} (from the preset, unless "
                "set beside it): expected one of them to be 0"
            )
        return self

    @model_validator(mode="after")
    def _devices_share(self) -> Self:
        if self.batch_size % self.devices:
            raise ValueError(
                f"devices = {self.devices} does not divide batch_size = {self.batch_size}; expected a divisor"
            )
        return self

    @model_validator(mode="after")
    def _rows_divide_the_shard(self) -> Self:
        rows = self.batchnorm_rows
        if rows is None:
            return self
        if self.batchnorm == "synchronised":
            raise ValueError(
                f"batchnorm_rows = {rows} and batchnorm = 'synchronised', which takes all rows together; expected one "
                "of them"
            )
        shard = self.batch_size // self.devices
        if shard % rows:
            of = f" of each of {self.devices} devices" if self.devices > 1 else ""
            raise ValueError(f"batchnorm_rows = {rows} does not divide the {shard} rows{of}; expected a divisor")
        return self

    @model_validator(mode="after")
    def _snapshots_rise(self) -> Self:
        if list(self.snapshot_epochs) != sorted(set(self.snapshot_epochs)):
            raise ValueError(f"snapshot_epochs = {list(self.snapshot_epochs)}; expected rising epochs")
        if self.snapshot_epochs and self.snapshot_epochs[-1] > self.epochs:
            raise ValueError(
                f"snapshot_epochs ends with {self.snapshot_epochs[-1]}; expected at most {self.epochs} epochs"
            )
        return self


class RunConfig(Settings):
    """Everything that decides the weights of one run."""

    profile: str
    dataset: str
    variant: str
    """Name of the method's entry in the profile, such as `care-released-code`."""
    seed: Seed
    method: AnyMethodSettings
    encoder: EncoderConfig
    augmentation: AugmentationConfig
    training: TrainingConfig

    @property
    def id(self) -> str:
        """`dataset/variant/seedN`: the run within its profile, and its folder."""
        return f"{self.dataset}/{self.variant}/seed{self.seed}"

    @property
    def batchnorm_groups(self) -> int:
        """Groups of a batch, over all devices, whose BatchNorm statistics in the encoder are taken apart; 1: none."""
        rows = self.training.batchnorm_rows
        return self.method.batchnorm_groups if rows is None else self.training.batch_size // rows

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        self.method.check_batch(self.training.batch_size)
        self._check_groups(self.method.batchnorm_groups)
        backbone, kind = self.encoder.backbone, self.augmentation.kind
        self.method.check_augmentation(self.augmentation)
        if KINDS[backbone.inputs] != kind:
            raise ValueError(
                f"backbone {backbone.name!r} does not take the inputs of augmentation {kind!r}; expected augmentation "
                f"{KINDS[backbone.inputs]!r}, or a backbone for it"
            )
        if self.training.memory_format == "channels_last" and kind != "image":
            raise ValueError(
                f"training.memory_format = 'channels_last' is for images, and backbone {backbone.name!r} takes "
                f"{backbone.inputs!r}; expected 'contiguous'"
            )
        return self

    def _check_groups(self, groups: int) -> None:
        """Raise ValueError where the training leaves no room for the groups that the method asks for."""
        training = self.training
        if groups == 1:
            return
        if training.batchnorm_rows is not None:
            raise ValueError(
                f"split_batchnorm = {groups} and training.batchnorm_rows = {training.batchnorm_rows}; expected one of "
                "them"
            )
        if training.batchnorm == "synchronised":
            raise ValueError(
                f"split_batchnorm = {groups} and training.batchnorm = 'synchronised', which takes all rows together; "
                "expected one of them"
            )
        if groups % training.devices:
            raise ValueError(
                f"split_batchnorm = {groups} on training.devices = {training.devices}; expected a multiple of it"
            )
