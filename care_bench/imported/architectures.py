"""From the name of an encoder to its module, with the input that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from care_bench.config.imported import ImportedSettings
from care_bench.config.run import ImageAugmentationConfig
from care_bench.errors import CareBenchError, unknown
from care_bench.imported.users_code import failing, first_line, loading, made_by

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

TRANSFORMING = ("googlenet", "inception_v3")
"""Models of torchvision that change the normalisation of their inputs themselves where they have published weights."""


@dataclass(frozen=True)
class Architecture:
    """A module with initial weights.

    Attributes:
        module: inputs -> pooled features (n, d).
        size, mean, std: of its own configuration; None where it has none.
        made_by: where it comes from: package and version, or files and their hashes.
        own_view: augmentation of the run that it is, whose plain view it sees; None where it is none.
        said: lines for the user, on whose size, mean and std these are.
    """

    module: nn.Module
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    made_by: dict[str, str] = field(default_factory=dict)
    own_view: ImageAugmentationConfig | None = None
    said: tuple[str, ...] = ()


def build(settings: ImportedSettings, where: str) -> Architecture:
    """Build an encoder whose initial weights depend on nothing but the seed.

    Raises:
        CareBenchError: no such model, file, module or function; or it fails, or returns no module.
    """
    makers = {"timm": _timm, "torchvision": _torchvision}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(settings.seed)
        return makers.get(settings.source, _function)(settings, where)


def _timm(settings: ImportedSettings, where: str) -> Architecture:
    import timm
    from timm.data.config import resolve_model_data_config

    name = settings.name
    if not timm.is_model(name):
        raise CareBenchError(f"{where}: {unknown('timm model', name, timm.list_models())}")
    try:
        make = partial(timm.create_model, name, pretrained=False, num_classes=0)
        module = _sized(make, "img_size", settings.size, settings.seed)
    except Exception as error:  # a model may not be made without its classifier
        raise CareBenchError(f"{where}: timm cannot make {name!r}: {first_line(error)}") from error
    data = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    return Architecture(
        module, data["input_size"][-1], tuple(data["mean"]), tuple(data["std"]), {"timm": version("timm")}
    )


def _sized(make: Callable[..., nn.Module], key: str, size: int | None, seed: int) -> nn.Module:
    """Make a module for images of a size, where it depends on it, as vision transformers do; None: its own."""
    if size is None:
        return make()
    try:
        return make(**{key: size})
    except TypeError as error:
        if f"unexpected keyword argument '{key}'" not in str(error):
            raise
    torch.default_generator.manual_seed(seed)
    return make()


def _torchvision(settings: ImportedSettings, where: str) -> Architecture:
    from torchvision import models

    name = settings.name
    known = models.list_models(module=models)
    if name not in known:
        raise CareBenchError(f"{where}: {unknown('torchvision model', name, known)}")
    published = models.get_model_weights(name)
    size, mean, std = _taken(published.DEFAULT).values()
    said = _published_lines(published, settings, where)
    make = partial(models.get_model, name, weights=None)
    if name in TRANSFORMING and settings.mean is None:
        make = partial(make, transform_input=True)
        said.append(f"{where}: from these it goes on to mean and std 0.5 itself, as with published weights")
    try:
        module = _sized(make, "image_size", settings.size or size, settings.seed)
    except Exception as error:  # a size that its patches do not divide
        raise CareBenchError(f"{where}: torchvision cannot make {name!r}: {first_line(error)}") from error
    _without_classifier(module, name, where)
    return Architecture(module, size, mean, std, {"torchvision": version("torchvision")}, said=tuple(said))


def _published_lines(published: type[WeightsEnum], settings: ImportedSettings, where: str) -> list[str]:
    """Say whose size, mean and std are used of a model's published weights, and which weights have others."""
    keys = [key for key in ("size", "mean", "std") if getattr(settings, key) is None]
    if not keys:
        return []
    taken = {weights: _taken(weights) for weights in published}
    usual = published.DEFAULT
    differ = [one.name for one, values in taken.items() if any(values[key] != taken[usual][key] for key in keys)]
    line = f"{where}: {', '.join(keys)} as torchvision's weights {usual.name} take {'it' if len(keys) == 1 else 'them'}"
    return [f"{line}; {', '.join(differ)} take others, which can be given" if differ else line]


def _taken(weights: WeightsEnum) -> dict[str, Any]:
    """Return size, mean and std of the images that published weights take."""
    found = weights.transforms()
    return {"size": found.crop_size[-1], "mean": tuple(found.mean), "std": tuple(found.std)}


def _without_classifier(module: nn.Module, name: str, where: str) -> None:
    """Replace the last linear layer, which torchvision's classifiers end with, by the identity."""
    ends = [path for path, part in module.named_modules() if isinstance(part, nn.Linear)]
    last = [path for path in ends if path.split(".")[0] in ("fc", "classifier", "head", "heads")]
    if not last:
        raise CareBenchError(f"{where}: torchvision's {name!r} has no classifier to leave out; expected another model")
    parent, _, child = last[-1].rpartition(".")
    setattr(module.get_submodule(parent), child, nn.Identity())


def _function(settings: ImportedSettings, where: str) -> Architecture:
    source, name = settings.source, settings.name
    with loading(source, where) as found:
        if not callable(getattr(found, name, None)):
            functions = {key for key, value in vars(found).items() if callable(value) and not key.startswith("_")}
            raise CareBenchError(f"{where}: {source}: {unknown('function', name, functions)}")
        with failing(f"{where}: {settings.encoder}() failed"):
            module = getattr(found, name)()
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise CareBenchError(f"{where}: {settings.encoder}() returned {kind}; expected a torch.nn.Module")
    if any(
        isinstance(part, UninitializedParameter | UninitializedBuffer)
        for part in (*module.parameters(), *module.buffers())
    ):
        raise CareBenchError(
            f"{where}: {settings.encoder}() has lazy layers, whose weights have no shape yet; expected it to pass an "
            "input through them first"
        )
    return Architecture(module, made_by=made_by(source))
