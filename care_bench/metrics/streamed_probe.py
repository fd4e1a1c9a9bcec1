"""Linear probes whose training images are augmented anew in every epoch, as in the released codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from care_bench.losses.checks import check_choice
from care_bench.metrics.checks import labelled
from care_bench.metrics.linear_probe import RECIPES, LinearProbe, accuracy, initial_classifiers


def streamed_linear_probe(
    epoch: Callable[[int], Iterable[tuple[Tensor, Tensor]]],
    test: Callable[[], tuple[Tensor, Tensor]],
    dimension: int,
    num_classes: int,
    seeds: Sequence[int],
    protocol: str,
) -> LinearProbe:
    """Train one linear classifier for each seed on batches of features as they come, and test them at the end.

    The recipe is that of :func:`care_bench.metrics.linear_probe` for the same data sets. The classifiers start from
    their own initial values and see the same batches.

    Args:
        epoch: returns the batches of an epoch, numbered from 0: features (b, d) and labels (b,) int64.
        test: returns the features (m, d) and labels (m,) of the test split; called once, after the last epoch.
        dimension: d of the features.
        num_classes: number of outputs.
        seeds: one for each classifier.
        protocol: `released-small-v1` or `augmented-imagenet100-v1`, keys of ``RECIPES``.

    Raises:
        ValueError: features or labels are not as described, the protocol is unknown, or a classifier has diverged.

    Source: the linear evaluation of CARE's released code, and MoCo's.
    """
    check_choice("protocol", protocol, RECIPES)
    recipe = RECIPES[protocol]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    weight, bias = initial_classifiers(dimension, num_classes, generators, recipe.weight_std)
    optimizer = schedule = None
    for number in range(recipe.epochs):
        for rows, labels in epoch(number):
            features = labelled(rows, labels, num_classes, "train")
            if optimizer is None:  # the first batch says where, and in which type
                weight, bias = (part.to(features).requires_grad_() for part in (weight, bias))
                optimizer = recipe.optimizer([weight, bias])
                schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(recipe.milestones), gamma=0.1)
            with torch.enable_grad():
                logits = features @ weight + bias[:, None]
                # The mean over all seeds times their number is the sum of each seed's own mean.
                loss = functional.cross_entropy(logits.flatten(0, 1), labels.repeat(len(seeds))) * len(seeds)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
            optimizer.step()
        if schedule is not None:
            schedule.step()
    features, labels = test()
    features = labelled(features, labels, num_classes, "test")
    return LinearProbe(protocol, accuracy(weight.detach(), bias.detach(), features, labels, seeds, protocol))
