"""Find the images of some ImageNet classes, in class folders or inside the archives, which stay packed."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from care_bench.data.preparing.photographs import Photograph
from care_bench.errors import CareBenchError
from care_bench.files import file_version
from care_bench.progress import progress
from care_bench.untrusted import absent, decoding, open_regular

TRAIN_FOLDER, VAL_FOLDER = Path("imagenet/train"), Path("imagenet/val")
TRAIN_TAR, VAL_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
SUFFIX = ".JPEG"

FORMS = (
    f"{TRAIN_FOLDER}/<synset>/*{SUFFIX} or {TRAIN_TAR}, and {VAL_FOLDER}/<synset>/*{SUFFIX} or {VAL_TAR} with {DEVKIT}"
)
"""What the folder of raw data may hold, in the order of the search."""


def train_images(folder: Path, synsets: Sequence[str]) -> list[Photograph]:
    """Return the training images of the classes, ordered by class and name.

    Args:
        folder: of raw data.
        synsets: WordNet ids of the classes, sorted; the index in this list is the label.

    Raises:
        CareBenchError: ``folder`` has none of these forms, or an incomplete one.
    """
    if images := _class_folders(folder / TRAIN_FOLDER, "train", synsets):
        return images
    if absent(folder / TRAIN_TAR):
        raise CareBenchError(f"{folder} holds no ImageNet training images; expected {FORMS}")
    return _train_archive(folder / TRAIN_TAR, synsets)


def validation_images(folder: Path, synsets: Sequence[str]) -> list[Photograph]:
    """Return the validation images of the classes, ordered by class and name, as split ``test``.

    Arguments and errors are those of :func:`train_images`.
    """
    if images := _class_folders(folder / VAL_FOLDER, "test", synsets):
        return images
    for name in (VAL_TAR, DEVKIT):
        if absent(folder / name):
            raise CareBenchError(f"{folder} holds no labelled ImageNet validation images; expected {FORMS}")
    return _validation_archive(folder / VAL_TAR, folder / DEVKIT, synsets)


def class_files(folder: Path, synsets: Sequence[str]) -> dict[str, Path]:
    """Return the images in class folders by name, `<synset>/<file>`; none of those in archives."""
    places = (folder / part / synset for part in (TRAIN_FOLDER, VAL_FOLDER) for synset in synsets)
    return {f"{place.name}/{path.name}": path for place in places for path in place.glob(f"*{SUFFIX}")}


def _class_folders(folder: Path, split: str, synsets: Sequence[str]) -> list[Photograph]:
    missing = [synset for synset in synsets if not (folder / synset).is_dir()]
    if len(missing) == len(synsets):
        return []
    if missing:
        raise CareBenchError(
            f"{folder} has no folder {missing[0]}; expected one for each of the {len(synsets)} classes, "
            f"{len(missing)} are missing"
        )
    images = []
    for label, synset in enumerate(synsets):
        try:
            with os.scandir(folder / synset) as entries:
                found = sorted((entry.name, _status(entry)) for entry in entries if entry.name.endswith(SUFFIX))
        except OSError as error:
            raise CareBenchError(f"cannot read {folder / synset}: {error.strerror}; expected a folder") from error
        images += [
            Photograph(split, label, f"{synset}/{name}", folder / synset / name, status.st_size, file_version(status))
            for name, status in found
        ]
    return images


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    """Return the status of a file, or of a link that leads nowhere: reading that names it."""
    with suppress(OSError):
        return entry.stat()
    return entry.stat(follow_symlinks=False)


def _train_archive(path: Path, synsets: Sequence[str]) -> list[Photograph]:
    """Find the images in a tar file that has one tar file per class."""
    classes = {Path(member.name).stem: member for member in _members(path)}
    missing = [synset for synset in synsets if synset not in classes]
    if missing:
        raise CareBenchError(f"{path} has no {missing[0]}.tar; expected one tar for each of the 1000 classes")
    images = []
    with progress("imagenet100: class archives looked up", len(synsets)) as advance:
        for label, synset in enumerate(synsets):
            inner = classes[synset]
            end = inner.offset_data + inner.size
            members = ((label, member) for member in _members(path, inner.offset_data) if member.offset < end)
            images += _sorted("train", path, synsets, members)
            advance(label + 1, "")
    return images


def _validation_archive(path: Path, devkit: Path, synsets: Sequence[str]) -> list[Photograph]:
    """Find the images in the flat tar file; the development kit has the classes by number."""
    truth = _validation_synsets(devkit)
    label_of = {synset: label for label, synset in enumerate(synsets)}
    wanted = []
    for member in _members(path):
        if (match := re.search(r"_(\d{8})\.JPEG$", member.name)) is None:
            continue
        number = int(match[1])
        if not 1 <= number <= len(truth):
            raise CareBenchError(f"{path} has {member.name}, but {devkit} has labels for {len(truth)} images")
        if truth[number - 1] in label_of:
            wanted.append((label_of[truth[number - 1]], member))
    return _sorted("test", path, synsets, wanted)


def _sorted(
    split: str, path: Path, synsets: Sequence[str], members: Iterable[tuple[int, tarfile.TarInfo]]
) -> list[Photograph]:
    """Return the images among labelled members of an archive, ordered by class and name."""
    changed = file_version(path.stat())
    images = [
        Photograph(
            split, label, f"{synsets[label]}/{Path(member.name).name}", path, member.size, changed, member.offset_data
        )
        for label, member in members
        if member.isfile() and member.name.endswith(SUFFIX)
    ]
    return sorted(images, key=lambda image: (image.label, image.name))


def _members(path: Path, start: int = 0) -> Iterator[tarfile.TarInfo]:
    """Yield the members of the plain tar file at byte ``start`` of a file; offsets count from the file's start."""
    with decoding(path, "expected the whole archive, get it again"), open_regular(path) as file:
        file.seek(start)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            yield from archive


def _validation_synsets(devkit: Path) -> list[str]:
    """Return the synset of every validation image, by its number, from the development kit."""
    from scipy.io import loadmat

    with decoding(devkit, "expected the ILSVRC2012 development kit"), open_regular(devkit) as packed:
        with tarfile.open(fileobj=packed, mode="r:gz") as archive:
            files = {Path(member.name).name: member for member in archive if member.isfile()}
            meta, truth = (
                archive.extractfile(files[name]).read()  # type: ignore[union-attr]  # it is a regular file
                for name in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt")
            )
        synsets = loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
        leaves = synsets[synsets["num_children"] == 0]  # the others are groups of classes
        names = dict(zip(leaves["ILSVRC2012_ID"].tolist(), leaves["WNID"].tolist(), strict=True))
        return [names[int(line)] for line in truth.split()]
