"""Protocol retrieval-v1: the nearest training samples of a test sample, plain and augmented (Fig. 9 and 21 of CARE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.evaluation.measurement import (
    MOST_SAMPLES,
    Measurement,
    Metric,
    Protocol,
    never_skipped,
    over_repeats,
    single,
)

if TYPE_CHECKING:
    from torch import Tensor

    from care_bench.data import Split
    from care_bench.evaluation.embedded import Embedded

TINT = "tint"
"""Label with the colour that made an image, where a data set has it."""
COLLAPSED = 1e-5
"""Largest distance from the mean, over the mean norm, of embeddings that differ by rounding alone."""


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import retrieval

    rows = _queries(embedded)
    z, za = embedded.test, embedded.augmented
    found = retrieval(embedded.train, *((z, za) if rows is None else (z[rows], za[:, rows])))
    return over_repeats(found.overlap), _tint_distance(embedded, found.neighbours, rows), _colour(embedded)


def _queries(embedded: Embedded) -> Tensor | None:
    """Return the places of the test samples that are looked up, the same for all encoders; None: all of them."""
    import torch

    from care_bench.runs.randomness import generator

    n, most = len(embedded.test), embedded.settings.retrieval_queries
    if most is None or n <= most:
        return None
    draws = generator(embedded.dataset.name, embedded.settings.augmentation_seed, "retrieval queries")
    return torch.randperm(n, generator=draws)[:most].to(embedded.test.device)


def _tint_distance(embedded: Embedded, neighbours: Tensor, rows: Tensor | None) -> Measurement:
    import torch

    from care_bench.metrics import factor_distance

    dataset = embedded.dataset
    if TINT not in dataset.train.labels:
        return Measurement(None, 0, reason=f"{dataset.name} has no label {TINT}: the colour that made an image")
    train = embedded.train.double()
    apart = torch.linalg.vector_norm(train - train.mean(dim=0), dim=1).max()
    if apart <= COLLAPSED * torch.linalg.vector_norm(train, dim=1).mean():
        return Measurement(None, 0, reason="all training samples have one embedding, so that none is nearest")
    of_test, of_train = embedded.labels(dataset.test, TINT), embedded.labels(dataset.train, TINT)
    return single(factor_distance(neighbours, of_test if rows is None else of_test[rows], of_train))


def _colour(embedded: Embedded) -> Measurement:
    import torch

    from care_bench.metrics import augmentation_prediction

    dataset = embedded.dataset
    if dataset.kind != "image" or dataset.train.inputs.shape[1] != 3:
        return Measurement(None, 0, reason=f"{dataset.name} holds no images in colour")
    train, test = _coloured(dataset.train, embedded.train), _coloured(dataset.test, embedded.test)
    all_of = [torch.ones(len(shares), dtype=torch.bool) for _, shares in (train, test)]
    found = augmentation_prediction(*train, all_of[0], *test, all_of[1])
    if reasons := [one for one in found if isinstance(one, str)]:
        return Measurement(None, 0, reason=f"the colour of the samples: {reasons[0]}")
    scores = [one.r2 for one in found if not isinstance(one, str)]
    return single(sum(scores) / len(scores))


def _coloured(split: Split, embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings of samples, evenly spaced, and the shares of red, green and blue in their mean colours."""
    import numpy as np
    import torch

    from care_bench.data.subsets import evenly_spaced_rows

    rows = evenly_spaced_rows(len(split), MOST_SAMPLES)
    mean = split.inputs[rows].mean(axis=(2, 3), dtype=np.float64)
    total = mean.sum(axis=1, keepdims=True)
    shares = mean / np.where(total > 0, total, 1)  # zeros for a black image
    return embeddings[torch.from_numpy(rows).to(embeddings.device)], torch.from_numpy(shares)


PROTOCOL = Protocol(
    "retrieval-v1",
    2,
    (
        Metric(
            "retrieval_overlap",
            "%",
            None,
            "top-5 overlap",
            "Overlap: the share of the five nearest train samples of f(x) that f(a(x)) has as well.",
        ),
        Metric(
            "retrieval_tint_distance",
            "1",
            False,
            "tint distance",
            "Tint distance: how far the neighbours' colour is from the query's, 1 by chance.",
        ),
        Metric(
            "colour_r2",
            "1",
            True,
            "colour, R²",
            "Colour: R² on test samples of a ridge regression from f(x) to the shares of red, green and blue in x.",
        ),
    ),
    never_skipped,
    _measure,
    family="retrieval",
)
