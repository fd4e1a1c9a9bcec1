"""From the name of an encoder to its module, with the input that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from care_bench.config.imported import ImportedSettings
from care_bench.errors import CareBenchError, unknown
from care_bench.imported.users_code import failing, first_line, loading, made_by

IMAGENET = 224
"""Side of the images of torchvision's models, whose own configuration comes with their trained weights alone."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Statistics that torchvision's models are trained with."""


@dataclass(frozen=True)
class Architecture:
    """A module with initial weights.

    Attributes:
        module: inputs -> pooled features (n, d).
        size, mean, std: of its own configuration; None where it has none.
        made_by: where it comes from: package and version, or files and their hashes.
    """

    module: nn.Module
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    made_by: dict[str, str] = field(default_factory=dict)


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
        module = _sized(partial(timm.create_model, name, pretrained=False, num_classes=0), "img_size", settings)
    except Exception as error:  # a model may not be made without its classifier
        raise CareBenchError(f"{where}: timm cannot make {name!r}: {first_line(error)}") from error
    data = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    return Architecture(
        module, data["input_size"][-1], tuple(data["mean"]), tuple(data["std"]), {"timm": version("timm")}
    )


def _sized(make: Callable[..., nn.Module], key: str, settings: ImportedSettings) -> nn.Module:
    """Make a module for images of the size that is asked for, where it depends on it, as vision transformers do."""
    if settings.size is None:
        return make()
    try:
        return make(**{key: settings.size})
    except TypeError as error:
        if f"unexpected keyword argument '{key}'" not in str(error):
            raise
    torch.default_generator.manual_seed(settings.seed)
    return make()


def _torchvision(settings: ImportedSettings, where: str) -> Architecture:
    from torchvision import models

    name = settings.name
    known = models.list_models(module=models)
    if name not in known:
        raise CareBenchError(f"{where}: {unknown('torchvision model', name, known)}")
    try:
        module = _sized(partial(models.get_model, name, weights=None), "image_size", settings)
    except Exception as error:  # a size that its patches do not divide
        raise CareBenchError(f"{where}: torchvision cannot make {name!r}: {first_line(error)}") from error
    _without_classifier(module, name, where)
    size = getattr(module, "image_size", IMAGENET)  # a vision transformer's
    trained = next(iter(models.get_model_weights(name)), None)
    crop = trained.transforms().crop_size if trained is not None else [size]
    return Architecture(module, crop[-1], MEAN, STD, {"torchvision": version("torchvision")})


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
