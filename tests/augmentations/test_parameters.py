"""The parameter classes: rows, copies, and the vector for a network."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from care_bench.augmentations import (
    ImageAugmentation,
    ImageParameters,
    Parameters,
    RandomRotation3D,
    RotationParameters,
)

AUGMENTATION = ImageAugmentation(input_size=(20, 10), size=(8, 8), mean=(0.5,), std=(0.5,))
TURNING = dataclasses.replace(AUGMENTATION, rotation_degrees=30.0)
DRAWS: list[Parameters] = [
    AUGMENTATION.sample(6, torch.Generator().manual_seed(0)),
    TURNING.sample(6, torch.Generator().manual_seed(0)),
    RandomRotation3D().sample(6, torch.Generator().manual_seed(0)),
]


def equal(first: Parameters, second: Parameters) -> bool:
    assert type(first) is type(second)
    assert first.tensors().keys() == second.tensors().keys()
    return all(torch.equal(tensor, second.tensors()[name]) for name, tensor in first.tensors().items())


def rows_of(parameters: Parameters, rows: list[int]) -> Parameters:
    """Return the same rows, selected from every field one at a time."""
    picked = {name: torch.stack([tensor[row] for row in rows]) for name, tensor in parameters.tensors().items()}
    return dataclasses.replace(parameters, **picked)


@pytest.mark.parametrize("parameters", DRAWS)
@settings(deadline=None, derandomize=True)
@given(data=st.data())
def test_rows_are_selected_as_from_a_list(parameters: Parameters, data: st.DataObject) -> None:
    n = len(parameters)
    everything = list(range(n))
    row = data.draw(st.integers(-n, n - 1))
    assert equal(parameters[row], rows_of(parameters, [everything[row]]))
    part = data.draw(st.slices(n).filter(lambda s: (s.step or 1) > 0 and everything[s]))
    assert equal(parameters[part], rows_of(parameters, everything[part]))
    listed = data.draw(st.lists(st.integers(0, n - 1), min_size=1))
    assert equal(parameters[torch.tensor(listed)], rows_of(parameters, listed))


@pytest.mark.parametrize("parameters", DRAWS)
def test_masks_repeats_and_devices(parameters: Parameters) -> None:
    mask = torch.tensor([True, False, False, True, True, False])
    assert equal(parameters[mask], rows_of(parameters, [0, 3, 4]))
    assert equal(parameters.repeat_interleave(2), rows_of(parameters, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]))
    assert equal(parameters.to("cpu"), parameters)
    elsewhere = parameters.to("meta")
    assert elsewhere.tensors().keys() == parameters.tensors().keys()
    assert all(tensor.device.type == "meta" for tensor in elsewhere.tensors().values())
    assert [len(parameters[row]) for row in range(-6, 6)] == [1] * 12
    with pytest.raises(IndexError, match=r"row 6 of .*Parameters with 6 rows"):
        parameters[6]


def test_the_angle_alone_is_missing_where_nothing_rotates() -> None:
    still, turning, _ = DRAWS
    assert turning.ROW_SHAPES.keys() - still.tensors().keys() == {"angle"}
    assert turning.ROW_SHAPES.keys() == turning.tensors().keys()


@pytest.mark.parametrize(
    ("parameters", "columns"),
    [
        (DRAWS[0], ImageParameters.columns()),
        (DRAWS[1], ImageParameters.columns(rotates=True)),
        (DRAWS[2], RotationParameters.columns()),
    ],
)
def test_vector_has_a_named_column_for_every_number(parameters: Parameters, columns: tuple[str, ...]) -> None:
    vector = parameters.to_vector()
    assert vector.shape == (6, len(columns))
    assert vector.dtype == torch.float32
    assert len(set(columns)) == len(columns)


def test_image_vector_worked_out_by_hand() -> None:
    applied = {
        "box": [5, 2, 10, 4],
        "flip": True,
        "jitter": True,
        "order": [3, 0, 2, 1],
        "factors": [1.25, 0.75, 0.5, -0.125],
        "grayscale": True,
        "blur": True,
        "sigma": 1.5,
    }
    skipped = {**applied, "flip": False, "jitter": False, "grayscale": False, "blur": False}
    fields = {name: torch.tensor([applied[name], skipped[name]]) for name in applied}
    vector = ImageParameters(input_size=(20, 10), **fields).to_vector()
    columns = ImageParameters.columns()
    found = [dict(zip(columns, row, strict=True)) for row in vector.tolist()]
    box = {"top": 0.25, "left": 0.2, "height": 0.5, "width": 0.4}
    factors = {"brightness": 1.25, "contrast": 0.75, "saturation": 0.5, "hue": -0.125}
    ranks = {"rank_brightness": 1, "rank_contrast": 3, "rank_saturation": 2, "rank_hue": 0}  # the hue comes first
    neutral = {"brightness": 1, "contrast": 1, "saturation": 1, "hue": 0}
    unsorted = {"rank_brightness": 0, "rank_contrast": 1, "rank_saturation": 2, "rank_hue": 3}
    expected = [
        {**box, **factors, **ranks, "flip": 1, "jitter": 1, "grayscale": 1, "blur": 1, "sigma": 1.5},
        {**box, **neutral, **unsorted, "flip": 0, "jitter": 0, "grayscale": 0, "blur": 0, "sigma": 0},
    ]
    assert [set(row) for row in found] == [set(row) for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        assert row == pytest.approx(wanted)
    turned = ImageParameters(input_size=(20, 10), **fields, angle=torch.tensor([-12.5, 0.0])).to_vector()
    assert ImageParameters.columns(rotates=True) == (*columns, "angle")
    assert torch.equal(turned[:, :-1], vector)
    assert turned[:, -1].tolist() == [-12.5, 0.0]


def test_ranks_are_the_inverse_permutation_of_every_order() -> None:
    orders = list(itertools.permutations(range(4)))
    parameters = AUGMENTATION.sample(24, torch.Generator())
    jittered = torch.ones(24, dtype=torch.bool)
    vector = dataclasses.replace(parameters, order=torch.tensor(orders), jitter=jittered).to_vector()
    first = ImageParameters.columns().index("rank_brightness")
    for order, ranks in zip(orders, vector[:, first : first + 4].long().tolist(), strict=True):
        assert [order[rank] for rank in ranks] == [0, 1, 2, 3]


def test_rotation_vector_is_the_matrix_row_by_row() -> None:
    matrix = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    assert RotationParameters(matrix).to_vector().tolist() == [[0, -1, 0, 1, 0, 0, 0, 0, 1]]
    assert RotationParameters.columns()[:4] == ("r00", "r01", "r02", "r10")


def test_fields_of_different_length_or_shape_are_refused() -> None:
    parameters = AUGMENTATION.sample(3, torch.Generator())
    with pytest.raises(ValueError, match=r"ImageParameters.flip has shape \(2,\), expected \(3,\)"):
        dataclasses.replace(parameters, flip=parameters.flip[:2])
    with pytest.raises(ValueError, match=r"ImageParameters.angle has shape \(3, 1\), expected \(3,\)"):
        dataclasses.replace(parameters, angle=torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"RotationParameters.matrix has shape \(3, 2, 3\), expected \(3, 3, 3\)"):
        RotationParameters(torch.zeros(3, 2, 3))
