"""Protocol retrieval-v1 on embeddings written by hand: neighbours, their colours, and colours that are turned."""

from __future__ import annotations

import colorsys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.linear_model import LinearRegression

from care_bench.data import PreparedDataset, Split
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.runs import randomness
from tests.evaluation.given import SETTINGS, dataset, embedded, given, measure, unit


def test_retrieval_by_a_known_colour() -> None:
    # Ten samples on a line, whose tint is their place: each sample finds itself and the four nearest, at distances
    # 0 1 2 3 4 (twice), 0 1 1 2 3 (twice) and 0 1 1 2 2 (six times), in total 70 for 50 neighbours.
    # The mean distance over all pairs of the ten places is 2 (1*9 + 2*8 + ... + 9*1) / 100 = 3.3.
    line = torch.arange(10.0)
    tints = np.stack([np.arange(10), np.zeros(10), np.zeros(10)], axis=1).astype(np.float32)
    result = measure(PROTOCOLS["retrieval-v1"], embedded(dataset("tinted", tint=tints), line[:, None]))
    assert result["retrieval_overlap"].value == 100
    assert (result["retrieval_overlap"].n, result["retrieval_overlap"].spread) == (2, 0)
    assert result["retrieval_tint_distance"].value == pytest.approx(70 / 50 / 3.3, rel=1e-6)
    assert (result["retrieval_tint_distance"].n, result["retrieval_tint_distance"].spread) == (1, None)


@pytest.mark.parametrize("most", [None, 40, 39, 7])
def test_retrieval_of_a_random_part_of_the_test_samples(most: int | None) -> None:
    generator = np.random.default_rng(0)
    train, test, shifts = (generator.standard_normal(shape) for shape in ((90, 3), (40, 3), (2, 40, 3)))
    tints = [generator.random((n, 3)).astype(np.float32) for n in (90, 40)]
    splits = [Split(np.zeros((len(one), 1, 2, 2), dtype=np.uint8), {"tint": one}) for one in tints]
    data = PreparedDataset("tinted", "image", {}, *splits, "0" * 64, [], [])
    parts = {"train": train, "test": test, "augmented": test + 0.3 * shifts}
    found = replace(
        given(data, **{name: torch.from_numpy(part) for name, part in parts.items()}),
        settings=SETTINGS.model_copy(update={"retrieval_queries": most}),
    )
    result = measure(PROTOCOLS["retrieval-v1"], found)
    draws = randomness.generator("tinted", SETTINGS.augmentation_seed, "retrieval queries")
    chosen = torch.randperm(40, generator=draws)[:most].numpy()

    def nearest(queries: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return cdist(queries[chosen], train).argsort(axis=1)[:, :5]  # type: ignore[no-any-return]

    plain = nearest(test)
    for view, overlap in zip(parts["augmented"], result["retrieval_overlap"].values, strict=True):
        shared = [len({*one} & {*other}) for one, other in zip(plain, nearest(view), strict=True)]
        assert overlap == pytest.approx(20 * np.mean(shared), rel=1e-12)
    apart = cdist(tints[1][chosen], tints[0])
    expected = np.take_along_axis(apart, plain, axis=1).mean() / apart.mean()
    assert result["retrieval_tint_distance"].value == pytest.approx(expected, rel=1e-6)


def coloured(features: np.ndarray[Any, Any], images: np.ndarray[Any, Any]) -> Any:
    """Return what retrieval-v1 finds for samples, of which each third is held out."""
    rows, held = np.arange(len(images)) % 3 > 0, np.arange(len(images)) % 3 == 0
    data = PreparedDataset("coloured", "image", {}, Split(images[rows], {}), Split(images[held], {}), "0" * 64, [], [])
    parts = {"train": features[rows], "test": features[held], "augmented": features[None, held]}
    return given(data, **{name: torch.from_numpy(part) for name, part in parts.items()})


def test_colour_is_read_from_features_that_hold_it() -> None:
    """A linear function of the colour says all of it, numbers of another kind nothing, a noisy one a part."""
    rng = np.random.default_rng(0)
    grey, tint = rng.uniform(0.3, 1, (600, 1, 4, 4)), rng.uniform(0.2, 1, (600, 3, 1, 1))
    images = np.round(255 * grey * tint).astype(np.uint8)
    shares = images.mean(axis=(2, 3)) / images.mean(axis=(2, 3)).sum(axis=1, keepdims=True)
    mixed = shares @ rng.standard_normal((3, 5)) + 2

    def found(features: np.ndarray[Any, Any]) -> float:
        value = measure(PROTOCOLS["retrieval-v1"], coloured(features, images))["colour_r2"].value
        assert value is not None
        return float(value)

    assert found(mixed) == pytest.approx(1, abs=1e-4)
    assert found(rng.standard_normal((600, 5))) == pytest.approx(0, abs=0.05)
    assert found(images.mean(axis=(1, 2, 3))[:, None]) < 0.1, "how bright a sample is says little of its colour"
    noisy, held = mixed + 0.2 * rng.standard_normal((600, 5)), np.arange(600) % 3 == 0
    model = LinearRegression().fit(noisy[~held], shares[~held])
    expected = 1 - ((model.predict(noisy[held]) - shares[held]) ** 2).sum(axis=0) / (
        (shares[held] - shares[held].mean(axis=0)) ** 2
    ).sum(axis=0)
    assert 0.2 < expected.mean() < 0.9
    assert found(noisy) == pytest.approx(expected.mean(), abs=0.02)


def turned_by(images: np.ndarray[Any, Any], turns: float) -> np.ndarray[Any, Any]:
    """Return images in [0, 1] with another hue, pixel by pixel, by the standard library."""
    pixels = images.transpose(0, 2, 3, 1).reshape(-1, 3)
    hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in pixels]
    moved = np.array([colorsys.hsv_to_rgb((h + turns) % 1, s, v) for h, s, v in hsv])
    return moved.reshape(len(images), *images.shape[2:], 3).transpose(0, 3, 1, 2)


def test_neighbours_follow_a_turn_of_the_hue() -> None:
    """Features that are the colour follow it, those that ignore it do not, by a loop over samples and neighbours."""
    rng = np.random.default_rng(1)
    images = np.round(255 * rng.uniform(0.3, 1, (90, 1, 2, 2)) * rng.uniform(0.2, 1, (90, 3, 1, 1))).astype(np.uint8)
    held = np.arange(90) % 3 == 0
    data = PreparedDataset("seen", "image", {}, Split(images[~held], {}), Split(images[held], {}), "0" * 64, [], [])
    places = np.array([1, 4, 9, 20])
    strengths = (0.1, 0.2, 0.3, 0.4, 0.5)

    def shares(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        total = rows.sum(axis=(2, 3))
        return total / total.sum(axis=1, keepdims=True)

    turned = [turned_by(images[held][places] / 255, turns) for turns in strengths]
    grey = rng.standard_normal((2, 90, 2))

    def found(kind: str) -> tuple[Any, Any]:
        """Measure features that are the colour, or numbers that have nothing to do with it."""
        colour = kind == "colour"
        plain = shares(images / 255) if colour else grey[0]
        moved = [shares(one) if colour else grey[1, held][places] for one in turned]
        # the mirror image is in front of the hues, and must not be taken
        copies = [plain[held][places], rng.standard_normal(plain[held][places].shape), *moved]
        parts = {"train": plain[~held], "test": plain[held], "augmented": plain[None, held]}
        parts |= {"single": np.stack(copies), "single_rows": places}
        own = replace(given(data, **{key: torch.from_numpy(one) for key, one in parts.items()}), acting=("flip", "hue"))
        return measure(PROTOCOLS["retrieval-v1"], own), parts

    for kind in ("colour", "other"):
        result, parts = found(kind)
        bank, colours = parts["train"], shares(images[~held] / 255)
        before = cdist(parts["single"][0], bank).argsort(axis=1)[:, :5]
        followed, kept = [], []
        for rows, image in zip(parts["single"][2:], turned, strict=True):
            after = cdist(rows, bank).argsort(axis=1)[:, :5]
            target = shares(image)
            far = [
                np.mean([np.linalg.norm(colours[j] - target[i]) for i in range(4) for j in nearest[i]])
                for nearest in (before, after)
            ]
            followed.append(1 - far[1] / far[0])
            kept.append(np.mean([20 * len({*a} & {*b}) for a, b in zip(before, after, strict=True)]))
        assert result["retrieval_hue_followed"].values == pytest.approx(followed, rel=1e-4)
        assert result["retrieval_hue_overlap"].values == pytest.approx(kept)
        if kind == "colour":
            assert result["retrieval_hue_followed"].value > 0.5
        else:
            assert abs(result["retrieval_hue_followed"].value) < 0.3


def test_without_colour_no_hue_is_followed() -> None:
    grey = np.full((90, 1, 4, 4), 9, dtype=np.uint8)
    without = measure(PROTOCOLS["retrieval-v1"], coloured(unit(90, 3, seed=0), grey))
    still = measure(PROTOCOLS["retrieval-v1"], coloured(unit(90, 3, seed=0), grey.repeat(3, axis=1)))
    for name in ("retrieval_hue_overlap", "retrieval_hue_followed"):
        assert without[name].reason == "coloured holds no images in colour"
        assert still[name].reason == "hue does not change these samples"


def test_without_colour_nothing_is_read() -> None:
    grey = np.random.default_rng(0).integers(1, 255, (90, 1, 4, 4), dtype=np.uint8).repeat(3, axis=1)
    result = measure(PROTOCOLS["retrieval-v1"], coloured(unit(90, 3, seed=0), grey))["colour_r2"]
    assert result.reason == "the colour of the samples: it is the same in all draws"
    result = measure(PROTOCOLS["retrieval-v1"], coloured(unit(90, 3, seed=0), grey[:, :1]))["colour_r2"]
    assert result.reason == "coloured holds no images in colour"


def test_of_one_embedding_no_colour_is_nearest() -> None:
    data = dataset("tinted", tint=np.arange(30).reshape(10, 3) / 30, **{"class": np.zeros(10, dtype=int)})
    rows = torch.from_numpy(unit(1, 3, seed=0)).expand(10, 3) + 1e-9 * torch.from_numpy(unit(10, 3, seed=1))
    result = measure(PROTOCOLS["retrieval-v1"], embedded(data, rows))["retrieval_tint_distance"]
    assert (result.value, result.reason) == (None, "all training samples have one embedding, so that none is nearest")
    spread = embedded(data, rows + 1e-3 * torch.from_numpy(unit(10, 3, seed=1)))
    assert measure(PROTOCOLS["retrieval-v1"], spread)["retrieval_tint_distance"].value is not None


def test_without_a_known_colour_only_the_overlap_is_measured() -> None:
    result = measure(PROTOCOLS["retrieval-v1"], embedded(dataset("digits"), torch.eye(10)))
    assert result["retrieval_overlap"].value is not None
    assert result["retrieval_tint_distance"].value is None
    reason = "digits has no label tint: the colour that made an image"
    assert result["retrieval_tint_distance"].reason == reason


@pytest.mark.parametrize(("noise", "overlap"), [(0.0, 100.0), (1e-7, None), (1e-3, 40.0)])
def test_rounding_decides_no_overlap(noise: float, overlap: float | None) -> None:
    """All samples and views have one embedding, or nearly so; of views that are other samples, few neighbours stay."""
    moved = [torch.from_numpy(1 + noise * unit(60, 3, seed=seed)) for seed in range(3)]
    found = given(dataset("any", samples=60), train=moved[0], test=moved[1], augmented=moved[2][None])
    result = measure(PROTOCOLS["retrieval-v1"], found)["retrieval_overlap"]
    if overlap is None:
        assert (result.value, result.n) == (None, 0)
        assert result.reason == "the embeddings differ by rounding alone, which decides the neighbours"
    elif noise:
        assert result.value is not None
        assert result.value < overlap
    else:
        assert result.value == overlap
