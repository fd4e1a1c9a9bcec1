"""Every method in a run: shared initial weights and views, and two steps on images and on point clouds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from care_bench.config import RunConfig
from care_bench.data import load
from care_bench.errors import CareBenchError
from care_bench.runs.build import build_run_encoder
from care_bench.runs.folder import RunFolder
from care_bench.runs.weights import load_encoder_weights
from care_bench.training.pretrain import make_views, pretrain
from care_bench.training.session import Session
from tests.trained import TRAINED

Make = Callable[..., RunConfig]
Small = Callable[..., dict[str, Any]]

CASES = {
    **{name: (name,) for name in TRAINED},
    **{f"care-{base}": ("care", base) for base in ("moco_v2", "barlow_twins", "byol")},
    "equimod-byol": ("equimod", "byol"),
    "augself-barlow_twins": ("augself", "barlow_twins"),
}


ON_IMAGES = {case for case, names in CASES.items() if "augself" in names}
"""Cases whose terms need the crop and colour of images."""


@pytest.mark.parametrize(
    ("case", "dataset"),
    [(case, name) for case in CASES for name in ("digits", "proteins") if name == "digits" or case not in ON_IMAGES],
)
def test_two_steps_on_images_and_on_point_clouds(
    case: str, dataset: str, tiny: Make, small: Small, data: Path, tmp_path: Path
) -> None:
    config = tiny(small(*CASES[case]), dataset=dataset, steps=2)
    folder = pretrain(config, data, tmp_path / "run")
    lines = [json.loads(line) for line in folder.log.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert lines[0]["loss"] != lines[1]["loss"]
    source = load(dataset, data)
    fresh, trained = build_run_encoder(config, source), build_run_encoder(config, source)
    load_encoder_weights(trained, folder.encoder, config.sha256())
    moved = [not torch.equal(a, b) for a, b in zip(fresh.parameters(), trained.parameters(), strict=True)]
    assert all(moved)


@pytest.mark.parametrize("case", sorted(ON_IMAGES))
def test_point_clouds_have_no_crop_and_no_colour(case: str, tiny: Make, small: Small) -> None:
    line = "augself predicts crop and colour, which an augmentation of kind 'rotation' does not have; expected images"
    with pytest.raises(CareBenchError, match=line) as caught:
        tiny(small(*CASES[case]), dataset="proteins")
    assert "\n" not in str(caught.value)


def opened(config: RunConfig, data: Path, out: Path) -> Session:
    session = Session.open(config, load(config.dataset, data), RunFolder(out))
    with session.log:
        return session


def test_the_methods_of_one_seed_start_from_the_same_encoder(
    tiny: Make, small: Small, data: Path, tmp_path: Path
) -> None:
    def start(*names: str) -> dict[str, torch.Tensor]:
        return opened(tiny(small(*names)), data, tmp_path / "-".join(names)).module.encoder.state_dict()

    expected = start("simclr")
    for names in CASES.values():
        found = start(*names)
        assert list(found) == list(expected)
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items()), names
    other = opened(tiny(small("simclr"), seed=1), data, tmp_path / "other").module.encoder.state_dict()
    assert not torch.equal(other["projector.0.weight"], expected["projector.0.weight"])


def test_data_set_and_seed_determine_predictor_and_queue(tiny: Make, small: Small, data: Path, tmp_path: Path) -> None:
    def state(name: str, seed: int, run: str) -> dict[str, torch.Tensor]:
        return opened(tiny(small(name), seed=seed), data, tmp_path / run).module.method.state_dict()

    for name, key in [("moco_v2", "queue"), ("byol", "predictor.0.weight"), ("equimod", "predictor.0.weight")]:
        first, again, other = (state(name, seed, f"{name}{i}")[key] for i, seed in enumerate((0, 0, 1)))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_methods_of_one_seed_share_the_augmentations_of_the_views_they_share(
    tiny: Make, small: Small, data: Path, tmp_path: Path
) -> None:
    """A plain view draws nothing, and CARE's own views are drawn last."""
    simclr = make_views(opened(tiny(small("simclr")), data, tmp_path / "simclr"))
    for name, shared in [("moco_v2", slice(2)), ("equimod", slice(1, 3)), ("care", slice(2)), ("augself", slice(2))]:
        views = make_views(opened(tiny(small(name)), data, tmp_path / name))
        for view, expected in zip(views[shared], simclr, strict=True):
            assert torch.equal(view.in_batch_order(view.inputs), expected.inputs)
            assert torch.equal(view.parameters.to_vector(), expected.parameters.to_vector())


def test_the_plain_view_is_the_batch_without_augmentation(tiny: Make, small: Small, data: Path, tmp_path: Path) -> None:
    session = opened(tiny(small("equimod")), data, tmp_path / "run")
    plain, *_ = make_views(session)
    assert plain.parameters is None
    dataset = load("digits", data)
    batch = dataset.train.inputs[session.batches.rows(0).numpy()]
    assert batch.dtype == np.uint8
    mean, std = (np.array(values)[:, None, None] for values in (dataset.mean, dataset.std))
    np.testing.assert_allclose(plain.inputs, (batch / 255 - mean) / std, rtol=1e-5, atol=1e-6)


def test_a_queue_that_is_no_multiple_of_the_batch_is_refused_in_one_line(tiny: Make, small: Small) -> None:
    for method in (small("moco_v2"), small("care", "moco_v2")):
        target = method.get("base", method)
        target["queue"] = 80
        with pytest.raises(CareBenchError, match="queue = 80 is not a multiple of the 32 keys of a step") as caught:
            tiny(method)
        assert "\n" not in str(caught.value)
