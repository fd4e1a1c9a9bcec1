"""Recorded numbers of probes, of retrieval and of the training, computed again."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from tests.wiring.end_to_end.whole_run import BOTH, DRAWS, EVERY, SAMPLES, Array, Measured, assert_same, plain, unit

CLASSES = 10


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
        turned = np.radians(drawn.angle.double().numpy()) * np.where(drawn.flip.numpy(), -1, 1)
        columns.append(
            {
                "crop_x": (np.abs(drawn.flip.numpy() - (box[:, 1] + box[:, 3] / 2)), everywhere),
                "crop_y": (box[:, 0] + box[:, 2] / 2, everywhere),
                "crop_size": (box[:, 2] * box[:, 3], everywhere),
                "brightness": (factors[:, 0], drawn.jitter.numpy()),
                "contrast": (factors[:, 1], drawn.jitter.numpy()),
                "blur": (drawn.sigma.double().numpy(), drawn.blur.numpy()),
                "cos": (np.cos(turned), everywhere),
                "sin": (np.sin(turned), everywhere),
            }
        )
    turns = []
    for name, (y, acts) in columns[0].items():
        test_y, test_acts = columns[1][name]
        x, test_x = features[0][acts], features[1][test_acts]
        y, test_y, held = y[acts], test_y[test_acts], np.arange(acts.sum()) % 5 == 0
        best = min(
            (((penalised(x[~held], y[~held], 10.0**power, x[held]) - y[held]) ** 2).mean(), 10.0**power)
            for power in range(-4, 6)
        )[1]
        residual, spread = ((test_y - guess) ** 2 for guess in (penalised(x, y, best, test_x), test_y.mean()))
        if name in ("cos", "sin"):
            turns.append((residual.sum(), spread.sum()))
            continue
        expected = 1 - residual.sum() / spread.sum()
        found = run.value("augmentation-prediction-v1", f"predicted_{name}", representation)
        assert_same(found, expected, rel=5e-3, abs_=1e-3)
    residual, spread = np.sum(turns, axis=0)
    found = run.value("augmentation-prediction-v1", "predicted_rotation", representation)
    assert_same(found, 1 - residual / spread, rel=5e-3, abs_=1e-3)
    for name in ("saturation", "hue"):
        reason = run.value("augmentation-prediction-v1", f"predicted_{name}", representation).reason
        assert reason == "images of one channel have no colour"


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
