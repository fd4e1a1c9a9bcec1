from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from care_bench.data import load


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    """Return the table of scikit-learn, (1797, 65): 64 grey values in 0..16 and the class."""
    path = Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz"
    with gzip.open(path, "rt") as file:
        return np.loadtxt(file, delimiter=",")


def test_images_and_classes_are_those_of_the_source_in_order(store: Path, source: np.ndarray) -> None:
    prepared = load("digits", store)
    assert prepared.kind == "image"
    assert (len(prepared.train), len(prepared.test)) == (1437, 360)
    inputs = np.concatenate([prepared.train.inputs, prepared.test.inputs])
    assert inputs.dtype == np.uint8
    assert inputs.shape == (1797, 1, 8, 8)
    # grey values are multiplied by 255/16 and rounded to less than half a step; 8 -> 127.5 is rounded to the even 128
    steps = [0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255]
    expected = np.array(steps)[source[:, :64].astype(int)]
    np.testing.assert_array_equal(inputs.reshape(1797, 64), expected)
    classes = np.concatenate([prepared.train.labels["class"], prepared.test.labels["class"]])
    assert classes.dtype == np.int64
    np.testing.assert_array_equal(classes, source[:, 64])


def test_the_split_is_sequential_and_says_why(store: Path, source: np.ndarray) -> None:
    prepared = load("digits", store)
    np.testing.assert_array_equal(prepared.test.labels["class"], source[1437:, 64])
    assert prepared.meta["split"]["train"] == 1437
    assert prepared.meta["split"]["test"] == 360
    assert "writers in order" in prepared.meta["split"]["rule"]


def test_mean_and_std_are_those_of_the_training_images(store: Path, source: np.ndarray) -> None:
    prepared = load("digits", store)
    unit = np.round(source[:1437, :64] * 255 / 16) / 255
    np.testing.assert_allclose(prepared.mean, [unit.mean()], rtol=1e-13)
    np.testing.assert_allclose(prepared.std, [unit.std()], rtol=1e-13)
