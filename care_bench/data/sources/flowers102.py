"""Oxford Flowers-102: photographs of 102 kinds of flowers (Nilsback and Zisserman 2008)."""

from __future__ import annotations

from care_bench.data.preparing.originals import Download, Originals
from care_bench.data.preparing.photographs import INPUTS, Photograph, build_splits
from care_bench.data.source import Built, DatasetInfo, Raw
from care_bench.files import file_version
from care_bench.untrusted import decoding

SIZES = {"trnid": 1_020, "valid": 1_020, "tstid": 6_149}  # under the names of setid.mat
SPLITS = {"trnid": "train", "valid": "train", "tstid": "test"}
MD5 = {
    "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
    "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
    "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
}
PAGE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
FOLDER = "flowers-102"  # where torchvision keeps it


def build(raw: Raw) -> Built:
    """Build Flowers-102: images uint8 (n, 3, 256, 256), label ``class``.

    Raises:
        CareBenchError: a file is damaged, or missing and cannot be downloaded; a photograph cannot be read and is not
            to be left out; or the workspace cannot be written.
    """
    train, test, skipped = build_splits(raw, "flowers102", INFO.version, _photographs(raw))
    return Built(
        train=train,
        test=test,
        inputs=INPUTS,
        source=f"102 Category Flower Dataset (Nilsback and Zisserman 2008), {PAGE}",
        licence="not stated by its authors",
        split_rule="the authors' setid.mat: trnid and valid train, tstid test",
        skipped=skipped,
    )


def _photographs(raw: Raw) -> list[Photograph]:
    """Download missing files, and list the photographs in the order of setid.mat."""
    from scipy.io import loadmat  # imported here: only building needs it

    originals = Originals("flowers102", PAGE, raw)
    archive, labels, setid = (Download(f"{FOLDER}/{file}", f"{PAGE}{file}", md5) for file, md5 in MD5.items())
    unpacked = originals.has(f"{FOLDER}/jpg", md5=None)
    originals.fetch([labels, setid] if unpacked else [archive, labels, setid])
    with decoding(raw.folder / FOLDER, f"expected the files of {PAGE}"):
        classes = loadmat(raw.folder / labels.path)["labels"].ravel().tolist()  # of image 1, 2, ..., counted from 1
        sets = loadmat(raw.folder / setid.path)
        numbers = {part: sets[part].ravel().tolist() for part in SIZES}
    for part, size in SIZES.items():
        originals.expect(f"{part} images", len(numbers[part]), size)
    originals.expect("labels", len(classes), sum(SIZES.values()))
    paths = {number: f"{FOLDER}/jpg/image_{number:05d}.jpg" for number in range(1, len(classes) + 1)}
    root = originals.unpacked(archive, dict.fromkeys(paths.values()))
    photographs = []
    for part, split in SPLITS.items():
        for number in numbers[part]:
            path = root / paths[number]
            status = path.stat()
            photographs.append(
                Photograph(split, classes[number - 1] - 1, path.name, path, status.st_size, file_version(status))
            )
    return photographs


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
