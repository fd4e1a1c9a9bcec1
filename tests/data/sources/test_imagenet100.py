from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from care_bench.data import Built, Raw, load, prepare
from care_bench.data.preparing import conversion
from care_bench.data.sources import imagenet100
from care_bench.errors import CareBenchError
from care_bench.progress import Advance
from tests.data.formats import SYNSETS
from tests.data.large_formats import (
    WrittenImage,
    tiny_imagenet,
    write_class_folders,
    write_train_archive,
    write_validation_archive,
)
from tests.data.preparing.test_photographs import torchvision_pixels

pytestmark = pytest.mark.usefixtures("read_in_threads")

ASSETS = Path(imagenet100.__file__).parents[1] / "assets"


@pytest.fixture(scope="module")
def images() -> list[WrittenImage]:
    return tiny_imagenet(SYNSETS, train=5, val=2)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three classes with five training and two validation images each, in tasks of two images."""
    monkeypatch.setattr(imagenet100, "synsets", lambda: list(SYNSETS))
    monkeypatch.setattr(imagenet100, "COUNTS", imagenet100.Counts((4, 5), 15, 2))
    monkeypatch.setattr(conversion, "TASK", 2)


def raw(folder: Path, skip_broken: bool = False) -> Raw:
    return Raw(folder / "raw", folder / "workspace", skip_broken)


def in_order(images: list[WrittenImage], folder: str = "train") -> list[WrittenImage]:
    return sorted((image for image in images if image.folder == folder), key=lambda image: (image.synset, image.name))


def write_broken(folder: Path, images: list[WrittenImage], *numbers: int) -> None:
    """Write the images; the training images with these numbers, in order, are cut off."""
    broken = [in_order(images)[number] for number in numbers]
    write_class_folders(folder / "raw", [image.broken() if image in broken else image for image in images])


def digest(built: Built) -> str:
    arrays = [built.train.inputs, built.test.inputs, built.train.labels["class"], built.test.labels["class"]]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def complaint(where: Raw) -> str:
    with pytest.raises(CareBenchError) as error:
        imagenet100.build(where)
    assert "\n" not in str(error.value)
    return str(error.value)


def counting(calls: list[str]) -> Callable[..., AbstractContextManager[Advance]]:
    """Note where the progress of preparing starts."""
    real = conversion.progress

    def progress(title: str, total: int, start: int = 0) -> AbstractContextManager[Advance]:
        calls.append(f"{start} of {total}")
        return real(title, total, start)

    return progress


def test_the_class_list() -> None:
    lines = (ASSETS / "imagenet100_synsets.txt").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 100
    assert lines == sorted(lines)
    assert lines[:2] + lines[-1:] == ["n01558993", "n01692333", "n13040303"]


@pytest.mark.parametrize("damage", ["missing", "one less", "not an id"])
def test_damaged_class_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.undo()
    assert len(imagenet100.synsets()) == 100
    (tmp_path / "assets").mkdir()
    if damage != "missing":
        lines = (ASSETS / "imagenet100_synsets.txt").read_text().splitlines()
        lines[5:6] = [] if damage == "one less" else ["n123"]
        (tmp_path / "assets" / "imagenet100_synsets.txt").write_text("\n".join(lines))
    monkeypatch.setattr(imagenet100.resources, "files", lambda package: tmp_path)
    with pytest.raises(CareBenchError, match="install care-bench again"):
        imagenet100.synsets()


def test_pixels_and_classes(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_class_folders(tmp_path / "raw", images)
    built = imagenet100.build(raw(tmp_path))
    assert built.skipped == ()
    for split, folder, n in ((built.train, "train", 15), (built.test, "val", 6)):
        order = in_order(images, folder)
        assert split.inputs.shape == (n, 3, 256, 256)
        assert split.inputs.dtype == np.uint8
        np.testing.assert_array_equal(split.inputs, np.stack([torchvision_pixels(image.content) for image in order]))
        assert split.labels["class"].tolist() == [SYNSETS.index(image.synset) for image in order]
        assert split.labels["class"].dtype == np.int64
    modes = {Image.open(io.BytesIO(image.content)).mode for image in images}
    assert modes == {"RGB", "CMYK", "L", "P"}  # all images were decoded


def test_archives_and_one_worker_give_the_same_store(
    tmp_path: Path, images: list[WrittenImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path / "a" / "raw", images)
    write_train_archive(tmp_path / "b" / "raw", images)
    write_validation_archive(tmp_path / "b" / "raw", images)
    monkeypatch.setattr(conversion, "worker_count", lambda: 3)
    prepare("imagenet100", tmp_path / "a" / "store", tmp_path / "a" / "raw")
    monkeypatch.setattr(conversion, "worker_count", lambda: 1)
    monkeypatch.setattr(conversion, "TASK", 4)
    prepare("imagenet100", tmp_path / "b" / "store", tmp_path / "b" / "raw")
    assert [path.name for path in (tmp_path / "a" / "store").iterdir()] == ["imagenet100"]
    a, b = (load("imagenet100", tmp_path / name / "store") for name in "ab")
    assert a.sha256 == b.sha256
    assert len(a.train) == 15
    assert "sorted list" in a.meta["inputs"]


def test_broken_images_are_named_and_read_again_alone(
    tmp_path: Path, images: list[WrittenImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path / "whole" / "raw", images)
    whole = digest(imagenet100.build(raw(tmp_path / "whole")))
    monkeypatch.setattr(conversion, "TASK", 4)
    write_broken(tmp_path, images, 7, 12)
    where, order = raw(tmp_path), in_order(images)
    first = complaint(where)
    assert first.startswith(
        f"2 of 21 files cannot be read: {tmp_path}/raw/imagenet/train/{SYNSETS[1]}/{order[7].name} ("
    )
    assert f"/{order[12].name} (" in first
    assert first.endswith("or leave them out with --skip-broken")
    # repaired one after the other, last one first: only the repaired image is read
    calls: list[str] = []
    monkeypatch.setattr(conversion, "progress", counting(calls))
    assert complaint(where) == first
    write_class_folders(tmp_path / "raw", [order[12]])
    assert complaint(where).startswith("1 of 21 files cannot be read: ")
    left_out = imagenet100.build(replace(where, skip_broken=True))
    assert left_out.skipped == (f"{order[7].synset}/{order[7].name}",)
    write_class_folders(tmp_path / "raw", [order[7]])
    assert digest(imagenet100.build(where)) == whole
    assert calls == ["19 of 21", "19 of 21", "20 of 21", "20 of 21"]
    folder = prepare("imagenet100", tmp_path / "store", tmp_path / "raw")
    assert [path.name for path in (tmp_path / "store").iterdir()] == [folder.name]


def test_broken_images_can_be_left_out(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_broken(tmp_path, images, 7, 14)
    complaint(raw(tmp_path))
    folder = prepare("imagenet100", tmp_path / "store", tmp_path / "raw", skip_broken=True)
    order = in_order(images)
    kept = [image for number, image in enumerate(order) if number not in (7, 14)]
    prepared = load("imagenet100", folder.parent)
    assert prepared.meta["skipped"] == [f"{order[n].synset}/{order[n].name}" for n in (7, 14)]
    assert prepared.train.labels["class"].tolist() == [0] * 5 + [1] * 4 + [2] * 4
    np.testing.assert_array_equal(prepared.train.inputs, np.stack([torchvision_pixels(i.content) for i in kept]))


@pytest.mark.parametrize("packed", [False, True])
def test_images_replaced_by_others_of_the_same_size_are_read_again(
    tmp_path: Path, images: list[WrittenImage], packed: bool
) -> None:
    def write(images: list[WrittenImage], when: int) -> None:
        if packed:
            write_train_archive(tmp_path / "raw", images)
            write_validation_archive(tmp_path / "raw", images)
        else:
            write_class_folders(tmp_path / "raw", images)
        for path in (path for path in (tmp_path / "raw").rglob("*") if path.is_file()):
            os.utime(path, ns=(when, when))

    order = in_order(images)
    size = max(len(image.content) for image in order[:2])
    first, second = (replace(i, content=i.content.ljust(size, b"\0")) for i in order[:2])  # which decoders ignore
    broken = order[7].broken()
    write([first, second, broken, *(i for i in images if i not in (*order[:2], order[7]))], when=10**18)
    assert complaint(raw(tmp_path)).startswith("1 of 21 ")
    swapped = [replace(first, content=second.content), replace(second, content=first.content)]
    write([*swapped, order[7], *(i for i in images if i not in (*order[:2], order[7]))], when=10**18 + 1)
    built = imagenet100.build(raw(tmp_path))
    expected = [second.content, first.content, *(image.content for image in order[2:])]
    np.testing.assert_array_equal(built.train.inputs, np.stack([torchvision_pixels(content) for content in expected]))


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        (((6, 9), 15, 2), "5 training images of n01558993, expected 6 to 9, from imagenet/train"),
        (((4, 5), 16, 2), "15 training images of 3 classes, expected 16"),
        (((4, 5), 15, 3), "2 validation images of n01558993, expected 3, from imagenet/train"),
    ],
)
def test_wrong_counts_are_refused(
    tmp_path: Path,
    images: list[WrittenImage],
    monkeypatch: pytest.MonkeyPatch,
    counts: tuple[tuple[int, int], int, int],
    found: str,
) -> None:
    write_class_folders(tmp_path / "raw", images)
    monkeypatch.setattr(imagenet100, "COUNTS", imagenet100.Counts(*counts))
    assert found in complaint(raw(tmp_path))
    assert not (tmp_path / "workspace").exists()


def test_the_expected_counts_are_those_of_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert imagenet100.Counts((732, 1300), 126_689, 50) == imagenet100.COUNTS


def test_no_room_on_the_disk(tmp_path: Path, images: list[WrittenImage], monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path / "raw", images)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, 0))
    needed = 21 * 3 * 256 * 256
    assert f"has 0 bytes free, expected {needed} for the remaining rows" in complaint(raw(tmp_path))


def test_an_image_that_is_there_twice_hides_none_that_is_missing(tmp_path: Path, images: list[WrittenImage]) -> None:
    train, val = in_order(images), in_order(images, "val")
    twice = [replace(val[2], synset=SYNSETS[0]), *val[1:]]
    write_class_folders(tmp_path / "raw", train + twice)
    assert f"{val[2].name} is there twice" in complaint(raw(tmp_path))
    write_class_folders(tmp_path / "other" / "raw", val)
    write_train_archive(tmp_path / "other" / "raw", [train[1], *train[1:]])
    assert f"{train[1].name} is there twice" in complaint(raw(tmp_path / "other"))


def test_an_image_in_the_folder_of_another_class(tmp_path: Path, images: list[WrittenImage]) -> None:
    train = in_order(images)
    moved = [image for image in images if image not in (train[0], train[5])]
    write_class_folders(
        tmp_path / "raw", [*moved, replace(train[0], synset=SYNSETS[1]), replace(train[5], synset=SYNSETS[0])]
    )
    assert f"is among the images of {SYNSETS[0]}; expected it in {SYNSETS[1]}" in complaint(raw(tmp_path))
