from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from care_bench.metrics.streamed_probe import streamed_linear_probe

CLASSES, DIMENSION = 3, 5


def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield two batches that are other ones in every epoch."""
    rng = np.random.default_rng(epoch)
    for size in (20, 9):
        labels = rng.integers(CLASSES, size=size)
        features = 0.05 * (np.eye(CLASSES, DIMENSION)[labels] + 0.6 * rng.standard_normal((size, DIMENSION)))
        yield torch.from_numpy(features), torch.from_numpy(labels)


def held_out() -> tuple[Tensor, Tensor]:
    return next(batches(1000))


def by_hand(seed: int, protocol: str) -> float:
    """Train one classifier as a torch module and return its accuracy in %."""
    small = protocol == "released-small-v1"
    torch.manual_seed(seed)
    layer = nn.Linear(DIMENSION, CLASSES)
    if not small:
        torch.manual_seed(seed)
        layer.weight.data.normal_(mean=0.0, std=0.01)
        layer.bias.data.zero_()
    layer = layer.double()
    optimizer = (
        torch.optim.Adam(layer.parameters(), lr=1e-3, weight_decay=1e-6)
        if small
        else torch.optim.SGD(layer.parameters(), lr=1.0, momentum=0.9)
    )
    for epoch in range(100 if small else 60):
        if not small:
            optimizer.param_groups[0]["lr"] = 30 if epoch < 30 else 3 if epoch < 40 else 0.3 if epoch < 50 else 0.03
        for features, labels in batches(epoch):
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(layer(features), labels).backward()
            optimizer.step()
    features, labels = held_out()
    return 100 * (layer(features).argmax(1) == labels).double().mean().item()


@pytest.mark.parametrize("protocol", ["released-small-v1", "augmented-imagenet100-v1"])
def test_agrees_with_one_classifier_at_a_time(protocol: str) -> None:
    epochs: list[int] = []

    def epoch(number: int) -> Iterator[tuple[Tensor, Tensor]]:
        epochs.append(number)
        return batches(number)

    found = streamed_linear_probe(epoch, held_out, DIMENSION, CLASSES, (4, 1), protocol)
    with torch.random.fork_rng():
        assert found.top1 == pytest.approx([by_hand(seed, protocol) for seed in (4, 1)])
    assert epochs == list(range(100 if protocol == "released-small-v1" else 60))
    assert 100 / CLASSES < min(found.top1) < 100


def test_labels_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="train labels run from 0 to 2; expected them in"):
        streamed_linear_probe(batches, held_out, DIMENSION, 2, (0,), "released-small-v1")
