"""STL-10: 96 px photographs of 10 classes, most of them without a label (Coates, Ng and Lee 2011)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from care_bench.data.preparing.memory_maps import Block, MemoryMaps
from care_bench.data.preparing.originals import Download, Originals
from care_bench.data.source import UNLABELLED, Array, Built, DatasetInfo, Raw, SplitArrays
from care_bench.progress import progress

SIZES = {"train": 5_000, "unlabeled": 100_000, "test": 8_000}
SPLITS = {"train": "train", "unlabeled": "train", "test": "test"}
PAGE = "https://cs.stanford.edu/~acoates/stl10/"
SHAPE = (3, 96, 96)
IMAGE = 3 * 96 * 96  # bytes
BLOCK = 1_000  # images copied together, 28 MB


def build(raw: Raw) -> Built:
    """Build STL-10: images uint8 (n, 3, 96, 96), label ``class``, the labelled training images first.

    torchvision's reader holds the 3 GB in memory twice; here they are copied in blocks.

    Raises:
        CareBenchError: a file is damaged, or missing and cannot be downloaded; or the workspace cannot be written.
    """
    from torchvision.datasets import STL10

    originals = Originals("stl10", PAGE, raw)
    binaries = {f"{STL10.base_folder}/{file}": md5 for file, md5 in [*STL10.train_list, *STL10.test_list]}
    folder = originals.unpacked(Download(STL10.filename, STL10.url, STL10.tgz_md5), binaries) / STL10.base_folder
    for part, size in SIZES.items():
        originals.expect(f"{part} images", (folder / f"{part}_X.bin").stat().st_size // IMAGE, size)
    images = _copy(raw.workspace, folder, maker=f"stl10 {INFO.version} {sorted(binaries.values())}")
    train, test = (
        np.fromfile(folder / f"{part}_y.bin", dtype=np.uint8).astype(np.int64) - 1 for part in ("train", "test")
    )
    originals.expect("train labels", len(train), SIZES["train"])
    originals.expect("test labels", len(test), SIZES["test"])
    unlabelled = np.full(SIZES["unlabeled"], UNLABELLED, dtype=np.int64)
    return Built(
        train=SplitArrays(images["train_inputs"], {"class": np.concatenate([train, unlabelled])}),
        test=SplitArrays(images["test_inputs"], {"class": test}),
        inputs="RGB images, 96x96, 0..255",
        source=(
            "STL-10 (Coates, Ng and Lee 2011, An Analysis of Single Layer Networks in Unsupervised Feature Learning), "
            f"chosen by its authors from ImageNet, {PAGE}"
        ),
        licence="not stated by its authors",
        split_rule=(
            f"the authors' train and unlabeled images train, the latter with class {UNLABELLED}; their test images test"
        ),
    )


def _copy(workspace: Path, folder: Path, maker: str) -> dict[str, Array]:
    """Copy the images to memory maps of the splits; in the binaries every channel is stored column by column."""
    parts: list[tuple[str, int]] = []  # part and first image of every block
    blocks = []
    rows = dict.fromkeys(SPLITS.values(), 0)
    for part, size in SIZES.items():
        split = SPLITS[part]
        for start in range(0, size, BLOCK):
            count = min(BLOCK, size - start)
            parts.append((part, start))
            blocks.append(Block(f"{split}_inputs", rows[split], count, f"{part} {start}"))
            rows[split] += count
    arrays = {f"{split}_inputs": (np.uint8, (n, *SHAPE)) for split, n in rows.items()}
    workspace.mkdir(parents=True, exist_ok=True)
    maps = MemoryMaps(workspace, maker, arrays, blocks)
    done = sum(rows.values()) - sum(blocks[index].count for index in maps.todo)
    with progress("stl10: images", sum(rows.values()), done) as advance:
        for index in maps.todo:
            (part, start), count = parts[index], blocks[index].count
            flat = np.fromfile(folder / f"{part}_X.bin", np.uint8, count * IMAGE, offset=start * IMAGE)
            maps.write({index: flat.reshape(count, *SHAPE).swapaxes(2, 3)})
            done += count
            advance(done, "")
    return maps.finish()


INFO = DatasetInfo(
    name="stl10",
    kind="image",
    title="STL10",
    how_to_get=f"downloaded from {PAGE}; without a network, put stl10_binary.tar.gz into the folder of raw data",
    labels=("class",),
    build=build,
)
