from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import stats

from care_bench.data import PreparedDataset, load
from care_bench.data.preparing.tints import tint


def joined(prepared: PreparedDataset, label: str) -> np.ndarray:
    return np.concatenate([prepared.train.labels[label], prepared.test.labels[label]])


def test_each_image_is_its_digit_times_its_tint(store: Path) -> None:
    grey, colour = load("digits", store), load("tinted_digits", store)
    for digits, split in ((grey.train, colour.train), (grey.test, colour.test)):
        np.testing.assert_array_equal(split.labels["class"], digits.labels["class"])
        exact = np.einsum("nyx,nc->ncyx", digits.inputs[:, 0].astype(np.float64), split.labels["tint"])
        assert split.inputs.shape == exact.shape
        assert split.inputs.dtype == np.uint8
        assert np.abs(split.inputs - exact).max() <= 0.5


def test_tint_can_be_read_back_from_the_image(store: Path) -> None:
    split = load("tinted_digits", store).test
    brightest = load("digits", store).test.inputs.reshape(360, -1).max(axis=1)
    ratio = split.inputs.reshape(360, 3, -1).max(axis=2) / brightest[:, None]
    np.testing.assert_allclose(ratio, split.labels["tint"], atol=0.51 / brightest.min())


def test_colour_of_an_image_depends_on_its_index_alone(store: Path) -> None:
    labels = joined(load("tinted_digits", store), "tint")
    assert labels.dtype == np.float32
    assert labels.shape == (1797, 3)
    for index in (1796, 0, 1437, 5):  # in any order, each from numpy's uniform numbers
        uniform = np.random.Generator(np.random.Philox(np.random.SeedSequence(index))).random(3)
        np.testing.assert_allclose(labels[index], 0.3 + 0.7 * uniform, rtol=1e-7)
        np.testing.assert_array_equal(tint(index), labels[index])


def test_tints_are_uniform_independent_and_unrelated_to_the_class(store: Path) -> None:
    prepared = load("tinted_digits", store)
    labels = joined(prepared, "tint").astype(np.float64)
    assert len(np.unique(labels, axis=0)) == 1797
    for channel in labels.T:
        assert stats.kstest(channel, stats.uniform(0.3, 0.7).cdf).pvalue > 0.01
        by_class = [channel[joined(prepared, "class") == digit] for digit in range(10)]
        assert stats.f_oneway(*by_class).pvalue > 0.01
    correlation = np.corrcoef(labels.T)[np.triu_indices(3, 1)]
    assert np.abs(correlation).max() < 3 / np.sqrt(1797)  # three standard errors


def test_mean_and_std_per_channel(store: Path) -> None:
    prepared = load("tinted_digits", store)
    unit = prepared.train.inputs.astype(np.float64) / 255
    np.testing.assert_allclose(prepared.mean, unit.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(prepared.std, unit.std(axis=(0, 2, 3)), rtol=1e-12)
    assert prepared.meta["source"] != load("digits", store).meta["source"]
