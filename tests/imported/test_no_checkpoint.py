"""Files that are no checkpoint, or not all of one, are called what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from care_bench.errors import CareBenchError
from care_bench.imported.checkpoints import read_checkpoint


def refused(path: Path) -> str:
    with pytest.raises(CareBenchError) as raised:
        read_checkpoint(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello, this is\na text", "is a text file"),
        (b"\n<!DOCTYPE html>\n<html></html>", "is an HTML page, as a download that failed leaves"),
        (b"<html><head>", "is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a pointer of Git LFS"),
    ],
)
@pytest.mark.parametrize("name", ["file.pth", "file.safetensors"])
def test_a_file_that_is_no_checkpoint_is_called_what_it_is(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert f"{name} {said}" in refused(tmp_path / name)


def test_a_checkpoint_that_is_cut_short_is_called_so(tmp_path: Path) -> None:
    weights = {"a": torch.ones(100, 100), "b": torch.ones(100, 100)}
    torch.save(weights, tmp_path / "zip.pth")
    torch.save(weights, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(weights, tmp_path / "safe.safetensors")
    for path in list(tmp_path.iterdir()):
        content = path.read_bytes()
        for length in (len(content) // 2, len(content) - 30):
            path.write_bytes(content[:length])
            line = refused(path)
            assert f"{path.name} is cut short: its end is missing" in line
            assert len(line) < len(str(path)) + 200
