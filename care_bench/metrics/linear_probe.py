"""Linear probes on frozen features: the paper's two protocols and a quick deterministic one."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.losses.checks import check_choice
from care_bench.metrics.checks import labelled
from care_bench.optimizers import SGD, Adam

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Recipe:
    """How the classifiers of a protocol are trained.

    Attributes:
        epochs: passes over the train set.
        batch: samples of a step.
        optimizer: makes the optimizer of the given parameters.
        milestones: epochs, counted from 0, at whose start the learning rate is divided by 10.
        weight_std: standard deviation of the normal distribution of the initial weights, with biases of zero; None
            where both are initialised as in torch.nn.Linear.
    """

    epochs: int
    batch: int
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer]
    milestones: tuple[int, ...] = ()
    weight_std: float | None = None


RECIPES = {
    # CARE's text; the weight decay is Adam's own (L2 added to the gradient).
    "paper-small-v1": Recipe(100, 512, partial(Adam, lr=1e-3, weight_decay=1e-6)),
    # CARE's text; momentum, no weight decay and the initial weights are MoCo's (main_lincls.py). CARE's README has the
    # learning rate 10, and its main_lincls.py the same initial weights.
    "paper-imagenet100-v1": Recipe(60, 128, partial(SGD, lr=30.0, momentum=0.9), (30, 40, 50), 0.01),
}
RECIPES["released-small-v1"] = RECIPES["paper-small-v1"]
RECIPES["augmented-imagenet100-v1"] = RECIPES["paper-imagenet100-v1"]
"""Protocol -> recipe. No recipe standardises or normalises the features. The last two are on augmented images."""

INVERSE_REGULARISATION = 1.0
"""The C of protocol cached-v1: its loss is the sum over samples plus ||W||^2 / (2 C), the biases not penalised."""
LBFGS_ITERATIONS = 5000
"""Upper limit of cached-v1; scikit-learn warns when it is reached before convergence."""


@dataclass(frozen=True)
class LinearProbe:
    """Accuracy of linear classifiers on the test set.

    Attributes:
        protocol: a key of ``RECIPES``, or "cached-v1".
        top1: accuracy in %, one value for each classifier seed (one value alone for cached-v1).
    """

    protocol: str
    top1: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the classifier seeds, in %."""
        return statistics.fmean(self.top1)

    @property
    def spread(self) -> float | None:
        """Standard deviation over the classifier seeds (ddof 1), in %; None for a single value."""
        return statistics.stdev(self.top1) if len(self.top1) > 1 else None


def linear_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    num_classes: int,
    seeds: Sequence[int] = (0, 1, 2),
    protocol: str = "paper-small-v1",
    known: tuple[Tensor, Tensor] | None = None,
) -> LinearProbe:
    """Train one linear classifier for each seed, all at once, and test them after the last epoch.

    Protocol paper-small-v1 (CIFAR and STL10 in CARE): 100 epochs of Adam, learning rate 1e-3, weight decay 1e-6,
    batch 512. Protocol paper-imagenet100-v1 (ImageNet100 in CARE): 60 epochs of SGD, momentum 0.9, no weight decay,
    batch 128, learning rate 30 divided by 10 at epochs 30, 40 and 50, initial weights N(0, 0.01^2) and biases of zero;
    on the features of plain views, where the original draws new crops and flips of the training images at every step.
    In both, the features are not rescaled, initialisation and order of the samples come from the seed, and the
    classifier is tested once, at the end.

    Args:
        train_features: (n, d), on the device to train on.
        train_labels: (n,) int64 in [0, num_classes).
        test_features: (m, d).
        test_labels: (m,) int64 in [0, num_classes).
        num_classes: number of outputs.
        seeds: one for each classifier, all different.
        protocol: a key of ``RECIPES``.
        known: what :func:`train_classifiers` has returned for the same training set; by default they are trained here.

    Raises:
        ValueError: shapes, labels or seeds are not as described, a feature is not finite, the protocol is unknown,
            or a classifier has diverged.
    """
    test_features = _check(train_features, train_labels, test_features, test_labels, num_classes)
    weight, bias = known or train_classifiers(train_features, train_labels, num_classes, seeds, protocol)
    return LinearProbe(protocol, accuracy(weight, bias, test_features, test_labels, seeds, protocol))


def accuracy(
    weight: Tensor, bias: Tensor, features: Tensor, labels: Tensor, seeds: Sequence[int], protocol: str
) -> tuple[float, ...]:
    """Return the accuracy of each seed's classifier in %.

    Raises:
        ValueError: a classifier has diverged.
    """
    finite = weight.isfinite().flatten(1).all(dim=1) & bias.isfinite().all(dim=1)
    if not finite.all():
        diverged = ", ".join(str(seed) for seed, whole in zip(seeds, finite.tolist(), strict=True) if not whole)
        raise ValueError(f"the classifiers of seeds {diverged} have diverged under {protocol}: their weights overflow")
    predicted = (features.to(weight.dtype) @ weight + bias[:, None]).argmax(dim=2)
    correct = (predicted == labels).double().mean(dim=1)
    return tuple(100 * share for share in correct.tolist())


@torch.no_grad()
def train_classifiers(
    features: Tensor, labels: Tensor, num_classes: int, seeds: Sequence[int], protocol: str = "paper-small-v1"
) -> tuple[Tensor, Tensor]:
    """Train the classifiers of :func:`linear_probe`: logits of seed s are features @ weight[s] + bias[s].

    The S classifiers are one batched tensor and do not influence each other: Adam and SGD work entry by entry, and each
    has the gradient of its own loss. Seed s has the initial values of torch.nn.Linear
    after torch.manual_seed(s), or normal weights where the recipe has a ``weight_std``, and draws one permutation per
    epoch from the same generator.

    Returns:
        weight (S, d, num_classes) and bias (S, num_classes), in the features' dtype, at least float32.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds are {tuple(seeds)}; expected at least one, all different")
    check_choice("protocol", protocol, RECIPES)
    recipe = RECIPES[protocol]
    features = labelled(features, labels, num_classes, "train")
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    weight, bias = initial_classifiers(features.shape[1], num_classes, generators, recipe.weight_std, features.dtype)
    # In memory a classifier is (C, d), the features of a class beside each other: a processor's products are several
    # times as fast with one wide factor.
    weight, bias = weight.mT.contiguous().to(features.device), bias.to(features.device)
    weight.grad, bias.grad = torch.empty_like(weight), torch.empty_like(bias)
    optimizer = recipe.optimizer([weight, bias])
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(recipe.milestones), gamma=0.1)
    for _ in range(recipe.epochs):
        order = torch.stack([torch.randperm(len(features), generator=g) for g in generators]).to(features.device)
        for rows in torch.split(order, recipe.batch, dim=1):
            _gradients(weight, bias, features, labels, rows)
            optimizer.step()
        schedule.step()
    return weight.mT, bias


def _gradients(weight: Tensor, bias: Tensor, features: Tensor, labels: Tensor, rows: Tensor) -> None:
    """Set the gradients of each classifier's mean cross-entropy over its own rows, without a graph.

    The gradient of the logits is softmax minus the one-hot label, over the number of rows.

    Args:
        weight: (S, C, d), with a ``grad``.
        bias: (S, C), with a ``grad``.
        features: (n, d).
        labels: (n,) int64.
        rows: (S, b) of the features.
    """
    flat = rows.flatten()
    batch = features.index_select(0, flat).view(*rows.shape, -1)
    right = functional.one_hot(labels.index_select(0, flat).view(rows.shape), weight.shape[1])
    change = torch.baddbmm(bias[:, :, None], weight, batch.mT).softmax(dim=1)
    change.sub_(right.mT).div_(rows.shape[1])
    torch.bmm(change, batch, out=weight.grad)
    torch.sum(change, dim=2, out=bias.grad)


def cached_linear_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    num_classes: int,
    known: Pipeline | None = None,
) -> LinearProbe:
    """Fit a multinomial logistic regression by L-BFGS on standardised features and test it.

    Protocol cached-v1: each feature minus its train mean over its train standard deviation, then scikit-learn's
    LogisticRegression with C = 1. Deterministic, on the CPU in float64; nothing is chosen on the test set. Meant for
    quick profiles; not comparable with the paper's numbers.

    Args:
        train_features: (n, d).
        train_labels: (n,) int64 in [0, num_classes), at least two classes.
        test_features: (m, d).
        test_labels: (m,) int64 in [0, num_classes).
        num_classes: number of classes; a class that the train set lacks is never predicted.
        known: what :func:`fit_cached` has returned for the same training set; by default it is fitted here.

    Raises:
        ValueError: shapes or labels are not as described, or a feature is not finite.
    """
    _check(train_features, train_labels, test_features, test_labels, num_classes)
    model = fit_cached(train_features, train_labels) if known is None else known
    predicted = model.predict(test_features.detach().double().cpu().numpy())
    return LinearProbe("cached-v1", (100 * float((predicted == test_labels.cpu().numpy()).mean()),))


def fit_cached(features: Tensor, labels: Tensor) -> Pipeline:
    """Fit the classifier of :func:`cached_linear_probe`.

    Raises:
        ValueError: the labels are all one class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if labels.min() == labels.max():
        raise ValueError(f"train labels are all {int(labels[0])}; expected at least 2 classes")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_REGULARISATION, max_iter=LBFGS_ITERATIONS))
    return model.fit(features.detach().double().cpu().numpy(), labels.cpu().numpy())


def _check(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, test_labels: Tensor, num_classes: int
) -> Tensor:
    train_features = labelled(train_features, train_labels, num_classes, "train")
    test_features = labelled(test_features, test_labels, num_classes, "test")
    if train_features.shape[1] != test_features.shape[1]:
        raise ValueError(f"train features have {train_features.shape[1]} columns and test {test_features.shape[1]}")
    return test_features


def initial_classifiers(
    d: int,
    num_classes: int,
    generators: Sequence[torch.Generator],
    weight_std: float | None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Return weight (S, d, C) and bias (S, C) on the CPU, each seed from its own generator.

    Weight, then bias, are drawn from U(-1/sqrt(d), 1/sqrt(d)); with a ``weight_std`` the weight is drawn from the
    normal distribution around zero, and the bias is zero.
    """
    weights, biases = [], []
    for generator in generators:
        weight = torch.empty(num_classes, d, dtype=dtype)
        bias = torch.zeros(num_classes, dtype=dtype)
        if weight_std is None:
            weight.uniform_(-(d**-0.5), d**-0.5, generator=generator)
            bias.uniform_(-(d**-0.5), d**-0.5, generator=generator)
        else:
            weight.normal_(0.0, weight_std, generator=generator)
        weights.append(weight)
        biases.append(bias)
    return torch.stack(weights).mT.contiguous(), torch.stack(biases)
