"""Writes small data sets in their official formats, as users have them on disk."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import shutil
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from care_bench.data import prepare
from care_bench.data.preparing import conversion
from care_bench.data.sources import cifar, fashion_mnist, flowers102, imagenet100, stl10
from care_bench.errors import CareBenchError
from tests.data import large_formats

COUNTS = {
    "cifar10": {"train": 23, "test": 7},
    "cifar100": {"train": 11, "test": 5},
    "stl10": {"train": 4, "unlabeled": 7, "test": 3},
    "flowers102": {"trnid": 3, "valid": 2, "tstid": 4},
    "fashion_mnist": {"train": 31, "test": 9},
    "tinted_fashion_mnist": {"train": 31, "test": 9},
}
"""Number of images that the tests write, by data set and part, as in ``SIZES`` of the modules."""

MODULES = {
    "cifar10": cifar,
    "cifar100": cifar,
    "stl10": stl10,
    "flowers102": flowers102,
    "fashion_mnist": fashion_mnist,
    "tinted_fashion_mnist": fashion_mnist,
}

SYNSETS = ("n01558993", "n02093428", "n13040303")
ALL = (*COUNTS, "imagenet100", "pdb")
"""Every data set whose files these tests write."""

ARCHIVES = {  # data set -> (archive, the folder that is packed in it)
    "cifar10": ("cifar-10-python.tar.gz", "cifar-10-batches-py"),
    "cifar100": ("cifar-100-python.tar.gz", "cifar-100-python"),
    "stl10": ("stl10_binary.tar.gz", "stl10_binary"),
    "flowers102": ("flowers-102/102flowers.tgz", "jpg"),
}


@dataclass(frozen=True, eq=False)
class Written:
    """The written images, uint8 (n, C, H, W), and labels (n,) from 0, by part of the data set."""

    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]


def write(name: str, root: Path, seed: int = 0) -> Written:
    """Write ``COUNTS[name]`` images of a data set, unpacked, in the layout of a torchvision root."""
    if name in ("imagenet100", "pdb"):
        if name == "pdb":
            large_formats.write_entries(root, 40)
        else:
            large_formats.write_class_folders(root, large_formats.tiny_imagenet(SYNSETS, train=4, val=2))
        return Written({}, {})
    counts = COUNTS[name]
    if name.startswith("cifar"):
        return write_cifar(name, root, counts["train"], counts["test"], seed)
    if name == "stl10":
        return write_stl10(root, *counts.values(), seed=seed)
    if name == "flowers102":
        return write_flowers102(root, *counts.values(), seed=seed)
    return write_fashion_mnist(root, *counts.values(), seed=seed)


def write_cifar(name: str, root: Path, n_train: int, n_test: int, seed: int) -> Written:
    """Write CIFAR's pickled batches: CIFAR-10 has five for training and one for testing, CIFAR-100 one of each."""
    n_classes = int(name.removeprefix("cifar"))
    written = _random({"train": n_train, "test": n_test}, (3, 32, 32), n_classes, seed)
    folder = root / ARCHIVES[name][1]
    folder.mkdir(parents=True)
    names = [f"kind {index}" for index in range(n_classes)]
    if name == "cifar10":
        batches = {f"data_batch_{k + 1}": ("train", rows) for k, rows in enumerate(np.array_split(range(n_train), 5))}
        batches["test_batch"] = ("test", np.arange(n_test))
        meta, label_key, extra = ("batches.meta", {"label_names": names}), "labels", {}
    else:
        batches = {"train": ("train", np.arange(n_train)), "test": ("test", np.arange(n_test))}
        meta, label_key, extra = ("meta", {"fine_label_names": names}), "fine_labels", {"coarse_labels": [0] * n_train}
    for file, (split, rows) in batches.items():
        data = written.images[split][rows].reshape(-1, 3072)
        labels = written.labels[split][rows].tolist()
        (folder / file).write_bytes(pickle.dumps({"data": data, label_key: labels, **extra}, protocol=2))
    (folder / meta[0]).write_bytes(pickle.dumps(meta[1], protocol=2))
    return written


def write_stl10(root: Path, n_train: int, n_unlabeled: int, n_test: int, seed: int) -> Written:
    """Write STL-10's binaries: one channel after the other, each column by column; labels start at 1."""
    written = _random({"train": n_train, "unlabeled": n_unlabeled, "test": n_test}, (3, 96, 96), 10, seed)
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for part, images in written.images.items():
        with (folder / f"{part}_X.bin").open("wb") as file:
            for image in images:
                for channel in image:
                    file.write(channel.tobytes(order="F"))
        if part != "unlabeled":
            (folder / f"{part}_y.bin").write_bytes(bytes((written.labels[part] + 1).tolist()))
    return written


def write_flowers102(root: Path, n_train: int, n_val: int, n_test: int, seed: int) -> Written:
    """Write Flowers-102's JPEGs of several shapes, and its .mat files; the image numbers of the parts are mixed.

    ``images`` are empty, since JPEG changes pixels; ``labels`` are in the order of ``setid.mat``.
    """
    numbers = np.random.default_rng(seed)
    shapes = [(300, 400), (400, 300), (256, 256), (100, 180), (513, 257)]  # height, width
    jpg = root / "flowers-102" / "jpg"
    jpg.mkdir(parents=True)
    n = n_train + n_val + n_test
    for index in range(n):
        height, width = shapes[index % len(shapes)]
        coarse = Image.fromarray(numbers.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        mode = "L" if index == 1 else "RGB"
        coarse.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(
            jpg / f"image_{index + 1:05d}.jpg", quality=90
        )
    classes = numbers.integers(1, 103, n)
    order = numbers.permutation(n) + 1
    ids = dict(zip(("trnid", "valid", "tstid"), np.split(order, [n_train, n_train + n_val]), strict=True))
    savemat(root / "flowers-102" / "imagelabels.mat", {"labels": classes.astype(np.uint8)[None]})
    savemat(root / "flowers-102" / "setid.mat", {key: value.astype(np.uint16)[None] for key, value in ids.items()})
    return Written({}, {part: classes[rows - 1] - 1 for part, rows in ids.items()})


def write_fashion_mnist(root: Path, n_train: int, n_test: int, seed: int) -> Written:
    """Write Fashion-MNIST's IDX files in gzip."""
    written = _random({"train": n_train, "test": n_test}, (1, 28, 28), 10, seed)
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, stem in (("train", "train"), ("test", "t10k")):
        images, labels = written.images[part], written.labels[part].astype(np.uint8)
        for file, array in ((f"{stem}-images-idx3-ubyte", images[:, 0]), (f"{stem}-labels-idx1-ubyte", labels)):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
            (folder / f"{file}.gz").write_bytes(gzip.compress(content, mtime=0))
    return written


def allow_checksums(monkeypatch: pytest.MonkeyPatch, name: str, root: Path, counts: Mapping[str, int]) -> None:
    """Make the package expect the data set under ``root``: its checksums and numbers of images."""
    module: Any = MODULES[name]
    monkeypatch.setattr(module, "SIZES", dict(counts))
    if name == "flowers102":
        files = {file: md5(root / "flowers-102" / file) for file in ("imagelabels.mat", "setid.mat")}
        monkeypatch.setattr(module, "MD5", {**module.MD5, **files})
        oracle = datasets.Flowers102
        listed = {key: (file, files.get(file, found)) for key, (file, found) in oracle._file_dict.items()}
        monkeypatch.setattr(oracle, "_file_dict", listed)
    elif "fashion" in name:
        reader = datasets.FashionMNIST
        folder = root / "FashionMNIST" / "raw"
        monkeypatch.setattr(reader, "resources", [(file, md5(folder / file)) for file, _ in reader.resources])
        content = {file: hashlib.md5(gzip.decompress((folder / f"{file}.gz").read_bytes())) for file in module.MD5}
        monkeypatch.setattr(module, "MD5", {file: found.hexdigest() for file, found in content.items()})
    else:
        reader = _reader(name)
        folder = root / reader.base_folder
        for files in ("train_list", "test_list"):
            monkeypatch.setattr(reader, files, [[file, md5(folder / file)] for file, _ in getattr(reader, files)])
        if name != "stl10":
            monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": md5(folder / reader.meta["filename"])})


def pack(monkeypatch: pytest.MonkeyPatch, name: str, root: Path) -> Path:
    """Replace the files of a data set by its archive, and make the package expect the archive's checksum."""
    archive, content = root / ARCHIVES[name][0], ARCHIVES[name][1]
    with tarfile.open(archive, "w:gz") as file:
        file.add(archive.parent / content, content)
    shutil.rmtree(archive.parent / content)
    if name == "flowers102":
        monkeypatch.setattr(flowers102, "MD5", {**flowers102.MD5, archive.name: md5(archive)})
    else:
        monkeypatch.setattr(_reader(name), "tgz_md5", md5(archive))
    return archive


def written_set(monkeypatch: pytest.MonkeyPatch, name: str, root: Path) -> Written:
    """Write a data set, make the package expect it, and cut the network."""
    written = write(name, root)
    allow(monkeypatch, name, root)
    return written


def allow(monkeypatch: pytest.MonkeyPatch, name: str, root: Path) -> None:
    """Make the package expect the data set under ``root``, and cut the network."""
    cut_network(monkeypatch)
    monkeypatch.setattr(conversion, "TASK", 4)
    if name in COUNTS:
        allow_checksums(monkeypatch, name, root, COUNTS[name])
    elif name == "imagenet100":
        monkeypatch.setattr(imagenet100, "synsets", lambda: list(SYNSETS))
        monkeypatch.setattr(imagenet100, "COUNTS", imagenet100.Counts((4, 4), 12, 2))


def cut_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every download fail as without a network."""

    def fail(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", fail)


def failure(name: str, tmp_path: Path) -> str:
    """Prepare ``tmp_path / "raw"``, which must fail, and return the one line that a user sees."""
    with pytest.raises(CareBenchError) as error:
        prepare(name, tmp_path / "store", tmp_path / "raw")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{name}: ")
    assert not (tmp_path / "store" / name).exists()
    return str(error.value)


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def _reader(name: str) -> Any:
    return {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100, "stl10": datasets.STL10}[name]


def _random(counts: Mapping[str, int], shape: tuple[int, ...], n_classes: int, seed: int) -> Written:
    numbers = np.random.default_rng(seed)
    images = {part: numbers.integers(0, 256, (n, *shape), dtype=np.uint8) for part, n in counts.items()}
    labels = {part: numbers.integers(0, n_classes, n) for part, n in counts.items()}
    return Written(images, labels)
