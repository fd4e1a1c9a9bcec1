"""Every recorded number of a whole small run, computed again from its weights, its data and its draws.

Everything but the forward pass and the draws is numpy and scipy here: no metric, loss or part of the evaluation is
imported. What a protocol says it measures is written out once more, in float64, with loops.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation
from scipy.special import logsumexp, softmax
from torchvision.transforms import functional

from care_bench.artifacts import Record
from care_bench.augmentations import ImageAugmentation, RandomRotation3D
from care_bench.config import EvaluationConfig, RunConfig
from care_bench.config.presets import load_preset
from care_bench.data import PreparedDataset, load, prepare
from care_bench.evaluation.run import evaluate
from care_bench.runs.build import build_run_encoder
from care_bench.runs.randomness import generator
from care_bench.runs.weights import load_encoder_weights
from care_bench.training.pretrain import pretrain

Array = np.ndarray[Any, Any]
DRAWS, SAMPLES = 3, 90
SETTINGS = EvaluationConfig(augmentations=DRAWS, samples=SAMPLES, classifier_seeds=2, augmentation_seed=5)
CLASSES = 10


class Measured:
    """The records of a run, and what they are computed from."""

    def __init__(self, name: str, root: Path) -> None:
        prepare(name, root)
        preset: dict[str, Any] = load_preset(name)
        if name == "digits":
            preset["augmentation"]["rotation_degrees"] = 20.0
        preset["encoder"] = {
            "backbone": {**preset["encoder"]["backbone"], "width": 8},
            "projector": {"hidden": [16], "output": 6},
        }
        preset["training"].update({"steps": 24, "batch_size": 32, "warmup_epochs": 0})
        care = {"name": "care", "base": {"name": "simclr"}, "splits": 4, "weight": 0.3}
        identity = {"profile": "whole", "dataset": name, "variant": "care", "seed": 2}
        self.config = RunConfig.parse({**identity, "method": care, **preset}, "here")
        folder = pretrain(self.config, root, root / f"{name}-run")
        self.records = evaluate(folder.path, root, SETTINGS)
        self.log = [json.loads(line) for line in folder.log.read_text().splitlines()]
        self.dataset = load(name, root)
        self.encoder = build_run_encoder(self.config, self.dataset)
        load_encoder_weights(self.encoder, folder.encoder, self.config.sha256())
        self.encoder.eval()
        self.train, self.train_rows = few(self.dataset.train.inputs)
        self.test, self.test_rows = few(self.dataset.test.inputs)
        self.augmentation = augmentation(self.config, self.dataset)

    def draw(self, purpose: str, n: int = DRAWS) -> Any:
        """Return draws of the evaluation, whose identity is data set, seed of the augmentations and purpose."""
        return self.augmentation.sample(n, generator(self.dataset.name, SETTINGS.augmentation_seed, purpose))

    def embed(self, views: torch.Tensor) -> dict[str, Array]:
        with torch.no_grad():
            features = self.encoder.backbone(views)
            projected = self.encoder.projector(features).double().numpy()
        return {"features": features.double().numpy(), "projection": unit(projected)}

    def views(self, inputs: Array, drawn: Any, i: int, how: Any = None) -> torch.Tensor:
        shared = drawn[i].repeat_interleave(len(inputs))
        applied: torch.Tensor = (how or self.augmentation).apply(torch.from_numpy(inputs), shared)
        return applied

    def value(self, protocol: str, metric: str, representation: str) -> Record:
        (found,) = (
            record
            for record in self.records
            if (record.protocol, record.metric, record.representation) == (protocol, metric, representation)
        )
        return found


def augmentation(config: RunConfig, dataset: PreparedDataset) -> Any:
    if dataset.kind == "point_cloud":
        return RandomRotation3D()
    drawn = ("crop_scale", "flip_probability", "jitter", "rotation_degrees")
    keys = {key: getattr(config.augmentation, key) for key in drawn}
    mean, std = statistics(dataset)
    return ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=mean, std=std, **keys)


def statistics(dataset: PreparedDataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pixels = np.array(dataset.train.inputs, dtype=np.float64) / 255
    return tuple(pixels.mean(axis=(0, 2, 3))), tuple(pixels.std(axis=(0, 2, 3)))


def few(inputs: Array) -> tuple[Array, list[int]]:
    """Return the samples that are measured: at most ``SAMPLES``, evenly spaced."""
    n = min(SAMPLES, len(inputs))
    rows = [i * len(inputs) // n for i in range(n)]
    return np.array(inputs[rows]), rows


def unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Measured]:
    known: dict[str, Measured] = {}

    def get(name: str) -> Measured:
        if name not in known:
            known[name] = Measured(name, tmp_path_factory.mktemp("whole"))
        return known[name]

    return get


def plain(run: Measured, inputs: Array) -> torch.Tensor:
    if run.dataset.kind == "point_cloud":
        return torch.from_numpy(inputs)
    mean, std = (np.array(part)[:, None, None] for part in statistics(run.dataset))
    return torch.from_numpy((inputs / 255 - mean) / std).float()


def rotation(source: Array, target: Array) -> Array:
    """Return the rotation R with the least |target - source R^T| (Wahba's problem)."""
    u, _, vt = np.linalg.svd(target.T @ source)
    signs = np.ones(len(u))
    signs[-1] = np.linalg.det(u) * np.linalg.det(vt)
    return np.asarray(u @ np.diag(signs) @ vt)


def assert_same(record: Record, expected: float, rel: float = 2e-4, abs_: float = 2e-5) -> None:
    assert record.value == pytest.approx(expected, rel=rel, abs=abs_), (record.metric, record.representation)


BOTH = pytest.mark.parametrize("representation", ["projection", "features"])
EVERY = pytest.mark.parametrize("name", ["digits", "proteins"])


@EVERY
@BOTH
def test_equivariance(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    n, drawn = len(run.test), run.draw("test augmentations")
    z = unit(run.embed(plain(run, run.test))[representation])
    za = [unit(run.embed(run.views(run.test, drawn, i))[representation]) for i in range(DRAWS)]

    errors = [np.linalg.norm(view - z @ rotation(z, view).T) for view in za]
    assert_same(run.value("wahba-v1", "wahba_error", representation), np.mean(errors))
    assert_same(run.value("wahba-v1", "wahba_error_worst", representation), max(errors))
    assert_same(run.value("wahba-v1", "wahba_error_per_sample", representation), np.mean(errors) / np.sqrt(n))
    apart = [np.linalg.norm(z @ orthogonal_procrustes(z, view)[0] - view) for view in za]
    assert_same(run.value("wahba-v1", "wahba_error_orthogonal", representation), np.mean(apart))

    ratios = []
    for view in za:
        for i, j in combinations(range(n), 2):
            change = ((view[j] - view[i]) ** 2).sum() - ((z[j] - z[i]) ** 2).sum()
            movement = ((view[j] - z[j]) ** 2).sum() + ((view[i] - z[i]) ** 2).sum()
            ratios.append((change / movement) ** 2)
    ordered, cut = np.sort(ratios), int(0.1 * len(ratios))
    assert_same(run.value("relative-equivariance-v1", "gamma", representation), np.mean(ratios), rel=5e-3)
    assert_same(run.value("relative-equivariance-v1", "gamma_median", representation), np.median(ordered), rel=5e-3)
    assert_same(
        run.value("relative-equivariance-v1", "gamma_trimmed", representation), ordered[cut:-cut].mean(), rel=5e-3
    )
    moved = [np.linalg.norm(view - z, axis=1).mean() for view in za]
    assert_same(run.value("relative-equivariance-v1", "invariance", representation), np.mean(moved))

    cosines = [(z * view).sum(axis=1) for view in za]
    assert_same(run.value("cosine-v1", "cosine_mean", representation), np.mean([c.mean() for c in cosines]))
    assert_same(
        run.value("cosine-v1", "cosine_variance", representation), np.mean([c.var(ddof=1) for c in cosines]), rel=1e-3
    )
    assert_same(
        run.value("cosine-v1", "cosine_opposed", representation), np.mean([(c <= -0.5).mean() for c in cosines])
    )

    positive = (za[0] * za[1]).sum(axis=1)  # the third has no partner
    assert_same(run.value("positive-cosine-v1", "positive_cosine_mean", representation), positive.mean())
    for point in ("05", "25", "50", "75", "95"):
        expected = np.percentile(positive, int(point))
        assert_same(run.value("positive-cosine-v1", f"positive_cosine_{point}", representation), expected)

    aligned = np.linalg.norm(za[0] - za[1], axis=1).mean()
    assert_same(run.value("alignment-uniformity-v1", "alignment", representation), aligned)
    pairs = [z[i] @ z[j] for i in range(n) for j in range(n) if i != j]
    assert_same(
        run.value("alignment-uniformity-v1", "uniformity", representation), logsumexp(pairs) - np.log(len(pairs))
    )


@EVERY
@BOTH
def test_certificate(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    drawn = run.draw("test augmentations")
    z = unit(run.embed(plain(run, run.test))[representation])
    za = [unit(run.embed(run.views(run.test, drawn, i))[representation]) for i in range(DRAWS)]
    found = [certified(z, view) for view in za]
    spans = run.value("certificate-v1", "certificate_sigma_min", representation).value or 0.0
    for metric in (
        *("certificate_loss", "certificate_bound", "certificate_error", "certificate_held_out_error"),
        *(("certificate_condition", "certificate_printed_bound") if spans else ()),
    ):
        expected = np.mean([one[metric] for one in found])
        assert_same(run.value("certificate-v1", metric, representation), expected, rel=1e-2)
    if not spans:
        assert run.value("certificate-v1", "certificate_printed_bound", representation).value is None
    sigma = np.linalg.svd(z, compute_uv=False)[-1]
    assert spans == pytest.approx(sigma, rel=1e-2, abs=1e-4)
    share = np.mean([100 * (spans > 0 and one["certificate_condition"] <= 1 / np.sqrt(2)) for one in found])
    assert_same(run.value("certificate-v1", "certificate_admissible", representation), share)
    rank = run.value("certificate-v1", "certificate_rank", representation).value
    assert rank is not None
    assert 0 <= rank <= z.shape[1]


def certified(z: Array, view: Array) -> dict[str, float]:
    """Compute the bounds from Gram matrices of all samples."""
    n, d = z.shape
    gap = np.linalg.norm(z @ z.T - view @ view.T)
    sigma = np.linalg.svd(z, compute_uv=False)
    v, w = np.linalg.svd(z)[2].T, np.linalg.svd(view)[2].T
    bounds = [2.0 * n]
    for k in range(1, min(n, d) + 1):
        first, second = z @ v[:, :k], view @ w[:, :k]
        inside = np.linalg.norm(first @ first.T - second @ second.T) / max(sigma[k - 1], 1e-12)
        outside = np.linalg.norm(z @ v[:, k:]) ** 2 + np.linalg.norm(view @ w[:, k:]) ** 2
        bounds.append(inside**2 / (2 * (np.sqrt(2) - 1)) + outside)

    def best(source: Array, target: Array) -> Array:
        u, _, vt = np.linalg.svd(source.T @ target)
        return np.asarray(u @ vt)

    even, odd = slice(0, None, 2), slice(1, None, 2)
    apart = [np.linalg.norm(z[b] @ best(z[a], view[a]) - view[b]) ** 2 for a, b in ((even, odd), (odd, even))]
    pairs = (z @ z.T - view @ view.T)[~np.eye(n, dtype=bool)]
    return {
        "certificate_loss": (pairs**2).mean(),
        "certificate_condition": np.sqrt(gap) / sigma[-1],
        "certificate_printed_bound": (1 + np.sqrt(2)) * gap / sigma[-1] / np.sqrt(n),
        "certificate_bound": np.sqrt(min(bounds) / n),
        "certificate_error": np.linalg.norm(z @ best(z, view) - view) / np.sqrt(n),
        "certificate_held_out_error": np.sqrt(sum(apart) / n),
    }


def half(run: Measured) -> Array:
    order = torch.randperm(
        len(run.test), generator=generator(run.dataset.name, SETTINGS.augmentation_seed, "fitted half")
    )
    return np.asarray(order.numpy() < len(run.test) // 2)


def rms(rows: Array) -> float:
    return float(np.sqrt((rows**2).sum(axis=1).mean()))


@EVERY
@BOTH
def test_held_out_maps_and_retrieval(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    drawn, fitted = run.draw("test augmentations"), half(run)
    z = unit(run.embed(plain(run, run.test))[representation])
    fractions, linear, still, ranks = [], [], [], []
    for i in range(DRAWS):
        view = unit(run.embed(run.views(run.test, drawn, i))[representation])
        u, s, vt = np.linalg.svd(view[fitted].T @ z[fitted])
        rank = int((s > 1e-12 * s[0]).sum())  # directions of no fitted sample stay as they are
        source, target = vt[:rank].T, u[:, :rank]
        moved = z[~fitted] + z[~fitted] @ source @ (target - source).T
        still.append(rms(view[~fitted] - z[~fitted]))
        fractions.append(rms(view[~fitted] - moved) / still[-1])
        least = np.linalg.pinv(z[fitted], rcond=1e-6) @ view[fitted]
        linear.append(rms(view[~fitted] - z[~fitted] @ least) / still[-1])
        distances = np.linalg.norm(moved[:, None] - view[~fitted][None], axis=2)
        ranks.append([(row <= row[k] + 1e-6).sum() for k, row in enumerate(distances)])
    assert_same(run.value("held-out-wahba-v1", "held_out_wahba", representation), np.mean(fractions), rel=5e-3)
    # Directions of the features that hardly any sample has decide the linear map, and float32 decides them.
    loose = {"projection": 5e-3, "features": 0.1}[representation]
    assert_same(run.value("held-out-wahba-v1", "held_out_linear", representation), np.mean(linear), rel=loose)
    assert_same(run.value("held-out-wahba-v1", "held_out_identity", representation), np.mean(still))
    assert_same(run.value("held-out-wahba-v1", "held_out_still", representation), 0)
    rank = np.array(ranks)
    one = 100 / rank.size  # a tie in float32
    for metric, expected in (
        ("transformed_mrr", (1 / rank).mean()),
        ("transformed_hit_1", 100 * (rank <= 1).mean()),
        ("transformed_hit_5", 100 * (rank <= 5).mean()),
    ):
        found = run.value("equivariant-retrieval-v1", metric, representation)
        assert_same(found, expected, abs_=3 * one if found.unit == "%" else 0.03 * one)


@BOTH
def test_augmentation_prediction(representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured("digits")
    features, columns = [], []
    for name, inputs in (("train", run.train), ("test", run.test)):
        drawn = run.draw(f"{name} draws of their own", len(inputs))
        views = run.augmentation.apply(torch.from_numpy(inputs), drawn)
        both = [run.embed(rows)[representation] for rows in (plain(run, inputs), views)]
        features.append(np.concatenate(both, axis=1))
        box, factors = drawn.box.double().numpy() / 8, drawn.factors.double().numpy()
        everywhere = np.ones(len(box), dtype=bool)
        columns.append(
            {
                "crop_x": (box[:, 1] + box[:, 3] / 2, everywhere),
                "crop_y": (box[:, 0] + box[:, 2] / 2, everywhere),
                "crop_size": (box[:, 2] * box[:, 3], everywhere),
                "brightness": (factors[:, 0], drawn.jitter.numpy()),
                "contrast": (factors[:, 1], drawn.jitter.numpy()),
                "blur": (drawn.sigma.double().numpy(), drawn.blur.numpy()),
                "rotation": (drawn.angle.double().numpy(), everywhere),
            }
        )
    for name, (y, acts) in columns[0].items():
        test_y, test_acts = columns[1][name]
        x, test_x = features[0][acts], features[1][test_acts]
        y, test_y, held = y[acts], test_y[test_acts], np.arange(acts.sum()) % 5 == 0
        best = min(
            (((penalised(x[~held], y[~held], 10.0**power, x[held]) - y[held]) ** 2).mean(), 10.0**power)
            for power in range(-4, 6)
        )[1]
        residual = test_y - penalised(x, y, best, test_x)
        expected = 1 - (residual**2).sum() / ((test_y - test_y.mean()) ** 2).sum()
        found = run.value("augmentation-prediction-v1", f"predicted_{name}", representation)
        assert_same(found, expected, rel=5e-3, abs_=1e-3)
    for name in ("saturation", "hue"):
        reason = run.value("augmentation-prediction-v1", f"predicted_{name}", representation).reason
        assert reason == "images of one channel have no colour"


SINGLE = {
    "crop": (0.8, 0.5, 0.3, 0.2, 0.08),
    "rotation": (15.0, 45.0, 90.0, 135.0, 180.0),
    "blur": (0.5, 1.0, 1.5, 2.0),
    "flip": (1.0,),
}


def alone(run: Measured, name: str, strength: float) -> torch.Tensor:
    """Return the test samples under one augmentation, by torchvision and scipy."""
    if run.dataset.kind == "point_cloud":
        turned = Rotation.from_euler("z", strength, degrees=True).apply(run.test.reshape(-1, 3))
        return torch.from_numpy(turned.reshape(run.test.shape)).float()
    pixels = torch.from_numpy(run.test).float() / 255
    if name == "crop":
        part = round(8 * strength**0.5)
        start = (8 - part) // 2
        pixels = functional.resized_crop(pixels, start, start, part, part, [8, 8], antialias=True)
    elif name == "rotation":
        pixels = functional.rotate(pixels, strength, functional.InterpolationMode.BILINEAR)
    elif name == "blur":
        pixels = functional.gaussian_blur(pixels, [3, 3], [strength, strength])
    else:
        pixels = functional.hflip(pixels)
    return plain(run, pixels.numpy() * 255)


@EVERY
@BOTH
def test_augmentation_profile(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    fitted = half(run)
    z = unit(run.embed(plain(run, run.test))[representation])
    for augmentation, strengths in SINGLE.items():
        metric = f"profile_{augmentation}"
        found, angle = (
            run.value("augmentation-profile-v1", f"{metric}{ending}", representation) for ending in ("", "_angle")
        )
        if name == "proteins" and augmentation != "rotation":
            assert found.reason == angle.reason == f"{augmentation} does not change these samples"
            continue
        fractions, angles = [], []
        for strength in strengths:
            view = unit(run.embed(alone(run, augmentation, strength))[representation])
            u, s, vt = np.linalg.svd(view[fitted].T @ z[fitted])
            rank = int((s > 1e-12 * s[0]).sum())
            moved = z[~fitted] + z[~fitted] @ vt[:rank].T @ (u[:, :rank].T - vt[:rank])
            fractions.append(rms(view[~fitted] - moved) / rms(view[~fitted] - z[~fitted]))
            angles.append(np.degrees(np.arccos(np.clip((unit(moved) * z[~fitted]).sum(axis=1), -1, 1))).mean())
        assert found.values == (None if len(strengths) == 1 else pytest.approx(fractions, rel=1e-2))
        assert_same(found, np.mean(fractions), rel=1e-2)
        assert_same(angle, np.mean(angles), rel=1e-2)
    reason = "hue does not change these samples"
    assert run.value("augmentation-profile-v1", "profile_hue", representation).reason == reason


@EVERY
@BOTH
def test_lie_derivatives(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    fitted, views = half(run), plain(run, run.test).double()
    model = copy.deepcopy(run.encoder).double()

    def embed(inputs: torch.Tensor) -> Array:
        with torch.no_grad():
            features = model.backbone(inputs)
            return unit((features if representation == "features" else model.projector(features)).numpy())

    z = embed(views)
    for transformation, directions in tangents(run).items():
        speeds, fractions = [], []
        for direction in directions:
            step = 1e-6 * torch.from_numpy(direction)
            velocity = (embed(views + step) - embed(views - step)) / 2e-6
            speeds.append(rms(velocity))
            turn = best_generator(z[fitted], velocity[fitted])
            fractions.append(rms(velocity[~fitted] - z[~fitted] @ turn.T) / rms(velocity[~fitted]))
        metric = f"lie_{transformation}"
        assert_same(run.value("lie-derivative-v1", metric, representation), np.mean(speeds), rel=2e-3)
        found = run.value("lie-derivative-v1", f"{metric}_unexplained", representation)
        assert_same(found, np.mean(fractions), rel=2e-2)
    reason = "saturation does not act on these samples"
    assert run.value("lie-derivative-v1", "lie_saturation", representation).reason == reason


def tangents(run: Measured) -> dict[str, list[Array]]:
    """Return transformation -> how fast each coordinate of the normalised samples moves."""
    if run.dataset.kind == "point_cloud":
        return {"rotation": [np.cross(axis, run.test.astype(np.float64)) for axis in np.eye(3)]}
    pixels = run.test / 255
    std = statistics(run.dataset)[1][0]
    down, right = np.gradient(pixels, axis=(2, 3))
    y, x = np.meshgrid(np.arange(8) - 3.5, np.arange(8) - 3.5, indexing="ij")
    found = {
        "translation": [-0.8 * right, -0.8 * down],
        "rotation": [x * down - y * right],
        "scale": [-(x * right + y * down)],
        "brightness": [pixels],
        "contrast": [pixels - pixels.mean(axis=(1, 2, 3), keepdims=True)],
    }
    return {name: [direction / std for direction in directions] for name, directions in found.items()}


def best_generator(z: Array, velocity: Array) -> Array:
    """Return the skew-symmetric matrix of least squares, over a basis of them."""
    d = z.shape[1]
    upper = np.triu_indices(d, 1)
    rows = np.zeros((len(upper[0]), d, d))
    index = np.arange(len(upper[0]))
    rows[index, upper[0], upper[1]], rows[index, upper[1], upper[0]] = 1, -1
    moved = np.einsum("nk,bjk->bnj", z, rows).reshape(len(rows), -1)
    return np.tensordot(np.linalg.lstsq(moved.T, velocity.ravel(), rcond=None)[0], rows, 1)


def penalised(x: Array, y: Array, penalty: float, test_x: Array) -> Array:
    """Predict by ridge regression on standardised features, the penalty a mean over the samples."""
    mean, std = x.mean(axis=0), x.std(axis=0)
    std[std == 0] = 1
    x, test_x = (x - mean) / std, (test_x - mean) / std
    weight = np.linalg.solve(x.T @ x / len(x) + penalty * np.eye(x.shape[1]), x.T @ (y - y.mean()) / len(x))
    return np.asarray(test_x @ weight + y.mean())


@EVERY
def test_gradient_ratio(name: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    ratios = [line["gradient_ratio"] for line in run.log if "gradient_ratio" in line]
    assert [line["step"] for line in run.log if "gradient_ratio" in line] == [1, 4, 7, 10, 13, 16, 19, 22]
    assert_same(run.value("gradient-ratio-v1", "gradient_ratio", "projection"), math.fsum(ratios) / 8, rel=1e-9)
    later = np.array([line["equivariance"] for line in run.log])[len(run.log) // 2 :]
    steps = np.arange(len(later))
    residuals = later - np.polyval(np.polyfit(steps, later, 1), steps)
    deviation = np.sqrt((residuals**2).sum() / (len(later) - 2)) / later.mean()
    assert_same(run.value("gradient-ratio-v1", "term_deviation", "projection"), deviation, rel=1e-9)


@EVERY
@BOTH
def test_composition(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    first = run.draw("test augmentations")
    before = after = run.augmentation
    if name == "digits":
        keys = {key: getattr(run.config.augmentation, key) for key in ("crop_scale", "flip_probability", "jitter")}
        before = ImageAugmentation(input_size=(8, 8), size=(8, 8), mean=(0.0,), std=(1.0,), **keys)
    second = run.draw("composed")
    z = unit(run.embed(plain(run, run.test))[representation])
    expected = []
    for i in range(DRAWS):
        once = run.views(run.test, first, i, before).numpy()
        twice = unit(run.embed(run.views(once, second, i, after))[representation])
        moved = unit(run.embed(run.views(run.test, first, i))[representation])
        apart = rotation(z, twice) - rotation(moved, twice) @ rotation(z, moved)
        expected.append(np.sqrt(((z @ apart.T) ** 2).sum(axis=1).mean()))
    assert_same(run.value("composition-v1", "composition_error", representation), np.mean(expected), rel=2e-3)


@EVERY
@BOTH
def test_retrieval(name: str, representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured(name)
    drawn = run.draw("test augmentations")
    bank = run.embed(plain(run, run.train))[representation]

    def nearest(rows: Array) -> list[set[int]]:
        distances = np.linalg.norm(rows[:, None] - bank[None], axis=2)
        return [set(order[:5].tolist()) for order in distances.argsort(axis=1)]

    still = nearest(run.embed(plain(run, run.test))[representation])
    shares = []
    for i in range(DRAWS):
        moved = nearest(run.embed(run.views(run.test, drawn, i))[representation])
        shares.append(np.mean([len(one & other) / 5 for one, other in zip(still, moved, strict=True)]))
    # A tie in float32 may swap a neighbour.
    assert_same(run.value("retrieval-v1", "retrieval_overlap", representation), 100 * np.mean(shares), abs_=0.3)
    reason = f"{name} has no label tint: the colour that made an image"
    assert run.value("retrieval-v1", "retrieval_tint_distance", representation).reason == reason


@BOTH
def test_probes(representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured("digits")
    train, test = (run.embed(plain(run, inputs))[representation] for inputs in (run.train, run.test))
    y = np.array(run.dataset.train.labels["class"])[run.train_rows]
    target = np.array(run.dataset.test.labels["class"])[run.test_rows]
    one = 100 / SAMPLES  # a sample at a decision boundary may fall to either side of it in float32

    votes = np.zeros((SAMPLES, CLASSES))
    cosines = unit(test) @ unit(train).T
    for i, row in enumerate(cosines):
        for j in np.argsort(-row)[:20]:
            votes[i, y[j]] += np.exp(row[j] / 0.07)
    assert_same(
        run.value("knn-v1", "top1", representation), 100 * (votes.argmax(axis=1) == target).mean(), abs_=one + 1e-9
    )

    logits = logistic_regression(train, y, test)
    assert_same(
        run.value("cached-v1", "top1", representation), 100 * (logits.argmax(axis=1) == target).mean(), abs_=one + 1e-9
    )

    found = run.value("paper-small-v1", "top1", representation)
    expected = []
    for seed in range(2):
        weight, bias = adam(train, y, seed)
        expected.append(100 * ((test @ weight + bias).argmax(axis=1) == target).mean())
    assert found.values == pytest.approx(expected, abs=one + 1e-9)
    assert_same(found, np.mean(expected), abs_=one)
    assert found.n == 2


def logistic_regression(train: Array, y: Array, test: Array) -> Array:
    """Return the logits of the least sum of cross-entropies plus |W|^2 / 2, on standardised features."""
    mean, std = train.mean(axis=0), train.std(axis=0)
    std[std == 0] = 1
    x, classes = (train - mean) / std, np.unique(y)
    one_hot = (y[:, None] == classes).astype(float)
    shape = (x.shape[1] + 1, len(classes))

    def loss(flat: Array) -> tuple[float, Array]:
        weight = flat.reshape(shape)
        logits = x @ weight[:-1] + weight[-1]
        apart = softmax(logits, axis=1) - one_hot
        value = (logsumexp(logits, axis=1) - (logits * one_hot).sum(axis=1)).sum() + (weight[:-1] ** 2).sum() / 2
        return value, np.vstack([x.T @ apart + weight[:-1], apart.sum(axis=0)]).ravel()

    weight = minimize(loss, np.zeros(np.prod(shape)), jac=True, method="L-BFGS-B", options={"maxiter": 5000}).x
    weight = weight.reshape(shape)
    logits = np.full((len(test), CLASSES), -np.inf)
    logits[:, classes] = (test - mean) / std @ weight[:-1] + weight[-1]
    return logits


def adam(train: Array, y: Array, seed: int) -> tuple[Array, Array]:
    """Train a linear classifier by 100 epochs of Adam: rate 1e-3, L2 decay 1e-6, batches of up to 512 samples."""
    draw = torch.Generator().manual_seed(seed)
    d, classes = train.shape[1], y.max() + 1
    bound = 1 / np.sqrt(d)
    weight = torch.empty(classes, d).uniform_(-bound, bound, generator=draw).double().numpy().T.copy()
    bias = torch.empty(classes).uniform_(-bound, bound, generator=draw).double().numpy().copy()
    state = [[np.zeros_like(weight), np.zeros_like(weight)], [np.zeros_like(bias), np.zeros_like(bias)]]
    for step in range(1, 101):
        order = torch.randperm(len(train), generator=draw).numpy()
        assert len(order) <= 512
        apart = (softmax(train[order] @ weight + bias, axis=1) - np.eye(classes)[y[order]]) / len(order)
        gradients = [train[order].T @ apart, apart.sum(axis=0)]
        for value, gradient, (first, second) in zip((weight, bias), gradients, state, strict=True):
            gradient = gradient + 1e-6 * value
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            value -= 1e-3 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weight, bias


@BOTH
def test_point_clouds(representation: str, measured: Callable[[str], Measured]) -> None:
    run = measured("proteins")

    def split(inputs: Array, purpose: str) -> tuple[Array, Array]:
        drawn = run.draw(purpose)
        turned = [run.views(inputs, drawn, i) for i in range(DRAWS)]
        clouds = torch.cat(turned).double().numpy()
        return np.concatenate([run.embed(views)[representation] for views in turned]), projectors(clouds)

    (z, target), (test_z, test_target) = split(run.train, "train augmentations"), split(run.test, "test augmentations")
    mean, std = z.mean(axis=0), z.std(axis=0)
    std[std == 0] = 1
    x, test_x = (z - mean) / std, (test_z - mean) / std
    predicted = ridge(x, target.reshape(len(x), 9), test_x).reshape(-1, 3, 3)
    spread = ((test_target - test_target.mean(axis=0)) ** 2).sum()
    r2 = 1 - ((test_target - predicted) ** 2).sum() / spread
    assert_same(run.value("first-pc-v1", "first_pc_r2", representation), r2, rel=1e-3, abs_=1e-4)
    lines = np.linalg.eigh(test_target)[1][:, :, 2], np.linalg.eigh(predicted)[1][:, :, 2]
    angles = np.degrees(np.arccos(np.minimum(np.abs((lines[0] * lines[1]).sum(axis=1)), 1)))
    assert_same(run.value("first-pc-v1", "first_pc_angle", representation), angles.mean(), rel=2e-3)

    chosen = torch.randperm(
        len(run.test), generator=generator("proteins", SETTINGS.augmentation_seed, "trajectory clouds")
    )
    planarity, variation = [], []
    curves = np.empty((24, 3, 100, run.embed(plain(run, run.test))[representation].shape[1]))
    for number, cloud in enumerate(run.test[chosen[:24].numpy()]):
        for axis in range(3):
            angle = 2 * np.pi * np.arange(100) / 100
            turns = np.tile(np.eye(3), (100, 1, 1))
            i, j = (axis + 1) % 3, (axis + 2) % 3
            turns[:, i, i] = turns[:, j, j] = np.cos(angle)
            turns[:, j, i], turns[:, i, j] = np.sin(angle), -np.sin(angle)
            views = torch.from_numpy(np.einsum("tij,pj->tpi", turns, cloud.astype(np.float64))).float()
            curves[number, axis] = curve = run.embed(views)[representation]
            if number > 2:
                continue
            variances = np.linalg.eigvalsh(np.cov(curve.T))[::-1]
            planarity.append(100 * variances[:2].sum() / variances.sum())
            steps = np.linalg.norm(np.roll(curve, -1, axis=0) - curve, axis=1)
            variation.append(steps.std() / steps.mean())
    assert_same(run.value("trajectories-v1", "trajectory_planarity", representation), np.mean(planarity))
    assert_same(run.value("trajectories-v1", "trajectory_step_variation", representation), np.mean(variation), rel=1e-2)

    draws = generator("proteins", SETTINGS.augmentation_seed, "fitted half")
    fitted = torch.randperm(24, generator=draws).numpy() < 12
    residuals, closures = [], []
    for axis in range(3):
        points, after = curves[:, axis], np.roll(curves[:, axis], -1, axis=1)
        width = points.shape[-1]
        u, singular, vt = np.linalg.svd(after[fitted].reshape(-1, width).T @ points[fitted].reshape(-1, width))
        known = singular > 1e-10 * singular[0]  # directions without a sample stay as they are
        step = np.eye(width) + (u[:, known] - vt[known].T) @ vt[known]
        left = np.linalg.norm(after[~fitted] - points[~fitted] @ step.T)
        residuals.append(left / np.linalg.norm(after[~fitted] - points[~fitted]))
        for start in points[~fitted][:, 0]:
            way = [np.linalg.norm(np.linalg.matrix_power(step, k) @ start - start) for k in range(1, 101)]
            closures.append(way[-1] / max(way))
    residual = run.value("trajectories-v1", "trajectory_group_residual", representation)
    assert_same(residual, np.mean(residuals), rel=1e-2)
    assert_same(run.value("trajectories-v1", "trajectory_closure", representation), np.mean(closures), abs_=0.02)


def projectors(clouds: Array) -> Array:
    """Return v v^T of the first principal component of every cloud."""
    centred = clouds - clouds.mean(axis=1, keepdims=True)
    leading = np.linalg.eigh(np.einsum("npi,npj->nij", centred, centred))[1][:, :, 2]
    return np.asarray(leading[:, :, None] * leading[:, None, :])


def ridge(x: Array, target: Array, test_x: Array) -> Array:
    """Predict by ridge regression; the penalty has the least leave-one-out error among 1e-6, 1e-5, ..., 1e6."""
    centre = target.mean(axis=0)
    best = (np.inf, np.zeros((x.shape[1], target.shape[1])))
    for power in range(-6, 7):
        inverse = np.linalg.inv(x.T @ x + 10.0**power * np.eye(x.shape[1]))
        weight = inverse @ x.T @ (target - centre)
        leverage = 1 / len(x) + np.einsum("ni,ij,nj->n", x, inverse, x)
        left_out = (target - centre - x @ weight) / (1 - leverage)[:, None]
        best = min(best, ((left_out**2).sum(), weight), key=lambda one: one[0])
    return np.asarray(test_x @ best[1] + centre)


def test_nothing_recorded_is_left_out(measured: Callable[[str], Measured]) -> None:
    """The metrics above are all that the two data sets have, but for blanks."""
    names = {
        record.metric
        for name in ("digits", "proteins")
        for record in measured(name).records
        if record.value is not None
    }
    text = Path(__file__).read_text()
    families = {name for name in names if name.startswith(("predicted_", "profile_", "lie_"))}
    assert {name for name in names - families if f'"{name.rstrip("0123456789")}' not in text} == set()
    for name in ("digits", "proteins"):
        run = measured(name)
        blank = {record.protocol for record in run.records if record.value is None}
        expected = {
            "digits": {"first-pc-v1", "trajectories-v1", "augmentation-prediction-v1"},  # gray images have no colours
            "proteins": {"cached-v1", "paper-small-v1", "knn-v1", "augmentation-prediction-v1"},
        }
        probes = {"paper-imagenet100-v1", "released-small-v1", "augmented-imagenet100-v1"}
        partly = {"certificate-v1", "augmentation-profile-v1", "lie-derivative-v1"}
        assert blank - partly == expected[name] | probes | {"retrieval-v1"}
