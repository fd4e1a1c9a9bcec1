"""A user's own data: folders of images and arrays, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from care_bench.data import read_own
from care_bench.errors import CareBenchError
from tests.data.user_images import broken_folder, image, values

DRAWS = np.random.default_rng(0)
ZEROS = np.zeros((6, 4, 4), np.uint8)


def test_a_flat_folder_has_no_labels_and_every_second_image_is_a_test_image(tmp_path: Path) -> None:
    for number in range(6):
        image(tmp_path / f"{number}.png", 10 * number, (12 + number, 10))
    found = read_own(tmp_path)
    assert found.train.inputs.shape == found.test.inputs.shape == (3, 3, 10, 10)  # 10: the shortest side of all
    assert (values(found.train.inputs), values(found.test.inputs)) == ([0, 20, 40], [10, 30, 50])
    assert found.train.labels == found.test.labels == {}
    assert (found.name, found.kind) == (tmp_path.name, "image")
    assert found.mean[0] == pytest.approx(20 / 255)


def test_class_folders_are_halved_class_by_class(tmp_path: Path) -> None:
    for label, name in enumerate(("cat", "dog")):
        for number in range(4):
            image(tmp_path / name / f"{number}.png", 100 * label + number)
    found = read_own(tmp_path)
    assert values(found.train.inputs) == [0, 2, 100, 102]
    assert values(found.test.inputs) == [1, 3, 101, 103]
    assert found.test.labels["class"].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("inner", ["only", "."])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        *[("train", second) for second in ("test", "val", "valid", "validation", "dev", "eval", "Eval", "TEST")],
        *[("training", "testing"), ("Training", "validation"), ("Train", "Test")],
    ],
)
def test_folders_for_the_splits_are_kept(tmp_path: Path, first: str, second: str, inner: str) -> None:
    for part, numbers in ((first, range(3)), (second, range(3, 5))):
        for number in numbers:
            image(tmp_path / part / inner / f"{number}.png", number)
    found = read_own(tmp_path)
    assert (values(found.train.inputs), values(found.test.inputs)) == ([0, 1, 2], [3, 4])
    assert set(found.test.labels) == ({"class"} if inner == "only" else set())


def test_large_images_are_scaled_as_a_whole_and_cropped_in_the_middle(tmp_path: Path) -> None:
    wide = DRAWS.integers(0, 256, (300, 600, 3), dtype=np.uint8)
    for number in range(4):
        Image.fromarray(wide).save(tmp_path / f"{number}.png")
    expected = Image.fromarray(wide).resize((512, 256), Image.Resampling.BILINEAR).crop((128, 0, 384, 256))
    assert np.array_equal(read_own(tmp_path).test.inputs[0], np.asarray(expected).transpose(2, 0, 1))


def test_grey_images_have_one_channel_and_colour_makes_all_of_them_colour(tmp_path: Path) -> None:
    for number in range(4):
        image(tmp_path / f"{number}.png", 50, mode="L")
    assert read_own(tmp_path).test.inputs.shape[1] == 1
    image(tmp_path / "4.png", 50)
    assert read_own(tmp_path).test.inputs.shape[1] == 3


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        for number in range(4):
            image(tmp_path / folder / "data" / f"{number}.png", number)
    first, second = (read_own(tmp_path / folder / "data") for folder in ("first", "second"))
    assert first.sha256 == second.sha256
    image(tmp_path / "second" / "data" / "3.png", 99)
    assert read_own(tmp_path / "second" / "data").sha256 != first.sha256


def test_at_most_so_many_samples_of_each_split_evenly_spaced(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number in range(6):
            image(tmp_path / part / f"{number}.png", number)
    found = read_own(tmp_path, most=3)
    assert values(found.train.inputs) == values(found.test.inputs) == [0, 2, 4]
    np.save(tmp_path / "x.npy", np.arange(12, dtype=np.uint8)[:, None, None] * np.ones((2, 2), dtype=np.uint8))
    assert read_own(tmp_path / "x.npy", most=2).test.inputs[:, 0, 0, 0].tolist() == [1, 7]


def test_a_folder_and_an_array_without_splits_are_divided_alike(tmp_path: Path) -> None:
    """Train: 0 2 4 6 10 12, of which two are the first and the fourth; test: 1 3 5 11 13, the first and the third."""
    numbers = np.array([*range(7), *range(10, 14)], dtype=np.uint8)
    for number in numbers:
        image(tmp_path / "data" / ("a" if number < 10 else "b") / f"{number:02}.png", int(number))
    np.savez(tmp_path / "data.npz", x=numbers[:, None, None] * np.ones((2, 2), np.uint8), y=numbers // 10)
    for path in (tmp_path / "data", tmp_path / "data.npz"):
        found = read_own(path, most=2)
        assert (values(found.train.inputs), values(found.test.inputs)) == ([0, 6], [1, 5])
        whole = read_own(path, most=11)
        assert (values(whole.train.inputs), values(whole.test.inputs)) == ([0, 2, 4, 6, 10, 12], [1, 3, 5, 11, 13])


@pytest.mark.parametrize(
    ("array", "shape", "kind"),
    [
        (np.zeros((6, 5, 4), np.uint8), (1, 5, 4), "image"),
        (np.zeros((6, 5, 4, 3), np.uint8), (3, 5, 4), "image"),
        (np.zeros((6, 3, 5, 4), np.uint8), (3, 5, 4), "image"),
        (np.zeros((6, 1, 5, 4), np.float32), (1, 5, 4), "image"),
        (np.zeros((6, 7, 3), np.float64), (7, 3), "point_cloud"),
    ],
)
def test_shapes_of_arrays(tmp_path: Path, array: npt.NDArray[np.float64], shape: tuple[int, ...], kind: str) -> None:
    np.save(tmp_path / "data.npy", array)
    found = read_own(tmp_path / "data.npy")
    assert (found.kind, found.test.inputs.shape) == (kind, (3, *shape))


def test_the_order_of_channels_last_is_kept(tmp_path: Path) -> None:
    array = DRAWS.integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "data.npy", array)
    assert np.array_equal(read_own(tmp_path / "data.npy").test.inputs[1], array[3].transpose(2, 0, 1))


def test_arrays_of_both_splits_with_labels_as_keras_names_them(tmp_path: Path) -> None:
    x = DRAWS.integers(0, 256, (10, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", x_train=x[:6], y_train=np.arange(6) % 2, x_test=x[6:], y_test=np.arange(4))
    found = read_own(tmp_path / "set.npz")
    assert np.array_equal(found.test.inputs[:, 0], x[6:])
    assert (found.name, found.test.labels["class"].tolist()) == ("set", [0, 1, 2, 3])


def test_floating_point_images_are_rounded_to_bytes(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.full((4, 2, 2), 0.5001, np.float32))
    assert set(read_own(tmp_path / "data.npy").test.inputs.ravel().tolist()) == {128}


def deep(folder: Path) -> None:
    for number in range(5):
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), 1000 * number, np.uint16)).save(folder / f"{number}.png")


def one_image(folder: Path) -> None:
    image(folder / "a.png", 0)


def mixed(folder: Path) -> None:
    image(folder / "a.png", 0)
    image(folder / "class" / "b.png", 0)


def other_classes(folder: Path) -> None:
    image(folder / "train" / "cat" / "a.png", 0)
    image(folder / "test" / "dog" / "b.png", 0)


def only(*folders: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in folders:
            image(folder / name / "a.png", 0)

    return make


def only_tiff(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.tiff").touch()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (only("train/a", "train/b"), "holds the split train without test or val; expected both, or --dataset"),
        (only("train"), "holds the split train without test or val"),
        (only("test/a", "val/a"), "holds the split test and val without train"),
        (only("train", "cat"), "holds the split train without test or val; expected both, or --dataset"),
        (only("Eval", "cat", "dog"), "holds the split Eval without train; expected both, or --dataset"),
        (only("dev", "unseen"), "/data/dev, of which every second image is then a test image, or another name for a"),
        (only("training", "train"), "holds the split train and training without test or val"),
        (only_tiff, "no images; 1 files with other suffixes (.tiff) are not read; expected files that end in .jpg"),
        (one_image, "1 train and 0 test samples; expected at least 2 of each"),
        (broken_folder, "2 of 7 images cannot be read"),
        (deep, "it has more than 8 bits a pixel; 5 of 5 images"),
        (mixed, "1 images beside 1 folders"),
        (other_classes, "class 'cat' is in one split only"),
        (lambda folder: folder.mkdir(exist_ok=True), "no images; expected files that end in .jpg"),
    ],
)
def test_wrong_folders_end_in_one_line(tmp_path: Path, make: object, said: str) -> None:
    make(tmp_path / "data") if make is not broken_folder else broken_folder(tmp_path / "data")  # type: ignore[operator]
    with pytest.raises(CareBenchError) as raised:
        read_own(tmp_path / "data")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"inputs": np.zeros((6, 2, 4, 4), np.uint8)}, "uint8 (6, 2, 4, 4); expected images"),
        (
            {"inputs": np.full((6, 4, 4), 7.0)[:, None]},
            "images are float64 from 7 to 7; expected uint8, or floating point within 0 and 1",
        ),
        ({"inputs": np.full((6, 4, 4), np.nan)[:, None]}, "images are float64 with NaN or infinity; expected uint8"),
        ({"inputs": np.full((6, 4, 3), np.nan)}, "train_inputs[0, 0, 0] = nan"),
        ({"inputs": ZEROS, "class": np.arange(5)}, "labels are int64 (5,); expected 6"),
        ({"inputs": ZEROS, "class": np.arange(6) - 1}, "expected 6 whole numbers from 0"),
        (
            {"inputs": ZEROS, "class": 10**9 * np.ones(6, int)},
            "a label is 1000000000; expected classes numbered from 0",
        ),
        ({"pictures": ZEROS}, "holds pictures; expected `inputs`"),
        ({"train_inputs": ZEROS, "test_inputs": np.zeros((6, 5, 5), np.uint8)}, "expected samples of one shape"),
        ({"x_train": ZEROS, "y_train": np.arange(6), "x_test": ZEROS}, "one split has labels"),
        ({"x_train": ZEROS, "y_train": np.arange(6), "x_test": ZEROS, "y_tst": ZEROS}, "(did you mean 'y_test'?)"),
        ({"inputs": ZEROS[:3]}, "2 train and 1 test samples; expected at least 2 of each"),
        ({"inputs": np.zeros((6, 0, 3))}, "an array is float64 (6, 0, 3), which is empty; expected images (n, H, W)"),
        ({"inputs": np.zeros((0, 5, 3))}, "an array is float64 (0, 5, 3), which is empty"),
        ({"inputs": ZEROS[:0]}, "an array is uint8 (0, 4, 4), which is empty"),
        ({"inputs": ZEROS[:, :0]}, "an array is uint8 (6, 0, 4), which is empty"),
        ({"inputs": np.zeros((6, 0, 0, 3))}, "an array is float64 (6, 0, 0, 3), which is empty"),
        ({"train_inputs": ZEROS, "test_inputs": ZEROS[:0]}, "an array is uint8 (0, 4, 4), which is empty"),
        ({"inputs": np.array([None] * 6)}, "expected arrays as numpy.save"),
    ],
)
def test_wrong_arrays_end_in_one_line(tmp_path: Path, arrays: dict[str, npt.NDArray[np.float64]], said: str) -> None:
    np.savez(tmp_path / "data.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(CareBenchError) as raised:
        read_own(tmp_path / "data.npz")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match="no such folder or array file"):
        read_own(tmp_path / "missing.npy")
