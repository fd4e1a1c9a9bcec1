"""Images without augmentation: the whole image resized, or its centre at full scale."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from care_bench.augmentations import ImageAugmentation

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def centred(
    input_size: tuple[int, int], size: tuple[int, int], centre: tuple[int, int] | None = None
) -> ImageAugmentation:
    return ImageAugmentation(
        input_size=input_size, size=size, blur_kernel=1, mean=MEAN, std=STD, test_view="centre-crop", centre=centre
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_the_centre_is_torchvisions(data: st.DataObject) -> None:
    """Height and width of both parities: if the centre is between two pixels, the same one is chosen."""
    input_size = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    size = tuple(data.draw(st.integers(1, length)) for length in input_size)
    images = torch.rand(2, 3, *input_size, generator=torch.Generator().manual_seed(sum(input_size)))
    reference = v2.Compose([v2.CenterCrop(size), v2.Normalize(MEAN, STD)])
    assert torch.equal(centred(input_size, size).identity(images), reference(images))


@pytest.mark.parametrize(("input_size", "size"), [((256, 256), (224, 224)), ((7, 9), (4, 4)), ((8, 8), (8, 8))])
def test_uint8_images_have_the_same_centre(input_size: tuple[int, int], size: tuple[int, int]) -> None:
    images = torch.randint(0, 256, (2, 3, *input_size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    reference = v2.Compose([v2.CenterCrop(size), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    found = centred(input_size, size).identity(images)
    torch.testing.assert_close(found, reference(images), rtol=0, atol=1e-6)
    assert found.shape == (2, 3, *size)


def test_the_default_is_the_whole_image_and_not_its_centre() -> None:
    augmentation = ImageAugmentation(input_size=(40, 40), size=(20, 20), mean=MEAN, std=STD)
    assert augmentation.test_view == "resize"
    images = torch.zeros(1, 3, 40, 40)
    images[:, :, :10] = 1.0  # a band at the top that the centre does not reach
    whole, centre = augmentation.identity(images), centred((40, 40), (20, 20)).identity(images)
    assert whole.max() > whole.min() + 3
    black = (0 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(centre, black[None, :, None, None].expand(1, 3, 20, 20))


def test_the_test_view_does_not_change_augmented_views() -> None:
    other = ImageAugmentation(input_size=(40, 40), size=(20, 20), blur_kernel=1, mean=MEAN, std=STD)
    images = torch.rand(8, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    views = [
        augmentation.apply(images, augmentation.sample(8, torch.Generator().manual_seed(1)))
        for augmentation in (centred((40, 40), (20, 20)), other)
    ]
    assert torch.equal(*views)


@pytest.mark.parametrize("size", [(41, 20), (20, 41), (50, 50)])
def test_a_centre_larger_than_the_image_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(
        ValueError, match=r"test_view is 'centre-crop' of \(\d+, \d+\) from \(40, 40\), expected a smal"
    ):
        centred((40, 40), size)


@pytest.mark.parametrize("size", [(6, 5), (24, 20), (12, 10), (64, 64)])
def test_a_centre_is_scaled_to_the_views(size: tuple[int, int]) -> None:
    """As torchvision's CenterCrop and Resize do, also to views larger than the image."""
    images = torch.rand(3, 3, 25, 20, generator=torch.Generator().manual_seed(0))
    augmentation = centred((25, 20), size, centre=(12, 10))
    scaled = v2.Resize(size, v2.InterpolationMode.BILINEAR, antialias=True)
    expected = v2.Compose([v2.CenterCrop((12, 10)), scaled, v2.Normalize(MEAN, STD)])(images)
    torch.testing.assert_close(augmentation.identity(images), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(augmentation.middle(images, 1.0), expected, rtol=0, atol=1e-5)


def test_a_centre_of_the_whole_image_or_beyond_it_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"test_view is 'centre-crop' of \(41, 3\) from \(40, 40\), expected a smaller"
    ):
        centred((40, 40), (8, 8), centre=(41, 3))
    with pytest.raises(ValueError, match=r"centre is \(8, 8\) and test_view 'resize', expected 'centre-crop'"):
        ImageAugmentation(input_size=(40, 40), size=(8, 8), centre=(8, 8), mean=MEAN, std=STD)
