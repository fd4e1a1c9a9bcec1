"""The package's encoders on its embedded data, trained with augmentations drawn afresh, and the maps they learn.

Beside the equivariance loss, uniformity keeps the embeddings apart, as in the paper's loss. Maps are fitted on some of
the held-out samples and measured on the others.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from care_bench.augmentations import ImageAugmentation, RandomRotation3D
from care_bench.data import PreparedDataset, load, prepare
from care_bench.losses import equivariance, uniformity
from care_bench.metrics import certificate, wahba
from care_bench.models import Encoder, projection_head
from care_bench.models.convnet import ConvNet
from care_bench.models.deepset import DeepSet
from theory_checks.descent import signature
from theory_checks.observing import Stuck

BATCH, CHUNKS = 64, 4
"""Samples of a step, and the augmentations among them."""
RATE = 3e-3
"""Adam's learning rate at the start; it falls to zero along a cosine."""
PRINCIPAL = 0.02
"""Smallest eigenvalue of E f f^T of a direction on which linear maps are compared; all together are 1."""
HELD_OUT = 400
"""Held-out samples of a measurement."""
AUGMENTATIONS = 8
"""Augmentations drawn afresh for a measurement."""
NO_GRADIENT = 1e-2
"""Largest entry of the gradient on a new batch that counts as zero: training on random batches leaves some."""
COLLAPSED = 0.9
"""Uniformity above which embeddings count as one point; it is 1 where they are."""


@dataclass(frozen=True)
class Problem:
    """A data set of the package with an augmentation and an encoder for it.

    Attributes:
        train: inputs of the train split.
        test: inputs of the test split.
        orientations: how often a sample is in a batch, each time under an augmentation of its own, so that uniformity
            keeps apart not only samples but their views; 1 leaves samples as they are.
        augmentation: draws and applies augmentations.
        build: makes the encoder with random weights.
        dimension: of the embedding.
    """

    train: Tensor
    test: Tensor
    orientations: int
    augmentation: ImageAugmentation | RandomRotation3D
    build: Callable[[], Encoder]
    dimension: int


@dataclass(frozen=True)
class Maps:
    """What the fitted maps of an encoder are like, means over augmentations on samples that were not trained on.

    Attributes:
        loss: the equivariance loss.
        residual: root mean square distance of f(a(x)) from R_a f(x) on samples that R_a was not fitted on.
        defect: Frobenius distance from O(d) of the best linear map, which may be any matrix, on the directions whose
            eigenvalue of E f f^T is at least ``PRINCIPAL``.
        motion: root mean square distance of f(a(x)) from f(x): an invariant encoder has none.
        rank_bound: the smallest of the bounds of rank k, from the inner products of all held-out samples.
        uniformity: of f(x); 1 where the encoder is collapsed.
        smallest: smallest eigenvalue of E f f^T.
    """

    loss: float
    residual: float
    defect: float
    motion: float
    rank_bound: float
    uniformity: float
    smallest: float


def digits(width: int = 8, dimension: int = 4) -> Problem:
    """Return the embedded digits under mirroring and crops of at least 70 % of the image, for a small convnet."""
    data = _prepared("digits")
    augmentation = ImageAugmentation(
        input_size=(8, 8),
        size=(8, 8),
        mean=tuple(data.mean),
        std=tuple(data.std),
        crop_scale=(0.7, 1.0),
        jitter_probability=0.0,
        grayscale_probability=0.0,
        blur_probability=0.0,
    )
    features = 4 * width
    return Problem(
        _inputs(data.train.inputs),
        _inputs(data.test.inputs),
        1,
        augmentation,
        lambda: Encoder(ConvNet(1, width), projection_head(features, [], dimension), features, dimension),
        dimension,
    )


def proteins(width: int = 48, dimension: int = 8) -> Problem:
    """Return the embedded protein fragments under rotations of space, every fourth residue, for a DeepSet."""
    data = _prepared("proteins")
    return Problem(
        _inputs(data.train.inputs[:, ::4]),
        _inputs(data.test.inputs[:, ::4]),
        16,
        RandomRotation3D(),
        lambda: Encoder(DeepSet(width), projection_head(width, [], dimension), width, dimension),
        dimension,
    )


def initial(problem: Problem, seed: int) -> Encoder:
    """Return an encoder with random weights, in evaluation mode; the global generator is restored."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return problem.build().eval()


def train(problem: Problem, encoder: Encoder, seed: int, steps: int, weight: float) -> None:
    """Train an encoder in place, and leave it in evaluation mode.

    Args:
        problem: data, augmentation.
        encoder: from :func:`initial`.
        seed: of batches and augmentations.
        steps: of Adam.
        weight: of uniformity.
    """
    draws, optimiser = torch.Generator().manual_seed(seed), torch.optim.Adam(encoder.parameters(), lr=RATE)
    encoder.train()
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * step / steps)) / 2
        z, za = _views(encoder, problem, _batch(problem, problem.train, BATCH, draws), CHUNKS, draws)
        loss = equivariance(z, za, splits=CHUNKS)
        if weight:
            loss = loss + weight * uniformity(z)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    encoder.eval()


@torch.no_grad()
def maps(problem: Problem, encoder: Encoder, seed: int) -> Maps:
    """Fit a map for each of a few new augmentations on half of the held-out samples, and measure it on the others."""
    draws = torch.Generator().manual_seed(seed)
    inputs = _batch(problem, problem.test, HELD_OUT, draws)
    found = []
    for _ in range(AUGMENTATIONS):
        z, za = (rows.double() for rows in _views(encoder, problem, inputs, 1, draws))
        half = len(z) // 2
        fit = wahba(z[:half], za[:half], group="O").rotation
        weights, directions = torch.linalg.eigh(z.mT @ z / len(z))
        linear = torch.linalg.lstsq(z[:half] @ directions[:, weights >= PRINCIPAL], za[:half]).solution
        missed = (za[half:] - z[half:] @ fit.mT).square().sum(dim=1).mean().sqrt()
        defect = torch.linalg.vector_norm(torch.linalg.svdvals(linear) - 1)
        motion = (za - z).square().sum(dim=1).mean().sqrt()
        loss, bound = equivariance(z, za, splits=1), certificate(z, za).bound
        found.append([float(value) for value in (loss, missed, defect, motion, bound)])
    return Maps(*np.mean(found, axis=0).tolist(), float(uniformity(z)), float(weights[0]))


def ended(problem: Problem, encoder: Encoder, seed: int, weight: float) -> Stuck:
    """Say at what point a trained encoder is, by its loss on a large batch with new augmentations.

    The gradient and the Hessian are those of the projection head's weights, the last layer. A negative eigenvalue there
    means that the whole Hessian has one too, so that the point is no minimum. Both are those of the sum that was
    minimised, loss + weight x uniformity; the loss is the equivariance loss alone.
    """
    draws = torch.Generator().manual_seed(seed)
    batch = _batch(problem, problem.train, 4 * BATCH, draws)
    parameters = problem.augmentation.sample(CHUNKS, draws).repeat_interleave(len(batch) // CHUNKS)
    with torch.no_grad():
        inputs = (problem.augmentation.identity(batch), problem.augmentation.apply(batch, parameters))
        plain, augmented = (encoder.features(views).double() for views in inputs)
        rows = [encoder(views) for views in inputs]
        loss, spread = float(equivariance(*rows, splits=CHUNKS)), float(uniformity(rows[0]))

    def objective(flat: Tensor) -> Tensor:
        matrix, bias = flat[: -problem.dimension].reshape(problem.dimension, -1), flat[-problem.dimension :]
        z, za = (functional.normalize(functional.linear(rows, matrix, bias), dim=1) for rows in (plain, augmented))
        loss = equivariance(z, za, splits=CHUNKS)
        return loss + weight * uniformity(z) if weight else loss

    head = encoder.projector[-1]
    flat = torch.cat([head.weight.flatten(), head.bias]).detach().double().requires_grad_()
    gradient = float(torch.autograd.grad(objective(flat), flat)[0].abs().max())
    counts = signature(objective, flat.detach())
    kind = "saddle" if counts[0] else "local minimum"
    if spread > COLLAPSED:
        kind = "collapsed"
    elif gradient > NO_GRADIENT:
        kind = "not converged"
    return Stuck(kind, loss, gradient, counts)


def _batch(problem: Problem, inputs: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """Draw samples and put them in several orientations, in random order."""
    samples = inputs[torch.randint(len(inputs), (count // problem.orientations,), generator=draws)]
    if problem.orientations == 1:
        return samples
    samples = samples.repeat(problem.orientations, *[1] * (inputs.ndim - 1))
    turned = problem.augmentation.apply(samples, problem.augmentation.sample(len(samples), draws))
    return turned[torch.randperm(len(turned), generator=draws)]


def _views(
    encoder: Encoder, problem: Problem, inputs: Tensor, chunks: int, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Embed samples and the same under augmentations drawn afresh, one for each chunk; BatchNorm sees both together."""
    kept = inputs[: len(inputs) // chunks * chunks]
    parameters = problem.augmentation.sample(chunks, draws).repeat_interleave(len(kept) // chunks)
    both = torch.cat([problem.augmentation.identity(kept), problem.augmentation.apply(kept, parameters)])
    z, za = encoder(both).chunk(2)
    return z, za


def _inputs(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array))


@cache
def _prepared(name: str) -> PreparedDataset:
    """Prepare an embedded data set once a process; its arrays stay open after the folder is gone."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(name, Path(folder))
        return load(name, Path(folder))
