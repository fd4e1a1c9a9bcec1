"""Invalid input of a loss is one line with the argument, its value and what was expected."""

from __future__ import annotations

import math

import pytest
import torch

from care_bench.losses import (
    BarlowTwins,
    ByolLoss,
    EquiModLoss,
    Equivariance,
    InfoNCE,
    MoCoInfoNCE,
    WahbaLoss,
    alignment,
    info_nce,
    info_nce_terms,
    moco_info_nce,
)

PAIRED = {
    "alignment": (alignment, "z1", "z2", 1),
    "BarlowTwins": (BarlowTwins(), "z1", "z2", 2),
    "ByolLoss": (ByolLoss(), "predicted", "target", 1),
    "EquiModLoss": (EquiModLoss(), "predicted", "actual", 2),
    "Equivariance": (Equivariance(2), "z1", "z2", 1),
    "InfoNCE": (InfoNCE(0.5), "z1", "z2", 2),
    "WahbaLoss": (WahbaLoss(2), "z1", "z2", 1),
}
"""Losses of two matrices: the names of the matrices in messages, and the smallest number of rows."""
TEMPERED = {
    "EquiModLoss": EquiModLoss,
    "InfoNCE": InfoNCE,
    "MoCoInfoNCE": MoCoInfoNCE,
    "info_nce": lambda temperature: info_nce(torch.eye(2), torch.eye(2), temperature),
    "info_nce_terms": lambda temperature: info_nce_terms(torch.eye(2), torch.eye(2), temperature),
    "moco_info_nce": lambda temperature: moco_info_nce(torch.eye(2), torch.eye(2), torch.eye(2), temperature),
}


@pytest.mark.parametrize(("loss", "first", "second", "least"), PAIRED.values(), ids=PAIRED)
def test_matrices_of_different_or_invalid_shapes_are_refused(loss, first, second, least):
    for other in ((5, 3), (4, 2)):
        unlike = rf"{first} has shape \(4, 3\) and {second} \({other[0]}, {other[1]}\); expected equal shapes"
        with pytest.raises(ValueError, match=unlike):
            loss(torch.zeros(4, 3), torch.zeros(other))
    unusable = {
        (4,): r"\(4,\); expected \(rows, dimension\)",
        (2, 4, 3): r"\(2, 4, 3\); expected \(rows, dimension\)",
        (least - 1, 3): rf"\({least - 1}, 3\); expected at least {least} row\(s\) and 1 column",
        (4, 0): rf"\(4, 0\); expected at least {least} row\(s\) and 1 column",
    }
    for shape, message in unusable.items():
        with pytest.raises(ValueError, match=f"{first} has shape {message}"):
            loss(torch.zeros(shape), torch.zeros(shape))


@pytest.mark.parametrize(("loss", "first", "second", "least"), PAIRED.values(), ids=PAIRED)
def test_integer_matrices_are_refused(loss, first, second, least):
    whole = torch.ones(4, 3, dtype=torch.int64)
    for z1, z2, name in ((whole, whole, first), (whole.float(), whole, second)):
        with pytest.raises(ValueError, match=rf"{name} has dtype torch\.int64; expected a floating point type"):
            loss(z1, z2)


@pytest.mark.parametrize(("loss", "first", "second", "least"), PAIRED.values(), ids=PAIRED)
def test_matrices_of_two_types_are_refused(loss, first, second, least):
    z = torch.eye(4)
    for z1, z2 in ((z, z.double()), (z.double(), z), (z.half(), z.double())):
        types = [str(torch.promote_types(one.dtype, torch.float32)) for one in (z1, z2)]
        message = rf"{first} is computed in {types[0]} and {second} in {types[1]}; expected one type"
        with pytest.raises(ValueError, match=message):
            loss(z1, z2)
    assert torch.equal(loss(z.half(), z), loss(z, z.bfloat16()))  # all computed in float32


def test_keys_of_another_type_are_refused():
    z = torch.eye(4)
    with pytest.raises(
        ValueError, match=r"query is computed in torch\.float64 and key in torch\.float32; expected one"
    ):
        moco_info_nce(z.double(), z, z, 1.0)


@pytest.mark.parametrize("make", TEMPERED.values(), ids=TEMPERED)
@pytest.mark.parametrize("temperature", [0.0, -0.1, math.inf, math.nan])
def test_invalid_temperatures_are_refused(make, temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}; expected a positive finite number"):
        make(temperature)


@pytest.mark.parametrize("loss", [Equivariance, WahbaLoss])
@pytest.mark.parametrize("splits", [0, -1, 2.0, True])
def test_invalid_numbers_of_splits_are_refused(loss, splits):
    with pytest.raises(ValueError, match=f"splits is {splits}; expected a positive whole number"):
        loss(splits)


@pytest.mark.parametrize("loss", [Equivariance, WahbaLoss])
@pytest.mark.parametrize(("rows", "splits"), [(6, 4), (7, 3), (6, 6), (6, 12)])
def test_batches_that_splits_does_not_divide_are_refused(loss, rows, splits):
    message = f"a batch of {rows} rows in {splits} splits; expected a multiple of splits with at least 2 rows a chunk"
    with pytest.raises(ValueError, match=message):
        loss(splits)(torch.zeros(rows, 3), torch.zeros(rows, 3))
