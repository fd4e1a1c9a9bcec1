"""BatchNorm on groups of rows, in numpy and against one layer per group as on several devices."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from care_bench.models import Encoder, group_batchnorm
from care_bench.models.convnet import ConvNet

Array = np.ndarray[Any, Any]
EPS, MOMENTUM = 1e-5, 0.1


def layer_with_state(kind: type[nn.Module], affine: bool = True) -> Any:
    generator = torch.Generator().manual_seed(1)
    layer: Any = kind(3, affine=affine).double()
    with torch.no_grad():
        for tensor in (*layer.parameters(), layer.running_mean):
            tensor.copy_(torch.randn(3, generator=generator, dtype=torch.float64))
        layer.running_var.copy_(torch.rand(3, generator=generator, dtype=torch.float64) + 0.5)
    return layer


def by_numpy(layer: Any, rows: Array, groups: int, running: str) -> tuple[Array, Array, Array]:
    """Return outputs, running mean and running variance, group by group from the definition."""
    axes = (0, *range(2, rows.ndim))
    shape = (1, 3, *(1,) * (rows.ndim - 2))
    outputs, means, variances = [], [], []
    for part in np.split(rows, groups):
        mean, variance = part.mean(axis=axes), part.var(axis=axes)
        count = part.size / 3
        normal = (part - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + EPS)
        if layer.affine:
            weight, bias = (tensor.detach().numpy().reshape(shape) for tensor in (layer.weight, layer.bias))
            normal = normal * weight + bias
        outputs.append(normal)
        means.append(mean)
        variances.append(variance * count / (count - 1))
    mean, variance = (means[0], variances[0]) if running == "first" else (np.mean(means, 0), np.mean(variances, 0))
    old = layer.running_mean.numpy(), layer.running_var.numpy()
    return np.concatenate(outputs), 0.9 * old[0] + MOMENTUM * mean, 0.9 * old[1] + MOMENTUM * variance


@pytest.mark.parametrize("running", ["mean", "first"])
@pytest.mark.parametrize(
    ("kind", "shape", "affine"), [(nn.BatchNorm1d, (12, 3), False), (nn.BatchNorm2d, (12, 3, 4, 5), True)]
)
def test_outputs_and_running_statistics_by_hand(
    kind: type[nn.Module], shape: tuple[int, ...], affine: bool, running: Any
) -> None:
    plain = layer_with_state(kind, affine)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 3 + 1
    expected, mean, variance = by_numpy(copy.deepcopy(plain), inputs.numpy(), 4, running)
    grouped: Any = group_batchnorm(copy.deepcopy(plain), 4, running)
    np.testing.assert_allclose(grouped(inputs).detach(), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grouped.running_mean, mean, rtol=1e-12)
    np.testing.assert_allclose(grouped.running_var, variance, rtol=1e-12)
    assert grouped.num_batches_tracked.item() == 1
    assert not np.allclose(plain(inputs).detach(), expected, atol=1e-2), "groups have statistics of their own"

    plain.load_state_dict(grouped.state_dict())
    assert torch.equal(grouped.eval()(inputs), plain.eval()(inputs)), "evaluation takes no groups"


def test_a_network_gives_what_its_copies_give_on_a_device_per_group() -> None:
    """Outputs, gradients, and the first copy's running statistics."""
    torch.manual_seed(0)
    network = ConvNet(3, width=2).double()
    images = torch.randn(12, 3, 8, 8, dtype=torch.float64)
    towards = torch.randn(12, 8, dtype=torch.float64)
    copies = [copy.deepcopy(network) for _ in range(3)]
    outputs = torch.cat([model(part) for model, part in zip(copies, images.chunk(3), strict=True)])
    (outputs * towards).sum().backward()

    grouped = group_batchnorm(network, 3, "first")
    found = grouped(images)
    (found * towards).sum().backward()
    torch.testing.assert_close(found, outputs, rtol=1e-9, atol=1e-9)
    for name, weight in grouped.named_parameters():
        total = sum(model.get_parameter(name).grad for model in copies)  # type: ignore[misc]
        torch.testing.assert_close(weight.grad, total, rtol=1e-7, atol=1e-7)
    kept = copies[0].state_dict()
    assert list(kept) == list(grouped.state_dict())
    for name, value in grouped.state_dict().items():
        torch.testing.assert_close(value, kept[name], rtol=1e-9, atol=1e-9)


def test_views_that_go_through_together_are_grouped_together() -> None:
    """Three views of 8 rows in 2 groups: each group has 4 rows of every view, as on two devices."""

    class Centred(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return torch.cat([rows - rows.mean(dim=0) for rows in inputs.chunk(2)])

    encoder = Encoder(Centred(), nn.Identity(), 2, 2)
    encoder.groups = 2
    views = [torch.randn(8, 2, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    found = encoder.features_together(views)
    for view in range(3):
        for rows in (slice(0, 4), slice(4, 8)):
            mean = torch.cat([each[rows] for each in views]).mean(dim=0)
            torch.testing.assert_close(found[view][rows], views[view][rows] - mean)


def test_one_group_changes_nothing_and_rows_that_do_not_divide_are_refused() -> None:
    layer = nn.BatchNorm1d(3)
    assert group_batchnorm(layer, 1, "mean") is layer
    with pytest.raises(ValueError, match="a batch of 10 rows in 4 groups; expected a multiple"):
        group_batchnorm(layer, 4, "mean")(torch.randn(10, 3))
    with pytest.raises(ValueError, match="cannot be replaced; expected running statistics with a momentum"):
        group_batchnorm(nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False)), 2, "mean")
