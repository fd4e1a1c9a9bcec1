from __future__ import annotations

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from care_bench.data import Built, Raw, conversion, imagenet100, load, photographs, prepare
from care_bench.errors import CareBenchError
from care_bench.progress import Advance
from tests.data.large_formats import (
    WrittenImage,
    encode,
    tiny_imagenet,
    write_class_folders,
    write_train_archive,
    write_validation_archive,
)

ROOT = Path(__file__).parents[2]

SYNSETS = ["n01558993", "n02093428", "n13040303"]


@pytest.fixture(scope="module")
def images() -> list[WrittenImage]:
    return tiny_imagenet(SYNSETS, train=5, val=2)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three classes with five and two images, in tasks of two."""
    monkeypatch.setattr(imagenet100, "synsets", lambda: list(SYNSETS))
    monkeypatch.setattr(imagenet100, "COUNTS", imagenet100.Counts((4, 5), 15, 2))
    monkeypatch.setattr(conversion, "TASK", 2)


def raw(folder: Path, skip_broken: bool = False) -> Raw:
    return Raw(folder / "raw", folder / "workspace", skip_broken)


def digest(built: Built) -> str:
    arrays = [built.train.inputs, built.test.inputs, built.train.labels["class"], built.test.labels["class"]]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def torchvision_pixels(content: bytes) -> np.ndarray:
    """The square that torchvision's transforms cut, as (3, 256, 256)."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    cut = v2.Compose([v2.Resize(256, v2.InterpolationMode.BILINEAR, antialias=True), v2.CenterCrop(256)])
    return np.asarray(cut(image)).transpose(2, 0, 1)


def breaking(images: list[WrittenImage], number: int) -> list[WrittenImage]:
    """The images, with the n-th training image, in order, cut off."""
    order = sorted((image for image in images if image.side == "train"), key=lambda image: (image.synset, image.name))
    return [image.broken() if image == order[number] else image for image in images]


def complaint(where: Raw) -> str:
    with pytest.raises(CareBenchError) as error:
        imagenet100.build(where)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_class_list() -> None:
    found = Path(imagenet100.__file__).parent / "assets" / "imagenet100_synsets.txt"
    lines = found.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 100
    assert lines == sorted(lines)
    assert lines[:2] + lines[-1:] == ["n01558993", "n01692333", "n13040303"]


@pytest.mark.parametrize("damage", ["missing", "one less", "not an id"])
def test_damaged_class_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.undo()
    asset = Path(imagenet100.__file__).parent / "assets" / "imagenet100_synsets.txt"
    assert len(imagenet100.synsets()) == 100
    (tmp_path / "assets").mkdir()
    if damage != "missing":
        lines = asset.read_text().splitlines()
        lines[5:6] = [] if damage == "one less" else ["n123"]
        (tmp_path / "assets" / asset.name).write_text("\n".join(lines))
    monkeypatch.setattr(imagenet100.resources, "files", lambda package: tmp_path)
    with pytest.raises(CareBenchError, match="install care-bench again"):
        imagenet100.synsets()


def test_pixels_and_classes(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_class_folders(tmp_path / "raw", images)
    built = imagenet100.build(raw(tmp_path))
    assert built.skipped == ()
    for split, side, n in ((built.train, "train", 15), (built.test, "val", 6)):
        order = sorted((i for i in images if i.side == side), key=lambda image: (image.synset, image.name))
        assert split.inputs.shape == (n, 3, 256, 256)
        assert split.inputs.dtype == np.uint8
        np.testing.assert_array_equal(split.inputs, np.stack([torchvision_pixels(image.content) for image in order]))
        assert split.labels["class"].tolist() == [SYNSETS.index(image.synset) for image in order]
        assert split.labels["class"].dtype == np.int64
    modes = {Image.open(io.BytesIO(image.content)).mode for image in images}
    assert modes == {"RGB", "CMYK", "L", "P"}  # all of them were decoded


@pytest.mark.parametrize("size", [(300, 257), (257, 300), (1000, 301), (259, 262), (255, 1000), (1, 3), (256, 256)])
def test_square_agrees_with_torchvision(size: tuple[int, int]) -> None:
    content = encode("RGB", size, seed=sum(size))
    found = photographs.square(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(found, torchvision_pixels(content))


def test_pixels_by_hand() -> None:
    """A picture twice as wide and high as the square: halving averages four neighbours, with bilinear's weights."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    picture = np.kron(coarse, np.ones((128, 128, 1), dtype=np.uint8))  # 512 high, 768 wide, in squares of 128
    found = photographs.square(Image.fromarray(picture))
    # scaled to 256 x 384, squares of 64; the middle 256 columns begin at 64
    for row in range(4):
        for column in range(4):
            inside = found[:, 64 * row + 2 : 64 * row + 62, 64 * column + 2 : 64 * column + 62]
            assert (inside == coarse[row, column + 1][:, None, None]).all()


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
    a, b = (load("imagenet100", tmp_path / name / "store") for name in "ab")
    assert a.sha256 == b.sha256
    assert len(a.train) == 15
    assert [path.name for path in (tmp_path / "a" / "store").iterdir()] == ["imagenet100"]
    assert "sorted list" in a.meta["inputs"]


def test_broken_images_are_named_and_read_again_alone(
    tmp_path: Path, images: list[WrittenImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path / "whole" / "raw", images)
    whole = digest(imagenet100.build(raw(tmp_path / "whole")))
    monkeypatch.setattr(conversion, "TASK", 4)
    write_class_folders(tmp_path / "raw", breaking(breaking(images, 7), 12))
    where = raw(tmp_path)
    order = sorted((image for image in images if image.side == "train"), key=lambda i: (i.synset, i.name))
    first = complaint(where)
    assert first.startswith(
        f"2 of 21 files cannot be read: {tmp_path}/raw/imagenet/train/{SYNSETS[1]}/{order[7].name} ("
    )
    assert f"/{order[12].name} (" in first
    assert first.endswith("or leave them out with --skip-broken")
    assert (where.workspace / "train_inputs.npy").stat().st_size == 128 + 13 * 3 * 256 * 256
    assert complaint(where) == first
    # made whole again one after the other, the last one first: only they are read
    calls: list[str] = []
    monkeypatch.setattr(conversion, "progress", counting(calls))
    write_class_folders(tmp_path / "raw", [order[12]])
    assert complaint(where).startswith("1 of 21 files cannot be read: ")
    write_class_folders(tmp_path / "raw", [order[7]])
    assert digest(imagenet100.build(where)) == whole
    assert calls == ["19 of 21", "20 of 21"]
    folder = prepare("imagenet100", tmp_path / "store", tmp_path / "raw")
    assert [path.name for path in (tmp_path / "store").iterdir()] == [folder.name]


def test_no_room_to_put_images_in_their_places(
    tmp_path: Path, images: list[WrittenImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path / "raw", breaking(images, 7))
    complaint(raw(tmp_path))
    write_class_folders(tmp_path / "raw", images)
    append = photographs.Column.append

    def full(column: photographs.Column, block: np.ndarray) -> None:
        if "rearranged" in column.path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(column, block)

    with monkeypatch.context() as patch:
        patch.setattr(photographs.Column, "append", full)
        assert "No space left on device; expected a writable folder with space left" in complaint(raw(tmp_path))
    mended = digest(imagenet100.build(raw(tmp_path)))
    assert mended == digest(imagenet100.build(replace(raw(tmp_path), workspace=tmp_path / "other")))


def counting(calls: list[str]) -> Callable[..., AbstractContextManager[Advance]]:
    """Progress that notes where it begins."""
    real = conversion.progress

    def progress(title: str, total: int, start: int = 0) -> AbstractContextManager[Advance]:
        calls.append(f"{start} of {total}")
        return real(title, total, start)

    return progress


def test_broken_images_can_be_left_out(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_class_folders(tmp_path / "raw", breaking(breaking(images, 7), 14))
    complaint(raw(tmp_path))
    folder = prepare("imagenet100", tmp_path / "store", tmp_path / "raw", skip_broken=True)
    order = sorted((image for image in images if image.side == "train"), key=lambda i: (i.synset, i.name))
    kept = [image for number, image in enumerate(order) if number not in (7, 14)]
    prepared = load("imagenet100", folder.parent)
    assert prepared.meta["skipped"] == [f"{order[n].synset}/{order[n].name}" for n in (7, 14)]
    assert prepared.train.labels["class"].tolist() == [0] * 5 + [1] * 4 + [2] * 4
    np.testing.assert_array_equal(prepared.train.inputs, np.stack([torchvision_pixels(i.content) for i in kept]))


KILLED = """
import os, signal, sys
from pathlib import Path
from care_bench.data import Raw, conversion, imagenet100, rows

write, left = rows.write_json, [4]

def write_or_die(path, content):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, content)

if __name__ == "__main__":
    rows.write_json = write_or_die
    imagenet100.synsets = lambda: sys.argv[2:]
    imagenet100.COUNTS = imagenet100.Counts((4, 5), 15, 2)
    conversion.TASK = 2
    imagenet100.build(Raw(Path(sys.argv[1]) / "raw", Path(sys.argv[1]) / "workspace"))
"""


def test_killed_in_the_middle(tmp_path: Path, images: list[WrittenImage]) -> None:
    write_class_folders(tmp_path / "raw", images)
    (tmp_path / "killed.py").write_text(KILLED)
    died = subprocess.run(  # returns when the workers are gone too: they hold the pipes
        [sys.executable, tmp_path / "killed.py", tmp_path, *SYNSETS],
        capture_output=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert (tmp_path / "workspace" / "train_inputs.npy").stat().st_size == 128 + 8 * 3 * 256 * 256
    continued = digest(imagenet100.build(raw(tmp_path)))
    assert continued == digest(imagenet100.build(replace(raw(tmp_path), workspace=tmp_path / "other")))


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        (((6, 9), 15, 2), "5 training images of n01558993, expected 6 to 9, from imagenet/train"),
        (((4, 5), 16, 2), "15 training images of 3 classes, expected 16"),
        (((4, 5), 15, 3), "2 validation images of n01558993, expected 3, from imagenet/train"),
    ],
)
def test_counts(
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


def test_expected_counts_are_imagenets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert imagenet100.Counts((732, 1300), 126_689, 50) == imagenet100.COUNTS


def test_no_room_on_the_disk(tmp_path: Path, images: list[WrittenImage], monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path / "raw", images)
    real = os.statvfs

    class Full:
        f_bavail = f_blocks = f_bfree = 0
        f_frsize = 4096

    monkeypatch.setattr(os, "statvfs", lambda path: Full if "workspace" in str(path) else real(path))
    needed = 21 * 3 * 256 * 256
    assert f"has 0 bytes free, expected {needed} for what is still to be written" in complaint(raw(tmp_path))
