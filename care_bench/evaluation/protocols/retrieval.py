"""Protocol retrieval-v1: the nearest training samples of a test sample, plain and augmented (Fig. 9 and 21 of CARE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from care_bench.augmentations.strengths import STRENGTHS
from care_bench.evaluation.measurement import (
    MOST_SAMPLES,
    MOST_SINGLE,
    Measurement,
    Metric,
    Protocol,
    never_skipped,
    over_repeats,
    single,
)

if TYPE_CHECKING:
    from torch import Tensor

    from care_bench.data import PreparedDataset, Split
    from care_bench.data.source import Array
    from care_bench.evaluation.embedded import Embedded

TINT = "tint"
"""Label with the colour that made an image, where a data set has it."""
COLLAPSED = 1e-5
"""Largest distance from the mean, over the mean norm, of embeddings that differ by rounding alone."""
ROUNDED = "the embeddings differ by rounding alone, which decides the neighbours"
NONE_NEAREST = "all training samples have one embedding, so that none is nearest"
IMAGES_AT_ONCE = 256


def _measure(embedded: Embedded) -> tuple[Measurement, ...]:
    from care_bench.metrics import retrieval

    rows = _queries(embedded)
    z, za = embedded.test, embedded.augmented
    found = retrieval(embedded.train, *((z, za) if rows is None else (z[rows], za[:, rows])))
    tint = _tint_distance(embedded, found.neighbours, rows)
    overlap = over_repeats(found.overlap)
    if _collapsed(embedded.train) and not _constant(embedded):
        overlap = Measurement(None, 0, reason=ROUNDED)
    return overlap, tint, *_under_hue(embedded), _colour(embedded)


def _queries(embedded: Embedded) -> Tensor | None:
    """Return the places of the test samples that are looked up, the same for all encoders; None: all of them."""
    import torch

    from care_bench.runs.randomness import generator

    n, most = len(embedded.test), embedded.settings.retrieval_queries
    if most is None or n <= most:
        return None
    draws = generator(embedded.dataset.name, embedded.settings.augmentation_seed, "retrieval queries")
    return torch.randperm(n, generator=draws)[:most].to(embedded.test.device)


def _collapsed(train: Tensor) -> bool:
    import torch

    train = train.double()
    apart = torch.linalg.vector_norm(train - train.mean(dim=0), dim=1).max()
    return bool(apart <= COLLAPSED * torch.linalg.vector_norm(train, dim=1).mean())


def _constant(embedded: Embedded) -> bool:
    """Whether all samples and views have exactly one embedding, whose neighbours stay the same."""
    first = embedded.train[0]
    return all(bool((part == first).all()) for part in (embedded.train, embedded.test, embedded.augmented))


def _tint_distance(embedded: Embedded, neighbours: Tensor, rows: Tensor | None) -> Measurement:
    from care_bench.metrics import factor_distance

    dataset = embedded.dataset
    if TINT not in dataset.train.labels:
        return Measurement(None, 0, reason=f"{dataset.name} has no label {TINT}: the colour that made an image")
    if _collapsed(embedded.train):
        return Measurement(None, 0, reason=NONE_NEAREST)
    of_test, of_train = embedded.labels(dataset.test, TINT), embedded.labels(dataset.train, TINT)
    return single(factor_distance(neighbours, of_test if rows is None else of_test[rows], of_train))


def _under_hue(embedded: Embedded) -> tuple[Measurement, Measurement]:
    """Measure what a turn of the hue alone does to the neighbours of a few test samples."""
    import torch

    from care_bench.metrics import factor_followed, retrieval

    dataset = embedded.dataset
    reason = _colourless(dataset) or (None if "hue" in embedded.acting else "hue does not change these samples")
    if reason or _collapsed(embedded.train):
        return (Measurement(None, 0, reason=reason or NONE_NEAREST),) * 2
    found = retrieval(embedded.train, embedded.single[0], embedded.under("hue"))
    inputs = dataset.test.inputs[embedded.single_rows.numpy()]
    turned = torch.stack([_turned_shares(inputs, turns) for turns in STRENGTHS["hue"]])
    device = found.neighbours.device
    followed = factor_followed(found, turned.to(device), _shares(dataset.train.inputs).to(device))
    return over_repeats(found.overlap), over_repeats(followed)


def _colour(embedded: Embedded) -> Measurement:
    import torch

    from care_bench.metrics import augmentation_prediction

    dataset = embedded.dataset
    if reason := _colourless(dataset):
        return Measurement(None, 0, reason=reason)
    train, test = _coloured(dataset.train, embedded.train), _coloured(dataset.test, embedded.test)
    all_of = [torch.ones(len(shares), dtype=torch.bool) for _, shares in (train, test)]
    found = augmentation_prediction(*train, all_of[0], *test, all_of[1])
    if reasons := [one for one in found if isinstance(one, str)]:
        return Measurement(None, 0, reason=f"the colour of the samples: {reasons[0]}")
    scores = [one.r2 for one in found if not isinstance(one, str)]
    return single(sum(scores) / len(scores))


def _coloured(split: Split, embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings of samples, evenly spaced, and the shares of the colours in them."""
    import torch

    from care_bench.data.subsets import evenly_spaced_rows

    rows = evenly_spaced_rows(len(split), MOST_SAMPLES)
    return embeddings[torch.from_numpy(rows).to(embeddings.device)], _shares(split.inputs[rows])


def _shares(images: Array) -> Tensor:
    """Return the shares of red, green and blue in the mean colour of each image, (n, 3) float64."""
    import numpy as np
    import torch

    mean = images.mean(axis=(2, 3), dtype=np.float64)
    total = mean.sum(axis=1, keepdims=True)
    return torch.from_numpy(mean / np.where(total > 0, total, 1))  # zeros for a black image


def _turned_shares(images: Array, turns: float) -> Tensor:
    """Return the shares of the colours of uint8 images whose hue is turned."""
    import torch

    from care_bench.augmentations.colour import turn_hue

    parts = []
    for start in range(0, len(images), IMAGES_AT_ONCE):
        pixels = torch.from_numpy(images[start : start + IMAGES_AT_ONCE]).float() / 255
        moved = turn_hue(pixels.flatten(2), torch.full((len(pixels),), turns))
        parts.append(_shares(moved.view(pixels.shape).numpy()))
    return torch.cat(parts)


def _colourless(dataset: PreparedDataset) -> str | None:
    colour = dataset.kind == "image" and dataset.train.inputs.shape[1] == 3
    return None if colour else f"{dataset.name} holds no images in colour"


PROTOCOL = Protocol(
    "retrieval-v1",
    3,
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
            "retrieval_hue_overlap",
            "%",
            None,
            "top-5 overlap, hue alone",
            f"Hue alone: turned by {', '.join(map(str, STRENGTHS['hue']))} of a circle, on at most {MOST_SINGLE:,} "
            "test samples.",
        ),
        Metric(
            "retrieval_hue_followed",
            "1",
            True,
            "colour followed, hue alone",
            "Colour followed: how much nearer to the turned colour the neighbours of the turned sample are than those "
            "of the sample itself; 0 = no nearer, 1 = they have it.",
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
