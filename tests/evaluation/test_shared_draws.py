"""Variants of a data set are measured under the same augmentation draws, whatever they were trained with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from care_bench.augmentations import ImageAugmentation, ImageParameters
from care_bench.config import EvaluationConfig, RunConfig, parse_profile, read_profile
from care_bench.data import PreparedDataset, load
from care_bench.evaluation.embed import Embedded, Embedder
from care_bench.evaluation.measurement import COMPOSED
from care_bench.evaluation.run import evaluate
from care_bench.models import Encoder
from care_bench.runs.build import build_augmentation
from care_bench.training.pretrain import pretrain

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
ENCODER = {"backbone": {"name": "convnet", "width": 4}, "projector": {"hidden": [8], "output": 8}}
PROFILE: dict[str, Any] = {
    "profile": "mixed",
    "seeds": [0],
    "evaluation": {"augmentations": 6, "samples": 20},
    "datasets": {
        "digits": {
            "preset": "digits",
            "encoder": ENCODER,
            "training": {"steps": 1, "batch_size": 8, "warmup_epochs": 0, "epochs": 1},
            "methods": {
                "simclr": {"name": "simclr"},
                # Another preset, with weaker crops, no blur and larger views.
                "byol": {"preset": "byol", "name": "byol", "predictor_hidden": 8},
            },
        }
    },
}


def variants() -> dict[str, RunConfig]:
    return {run.variant: run for run in parse_profile(PROFILE, "here").runs()}


class Pixels(Encoder):
    """Embeds an image as its pixels."""

    def __init__(self, size: int) -> None:
        super().__init__(nn.Flatten(), nn.Identity(), size, size)


def embed(augmentation: ImageAugmentation, dataset: PreparedDataset, settings: EvaluationConfig) -> Embedded:
    pixels = len(dataset.mean) * augmentation.size[0] * augmentation.size[1]
    return Embedder(Pixels(pixels), augmentation, dataset, settings, CPU).embedded("features")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[ImageParameters]:
    """All image augmentations that are drawn, in order."""
    found: list[ImageParameters] = []
    sample = ImageAugmentation.sample

    def remembered(augmentation: ImageAugmentation, n: int, generator: torch.Generator) -> ImageParameters:
        found.append(sample(augmentation, n, generator))
        return found[-1]

    monkeypatch.setattr(ImageAugmentation, "sample", remembered)
    return found


def of(run: RunConfig, settings: EvaluationConfig, dataset: PreparedDataset) -> Any:
    return build_augmentation(settings.augmentation_of(run), dataset, "here")


def same(one: ImageParameters, other: ImageParameters, pixel: float = 1.0) -> bool:
    """Whether the draws are the same, with the blur of the other in pixels of views so many times as large."""
    assert one.tensors().keys() == other.tensors().keys()
    expected = {**one.tensors(), "sigma": pixel * one.sigma}
    return all(torch.allclose(tensor, other.tensors()[name], rtol=1e-6, atol=0) for name, tensor in expected.items())


def test_variants_of_other_presets_are_measured_under_the_same_draws(data: Path, drawn: list[ImageParameters]) -> None:
    dataset, shared = load("digits", data), parse_profile(PROFILE, "here").measured("digits")
    for run in variants().values():
        found = embed(of(run, shared, dataset), dataset, shared)
        assert len(found.augmented) == 6
        assert len(found.composed) == COMPOSED
    simclr, then, byol, then_byol = drawn
    assert len(simclr) == len(byol) == 6
    assert same(simclr, byol, pixel=32 / 8)
    # Second augmentations act on views. Their size differs between variants, so the boxes differ and the rest is equal.
    assert len(then) == len(then_byol) == COMPOSED
    assert torch.equal(then.flip, then_byol.flip)
    assert torch.equal(then.factors, then_byol.factors)
    assert (then.input_size, then_byol.input_size) == ((8, 8), (32, 32))


def test_under_their_own_augmentations_the_draws_differ(data: Path, drawn: list[ImageParameters]) -> None:
    dataset, own = load("digits", data), EvaluationConfig(augmentations=6, samples=20)
    for run in variants().values():
        assert len(embed(of(run, own, dataset), dataset, own).augmented) == 6
    assert not same(*drawn)


def test_records_of_all_variants_hold_the_same_evaluation_settings(
    data: Path, tmp_path: Path, drawn: list[ImageParameters]
) -> None:
    shared, alone = parse_profile(PROFILE, "here").measured("digits"), EvaluationConfig(augmentations=2, samples=20)
    told: dict[str, set[str | None]] = {"shared": set(), "alone": set()}
    used: dict[str, list[ImageParameters]] = {"shared": [], "alone": []}
    for name, run in variants().items():
        folder = pretrain(run, data, tmp_path / name)
        for kind, settings in (("shared", shared), ("alone", alone)):
            drawn.clear()
            records = evaluate(folder.path, data, settings, tmp_path / f"{kind}.jsonl")
            told[kind] |= {record.evaluation for record in records}
            assert {record.samples for record in records} == {20}
            used[kind].append(drawn[0])
    assert same(*used["shared"], pixel=32 / 8)
    assert not same(*used["alone"])
    # Canonical JSON of the profile's evaluation, with the augmentation of the preset `digits`.
    assert told["shared"] == {
        '{"augmentation":{"blur_kernel":3,"blur_probability":0.5,"blur_sigma":[0.1,2.0],"crop_scale":[0.5,1.0],'
        '"flip_probability":0.0,"grayscale_probability":0.2,"jitter":[0.4,0.4,0.4,0.1],"jitter_probability":0.8,'
        '"kind":"image","rotation_degrees":0.0},"augmentation_seed":0,"augmentations":6,"augmented_probe":false,'
        '"classifier_seeds":3,"retrieval_queries":1024,"samples":20}'
    }
    assert len(told["alone"]) == 2


def test_a_second_augmentation_acts_on_the_view_made_by_the_first(data: Path, drawn: list[ImageParameters]) -> None:
    dataset, shared = load("digits", data), parse_profile(PROFILE, "here").measured("digits")
    byol = of(variants()["byol"], shared, dataset)
    found = embed(byol, dataset, shared)
    assert found.composed.shape[1] == 20
    first, second = drawn
    mean, std = (torch.tensor(part)[:, None, None] for part in (dataset.mean, dataset.std))
    onto_views = dataclasses.replace(byol, input_size=(32, 32))
    assert found.composed.shape == (COMPOSED, 20, len(mean) * 32 * 32)
    for i, twice in enumerate(found.composed):
        view: Tensor = found.augmented[i].view(20, len(mean), 32, 32) * std + mean
        assert view.min() >= -1e-5
        assert view.max() <= 1 + 1e-5
        expected = onto_views.apply(view, second[i].repeat_interleave(20)).flatten(1)
        torch.testing.assert_close(twice, expected, rtol=0, atol=1e-4)
    assert not torch.allclose(found.composed[0], found.augmented[0], atol=0.1)
    assert len(first) == 6


def test_only_the_colour_of_flowers_is_augmented() -> None:
    profile = read_profile(ROOT / "workflows/config/paper.yaml")
    run = next(run for run in profile.runs() if run.dataset == "flowers102")
    settings = profile.measured("flowers102").augmentation_of(run).distribution()
    statistics = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    augmentation = ImageAugmentation(input_size=(256, 256), size=(224, 224), **statistics, **settings)
    draws = augmentation.sample(2000, torch.Generator().manual_seed(0))
    assert draws.box.unique(dim=0).tolist() == [[0, 0, 256, 256]], "the whole image"
    assert draws.jitter.all()
    assert not (draws.flip | draws.grayscale | draws.blur).any()
    # Neutral colour factors give the image without augmentation.
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(3, 3, 256, 256, generator=generator)
    neutral = dataclasses.replace(draws[:3], factors=torch.tensor([[1.0, 1, 1, 0]] * 3))
    torch.testing.assert_close(augmentation.apply(images, neutral), augmentation.identity(images), rtol=0, atol=1e-4)
    changed = augmentation.apply(images, draws[:3])
    assert (changed - augmentation.identity(images)).abs().flatten(1).amax(dim=1).min() > 0.05


@pytest.mark.parametrize("side", [8, 32, 224, 255, 256])
def test_a_crop_of_scale_one_is_the_whole_square_image(side: int) -> None:
    settings = {"crop_scale": (1.0, 1.0), "blur_kernel": 1, "mean": (0.5,), "std": (0.5,)}
    augmentation = ImageAugmentation(input_size=(side, side), size=(side, side), **settings)
    boxes = augmentation.sample(5000, torch.Generator().manual_seed(side)).box
    assert boxes.unique(dim=0).tolist() == [[0, 0, side, side]]
