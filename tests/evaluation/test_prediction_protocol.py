"""Protocol augmentation-prediction-v1 on features that are what a view shows: where it lies, how it is turned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import functional

from care_bench.augmentations import ImageAugmentation
from care_bench.augmentations.parameters import ImageParameters
from care_bench.evaluation.protocols import PROTOCOLS
from tests.evaluation.given import dataset, given, measure

N = 400
PROTOCOL = PROTOCOLS["augmentation-prediction-v1"]


def drawn(flip: float, degrees: float, seed: int) -> ImageParameters:
    view = ImageAugmentation(
        input_size=(20, 30),
        size=(16, 16),
        mean=(0.5,),
        std=(0.25,),
        flip_probability=flip,
        rotation_degrees=degrees,
    )
    return view.sample(N, torch.Generator().manual_seed(seed))


def shown(draws: ImageParameters) -> np.ndarray:
    """Return what a view shows, by hand: the middle of its box from its own left, and its turn."""
    box, mirrored, turn = draws.box.double().numpy(), draws.flip.numpy(), np.radians(draws.angle.double().numpy())
    left, right = box[:, 1], 30 - box[:, 1] - box[:, 3]
    place = (np.where(mirrored, right, left) + box[:, 3] / 2) / 30
    turned = [(np.cos(angle), np.sin(-angle if flip else angle)) for angle, flip in zip(turn, mirrored, strict=True)]
    return np.column_stack([place, (box[:, 0] + box[:, 2] / 2) / 20, turned])


@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("degrees", [10.0, 180.0])
def test_places_and_turns_are_read_from_what_a_view_shows(flip: float, degrees: float) -> None:
    draws = [drawn(flip, degrees, seed) for seed in (0, 1)]
    parts = {
        f"{name}_{part}": content
        for name, one in zip(("train", "test"), draws, strict=True)
        for part, content in (("pairs", torch.from_numpy(shown(one))), ("parameters", one.to_vector()))
    }
    found = measure(PROTOCOL, given(dataset("any", samples=N), **parts))
    for name in ("crop_x", "crop_y", "rotation"):
        assert found[f"predicted_{name}"].value == pytest.approx(1, abs=1e-3), name
    unmirrored = {**parts, "test_pairs": torch.from_numpy(shown(draws[1])[:, [0, 1, 2, 3]] * [1, 1, 1, -1])}
    wrong = measure(PROTOCOL, given(dataset("any", samples=N), **unmirrored))
    assert wrong["predicted_rotation"].value < 0.9


def test_a_mirrored_view_turns_the_other_way() -> None:
    """What torchvision makes of an image turned and then mirrored is the mirrored image turned the other way."""
    image = torch.rand(1, 3, 15, 15, generator=torch.Generator().manual_seed(0))
    bilinear = functional.InterpolationMode.BILINEAR
    one = functional.hflip(functional.rotate(image, 30.0, bilinear))
    other = functional.rotate(functional.hflip(image), -30.0, bilinear)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def test_an_augmentation_that_never_turns_has_no_rotation_to_read() -> None:
    draws = drawn(0.5, 10.0, 0)
    still = draws.to_vector().clone()
    still[:, -1] = 0
    pairs = torch.from_numpy(shown(draws))
    found = measure(
        PROTOCOL,
        given(dataset("any", samples=N), train_pairs=pairs, test_pairs=pairs, train_parameters=still,
              test_parameters=still),
    )  # fmt: skip
    assert found["predicted_rotation"].reason == "it is the same in all draws"
