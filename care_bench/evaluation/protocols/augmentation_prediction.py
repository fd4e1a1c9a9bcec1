"""Protocol augmentation-prediction-v1: which parameters of an augmentation can be read from (f(x), f(a(x)))?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from care_bench.data import PreparedDataset
    from care_bench.evaluation.embedded import Embedded
    from care_bench.metrics.augmentation_prediction import Predicted

CROP = ("crop_x", "crop_y", "crop_size")
COLOUR = ("brightness", "contrast"), ("saturation", "hue")
"""The second two act where the image is not turned gray."""
ALL = (*CROP, *COLOUR[0], *COLOUR[1], "blur", "rotation")


def _needs_images(dataset: PreparedDataset) -> str | None:
    """Skip point clouds: their rotation is no linear function of the two embeddings."""
    return None if dataset.kind == "image" else f"{dataset.name} holds no images"


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    import torch

    from care_bench.augmentations import ImageParameters

    names = ImageParameters.columns(rotates=True)

    def column(draws: Tensor, name: str) -> Tensor:
        return draws[:, names.index(name)]

    def crops(draws: Tensor) -> dict[str, Tensor]:
        top, left, height, width = draws[:, :4].unbind(1)
        x = left + width / 2
        as_shown = torch.where(column(draws, "flip") == 1, 1 - x, x)
        return dict(zip(CROP, (as_shown, top + height / 2, height * width), strict=True))

    def turns(draws: Tensor) -> dict[str, Tensor]:
        angle = torch.deg2rad(column(draws, "angle"))
        return {"cos": angle.cos(), "sin": torch.where(column(draws, "flip") == 1, -angle.sin(), angle.sin())}

    def everywhere(draws: Tensor) -> Tensor:
        return column(draws, "jitter") >= 0

    def jittered(draws: Tensor) -> Tensor:
        return column(draws, "jitter") == 1

    def coloured(draws: Tensor) -> Tensor:
        return jittered(draws) & (column(draws, "grayscale") == 0)

    def blurred(draws: Tensor) -> Tensor:
        return column(draws, "blur") == 1

    rotates = embedded.train_parameters.shape[1] == len(names)

    def placed(draws: Tensor) -> dict[str, Tensor]:
        return crops(draws) | (turns(draws) if rotates else {})

    draws = embedded.train_parameters, embedded.test_parameters
    groups = [
        ([placed(one) for one in draws], everywhere),
        ([{name: column(one, name) for name in COLOUR[0]} for one in draws], jittered),
        ([{name: column(one, name) for name in COLOUR[1]} for one in draws], coloured),
        ([{"blur": column(one, "sigma")} for one in draws], blurred),
    ]
    found: dict[str, Predicted | str] = {}
    for factors, acts in groups:
        found |= _predicted(embedded, factors, [acts(one) for one in draws])
    if embedded.dataset.train.inputs.shape[1] == 1:
        found |= dict.fromkeys(COLOUR[1], "images of one channel have no colour")
    found["rotation"] = (
        _together(found.pop("cos"), found.pop("sin")) if rotates else "the augmentation does not rotate images"
    )
    return tuple(_measurement(found[name]) for name in ALL)


def _predicted(embedded: Embedded, factors: list[dict[str, Tensor]], acts: list[Tensor]) -> dict[str, Predicted | str]:
    import torch

    from care_bench.metrics import augmentation_prediction

    train, test = (torch.stack(list(one.values()), dim=1) for one in factors)
    results = augmentation_prediction(embedded.train_pairs, train, acts[0], embedded.test_pairs, test, acts[1])
    return dict(zip(factors[0], results, strict=True))


def _together(*parts: Predicted | str) -> Predicted | str:
    """Return the R² of all parts of a vector, each weighted by its variance; parts that never vary count nothing."""
    known = [one for one in parts if not isinstance(one, str)]
    if not known:
        return parts[0]
    variance = sum(one.variance for one in known)
    return replace(known[0], r2=sum(one.r2 * one.variance for one in known) / variance, variance=variance)


def _measurement(found: Predicted | str) -> Measurement:
    return Measurement(None, 0, reason=found) if isinstance(found, str) else Measurement(found.r2, 1)


PROTOCOL = Protocol(
    "augmentation-prediction-v1",
    2,
    tuple(
        Metric(
            f"predicted_{name}",
            "1",
            True,
            f"{name.replace('_', ' ')}, R²",
            "R² on test samples of a ridge regression from (f(x), f(a(x))), each sample under a draw of its own: 1 = "
            "the encoder keeps the factor, 0 = it says nothing about it; measured where the factor acts, "
            "places and rotations as a mirrored view shows them.",
        )
        for name in ALL
    ),
    _needs_images,
    _measure,
    family="prediction",
)
