"""The backbones: each has one settings class, which is its entry. Listing them imports no torch.

Another backbone is a settings class marked with ``@backbone`` here and its network in ``care_bench.models``, or such a
class in another package, offered as an entry point of group ``care_bench.backbones``.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import BeforeValidator, SerializeAsAny

from care_bench import plugins
from care_bench.config.base import Settings, parse_by_name
from care_bench.config.methods.base import Width
from care_bench.names import Kind


class BackboneSettings(Settings):
    """A backbone's entry: fields are its settings, class attributes describe it."""

    implementation: ClassVar[str]
    """Where its network is, as `package.module:function`; imported when the encoder is built.

    The function takes the settings and the channels of the images, and returns a module (n, ...) -> (n, features) whose
    attribute ``dimension`` is the number of features.
    """

    inputs: ClassVar[Kind] = "image"
    """Kind of samples it takes."""

    name: str
    """Name of the backbone in records."""


def backbone_settings(name: str, found: Any) -> type[BackboneSettings]:
    """Return an entry after checking it.

    Raises:
        ValueError: it is no settings class of a backbone of this name.
    """
    if not (isinstance(found, type) and issubclass(found, BackboneSettings) and hasattr(found, "implementation")):
        raise ValueError(f"holds {found!r}; expected a subclass of care_bench.config.BackboneSettings")
    if name not in get_args(found.model_fields["name"].annotation):
        raise ValueError(f"has settings {found.__name__} for another name; expected name: Literal[{name!r}]")
    return found


BACKBONE_SETTINGS: plugins.Registry[type[BackboneSettings]] = plugins.Registry(plugins.BACKBONES, {}, backbone_settings)
"""Backbone -> its entry."""

Entry = TypeVar("Entry", bound=BackboneSettings)


def backbone(entry: type[Entry]) -> type[Entry]:
    """Register a settings class of care_bench under every name that its field ``name`` takes."""
    for name in get_args(entry.model_fields["name"].annotation):
        BACKBONE_SETTINGS.data[name] = entry
    return entry


@backbone
class ConvNetSettings(BackboneSettings):
    """Three 3x3 convolution blocks with BatchNorm and global average pooling, for images of 8 to 32 pixels."""

    implementation = "care_bench.models.convnet:build"
    name: Literal["convnet"]
    width: Width = 32
    """Channels of the first block; the second has twice, the third four times as many."""


@backbone
class ResNetSettings(BackboneSettings):
    """A torchvision ResNet without its classifier."""

    implementation = "care_bench.models.resnet:build"
    name: Literal["resnet18", "resnet50"]
    stem: Literal["small-image", "imagenet"] = "small-image"
    """`small-image`: 3x3 convolution, stride 1, no max-pool; `imagenet`: 7x7, stride 2, max-pool."""


@backbone
class DeepSetSettings(BackboneSettings):
    """A DeepSet on point clouds: an MLP per point, mean over points, an MLP on the mean."""

    implementation = "care_bench.models.deepset:build"
    inputs = "point_cloud"
    name: Literal["deepset"]
    width: Width = 128
    """Width of every hidden layer and of the features."""


def parse_backbone(content: Any) -> Any:
    """Turn plain data into the settings class its ``name`` calls for; settings pass through unchanged.

    Raises:
        ValueError: no name, an unknown one, or settings that are wrong; in one line.
    """
    return parse_by_name(content, "backbone", BACKBONE_SETTINGS, set(BACKBONE_SETTINGS))


AnyBackboneSettings = Annotated[SerializeAsAny[BackboneSettings], BeforeValidator(parse_backbone)]
