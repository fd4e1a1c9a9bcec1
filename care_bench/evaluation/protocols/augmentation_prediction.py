"""Protocol augmentation-prediction-v1: which parameters of an augmentation can be read from (f(x), f(a(x)))?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import Measurement, Metric, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from care_bench.data import PreparedDataset
    from care_bench.evaluation.embedded import Embedded

CROP = ("crop_x", "crop_y", "crop_size")
COLOUR = ("brightness", "contrast"), ("saturation", "hue")
"""The second two act where the image is not turned gray."""
ALL = (*CROP, *COLOUR[0], *COLOUR[1], "blur", "rotation")


def _needs_images(dataset: PreparedDataset) -> str | None:
    """Skip point clouds: their rotation is no linear function of the two embeddings."""
    return None if dataset.kind == "image" else f"{dataset.name} holds no images"


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.augmentations import ImageParameters

    names = ImageParameters.columns(rotates=True)

    def column(draws: Tensor, name: str) -> Tensor:
        return draws[:, names.index(name)]

    def crops(draws: Tensor) -> dict[str, Tensor]:
        top, left, height, width = draws[:, :4].unbind(1)
        return dict(zip(CROP, (left + width / 2, top + height / 2, height * width), strict=True))

    def everywhere(draws: Tensor) -> Tensor:
        return column(draws, "jitter") >= 0

    def jittered(draws: Tensor) -> Tensor:
        return column(draws, "jitter") == 1

    def coloured(draws: Tensor) -> Tensor:
        return jittered(draws) & (column(draws, "grayscale") == 0)

    def blurred(draws: Tensor) -> Tensor:
        return column(draws, "blur") == 1

    draws = embedded.train_parameters, embedded.test_parameters
    groups = [
        ([crops(one) for one in draws], everywhere),
        ([{name: column(one, name) for name in COLOUR[0]} for one in draws], jittered),
        ([{name: column(one, name) for name in COLOUR[1]} for one in draws], coloured),
        ([{"blur": column(one, "sigma")} for one in draws], blurred),
    ]
    found = {"rotation": Measurement(None, 0, reason="the augmentation does not rotate images")}
    if draws[0].shape[1] == len(names):
        groups.append(([{"rotation": column(one, "angle")} for one in draws], everywhere))
    for factors, acts in groups:
        found |= _predicted(embedded, factors, [acts(one) for one in draws])
    if embedded.dataset.train.inputs.shape[1] == 1:
        found |= {name: Measurement(None, 0, reason="images of one channel have no colour") for name in COLOUR[1]}
    return tuple(found[name] for name in ALL)


def _predicted(embedded: Embedded, factors: list[dict[str, Tensor]], acts: list[Tensor]) -> dict[str, Measurement]:
    import torch

    from care_bench.metrics import augmentation_prediction

    train, test = (torch.stack(list(one.values()), dim=1) for one in factors)
    results = augmentation_prediction(embedded.train_pairs, train, acts[0], embedded.test_pairs, test, acts[1])
    return {
        name: Measurement(None, 0, reason=one) if isinstance(one, str) else Measurement(one.r2, 1)
        for name, one in zip(factors[0], results, strict=True)
    }


PROTOCOL = Protocol(
    "augmentation-prediction-v1",
    1,
    tuple(
        Metric(
            f"predicted_{name}",
            "1",
            True,
            f"{name.replace('_', ' ')}, R²",
            "R² on test samples of a ridge regression from (f(x), f(a(x))), each sample under a draw of its own: 1 = "
            "the encoder keeps the factor, 0 = it says nothing about it; measured where the factor acts.",
        )
        for name in ALL
    ),
    _needs_images,
    _measure,
    family="prediction",
)
