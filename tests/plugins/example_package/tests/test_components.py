"""Tests for a component: its numbers, that its loss falls, and that preparing data is reproducible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from care_bench_example.effective_rank import effective_rank
from care_bench_example.pooled_mlp import PooledMLPSettings, build
from care_bench_example.vicreg import vicreg_terms

from care_bench.config import parse_profile, read_yaml
from care_bench.data import load, prepare
from care_bench.training.pretrain import pretrain

PROFILE = Path(__file__).parents[1] / "profile.yaml"


def test_the_terms_by_hand() -> None:
    z1, z2 = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.tensor([[0.1, 0.0], [-0.1, 0.0]])
    terms = vicreg_terms(z1, z2)
    assert terms["invariance"].item() == pytest.approx((2 * 0.9**2 + 2 * 1.0**2) / 4)
    # The variances are 2 and 2, then 0.02 and 0; 0.0001 is added to each under the root.
    assert terms["variance"].item() == pytest.approx((1 - 0.0201**0.5 + 1 - 0.0001**0.5) / 2)
    assert terms["covariance"].item() == pytest.approx((2**2 + 2**2) / 2)


def test_effective_ranks_of_known_matrices() -> None:
    assert effective_rank(torch.eye(5)) == pytest.approx(5)
    assert effective_rank(torch.ones(7, 3)) == pytest.approx(1)
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(4 / 3**0.75)  # shares 3/4 and 1/4


def test_the_backbone_depends_on_patch_means_and_has_the_stated_dimension() -> None:
    network = build(PooledMLPSettings(name="pooled_mlp", grid=2, width=8), 1)
    images = torch.rand(3, 1, 16, 16)
    means = images.view(3, 1, 2, 8, 2, 8).mean(dim=(3, 5)).repeat_interleave(8, 2).repeat_interleave(8, 3)
    assert network(images).shape == (3, network.dimension)
    torch.testing.assert_close(network(images), network(means))


def test_preparing_twice_gives_the_same_hash(tmp_path: Path) -> None:
    for root in (tmp_path / "first", tmp_path / "second"):
        prepare("shapes", root)
    shapes = load("shapes", tmp_path / "first")
    assert shapes.sha256 == load("shapes", tmp_path / "second").sha256
    radius = shapes.train.labels["radius"]
    area = shapes.train.inputs.sum(axis=(1, 2, 3)) / 255
    for kind, factor in enumerate((np.pi, 4, 2)):  # disc, square, triangle: area over radius squared
        chosen = shapes.train.labels["class"] == kind
        assert area[chosen] == pytest.approx(factor * radius[chosen] ** 2, rel=0.1)


def test_the_loss_falls(tmp_path: Path) -> None:
    prepare("shapes", tmp_path / "data")
    profile = read_yaml(PROFILE)
    profile["datasets"]["shapes"]["training"] = {"steps": 24}
    run = parse_profile(profile, "profile").runs()[0]
    folder = pretrain(run, tmp_path / "data", tmp_path / "run")
    losses = [json.loads(line)["loss"] for line in folder.log.read_text().splitlines()]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
