"""Oxford Flowers-102: photographs of 102 kinds of flowers (Nilsback and Zisserman 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from care_bench.data.conversion import convert
from care_bench.data.originals import Download, Originals
from care_bench.data.photographs import COLUMNS, INPUTS, decode, finish, maker, splits
from care_bench.data.rows import open_rows
from care_bench.data.source import Array, Built, DatasetInfo, Raw
from care_bench.errors import CareBenchError

SIZES = {"trnid": 1_020, "valid": 1_020, "tstid": 6_149}  # under the names of setid.mat
SIDES = {"trnid": "train", "valid": "train", "tstid": "test"}
MD5 = {
    "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
    "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
    "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
}
PAGE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
FOLDER = "flowers-102"  # where torchvision keeps it


@dataclass(frozen=True)
class Photograph:
    """One JPEG.

    Attributes:
        side: ``train`` or ``test``.
        path: its file.
        label: its class, 0..101.
    """

    side: str
    path: Path
    label: int

    def __str__(self) -> str:
        """Say where it is."""
        return str(self.path)


def build(raw: Raw) -> Built:
    """Build Flowers-102: images uint8 (n, 3, 256, 256), label ``class``.

    Raises:
        CareBenchError: a file is damaged, or missing and cannot be downloaded; a photograph cannot be read and is not
            to be skipped; or the workspace cannot be written.
    """
    photographs = _photographs(raw)
    inputs = [f"{photo.side}/{photo.path.name} {photo.path.stat().st_size}" for photo in photographs]
    with open_rows(raw.workspace, maker("flowers102", INFO.version), inputs, COLUMNS) as rows:
        convert(rows, photographs, read, "flowers102: images", raw.skip_broken)
        broken = rows.broken
        kept = [photo for index, photo in enumerate(photographs) if index not in broken]
        classes = {side: [photo.label for photo in kept if photo.side == side] for side in ("train", "test")}
        for side in classes:
            if not classes[side]:
                raise CareBenchError(f"flowers102: {photographs[0].path.parent} has no readable {side} image")
        images = finish(rows, [photo.side for photo in photographs])
    train, test = splits(images, classes)
    return Built(
        train=train,
        test=test,
        inputs=INPUTS,
        source=f"102 Category Flower Dataset (Nilsback and Zisserman 2008), {PAGE}",
        licence="not stated by its authors",
        split_rule="the authors' setid.mat: trnid and valid train, tstid test",
        skipped=tuple(photographs[index].path.name for index in broken),
    )


def read(photo: Photograph) -> dict[str, Array]:
    """Decode one photograph to uint8 (1, 3, 256, 256), in the column of its side."""
    with photo.path.open("rb") as file:
        return {f"{photo.side}_inputs": decode(file)}


def _photographs(raw: Raw) -> list[Photograph]:
    """List the photographs in the order of setid.mat, once their files are there."""
    from scipy.io import loadmat  # imported here: only building needs it

    originals = Originals("flowers102", PAGE, raw)
    archive, labels, setid = (Download(f"{FOLDER}/{file}", f"{PAGE}{file}", md5) for file, md5 in MD5.items())
    unpacked = originals.has(f"{FOLDER}/jpg", md5=None)
    originals.fetch([labels, setid] if unpacked else [archive, labels, setid])
    classes = loadmat(raw.folder / labels.path)["labels"].ravel().tolist()  # of image 1, 2, ..., counted from 1
    sets = loadmat(raw.folder / setid.path)
    numbers = {part: sets[part].ravel().tolist() for part in SIZES}
    for part, size in SIZES.items():
        originals.expect(f"{part} images", len(numbers[part]), size)
    originals.expect("labels", len(classes), sum(SIZES.values()))
    paths = {number: f"{FOLDER}/jpg/image_{number:05d}.jpg" for number in range(1, len(classes) + 1)}
    root = originals.unpacked(archive, dict.fromkeys(paths.values()))
    return [
        Photograph(SIDES[part], root / paths[number], classes[number - 1] - 1)
        for part in SIZES
        for number in numbers[part]
    ]


INFO = DatasetInfo(
    name="flowers102",
    kind="image",
    title="Flowers-102",
    how_to_get=(
        f"downloaded from {PAGE}; without a network, put {', '.join(MD5)} into {FOLDER} of the folder of raw data"
    ),
    labels=("class",),
    build=build,
)
