from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.datasets.imagenet as reference

from care_bench.data.preparing.imagenet_files import train_images, validation_images
from care_bench.data.preparing.photographs import Photograph
from care_bench.errors import CareBenchError
from tests.data.large_formats import (
    WrittenImage,
    tiny_imagenet,
    write_class_folders,
    write_train_archive,
    write_validation_archive,
)

SYNSETS = ["n01558993", "n02093428", "n13040303"]
KIT = "ILSVRC2012_devkit_t12.tar.gz"
EVERY_FORM = (
    "expected imagenet/train/<synset>/*.JPEG or ILSVRC2012_img_train.tar, and imagenet/val/<synset>/*.JPEG "
    "or ILSVRC2012_img_val.tar with ILSVRC2012_devkit_t12.tar.gz"
)


@pytest.fixture(scope="module")
def images() -> list[WrittenImage]:
    return tiny_imagenet([*SYNSETS, "n07777777"], train=3, val=2)  # the last class is not requested


def described(files: list[Photograph]) -> list[tuple[str, int, str, bytes]]:
    return [(file.split, file.label, file.name, file.read_bytes()) for file in files]


def wanted(images: list[WrittenImage], folder: str) -> list[tuple[str, int, str, bytes]]:
    split = {"train": "train", "val": "test"}[folder]
    mine = [image for image in images if image.folder == folder and image.synset in SYNSETS]
    return sorted((split, SYNSETS.index(i.synset), f"{i.synset}/{i.name}", i.content) for i in mine)


def complaint(call: Any, raw: Path) -> str:
    with pytest.raises(CareBenchError) as error:
        call(raw, SYNSETS)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("form", ["folders", "archives"])
def test_every_image_of_the_classes_in_order(tmp_path: Path, images: list[WrittenImage], form: str) -> None:
    if form == "folders":
        write_class_folders(tmp_path, images)
        (tmp_path / "imagenet" / "train" / SYNSETS[0] / "notes.txt").write_text("mine")
    else:
        write_train_archive(tmp_path, images)
        write_validation_archive(tmp_path, images)
    assert described(train_images(tmp_path, SYNSETS)) == wanted(images, "train")
    assert described(validation_images(tmp_path, SYNSETS)) == wanted(images, "val")
    kept = {"imagenet"} if form == "folders" else {"ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", KIT}
    assert {path.name for path in tmp_path.iterdir()} == kept  # nothing was unpacked


def test_folders_come_before_archives(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_class_folders(tmp_path, images)
    for name in ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", KIT):
        (tmp_path / name).write_bytes(b"not looked at")
    assert described(train_images(tmp_path, SYNSETS)) == wanted(images, "train")
    assert described(validation_images(tmp_path, SYNSETS)) == wanted(images, "val")


def test_labels_are_those_torchvision_reads(
    tmp_path: Path, images: list[WrittenImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class of every validation image agrees with torchvision's reader of the development kit."""
    write_validation_archive(tmp_path, images)
    monkeypatch.setattr(reference, "_verify_archive", lambda *_: None)  # it accepts only the real archive
    reference.parse_devkit_archive(tmp_path)
    _, labels = torch.load(tmp_path / "meta.bin", weights_only=True)
    files = validation_images(tmp_path, SYNSETS)
    assert len(files) == 6
    for file in files:
        synset, name = file.name.split("/")
        assert synset == SYNSETS[file.label] == labels[int(name[15:23]) - 1]


def test_the_location_of_an_image_is_named(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_class_folders(tmp_path / "a", images)
    write_train_archive(tmp_path / "b", images)
    name = "n01558993_22.JPEG"
    assert str(train_images(tmp_path / "a", SYNSETS)[0]) == f"{tmp_path}/a/imagenet/train/n01558993/{name}"
    assert str(train_images(tmp_path / "b", SYNSETS)[0]) == f"{name} in {tmp_path}/b/ILSVRC2012_img_train.tar"


def test_without_files_the_message_names_every_accepted_form(tmp_path: Path) -> None:
    assert complaint(train_images, tmp_path) == f"{tmp_path} holds no ImageNet training images; {EVERY_FORM}"
    assert complaint(validation_images, tmp_path) == (
        f"{tmp_path} holds no labelled ImageNet validation images; {EVERY_FORM}"
    )


def test_validation_archive_without_its_labels(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_validation_archive(tmp_path, images)
    (tmp_path / KIT).unlink()
    assert EVERY_FORM in complaint(validation_images, tmp_path)


def test_class_folder_that_is_missing(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_class_folders(tmp_path, [image for image in images if image.synset != SYNSETS[1]])
    assert complaint(train_images, tmp_path) == (
        f"{tmp_path}/imagenet/train has no folder n02093428; expected one for each of the 3 classes, 1 are missing"
    )


def test_class_archive_that_is_missing(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_train_archive(tmp_path, [image for image in images if image.synset != SYNSETS[1]])
    assert "ILSVRC2012_img_train.tar has no n02093428.tar" in complaint(train_images, tmp_path)


@pytest.mark.parametrize("damage", ["cut in an image", "text"])
@pytest.mark.parametrize("folder", ["train", "val"])
def test_damaged_archive(tmp_path: Path, images: list[WrittenImage], damage: str, folder: str) -> None:
    write_train_archive(tmp_path, images)
    write_validation_archive(tmp_path, images)
    path = tmp_path / f"ILSVRC2012_img_{folder}.tar"
    with tarfile.open(path) as archive:
        last = max(member.offset_data for member in archive)
    path.write_bytes(path.read_bytes()[: last + 9] if damage == "cut in an image" else b"text" * 300)
    found = complaint(train_images if folder == "train" else validation_images, tmp_path)
    assert found.startswith(f"{path} is damaged: ")
    assert found.endswith("; expected the whole archive, get it again")


@pytest.mark.parametrize("content", [b"text", b""])
def test_damaged_development_kit(tmp_path: Path, images: list[WrittenImage], content: bytes) -> None:
    write_validation_archive(tmp_path, images)
    kit = tmp_path / KIT
    for damaged in (content, kit.read_bytes()[:-200]):
        kit.write_bytes(damaged)
        found = complaint(validation_images, tmp_path)
        assert found.startswith(f"{kit} is damaged: ")
        assert found.endswith("; expected the ILSVRC2012 development kit")


def test_more_images_than_labels(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_validation_archive(tmp_path, images)
    (tmp_path / "one").mkdir()
    write_validation_archive(tmp_path / "one", images[3:4])
    (tmp_path / "one" / KIT).replace(tmp_path / "ILSVRC2012_devkit_t12.tar.gz")
    assert complaint(validation_images, tmp_path).endswith("has labels for 1 images")


@pytest.mark.parametrize("form", ["folders", "archives"])
def test_a_file_replaced_by_one_of_the_same_size_and_time_is_another(
    tmp_path: Path, images: list[WrittenImage], form: str
) -> None:
    (write_class_folders if form == "folders" else write_train_archive)(tmp_path, images)
    before = train_images(tmp_path, SYNSETS)
    path, status = before[0].path, before[0].path.stat()
    path.rename(tmp_path / "old")
    path.write_bytes((tmp_path / "old").read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = train_images(tmp_path, SYNSETS)
    assert before[0].version != after[0].version
    assert (after[1] == before[1]) == (form == "folders")
