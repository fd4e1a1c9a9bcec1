"""``apply`` against torchvision.transforms.functional, image by image, and its purity."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import functional as F  # noqa: N812 (its name in torchvision's own documentation)

from care_bench.augmentations import ImageAugmentation, ImageParameters

TOLERANCE = 1e-5
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
NOTHING = {
    "crop_scale": (1.0, 1.0),
    "crop_ratio": (1.0, 1.0),
    "flip_probability": 0.0,
    "jitter_probability": 0.0,
    "grayscale_probability": 0.0,
    "blur_probability": 0.0,
}


def make(channels: int, **settings: Any) -> ImageAugmentation:
    sizes = {"input_size": (32, 32), "size": (32, 32)}
    statistics = {"mean": (0.49, 0.48, 0.45)[:channels], "std": (0.25, 0.24, 0.26)[:channels]}
    return ImageAugmentation(**{**sizes, **statistics, **settings})


def pictures(n: int, channels: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Noise, smooth, saturated, gray and constant images, so that values are clamped and channels are equal."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, channels, *size, generator=generator)
    images[0::5] = F.gaussian_blur(images[0::5], 5, 2.0)
    images[1::5] = (images[1::5] * 3 - 1).clamp(0, 1)
    images[2::5] = images[2::5, :1]
    images[3::5] = (images[3::5] * 4).round() / 4
    images[4::10] = images[4::10].mean((2, 3), keepdim=True)
    return images


def reference(image: Tensor, augmentation: ImageAugmentation, parameters: ImageParameters, i: int) -> Tensor:
    if parameters.angle is not None:
        image = F.rotate(image, parameters.angle[i].item(), F.InterpolationMode.BILINEAR)
    top, left, height, width = parameters.box[i].tolist()
    image = F.resized_crop(image, top, left, height, width, list(augmentation.size), antialias=True)
    if parameters.flip[i]:
        image = F.hflip(image)
    if parameters.jitter[i]:
        for operation in parameters.order[i].tolist():
            image = ADJUST[operation](image, parameters.factors[i, operation].item())
    if parameters.grayscale[i]:
        image = F.rgb_to_grayscale(image, num_output_channels=3)
    if parameters.blur[i]:
        image = F.gaussian_blur(image, augmentation.blur_kernel, parameters.sigma[i].item())
    normalised: Tensor = F.normalize(image, list(augmentation.mean), list(augmentation.std))
    return normalised


def largest_difference(augmentation: ImageAugmentation, images: Tensor, parameters: ImageParameters) -> float:
    found = augmentation.apply(images, parameters)
    expected = torch.stack([reference(image, augmentation, parameters, i) for i, image in enumerate(images.cpu())])
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    assert found.device == images.device
    return float((found.cpu() - expected).abs().max())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("degrees", [0.0, 180.0])
@pytest.mark.parametrize(
    ("input_size", "size", "kernel"),
    [((32, 32), (32, 32), 3), ((8, 8), (8, 8), 3), ((48, 40), (24, 28), 5), ((13, 20), (33, 16), 7)],
)
def test_whole_augmentation_agrees_with_torchvision(
    device: str, channels: int, degrees: float, input_size: tuple[int, int], size: tuple[int, int], kernel: int
) -> None:
    augmentation = make(channels, input_size=input_size, size=size, blur_kernel=kernel, rotation_degrees=degrees)
    parameters = augmentation.sample(120, torch.Generator().manual_seed(1))
    images = pictures(120, channels, input_size).to(device)
    # Places of pixels in float32 are off by up to 5e-6 pixels, in both; noise varies by 1 a pixel, over a std of 1/4.
    assert largest_difference(augmentation, images, parameters) < (4 * TOLERANCE if degrees else TOLERANCE)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {"crop_scale": (0.08, 1.0), "crop_ratio": (3 / 4, 4 / 3)},
        {"flip_probability": 1.0},
        {"jitter_probability": 1.0, "jitter": (0.8, 0.0, 0.0, 0.0)},
        {"jitter_probability": 1.0, "jitter": (0.0, 0.8, 0.0, 0.0)},
        {"jitter_probability": 1.0, "jitter": (0.0, 0.0, 0.8, 0.0)},
        {"jitter_probability": 1.0, "jitter": (0.0, 0.0, 0.0, 0.5)},
        {"jitter_probability": 1.0, "jitter": (0.8, 0.8, 0.8, 0.2)},
        {"grayscale_probability": 1.0},
        {"blur_probability": 1.0, "blur_kernel": 9, "blur_sigma": (0.05, 5.0)},
        {"rotation_degrees": 45.0},
    ],
    ids=["crop", "flip", "brightness", "contrast", "saturation", "hue", "strong-jitter", "grayscale", "blur", "turn"],
)
def test_each_operation_alone_agrees_with_torchvision(channels: int, settings: dict[str, Any]) -> None:
    plain = {"mean": (0.0,) * channels, "std": (1.0,) * channels}
    augmentation = make(channels, **{**NOTHING, **plain, **settings})
    parameters = augmentation.sample(60, torch.Generator().manual_seed(2))
    images = pictures(60, channels, (32, 32))
    assert largest_difference(augmentation, images, parameters) < TOLERANCE
    changed = (augmentation.apply(images, parameters) - augmentation.identity(images)).abs().max()
    colour_of_gray = channels == 1 and settings.get("jitter", (1,))[:2] == (0.0, 0.0)
    assert (changed < 1e-6) == (colour_of_gray or (channels == 1 and "grayscale_probability" in settings))


def by_hand(input_size: tuple[int, int], **values: Any) -> ImageParameters:
    """Return one row of parameters that changes only what the given values say."""
    row = {
        "box": [0, 0, *input_size],
        "flip": False,
        "jitter": False,
        "order": [0, 1, 2, 3],
        "factors": [1.0, 1.0, 1.0, 0.0],
        "grayscale": False,
        "blur": False,
        "sigma": 1.0,
    }
    return ImageParameters(input_size=input_size, **{k: torch.tensor([v]) for k, v in {**row, **values}.items()})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_box_is_cropped_as_torchvision_does(data: st.DataObject) -> None:
    # torch 2.15 resizes wrongly to a width of 1 pixel, so the reference needs at least two
    length, width = st.integers(1, 40), st.integers(2, 40)
    input_size, size = data.draw(st.tuples(length, length)), data.draw(st.tuples(length, width))
    height, width = (data.draw(st.integers(1, limit)) for limit in input_size)
    top, left = data.draw(st.integers(0, input_size[0] - height)), data.draw(st.integers(0, input_size[1] - width))
    parameters = by_hand(input_size, box=[top, left, height, width], flip=data.draw(st.booleans()))
    augmentation = make(3, input_size=input_size, size=size, blur_kernel=1)
    images = torch.rand(1, 3, *input_size, generator=torch.Generator().manual_seed(height))
    assert largest_difference(augmentation, images, parameters) < TOLERANCE


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    order=st.permutations(range(4)),
    factors=st.tuples(*[st.floats(0.0, 3.0, width=32)] * 3, st.floats(-0.5, 0.5, width=32)),
    colours=st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=6),
)
def test_any_jitter_of_any_colours_agrees_with_torchvision(
    order: list[int], factors: tuple[float, ...], colours: list[tuple[int, int, int]]
) -> None:
    images = (torch.tensor(colours).T.reshape(1, 3, 1, -1) / 255).float()
    size = (1, len(colours))
    augmentation = make(3, input_size=size, size=size, blur_kernel=1, mean=(0.0,) * 3, std=(1.0,) * 3)
    parameters = by_hand(size, jitter=True, order=list(order), factors=list(factors))
    assert largest_difference(augmentation, images, parameters) < TOLERANCE


def test_colours_worked_out_by_hand() -> None:
    size = (1, 2)
    augmentation = make(3, input_size=size, size=size, blur_kernel=1, mean=(0.0,) * 3, std=(1.0,) * 3)
    images = torch.tensor([[1.0, 0.0], [0.0, 0.5], [0.0, 0.0]]).reshape(1, 3, 1, 2)  # red, dark green

    def applied(order: list[int], factors: list[float]) -> Tensor:
        return augmentation.apply(images, by_hand(size, jitter=True, order=order, factors=factors))[0, :, 0]

    third = [1.0, 1.0, 1.0, 1 / 3]  # red to green, green to blue
    torch.testing.assert_close(applied([0, 1, 2, 3], third), torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.5]]))
    half = [0.5, 1.0, 0.0, 0.0]  # gray of the darkened colours
    expected = torch.tensor([0.5 * 0.2989, 0.25 * 0.587]).expand(3, 2)
    torch.testing.assert_close(applied([0, 1, 2, 3], half), expected)
    # values are clamped, so the order of doubled brightness and doubled contrast matters
    both = [2.0, 2.0, 1.0, 0.0]
    bright_first = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    mean = (0.2989 + 0.587) / 2
    torch.testing.assert_close(applied([0, 1, 2, 3], both), (2 * bright_first - mean).clamp(0, 1))
    mean = (0.2989 + 0.587 * 0.5) / 2
    torch.testing.assert_close(applied([1, 0, 2, 3], both), (2 * (2 * images[0, :, 0] - mean).clamp(0, 1)).clamp(0, 1))


def test_crop_of_the_output_size_and_flip_move_pixels_exactly() -> None:
    augmentation = make(1, input_size=(6, 5), size=(4, 3), mean=(0.0,), std=(1.0,))
    images = torch.rand(1, 1, 6, 5, generator=torch.Generator().manual_seed(0))
    found = augmentation.apply(images, by_hand((6, 5), box=[1, 2, 4, 3], flip=True))
    assert torch.equal(found, images[:, :, 1:5, 2:5].flip(3))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(size=st.tuples(st.integers(1, 40), st.integers(1, 40)), angle=st.floats(-180, 180, width=32))
def test_any_angle_turns_any_image_as_torchvision_does(size: tuple[int, int], angle: float) -> None:
    augmentation = make(1, input_size=size, size=size, blur_kernel=1, mean=(0.0,), std=(1.0,))
    images = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(size[0]))
    expected = F.rotate(images, angle, F.InterpolationMode.BILINEAR)
    found = augmentation.apply(images, by_hand(size, angle=angle))
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


def test_quarter_turns_by_hand_and_images_that_do_not_turn() -> None:
    """Counter-clockwise, and black where a turned image of 4 x 2 pixels has no pixel."""
    augmentation = make(1, input_size=(4, 2), size=(4, 2), blur_kernel=1, mean=(0.0,), std=(1.0,))
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]) / 8
    angle = torch.tensor([0.0, 90.0, 180.0, -90.0])
    upright = by_hand((4, 2)).repeat_interleave(4)
    found = augmentation.apply(image.expand(4, 1, 4, 2), dataclasses.replace(upright, angle=angle))[:, 0]
    black = [0.0, 0.0]
    expected = torch.tensor(
        [
            [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]],
            [black, [4.0, 6.0], [3.0, 5.0], black],
            [[8.0, 7.0], [6.0, 5.0], [4.0, 3.0], [2.0, 1.0]],
            [black, [5.0, 3.0], [6.0, 4.0], black],
        ]
    )
    torch.testing.assert_close(8 * found, expected, rtol=0, atol=TOLERANCE)
    assert torch.equal(found[0], augmentation.apply(image[None, None], by_hand((4, 2)))[0, 0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("degrees", [0.0, 30.0])
@pytest.mark.parametrize(("input_size", "size"), [((32, 32), (32, 32)), ((8, 8), (8, 8)), ((20, 30), (16, 12))])
def test_an_image_has_the_same_bits_in_any_batch_and_at_any_time(
    channels: int, degrees: float, input_size: tuple[int, int], size: tuple[int, int]
) -> None:
    augmentation = make(channels, input_size=input_size, size=size, rotation_degrees=degrees)
    parameters = augmentation.sample(64, torch.Generator().manual_seed(3))
    images = pictures(64, channels, input_size)
    whole = augmentation.apply(images, parameters)
    assert torch.equal(augmentation.apply(images, parameters), whole)
    for start, stop in [(0, 1), (7, 8), (63, 64), (0, 33), (5, 22), (1, 64)]:
        part = augmentation.apply(images[start:stop], parameters[start:stop])
        assert torch.equal(part, whole[start:stop])
    backwards = torch.arange(63, -1, -1)
    assert torch.equal(augmentation.apply(images[backwards], parameters[backwards]), whole[backwards])


@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_apply_does_not_change_its_inputs_and_ignores_autocast_and_gradients(degrees: float) -> None:
    augmentation = make(3, rotation_degrees=degrees)
    parameters = augmentation.sample(16, torch.Generator().manual_seed(4))
    images = pictures(16, 3, (32, 32))
    before, drawn = images.clone(), parameters.to_vector()
    expected = augmentation.apply(images, parameters)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmentation.apply(images, parameters), expected)
    assert not augmentation.apply(images.requires_grad_(), parameters).requires_grad
    assert torch.equal(images, before)
    assert torch.equal(parameters.to_vector(), drawn)


@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_uint8_and_double_images_give_the_same_result(degrees: float) -> None:
    augmentation = make(3, rotation_degrees=degrees)
    parameters = augmentation.sample(16, torch.Generator().manual_seed(5))
    stored = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = augmentation.apply(stored.float() / 255, parameters)
    assert torch.equal(augmentation.apply(stored, parameters), expected)
    torch.testing.assert_close(augmentation.apply(stored.double() / 255, parameters), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("input_size", "size"), [((32, 32), (32, 32)), ((40, 36), (20, 24)), ((12, 9), (20, 24))])
def test_identity_resizes_and_normalises(input_size: tuple[int, int], size: tuple[int, int]) -> None:
    augmentation = make(3, input_size=input_size, size=size)
    images = pictures(6, 3, input_size)
    expected = F.normalize(F.resize(images, list(size), antialias=True), augmentation.mean, augmentation.std)
    torch.testing.assert_close(augmentation.identity(images), expected, rtol=0, atol=1e-6)
    unchanged = by_hand(input_size).repeat_interleave(6)
    torch.testing.assert_close(augmentation.apply(images, unchanged), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("method", ["apply", "identity"])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 32, 31), r"images has shape \(2, 3, 32, 31\), expected \(n, 3, 32, 32\)"),
        (torch.zeros(2, 1, 32, 32), r"images has shape \(2, 1, 32, 32\), expected \(n, 3, 32, 32\)"),
        (torch.zeros(3, 32, 32), r"images has shape \(3, 32, 32\), expected \(n, 3, 32, 32\)"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.int64), r"images has dtype torch.int64, expected uint8 or floating"),
    ],
)
def test_wrong_images_are_refused(method: str, images: Tensor, message: str) -> None:
    augmentation = make(3)
    arguments = [augmentation.sample(2, torch.Generator())] if method == "apply" else []
    with pytest.raises(ValueError, match=message):
        getattr(augmentation, method)(images, *arguments)


def test_parameters_of_other_images_are_refused() -> None:
    augmentation = make(3)
    images = torch.zeros(2, 3, 32, 32)
    with pytest.raises(ValueError, match="images has 2 samples and parameters has 3 rows"):
        augmentation.apply(images, augmentation.sample(3, torch.Generator()))
    other = make(3, input_size=(40, 32))
    with pytest.raises(ValueError, match=r"drawn for images of \(40, 32\), expected \(32, 32\)"):
        augmentation.apply(images, other.sample(2, torch.Generator()))
