"""What of a user's own data is left out or not read: it is said, and decides nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from care_bench.data import own_images, read_own
from care_bench.errors import CareBenchError
from tests.data.user_images import broken_folder, image

DRAWS = np.random.default_rng(0)
ZEROS = np.zeros((6, 4, 4), np.uint8)


def test_unreadable_images_are_left_out_if_asked(tmp_path: Path) -> None:
    broken_folder(tmp_path)
    found = read_own(tmp_path, skip_broken=True)
    assert (found.meta["skipped"], len(found.train) + len(found.test)) == (["5.png", "6.jpg"], 5)


def test_what_is_left_out_or_not_read_is_said(tmp_path: Path) -> None:
    for part in ("train", "test"):
        broken_folder(tmp_path / part / "a")
        for number in range(6):
            image(tmp_path / part / "b" / f"{number}.png", number)
    image(tmp_path / "train" / "a" / "deeper" / "1.png", 0)
    image(tmp_path / "val" / "a" / "1.png", 0)
    (tmp_path / "test" / "a" / "1.TIFF").touch()
    (tmp_path / "test" / "b" / "1.gif").touch()
    (tmp_path / "test" / "b" / "about.txt").touch()
    assert read_own(tmp_path, skip_broken=True).meta["notes"] == [
        "4 of 26 images left out: test/a/5.png, test/a/6.jpg, train/a/5.png, train/a/6.jpg",
        "2 files with other suffixes (.gif, .tiff) are not read",
        "2 images in other folders (train/a/deeper, val/a) are not read",
    ]


def test_files_below_a_link_to_a_class_folder_are_counted(tmp_path: Path) -> None:
    for number in range(4):
        image(tmp_path / "elsewhere" / f"{number}.png", number)
    (tmp_path / "elsewhere" / "4.tif").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").symlink_to(tmp_path / "elsewhere")
    assert read_own(tmp_path / "data").meta["notes"] == ["1 files with other suffixes (.tif) are not read"]


def test_where_all_is_read_nothing_is_said(tmp_path: Path) -> None:
    for number in range(4):
        image(tmp_path / f"{number}.png", number)
    assert "notes" not in read_own(tmp_path).meta
    np.savez(tmp_path / "data.npz", x=ZEROS, y=np.arange(6) // 3)
    assert "notes" not in read_own(tmp_path / "data.npz").meta


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (("inputs", "clas"), "'clas' (did you mean 'class'?)"),
        (("x", "y", "ids"), "'ids'"),
        (("inputs", "x", "class"), "'x'"),
        (("x_train", "x_test", "y_tran", "z"), "'y_tran' (did you mean 'y_train'?), 'z'"),
    ],
)  # fmt: skip
def test_arrays_that_are_not_read_are_named(tmp_path: Path, arrays: tuple[str, ...], said: str) -> None:
    content = {name: ZEROS if name.startswith(("inputs", "x")) else np.arange(6) // 3 for name in arrays}
    np.savez(tmp_path / "data.npz", **content)  # type: ignore[arg-type]
    assert read_own(tmp_path / "data.npz").meta["notes"] == [f"unknown arrays are not read: {said}"]


def test_a_link_gives_a_data_set_its_name(tmp_path: Path) -> None:
    for number in range(4):
        image(tmp_path / "my pictures" / f"{number}.png", number)
    with pytest.raises(CareBenchError, match=r"cannot have the name 'my pictures'; .* make a link to it"):
        read_own(tmp_path / "my pictures")
    (tmp_path / "pictures").symlink_to(tmp_path / "my pictures")
    assert read_own(tmp_path / "pictures").name == "pictures"
    assert read_own(tmp_path / "pictures" / ".." / "pictures").name == "pictures"


def truncated(path: Path, size: tuple[int, int], mode: str) -> None:
    """An image whose size can be read, but not its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(DRAWS.integers(0, 256, (*size, 3), dtype=np.uint8)).convert(mode).save(path)
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize(("size", "mode"), [((4, 4), "L"), ((20, 20), "RGB"), ((4, 4), "RGB"), ((20, 20), "L")])
def test_an_image_that_is_left_out_decides_nothing(
    tmp_path: Path, size: tuple[int, int], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        for folder in ("whole", "broken"):
            image(tmp_path / folder / "data" / f"{number}.png", number, mode="L")
    truncated(tmp_path / "broken" / "data" / "2b.png", size, mode)
    decoded: list[Path] = []
    ours = own_images._square
    monkeypatch.setattr(
        own_images, "_square", lambda path, *of, **keys: (decoded.append(path), ours(path, *of, **keys))[1]
    )
    expected = read_own(tmp_path / "whole" / "data")
    assert len(decoded) == 6  # once, where nothing is broken
    found = read_own(tmp_path / "broken" / "data", skip_broken=True)
    assert found.test.inputs.shape == (3, 1, 10, 10)
    assert (found.sha256, found.meta["skipped"]) == (expected.sha256, ["2b.png"])
    assert len(decoded) == 6 + 7 + (6 if size == (4, 4) or mode == "RGB" else 0)


def test_a_split_of_broken_images_is_not_made_from_the_other(tmp_path: Path) -> None:
    for number in range(6):
        image(tmp_path / "train" / f"{number}.png", number)
        truncated(tmp_path / "test" / f"{number}.png", (20, 20), "L")
    with pytest.raises(CareBenchError, match="6 train and 0 test samples; expected at least 2 of each"):
        read_own(tmp_path, skip_broken=True)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.5, 50.0])
def test_point_clouds_off_the_origin_are_named(tmp_path: Path, shift: float) -> None:
    """A rotation about the origin would move their centres; the corners of an octahedron have a radius of one."""
    corners = np.concatenate([np.eye(3), -np.eye(3)])
    turned = corners @ np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    clouds = np.stack([corners, turned] * 3) + np.array([0.0, shift, 0.0])
    np.save(tmp_path / "clouds.npy", clouds)
    meta = read_own(tmp_path / "clouds.npy").meta
    if shift < 0.1:
        assert "notes" not in meta
    else:
        (note,) = meta["notes"]
        assert note.startswith(f"point clouds lie {shift:g} from the origin, about which they are rotated, and have a")
        assert "a radius of 1, so" in note
    np.savez(tmp_path / "both.npz", inputs=clouds, ids=np.arange(6))
    assert len(read_own(tmp_path / "both.npz").meta["notes"]) == 1 + (shift >= 0.1)
