"""Encoders of other input sizes than the data are moved as far by every augmentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from care_bench.artifacts import read_records
from tests.commands import run_care_bench

ENCODERS = """
import torch
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 12))

def large():
    return nn.Sequential(nn.AvgPool2d(4), small())
"""
MOVED = {
    ("relative-equivariance-v1", "invariance"),
    ("augmentation-profile-v1", "profile_blur_angle"),
    ("augmentation-profile-v1", "profile_rotation_angle"),
    ("augmentation-profile-v1", "profile_crop_angle"),
}


@pytest.mark.parametrize("chosen", [(), ("--augment", "blur")])
def test_the_same_network_on_larger_views_of_the_same_images_is_moved_as_far(
    chosen: tuple[str, ...], data: Path, tmp_path: Path
) -> None:
    """The views of 32 px are pooled to the 8 px of the digits, so that only resampling differs."""
    path = tmp_path / "mine.py"
    path.write_text(ENCODERS)
    found = {}
    for name, size in (("small", "8"), ("large", "32")):
        ended = run_care_bench(
            "measure", "--encoder", f"{path}:{name}", "--size", size, "--dataset", "digits", "--data", data,
            "--out", tmp_path / name, "--samples", "60", *chosen,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ("blur: as on views of 8 px, scaled to 32 px" in ended.stdout) == (size == "32")
        records = read_records(tmp_path / name / "records.jsonl")
        found[name] = {(one.protocol, one.metric): one for one in records}
    for key in MOVED:
        small, large = (found[name][key] for name in ("small", "large"))
        assert small.evaluation == large.evaluation, "their numbers can share a column"
        assert large.value == pytest.approx(small.value, rel=0.25)
